"""Rows of JSON: an object in each line, or one array of objects, read piece by piece."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from byod.collection.lists.list_rows import EXCERPT, MAX_ROW, BadRow, Fault, ListError, ListRow
from byod.collection.lists.text_lines import MAX_SKIPPED, Line

_PIECE = 1 << 16
_BLANK = re.compile(r"[ \t\r\n]*")
_NEXT_OBJECT = re.compile(r",\s*(?=\{)")
_ODD = re.compile("[\udc80-\udcff]")


def json_lines(lines: Iterator[Line]) -> Iterator[ListRow | BadRow]:
    """Yield the objects of a file that has one in each line; blank lines are left out."""
    for line in lines:
        if line.fault is not None:
            yield line.bad
        elif line.text.strip():
            try:
                value = json.loads(line.text)
            except (ValueError, RecursionError):
                yield BadRow(line.number, Fault.JSON, url=line.text.strip()[:EXCERPT])
                continue
            yield _row(line.number, value, line.text)


def json_array(name: str, stream: BinaryIO) -> Iterator[ListRow | BadRow]:
    """Yield the objects of a file that is one array of them; `number` is the object's place in it, from 1.

    After an object that is no JSON it goes on with the next that begins behind a comma.

    Raises:
        ListError: the file is no array, or something in it goes on without end.
    """
    yield from _Array(name, stream).rows()


def _row(number: int, value: Any, text: str) -> ListRow | BadRow:
    if not isinstance(value, dict):
        return BadRow(number, Fault.NO_OBJECT, url=text.strip()[:EXCERPT])
    return ListRow(number, {str(key).strip().lower(): each for key, each in value.items()})


class _Array:
    """A window on a long array: `at` is the place in it that is read next."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self._name, self._stream = name, stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended, self._broken = "", 0, False, ""
        self._json = json.JSONDecoder()

    def rows(self) -> Iterator[ListRow | BadRow]:
        self._more()
        if self._text.startswith("\ufeff"):
            self._at = 1
        if self._sign() != "[":
            raise ListError(f"{self._name} is no array of JSON objects, nor an object in each line")
        self._at += 1
        number = 0
        while (sign := self._sign()) not in ("]", ""):
            if sign == ",":
                self._at += 1
                continue
            number += 1
            yield self._element(number)
        if not sign:
            why = self._broken or "the file ends in the middle of its array"
            yield BadRow(number + 1, Fault.UNREADABLE, why)

    def _element(self, number: int) -> ListRow | BadRow:
        while True:
            start = self._at
            try:
                value, end = self._json.raw_decode(self._text, start)
            except (ValueError, RecursionError):
                if len(self._text) - start < MAX_ROW and self._more():
                    continue
                fault = Fault.JSON if len(self._text) - start < MAX_ROW else Fault.ROW_LONG
                found = BadRow(number, fault, url=_told(self._text[start : start + EXCERPT]))
                self._resume()
                return found
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            text = self._text[start:end]
            if self._sign() not in (",", "]", ""):
                self._resume()
                return BadRow(number, Fault.JSON, url=_told(text[:EXCERPT]))
            if _ODD.search(text):
                return BadRow(number, Fault.ENCODING, url=_told(text[:EXCERPT]))
            return _row(number, value, text[:EXCERPT])

    def _resume(self) -> None:
        """Go on behind what is no JSON: with the next object that begins behind a comma, or at the end."""
        skipped = 0
        while (found := _NEXT_OBJECT.search(self._text, self._at)) is None:
            overlap = min(len(self._text) - self._at, _PIECE)
            skipped += len(self._text) - self._at - overlap
            self._at = len(self._text) - overlap
            if skipped > MAX_SKIPPED:
                raise ListError(f"{self._name}: not JSON; is it a list of addresses?")
            if not self._more():
                end = self._text.rstrip()
                self._at = min(max(self._at + 1, len(end) - end.endswith("]")), len(self._text))
                return
        self._at = found.end()

    def _sign(self) -> str:
        """The next sign that is no blank; nothing at the end."""
        while True:
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read a piece; what lies behind is let go."""
        if self._ended:
            return False
        try:
            piece = self._stream.read(_PIECE)
        except (OSError, EOFError) as error:
            piece, self._broken = b"", str(error)
        self._ended = not piece
        if self._at > _PIECE:
            self._text, self._at = self._text[self._at :], 0
        self._text += self._decoder.decode(piece, final=self._ended)
        return not self._ended


def _told(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
