"""`labels.jsonl`, the label log's text copy: one verdict a line, only ever appended to.

With the folders and `byod.toml` it is enough to rebuild a lost catalog. The catalog is written first; whatever
the text lacks of it is appended when the dataset is closed or opened, so a kill between the two loses nothing.

Each line says its format, since logs are put together from lines of several versions; one that does not is of format 1.
What a newer byod adds to a line stays there, since lines are never written again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import ValidationError

from byod.dataset.catalog import Catalog
from byod.schema import file_formats
from byod.schema.errors import DatasetError
from byod.schema.files import Folder
from byod.schema.records import Verdict

FILE = "labels.jsonl"
FORMAT = 1
_STATED = re.compile(rb'(?<!\\)"format"\s*:')
_OTHER = re.compile(_STATED.pattern + rb"(?!\s*1\s*[,}])")


def check_format(file: Path) -> None:
    """Refuse a log with a line of a format that only a newer byod knows.

    Raises:
        DatasetError: there is one.
    """
    if not file.is_file():
        return
    content = file.read_bytes()
    if _OTHER.search(content) is None:  # as nearly always; 100,000 lines are looked through at once
        return
    for line in content.splitlines():
        if _STATED.search(line) is not None:
            file_formats.check(file, file_formats.stated(line).format, DatasetError)


class LabelLog:
    """The text copy of one dataset's label log."""

    def __init__(self, folder: Folder, catalog: Catalog) -> None:
        self.file = folder.path / FILE
        self._folder = folder
        self._catalog = catalog

    def write(self) -> None:
        """Append the verdicts the text does not have yet; a line torn by a kill is cut off first."""
        written = self._last_number()
        new = self._catalog.verdicts.after(written)
        if new:
            known = ({"format": FORMAT, "id": n, **v.model_dump(mode="json")} for n, v in new)
            lines = [json.dumps(each, ensure_ascii=False) for each in known]
            self._folder.append(FILE, ("\n".join(lines) + "\n").encode())

    def restore(self) -> int:
        """Take the verdicts of the text into an empty catalog; return how many.

        Raises:
            DatasetError: a line is not a verdict.
        """
        self._last_number()
        if not self.file.exists():
            return 0
        numbered: list[tuple[int, Verdict]] = []
        for row, line in enumerate(self.file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                values = json.loads(line)
                values.pop("format", None)
                if values:  # a line may say the format alone
                    number = int(values.pop("id"))
                    numbered.append((number, Verdict.model_validate(values, extra="allow")))
            except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
                raise DatasetError(
                    f"{self.file}, line {row} is not a verdict; fix or remove the line"
                ) from error
        self._catalog.verdicts.restore(numbered)
        return len(numbered)

    def _last_number(self) -> int:
        if not self.file.exists():
            return 0
        with self.file.open("rb+") as text:
            text.seek(0, 2)
            end = text.tell()
            start = max(0, end - 65536)
            text.seek(start)
            tail = text.read()
            whole = tail.rfind(b"\n") + 1
            if start + whole < end:
                text.truncate(start + whole)
            lines = tail[:whole].splitlines()
        try:
            said = (json.loads(line) for line in reversed(lines))
            last = next((values for values in said if set(values) != {"format"}), {"id": 0})
            return int(last["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{self.file}: its last line is not a verdict; fix or remove that line"
            ) from error
