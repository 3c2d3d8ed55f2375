"""docs/api.md: it is what the code says, and names what is public and nothing else."""

import importlib.util
import re
from pathlib import Path

import byod

DOCS = Path(__file__).parents[2] / "docs"


def made() -> str:
    """The page as its script makes it."""
    found = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.page()


def test_the_page_is_what_the_code_says():
    """The committed page is the one that `make docs` writes."""
    assert (DOCS / "api.md").read_text(encoding="utf-8") == made(), "write it anew: make docs"


def test_the_page_has_every_public_name_and_no_other():
    """Each name of `byod.__all__` has a heading, each heading is such a name, and each has a text."""
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `byod\.(\w+)`$", page, flags=re.MULTILINE) == list(byod.__all__)
    for heading in re.findall(r"^### `(\w+)\.(\w+)`$", page, flags=re.MULTILINE):
        assert getattr(getattr(byod, heading[0]), heading[1]).__doc__
