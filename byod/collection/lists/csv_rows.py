"""Rows of text: a table (csv, tsv), in which one unclosed quote takes no other row along, or addresses line by line.

`csv` of the standard library reads on for the end of a quote to the end of the file. Here a row whose quotes end
wrongly is a bad one by itself, and reading goes on with the very next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from byod.collection.lists.list_rows import EXCERPT, MAX_ROW, BadRow, Fault, ListError, ListRow
from byod.collection.lists.text_lines import Line

_DELIMITERS = (",", ";", "\t")


def csv_rows(
    name: str, lines: Iterator[Line], check: Callable[[Sequence[str]], set[str]], delimiter: str | None = None
) -> Iterator[ListRow | BadRow]:
    """Yield the rows of a table whose first line names its columns; blank lines are left out.

    Args:
        name: of the file, for messages.
        lines: its lines.
        check: is shown the columns and returns those in whose values no line break can be; raises if some are missing.
        delimiter: what parts the columns; None: the one of comma, semicolon and tab that the first line holds most of.
    """
    table = _Table(lines, delimiter)
    columns = table.head(name)
    plain = [columns.index(column) for column in check(columns)]
    for found in table.records(len(columns), plain):
        if isinstance(found, BadRow):
            yield found
        else:
            number, values = found
            yield ListRow(number, dict(zip(columns, values, strict=True)))


def address_rows(lines: Iterator[Line], column: str) -> Iterator[ListRow | BadRow]:
    """Yield the addresses of a list that has one in each line, under the name of a column."""
    for line in lines:
        if line.fault is not None:
            yield line.bad
        elif text := line.text.strip():
            yield ListRow(line.number, {column: text})


class _Table:
    """The lines of a table, some of which were read ahead."""

    def __init__(self, lines: Iterator[Line], delimiter: str | None) -> None:
        self._lines, self._ahead, self._delimiter = lines, deque[Line](), delimiter or ","
        self._guess = delimiter is None

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def head(self, name: str) -> list[str]:
        """The names of the columns, in small letters."""
        first = self._next()
        if first is None:
            return []
        if first.fault is not None:
            why = {
                Fault.ENCODING: "not UTF-8; save the file as UTF-8",
                Fault.ZERO_BYTES: "holds zero bytes; save the file as UTF-8 text",
                Fault.ROW_LONG: "longer than 1 MB; is it a list of addresses?",
            }.get(first.fault, first.text)
            raise ListError(f"{name}, row 1: {why}")
        if self._guess:
            self._delimiter = max(_DELIMITERS, key=first.text.count)
        values = self._values([first], lambda: None)
        if values is None:
            raise ListError(f"{name}, row 1: not csv: its quotes do not end")
        return [value.strip().lower() for value in values]

    def records(self, count: int, plain: Sequence[int]) -> Iterator[tuple[int, list[str]] | BadRow]:
        """Yield the values of each row; `count` is how many columns there are, `plain` those without line breaks."""
        while (first := self._next()) is not None:
            if first.fault is not None:
                yield first.bad
                continue
            if not first.text.strip("\r\n"):
                continue
            if '"' not in first.text:
                values: list[str] | None = first.text.rstrip("\r\n").split(self._delimiter)
                held = [first]
            else:
                held = [first]
                values = self._values(held, self._next)
            if len(held) > 1 and (values is None or self._swallowed(values, count, plain)):
                self._ahead.extendleft(reversed(held[1:]))
                values = None
            if values is None:
                yield BadRow(first.number, Fault.QUOTES, url=first.text.strip()[:EXCERPT])
            elif len(values) != count:
                told = f"{len(values)} values for {count} columns"
                fault = Fault.ADDRESS_DATA if _holds_picture(values) else Fault.FIELDS
                yield BadRow(first.number, fault, told, url=first.text.strip()[:EXCERPT])
            else:
                yield first.number, values

    @staticmethod
    def _swallowed(values: Sequence[str], count: int, plain: Sequence[int]) -> bool:
        """True if a row of several lines is none: a quote that somebody forgot took the next rows along."""
        return len(values) != count or any("\n" in values[place].strip() for place in plain)

    def _values(self, held: list[Line], more: Callable[[], Line | None]) -> list[str] | None:
        """The values of a row; lines that it goes on in are added to `held`. None where its quotes end wrongly."""

        def feed() -> Iterator[str]:
            yield held[0].text
            size = len(held[0].text)
            while size <= MAX_ROW and (line := more()) is not None:
                held.append(line)
                if line.fault is not None:
                    return
                size += len(line.text)
                yield line.text

        try:
            return next(csv.reader(feed(), delimiter=self._delimiter, strict=True), [])
        except csv.Error:
            return None


def _holds_picture(values: Sequence[str]) -> bool:
    """True of values among which is a picture in the place of its address: it has a comma, which few put in quotes."""
    return any(value.lstrip()[:5].lower() == "data:" for value in values)
