"""Tables in CSV that people edit: a spreadsheet may have saved them with semicolons or tabs."""

from __future__ import annotations

import csv
import io


def reader(text: str, *, strict: bool = False) -> csv.DictReader[str]:
    """The rows of a table, by the names in its first line; comma, semicolon or tab may part its columns."""
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
