"""`labels.jsonl`, the label log's text copy: one verdict a line, only ever appended to.

With the folders and `byod.toml` it is enough to rebuild a lost catalog. The catalog is written first; whatever
the text lacks of it is appended when the dataset is closed or opened, so a kill between the two loses nothing.

Each line says its format, since logs are put together from lines of several versions; one that does not is of format 1.
What a newer byod adds to a line stays there, since lines are never written again.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from byod.dataset.catalog import Catalog
from byod.dataset.catalog.verdicts import DELETED_BY_HAND
from byod.schema import file_formats, files
from byod.schema.errors import DatasetError
from byod.schema.files import Folder
from byod.schema.records import Fingerprint, Verdict

FILE = "labels.jsonl"
FORMAT = 1
_BAD = (ValueError, KeyError, AttributeError, TypeError, OverflowError, ValidationError, RecursionError)
"""What a line that is no verdict raises."""
_NUMBERS = 2**53
"""No verdict has a higher number: JSON holds none exactly, and SQLite needs room to count on."""
_SHOWN = 10
_STEP = 65536
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_STATED = re.compile(rb'(?<!\\)"format"\s*:')
_HASH = re.compile(r"[0-9a-f]{16}")
_COLOURS = 192
_OTHER = re.compile(_STATED.pattern + rb"(?!\s*1\s*[,}])")


class Look(NamedTuple):
    """How a picture looked that is there no more; `width` and `height` in pixels."""

    fingerprint: Fingerprint
    width: int
    height: int


def check_format(file: Path) -> None:
    """Refuse a log with a line of a format that only a newer byod knows.

    Raises:
        DatasetError: there is one.
    """
    if not file.is_file():
        return
    content = files.read(file)
    if _OTHER.search(content) is None:  # as nearly always; 100,000 lines are looked through at once
        return
    for line in content.split(b"\n"):
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
            known = ({"format": FORMAT, "id": n, **_fields(v), **self._look(v)} for n, v in new)
            lines = [json.dumps(each, ensure_ascii=False) for each in known]
            self._folder.append(FILE, ("\n".join(lines) + "\n").encode(), flush=True)

    def looks(self) -> dict[str, Look]:
        """The looks of the deleted pictures of the text, those whose lines say it as byod writes it."""
        found: dict[str, Look] = {}
        if not self.file.exists():
            return found
        for line in self.file.read_bytes().split(b"\n"):
            if b'"look"' in line:
                with contextlib.suppress(*_BAD):
                    values = json.loads(line.decode())
                    found[str(values["sha256"])] = _look(values["look"])
        return found

    def _look(self, verdict: Verdict) -> dict[str, object]:
        """The looks of a picture that somebody deleted, as a key of its line: nothing else knows them then."""
        if verdict.note != DELETED_BY_HAND or verdict.label is not None:
            return {}
        sample = self._catalog.samples.get(verdict.sha256)
        if sample is None or sample.fingerprint is None:
            return {}
        values = sample.fingerprint.model_dump(exclude_none=True)
        size = {"width": sample.width, "height": sample.height}
        return {"look": {**values, "rgb": sample.fingerprint.rgb.hex(), **size}}

    def restore(self) -> tuple[str, ...]:
        """Take the verdicts of the text into an empty catalog; say in lines what could not be read.

        Lines end with a line feed and with nothing else: a note may hold U+2028 or U+0085.
        """
        numbered, others, bad = self._read()
        known = set(numbered.values())
        for number, verdict in enumerate(dict.fromkeys(others), start=max(numbered, default=0) + 1):
            if verdict not in known:
                numbered[number] = verdict
        self._catalog.verdicts.restore(numbered.items())
        if not bad:
            return ()
        shown = ", ".join(map(str, bad[:_SHOWN])) + (
            f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        )
        return (
            f"{FILE}: no verdict could be read from line {shown}; the others were taken, the file stays as it is",
        )

    def _read(self) -> tuple[dict[int, Verdict], list[Verdict], list[int]]:
        """The verdicts of the text by number, others under a number that is taken, and the lines that are none."""
        self._end_last_line()
        numbered: dict[int, Verdict] = {}
        others: list[Verdict] = []
        bad: list[int] = []
        if not self.file.exists():
            return numbered, others, bad
        for row, line in enumerate(self.file.read_bytes().split(b"\n"), start=1):
            try:
                if (found := _verdict(line)) is not None and numbered.setdefault(*found) != found[1]:
                    others.append(found[1])  # logs were put together: another verdict has that number
            except _BAD:
                bad.append(row)
        return numbered, others, bad

    def is_ahead(self) -> bool:
        """True if the text knows verdicts that the catalog does not: the catalog is an older copy."""
        numbered, _, _ = self._read()
        return not numbered.keys() <= {number for number, _ in self._catalog.verdicts.after(0)}

    def _last_number(self) -> int:
        """The number of the last verdict in the text, from its end; 0 without any."""
        self._end_last_line()
        if not self.file.exists():
            return 0
        tail = b""
        with self._folder.open(FILE) as text:
            start = text.seek(0, 2)
            while start:
                step = min(start, _STEP)
                start -= step
                text.seek(start)
                tail = text.read(step) + tail
                lines = tail.split(b"\n")
                for line in reversed(lines[1:] if start else lines):
                    with contextlib.suppress(*_BAD):
                        if (found := _verdict(line)) is not None:
                            return found[0]
                tail = lines[0]
        return 0

    def _end_last_line(self) -> None:
        """End the last line, as an editor may not have done; one that is torn, by a kill or a power cut, is cut off."""
        if not self.file.exists() or self._ends_whole():
            return
        content = files.read(self.file)
        whole = content.rfind(b"\n") + 1
        last = content[whole:]
        try:
            _verdict(last)
        except _BAD:
            self._folder.cut(FILE, whole)
        else:
            self._folder.append(FILE, b"\n")

    def _ends_whole(self) -> bool:
        """True of a text that is empty or ends with a line feed, as nearly always: its last byte tells."""
        with self._folder.open(FILE) as text:
            return text.seek(0, 2) == 0 or (text.seek(-1, 2) >= 0 and text.read(1) == b"\n")


def _fields(verdict: Verdict) -> dict[str, object]:
    """The values of a verdict for a line, `not_copy_of` only where somebody said so."""
    return verdict.model_dump(mode="json", exclude=None if verdict.not_copy_of else {"not_copy_of"})


def _look(values: dict[str, object]) -> Look:
    """The looks that a line tells of.

    Raises:
        ValueError: they are none.
    """
    hashes = {name: value for name, value in values.items() if name.endswith(("phash", "dhash", "mirror"))}
    found = Fingerprint.model_validate({**values, "rgb": bytes.fromhex(str(values["rgb"]))}, extra="ignore")
    numbers = (found.spread, found.top_colour, found.white_ring)
    whole = all(_HASH.fullmatch(str(value)) for value in hashes.values()) and all(map(math.isfinite, numbers))
    width, height = int(str(values["width"])), int(str(values["height"]))
    if not whole or len(found.rgb) != _COLOURS or (found.trim_phash is None) != (found.trim_dhash is None):
        raise ValueError("it is no fingerprint")
    if not 0 < width * height < _NUMBERS or width < 0:
        raise ValueError("it is no size")
    return Look(found, width, height)


def _verdict(line: bytes) -> tuple[int, Verdict] | None:
    """The verdict of a line, and its number; None of one that says the format alone, or nothing."""
    if not line.strip():
        return None
    values = json.loads(line.decode())
    if _SURROGATE.search(line):  # half a sign may stand alone, and fits into no file
        json.dumps(values, ensure_ascii=False).encode()
    values.pop("format", None)
    values.pop("look", None)
    if not values:
        return None
    number = int(values.pop("id"))
    if not 0 < number < _NUMBERS:
        raise ValueError("it is no number of a verdict")
    return number, Verdict.model_validate(values, extra="allow")
