"""The columns of a list beside those that byod reads itself: kept with each picture as they were listed."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator

from byod.schema import names
from byod.schema.addresses import shown_in

Value = str | bool | int | float
MOST = 100
LONGEST_NAME = 100
LONGEST = 4000
ALTOGETHER = 16_000
_LARGEST = 2**63


def tidy_columns(columns: Iterable[tuple[str, Any]]) -> dict[str, Value]:
    """The columns as they are kept: text in one line, numbers, and truth values; what is empty or other is left out."""
    found: dict[str, Value] = {}
    room = ALTOGETHER
    for name, value in columns:
        key, kept = _line(name, LONGEST_NAME), _kept(value)
        if not key or kept is None or key in found:
            continue
        room -= len(key) + (len(kept) if isinstance(kept, str) else 8)
        if room < 0 or len(found) >= MOST:
            break
        found[key] = kept
    return found


def _kept(value: Any) -> Value | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return (
            value if -_LARGEST <= value < _LARGEST else str(value)[:LONGEST] if abs(value) < 10**300 else None
        )
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _line(value, LONGEST) or None
    if value is None or isinstance(value, bytes | list | tuple | dict):
        return None
    return _line(str(value), LONGEST) or None  # a date, or a decimal number


def _line(text: str, most: int) -> str:
    if text.isascii() and text.isprintable() and len(text) <= most:
        return " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text
    seen = names.visible(unicodedata.normalize("NFC", names.in_utf8(text[: 4 * most])))
    return " ".join(seen.split())[:most].strip()


def read_columns(text: str) -> dict[str, Value]:
    """The columns that a cell of CREDITS.csv holds as JSON; of any other text, none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tidy_columns(found.items()) if isinstance(found, dict) else {}


def told_columns(columns: dict[str, Value]) -> dict[str, Value]:
    """The columns as they may leave: each address in them without its secrets."""
    return {name: shown_in(value) if isinstance(value, str) else value for name, value in columns.items()}


Columns = Annotated[dict[str, Value], AfterValidator(told_columns)]
"""Further columns of a list, as they may leave."""
