"""`bad-rows.csv`: each row of the newest list that was passed over, by its number, with the reason."""

from __future__ import annotations

import csv
import io

from byod.collection.lists.list_rows import WORDS, BadRow
from byod.report.attribution import encode
from byod.schema.addresses import shown, shown_in
from byod.schema.files import Folder
from byod.schema.names import visible

FILE = "bad-rows.csv"
COLUMNS = ("file", "row", "reason", "detail", "url", "label")
_AT_ONCE = 1000


class BadRows:
    """Writes the bad rows of a list into a dataset's folder as they come; `write` writes those that wait.

    What is there of an earlier list goes at once.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder, self._waiting, self._begun = folder, list[BadRow](), False
        folder.remove(FILE)

    def add(self, row: BadRow) -> None:
        """Note a row."""
        self._waiting.append(row)
        if len(self._waiting) >= _AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what was noted."""
        if not self._waiting:
            return
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        if not self._begun:
            writer.writerow(COLUMNS)
        writer.writerows([encode(cell) for cell in _cells(row)] for row in self._waiting)
        content = text.getvalue().encode()
        if self._begun:
            self._folder.append(FILE, content)
        else:
            self._folder.replace(FILE, content)
        self._begun, self._waiting = True, []


def _cells(row: BadRow) -> tuple[str, ...]:
    detail = WORDS[row.fault] + (f": {row.detail}" if row.detail else "")
    number = "" if row.number is None else str(row.number)
    said = (detail, shown_in(shown(row.url)), shown_in(row.label))
    return (
        row.file,
        number,
        row.fault.value,
        *(visible(cell.encode("utf-8", "replace").decode()) for cell in said),
    )
