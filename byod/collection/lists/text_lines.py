"""The lines of a text file of a stranger, each bounded, and what of them is no text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from byod.collection.lists.list_rows import EXCERPT, MAX_ROW, BadRow, Fault, ListError

MAX_SKIPPED = 64_000_000
"""Bytes without a line break after which a file is taken for something else than a list."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_PIECE = 1 << 20


class Line(NamedTuple):
    """A line with its number from 1; `fault` says why its text (then the beginning of it) cannot be used."""

    number: int
    text: str
    fault: Fault | None = None

    @property
    def bad(self) -> BadRow:
        """The line as a bad row."""
        fault, told = self.fault or Fault.ENCODING, self.text[:EXCERPT].strip()
        unread = fault is Fault.UNREADABLE
        return BadRow(self.number, fault, detail=told if unread else "", url="" if unread else told)


def lines(name: str, stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a file; where it cannot be read on, the last one says so.

    Raises:
        ListError: it is no text in UTF-8 at all, or a single line goes on without end.
    """
    number = 0
    while True:
        try:
            line = stream.readline(MAX_ROW + 1)
        except (OSError, EOFError) as error:
            yield Line(number + 1, str(error), Fault.UNREADABLE)
            return
        if not line:
            return
        number += 1
        if number == 1 and line.startswith(_WIDE):
            raise ListError(f"{name}, row 1: not UTF-8 (it looks like UTF-16); save the file as UTF-8")
        yield _line(name, stream, number, line)


def _line(name: str, stream: BinaryIO, number: int, line: bytes) -> Line:
    if len(line) > MAX_ROW and not line.endswith(b"\n"):
        _skip(name, stream, number)
        return Line(number, line[:EXCERPT].decode(errors="replace"), Fault.ROW_LONG)
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        return Line(number, line[:EXCERPT].decode(errors="replace"), Fault.ENCODING)
    return Line(number, text, Fault.ZERO_BYTES if "\0" in text else None)


def _skip(name: str, stream: BinaryIO, number: int) -> None:
    """Go on to the end of a line."""
    skipped = 0
    while True:
        piece = stream.readline(_PIECE)
        skipped += len(piece)
        if not piece or piece.endswith(b"\n"):
            return
        if skipped > MAX_SKIPPED:
            raise ListError(
                f"{name}, row {number}: longer than {MAX_SKIPPED // 1_000_000} MB; is it a list of addresses?"
            )
