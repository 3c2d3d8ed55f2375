"""A run that is opened to answer: pictures as bytes in, records out; from any thread."""

from __future__ import annotations

from os import cpu_count
from pathlib import Path

from byod.images.picture_types import TYPES
from byod.schema.serving import About, ServedModel, Taken
from byod.tasks import of_run
from byod.web.uploads import UploadLimits

THREADS = min(4, cpu_count() or 1)
"""How many pictures are answered at one time; the cores are shared out among them."""
UNSURE_BELOW = 0.7
"""A calibrated answer below this is right less than seven times in ten: it counts as "none of these"."""


def open_model(run: Path, *, unsure_below: float = UNSURE_BELOW) -> ServedModel:
    """The model of a run, opened and checked.

    Raises:
        ModelError: the run cannot be used.
    """
    threads = max(1, (cpu_count() or 1) // THREADS)
    task, _ = of_run(run)
    return task.serving.opened(run, unsure_below=unsure_below, threads=threads)


def about(model: ServedModel, limits: UploadLimits, *, reports: bool) -> About:
    """The facts that a page needs about a model, and the limits of what it is sent."""
    card = model.card
    return About.model_validate(
        {
            "run": card.run,
            "task": card.task,
            "arch": card.arch,
            "plugin": card.plugin,
            "created": card.created.isoformat(),
            "input": card.input,
            "reports": reports,
            "takes": Taken(
                types=tuple(TYPES),
                bytes=limits.bytes,
                pixels=limits.pixels,
                jpeg_pixels=limits.jpeg_pixels,
            ),
            **model.facts(),
        }
    )
