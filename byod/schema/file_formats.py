"""Formats of the files that outlive a version: each says one number, and what a newer byod added is handed on.

A file without a number is of format 1. Fields may be added to a format; whoever reads it ignores those that it does
not know, and keeps them when it writes the file again. Whatever else changes makes a new format, which an older byod
refuses before it touches anything. docs/formats.md has the files, one by one.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from byod.schema.errors import ByodError
from byod.schema.version import VERSION

FIRST = 1
_Model = TypeVar("_Model", bound=BaseModel)


def major(stated: object) -> int | None:
    """The number that decides: 1 of 1, "1" and "1.4"; None where it is no such number."""
    if isinstance(stated, float) and math.isfinite(stated):
        return int(stated)
    if isinstance(stated, str) and (found := re.fullmatch(r"(\d{1,9})(\.\d{1,9})*", stated)):
        return int(found[1])
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def _is_format(stated: int | float | str) -> int | float | str:
    if (major(stated) or 0) < FIRST:
        raise ValueError("it should be the number of a format, such as 1")
    return stated


Format = Annotated[int | float | str, AfterValidator(_is_format)]
"""The format that a file states; what follows a point ("1.4") does not matter to a reader."""


def check(
    file: Path, stated: object, error: type[ByodError], *, known: int = FIRST, writer: object = None
) -> None:
    """Refuse a file of a format that only a newer byod knows.

    Args:
        file: the file, for the message.
        stated: what it says; what is no number is left to the check of its content.
        error: what is raised.
        known: the newest format that this byod knows.
        writer: the version that wrote the file, where it says one.

    Raises:
        ByodError: of the class `error`.
    """
    if (major(stated) or 0) <= known:
        return
    told = isinstance(writer, str) and re.fullmatch(r"[\w.+!-]{1,40}", writer) and writer != VERSION
    wanted = writer if told else "the one that wrote it"
    raise error(
        f"{file} was written by a newer byod (format {stated}); it needs byod >= {wanted}"
        f" (this is {VERSION}): update byod (git pull in its clone)"
    )


class Stated(BaseModel):
    """The words of a JSON file by which one knows how to read it, whatever they are."""

    format: Any = FIRST
    task: Any = None
    versions: Any = None


def stated(content: bytes) -> Stated:
    """The words of a JSON file on itself; none where it cannot be read that far (its check will say why)."""
    try:
        return Stated.model_validate_json(content)
    except ValidationError:
        return Stated()


def read(kind: type[_Model], content: bytes, file: Path, error: type[ByodError]) -> _Model:
    """Read a JSON file as a record; fields that this byod does not know are kept in it.

    Raises:
        ByodError: of the class `error`: a newer byod wrote it.
        ValidationError: it is something else; `fault` puts it in words.
    """
    said = stated(content)
    versions = said.versions if isinstance(said.versions, dict) else {}
    check(file, said.format, error, writer=versions.get("byod"))
    return kind.model_validate_json(content, extra="allow")


def fault(error: ValidationError) -> str:
    """The first fault of a file in words: where, and what is wrong."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("enum", "literal_error"):
        told = f"byod {VERSION} knows no {first['input']!r} ({first['msg']}); if it is right, update byod"
    else:
        told = first["msg"]
    return f"{where}: {told}" if where else told
