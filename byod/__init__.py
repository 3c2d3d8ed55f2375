"""byod: bring your own data - from two words to a picture model you can trust and give away.

    import byod

    dataset = byod.collect("brokkoli", "blumenkohl", per_class=200)
    run = dataset.train("fastai", epochs=5)
    run.predict("photo.jpg")

A name is loaded when it is first used: `import byod` by itself costs next to nothing. docs/api.md has all names.
"""

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from byod.schema.version import VERSION

if TYPE_CHECKING:
    from byod import plugin
    from byod.api.adding import Added
    from byod.api.conversion import convert
    from byod.api.dataset_object import Dataset
    from byod.api.review_actions import close_review
    from byod.api.run_object import Run
    from byod.api.source_list import fetch_labels, sources, who_knows
    from byod.api.verbs import Preview, add, collect, compare
    from byod.schema import errors
    from byod.testing.drawn_classes import draw_classes

__all__ = [
    "Added",
    "Dataset",
    "Preview",
    "Run",
    "add",
    "close_review",
    "collect",
    "compare",
    "convert",
    "draw_classes",
    "errors",
    "fetch_labels",
    "plugin",
    "sources",
    "who_knows",
]

__version__ = VERSION

_HOMES = {
    "Added": "byod.api.adding",
    "Dataset": "byod.api.dataset_object",
    "Preview": "byod.api.verbs",
    "Run": "byod.api.run_object",
    "add": "byod.api.verbs",
    "close_review": "byod.api.review_actions",
    "collect": "byod.api.verbs",
    "compare": "byod.api.verbs",
    "convert": "byod.api.conversion",
    "draw_classes": "byod.testing.drawn_classes",
    "errors": "byod.schema.errors",
    "fetch_labels": "byod.api.source_list",
    "plugin": "byod.plugin",
    "sources": "byod.api.source_list",
    "who_knows": "byod.api.source_list",
}
"""The module that each public name comes from, or that it is."""

if "onnxruntime" in sys.modules and "ORT_DISABLE_TELEMETRY" not in os.environ:
    warnings.warn(
        "onnxruntime was imported before byod, its telemetry on: import byod first, or set ORT_DISABLE_TELEMETRY=1",
        RuntimeWarning,
        stacklevel=2,
    )
# onnxruntime (1.32) otherwise writes a device id and a queue of events below the user's cache when it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (https://peps.python.org/pep-0562/)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'byod' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    found = home if home.__name__.endswith(f".{name}") else getattr(home, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The names that are there, loaded or not."""
    return sorted({*globals(), *__all__})
