"""Make docs/api.md: every public name of `import byod`, from its own docstring. Run it with `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import byod

PAGE = Path(__file__).with_name("api.md")
HEAD = """
# byod in Python

This page is generated from the code: `make docs` writes it anew, and a test compares the two.

`import byod` gives the verbs of the command line as functions and as methods of two objects, `byod.Dataset` and
`byod.Run`. The command line itself calls nothing else. A keyword is the option of that name (`per_class` is
`--per-class`); where an option can be repeated, the keyword takes one or several and is plural (`sources`, `queries`,
`names`); `--no-probe` is `probe=False`, `--set KEY=VALUE` is `options={"KEY": VALUE}`. A message names options as the
command line has them.

Paths may be strings or `Path`s. A dataset is opened for each call and closed again: no lock is held between two cells
of a notebook. What is being done is shown as fits the place: a live table on a terminal, a bar in a notebook, a line
now and then elsewhere; with `progress=False` the lines go to the logger `byod` instead. Whatever is interrupted goes
on with the same call. In a notebook a dataset or a run as the last line of a cell shows itself.

In the examples `dataset` is a dataset of 30 circles and 30 squares, and `run` a run of it. They are run as tests.
"""
SECTIONS = ("Args", "Returns", "Raises", "Examples")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name in byod.__all__:
        parts += [f"## `byod.{name}`", *described(getattr(byod, name), f"byod.{name}")]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def described(found: Any, name: str) -> Iterator[str]:
    """The page's parts about one name."""
    if isinstance(found, ModuleType):
        yield from docstring(found)
        names = getattr(found, "__all__", None) or [
            key for key, value in vars(found).items() if own(value, found)
        ]
        yield "Names: " + ", ".join(f"`{each}`" for each in names) + "."
    elif inspect.isclass(found):
        yield block(signature(found, name))
        yield from docstring(found)
        for key, member in vars(found).items():
            if not key.startswith("_") and inspect.getdoc(member) and is_described(member):
                yield f"### `{found.__name__}.{key}`"
                if inspect.isfunction(member):
                    yield block(signature(member, f"{found.__name__.lower()}.{key}"))
                yield from docstring(member)
    else:
        yield block(signature(found, name))
        yield from docstring(found)


def own(value: object, module: ModuleType) -> bool:
    """True if a class was made in a module."""
    return inspect.isclass(value) and value.__module__ == module.__name__


def is_described(member: object) -> bool:
    """True if a member of a class is a method or a property."""
    return inspect.isfunction(member) or isinstance(member, property)


def signature(found: Any, name: str) -> str:
    """How something is called: the names of what it takes, with their defaults."""
    known = inspect.signature(found)
    shown = [
        str(each.replace(annotation=inspect.Parameter.empty))
        for each in known.parameters.values()
        if each.name != "self"
    ]
    stars = [n for n, each in enumerate(known.parameters.values()) if each.kind is each.KEYWORD_ONLY]
    before = [each.kind for each in known.parameters.values()]
    if stars and inspect.Parameter.VAR_POSITIONAL not in before:
        shown.insert(stars[0] - ("self" in known.parameters), "*")
    returned = known.return_annotation
    arrow = f" -> {returned}" if isinstance(returned, str) and not inspect.isclass(found) else ""
    line = f"{name}({', '.join(shown)}){arrow}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){arrow}"


def block(text: str) -> str:
    """Python as a block of the page."""
    return f"```python\n{text}\n```"


def docstring(found: object) -> Iterator[str]:
    """A docstring as parts of the page: lists of what it takes and raises, and its examples as a block."""
    text = inspect.getdoc(found) or ""
    for chunk in re.split(rf"\n\n(?=(?:{'|'.join(SECTIONS)}):\n)", text):
        title, _, body = chunk.partition(":\n")
        if title not in SECTIONS:
            yield prose(chunk)
        elif title == "Examples":
            yield block(dedent(body))
        elif title == "Returns":
            yield f"Returns: {' '.join(body.split())}"
        else:
            yield f"{'It takes' if title == 'Args' else 'It raises'}:\n\n{listed(body)}"


def prose(text: str) -> str:
    """Paragraphs; what is indented is a block."""
    return "\n\n".join(
        block(dedent(part)) if part.startswith("    ") else part for part in re.split(r"\n\n", text)
    )


def listed(body: str) -> str:
    """The lines `name: text` as a list."""
    items = re.split(r"\n(?=\S)", dedent(body).strip())
    lines = []
    for item in items:
        name, _, text = item.partition(":")
        lines.append(f"- `{name}`: {' '.join(text.split())}")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Written: {PAGE}")
