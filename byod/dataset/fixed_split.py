"""A split that somebody has: a list of files and their parts, or a folder of the pictures to test."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from byod.dataset.captures import Capture
from byod.schema import csv_tables, files
from byod.schema.errors import DatasetError, UsageError
from byod.schema.records import Record, Sample, Split
from byod.schema.split_words import WORDS

_FILE, _PART, _GROUP, _LABEL = "file", "split", "group", "label"


class Said(Record):
    """What a list says: of pictures of the dataset, and the lines whose file is none of them, or several."""

    captures: tuple[Capture, ...]
    unknown: tuple[str, ...]
    ambiguous: tuple[str, ...]


def listed(file: Path, samples: Iterable[Sample], captures: Mapping[str, Capture]) -> Said:
    """Read a CSV with the columns file and split, group or both, and perhaps label and further ones.

    A file is found by its place in the dataset, by the path it was added under, or by the end of that.

    Raises:
        DatasetError: the file cannot be read, or a part has no known name; the line says where.
    """
    found: dict[str, Capture] = {}
    unknown: list[str] = []
    ambiguous: list[str] = []
    index = _index(samples, captures)
    for number, row in _rows(file):
        wanted = row.pop(_FILE)
        label = row.pop(_LABEL, "")
        part = row.pop(_PART, "")
        if part and part.casefold() not in WORDS:
            raise DatasetError(f"{file}, line {number}: split {part!r}: write train, valid or test")
        named = index.get(_key(wanted), {})
        meant = {sha for sha, at in named.items() if not label or at == label}
        if len(meant) != 1:
            (ambiguous if meant else unknown).append(wanted)
            continue
        (sha256,) = meant
        found[sha256] = Capture(
            sha256=sha256, split=WORDS[part.casefold()] if part else None, group=row.pop(_GROUP, ""), more=row
        )
    return Said(captures=tuple(found.values()), unknown=tuple(unknown), ambiguous=tuple(ambiguous))


def says_more(file: Path) -> bool:
    """True if the first line of a CSV names parts of a split or groups beside files and labels."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as opened:
            head = opened.readline(10_000)
    except OSError:
        return False  # reading it says why
    names = {name.strip(' "\r\n') for name in re.split(r"[,;\t]", head)}
    return bool({_PART, _GROUP} & names)


def lying_in(folder: Path, received: Mapping[str, str]) -> tuple[Capture, ...]:
    """The pictures that also lie in a folder, or below it, as those to test.

    Args:
        folder: the folder.
        received: the sample that each file became, by the SHA-256 of its bytes.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"--test-from {folder}: there is no such folder")
    found: dict[str, Capture] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place) / name
            if file.is_file() and not file.is_symlink():
                sha256 = received.get(files.sha256(file))
                if sha256 is not None:
                    found[sha256] = Capture(sha256=sha256, split=Split.TEST)
    return tuple(found.values())


def _rows(file: Path) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        text = files.read(file).decode("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"there is no file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} cannot be read ({error}); save it as UTF-8") from error
    reader = csv_tables.reader(text)
    names = set(reader.fieldnames or ())
    if _FILE not in names or len(names - {_LABEL}) < 2:
        raise DatasetError(
            f"{file}: the first line names the columns: file, and split (train, valid or test), group, or further ones"
        )
    try:
        for row in reader:
            cells = {name: (value or "").strip() for name, value in row.items() if name is not None}
            yield reader.line_num, {name: value for name, value in cells.items() if name == _FILE or value}
    except csv.Error as error:
        raise DatasetError(f"{file}, line {reader.line_num}: not CSV ({error}); fix that line") from error


def _index(samples: Iterable[Sample], captures: Mapping[str, Capture]) -> dict[str, dict[str, str]]:
    """The samples, with their classes, by each way to name their files."""
    index: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for sample in samples:
        names = {sample.path, PurePosixPath(sample.path).name, sample.sha256}
        if (known := captures.get(sample.sha256)) is not None and known.name:
            parts = PurePosixPath(known.name).parts
            names |= {"/".join(parts[at:]) for at in range(len(parts))}
        for name in names:
            index[_key(name)][sample.sha256] = sample.label
    return index


def _key(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()
