"""The Cat Dataset (Zhang, Sun and Tang, 2008): pictures in `CAT_00` … `CAT_06`, each with a `.cat` file beside it.

It is around as Kaggle's archive, which holds everything twice, as the two zips it was first published in, and
unpacked. Its known errata are handled by rule, and each one is said.
Sources: https://archive.org/details/CAT_DATASET and https://www.kaggle.com/datasets/crawford/cat-dataset
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from byod.collection.importers.stores import Store, is_picture, same, some
from byod.schema.errors import DamagedError, KeypointsError, UsageError
from byod.schema.keypoints import Instance, Keypoint
from byod.tasks.keypoints.importers import cat_file
from byod.tasks.keypoints.importers.annotated import DAMAGED, AnnotatedImage, Annotations, Notes, address

NAME = "cats"
LABEL = "cat"
_FOLDER = re.compile(r"(?:^|/)(CAT_\d\d)/[^/]+$", re.IGNORECASE)
_SET_FOLDER = re.compile(r"(?:^|/)(cat_\d\d/[^/]+)$")
_ERRATA = {
    "CAT_00/00000003_019.jpg.cat": "a known slip of the set: the picture was never part of it",
    "CAT_00/00000003_015.jpg": "a known slip of the set: its publishers offer 00000003_015.jpg.cat by itself; "
    "put that file beside the picture and convert again",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the set: where it lies, and the folder and name the set knows it by."""

    store: Store
    entry: str
    folder: str
    canonical: bool

    @property
    def key(self) -> str:
        return f"{self.folder}/{PurePosixPath(self.entry).name}"


@dataclass
class _Listing:
    """The files of the set by key; what is there twice is counted once."""

    pictures: dict[str, _File] = field(default_factory=dict)
    labels: dict[str, _File] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    twice: int = 0
    notes: Notes = field(default_factory=Notes)

    def add(self, file: _File) -> None:
        name = PurePosixPath(file.entry).name
        if name.lower().endswith(cat_file.SUFFIX):
            self._once(self.labels, file)
        elif is_picture(name):
            self._once(self.pictures, file)
        else:
            self.others.append(name)

    def lines(self) -> Iterator[str]:
        """What was passed over, or counted once."""
        if self.twice:
            yield f"{self.twice} files are there twice with the same contents; each is taken once"
        if self.others:
            counts = Counter(self.others)
            told = some([f"{name} ({n})" if n > 1 else name for name, n in counts.most_common()], 5)
            yield f"{len(self.others)} files are neither pictures nor .cat files and are passed over: {told}"

    def _once(self, known: dict[str, _File], file: _File) -> None:
        first = known.setdefault(file.key, file)
        if first is file:
            return
        if same(first.store, first.entry, file.store, file.entry):
            self.twice += 1
        else:
            self.notes.add(
                "files are there twice with different contents, and the first of each is taken",
                file.key,
                f"{file.key} is there twice with different contents: {first.entry} is taken, {file.entry} is not",
            )


def read(stores: Sequence[Store], *, leave_out: Collection[str] = (), page: str | None = None) -> Annotations:
    """Find the pictures and their points; whatever is malformed, missing or passed over becomes a line.

    Args:
        stores: folders or archives that hold the set, or parts of it.
        leave_out: names of pictures not wanted, with or without their folder (a cleaning list).
        page: where the set was fetched from.

    Raises:
        UsageError: there is no `.cat` file.
    """
    listing = _Listing()
    for store in stores:
        for entry in store.entries:
            listing.add(_file(store, entry))
    if not listing.labels:
        raise UsageError(f"{', '.join(str(store.where) for store in stores)}: there is no .cat file in it")
    notes = listing.notes
    pairs = dict(_pairs(listing))
    unwanted = _Cleaning(leave_out, pairs)
    pictures = []
    for key, (picture, label) in sorted(pairs.items()):
        if key in unwanted.pictures:
            continue
        try:
            head = _head(label.store.read(label.entry), label.key)
        except KeypointsError as error:
            kind = ".cat files do not hold nine points, and their pictures are left out"
            notes.add(kind, label.key, f"{error}; the picture is left out")
        except DamagedError as error:
            notes.add(DAMAGED, label.key, f"{error}; the picture is left out")
        else:
            url = f"{NAME}:{key}" if picture.canonical else address(picture.store, picture.entry)
            pictures.append(AnnotatedImage(key, picture.folder, url, picture.store, picture.entry, (head,)))
    lines = (*listing.lines(), *unwanted.lines(), *notes.lines())
    return Annotations(
        NAME, LABEL, cat_file.POINTS, tuple(pictures), lines, page, damaged=notes.count(DAMAGED)
    )


def _file(store: Store, entry: str) -> _File:
    found = _FOLDER.search(f"{store.where.resolve().name}/{entry}")
    if found:
        return _File(store, entry, found[1].upper(), True)
    parent = PurePosixPath(entry).parent.as_posix()
    return _File(store, entry, store.where.resolve().stem if parent == "." else parent, False)


def _pairs(listing: _Listing) -> Iterator[tuple[str, tuple[_File, _File]]]:
    """Each picture with its `.cat` file, and a note for each that has none; names differ in case or ending at times."""
    notes = listing.notes
    left = dict(listing.pictures)
    by_name: dict[str, list[str]] = {}
    for key in left:
        by_name.setdefault(PurePosixPath(key).name.lower(), []).append(key)
    by_case = {key.lower(): key for key in left}
    by_stem = {str(PurePosixPath(key).with_suffix("")).lower(): key for key in left}
    for name, label in sorted(listing.labels.items()):
        stated = name[: -len(cat_file.SUFFIX)]
        found = by_case.get(stated.lower()) or by_stem.get(str(PurePosixPath(stated).with_suffix("")).lower())
        if found is None and not label.canonical:  # offered by itself: it lies beside the folders of the set
            alone = by_name.get(PurePosixPath(stated).name.lower(), [])
            found = alone[0] if len(alone) == 1 else None
        if found is None or found not in left:
            why = f" ({_ERRATA[name]})" if name in _ERRATA else ""
            line = f"{name} has no picture{why}; it is left out"
            notes.add(".cat files have no picture and are left out", name, line)
            continue
        if found != stated:
            line = f"{name} is taken for {found}: there is no {stated}"
            notes.add(".cat files are taken for pictures of nearly their names", name, line)
        yield found, (left.pop(found), label)
    for key in sorted(left):
        why = f" ({_ERRATA[key]})" if key in _ERRATA else ""
        line = f"{key} has no .cat file{why}; it is left out"
        notes.add("pictures have no .cat file and are left out", key, line)


def _head(content: bytes, where: str) -> Instance:
    points = cat_file.parse(content, where)
    named = zip(cat_file.POINTS.names, points, strict=True)
    return Instance(points={name: Keypoint(x=x, y=y) for name, (x, y) in named})


class _Cleaning:
    """The pictures that a cleaning list names, with or without their folder, their ending and ".cat"."""

    def __init__(self, leave_out: Collection[str], pairs: Collection[str]) -> None:
        known: dict[str, set[str]] = {}
        for key in pairs:
            for name in (_plain(key), PurePosixPath(_plain(key)).name):
                known.setdefault(name, set()).add(key)
        found = {name: known.get(_plain(name), set()) for name in leave_out}
        self.pictures = {key for keys in found.values() for key in keys}
        self._wanted = bool(leave_out)
        self._missing = sorted(name for name, keys in found.items() if not keys)

    def lines(self) -> Iterator[str]:
        """The number of pictures that are left out, and names that there are not."""
        if self._wanted:
            yield f"the cleaning list leaves out {len(self.pictures)} pictures"
        if self._missing:
            yield f"{len(self._missing)} of its lines name no picture that is here: {some(self._missing)}"


def _plain(name: str) -> str:
    """A name as lists spell it in many ways: from the set's folder on, without endings, in small letters."""
    small = name.replace("\\", "/").lower().removesuffix(cat_file.SUFFIX)
    found = _SET_FOLDER.search(small)
    return (found[1] if found else small.removeprefix("./")).removesuffix(".jpg").removesuffix(".jpeg")


def cleaning_list(file: Path) -> frozenset[str]:
    """The names of a cleaning list, however people write one.

    A text with a name on each line (`#` begins a remark; of several columns the first is meant), or JSON: a list of
    names or of records with one, lists of names by folder, straight or under the key `remove`, a record a line.

    Raises:
        UsageError: it cannot be read, or is no such list.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
        stripped = text.lstrip()
        if not stripped.startswith(("{", "[")):
            return frozenset(_names_of_lines(text))
        values = _json(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read as a cleaning list: {error}") from error
    names = _names(values)
    if names is None:
        raise UsageError(f"{file} is not a cleaning list: it holds no list of names, nor one for each folder")
    return frozenset(names)


_HEADERS = ("file", "filename", "file_name", "name", "path", "image", "picture")


def _json(text: str) -> object:
    """One JSON document, or one on each line."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _names_of_lines(text: str) -> Iterator[str]:
    """The first column of each line; a line of headings is none."""
    delimiter = max("\t;,", key=text.count)
    for number, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter)):
        name = row[0].partition("#")[0].strip() if row else ""
        if name and not (number == 0 and name.lower() in _HEADERS):
            yield name.replace("\\", "/")


def _names(values: object) -> list[str] | None:
    """The names in a JSON document; None where it holds something else."""
    if isinstance(values, dict):
        values = values.get("remove", values)
    if isinstance(values, dict) and all(isinstance(names, list) for names in values.values()):
        values = [f"{folder}/{name}" for folder, names in values.items() for name in names]
    if not isinstance(values, list):
        return None
    names = []
    for value in values:
        name = (
            next((value[key] for key in _HEADERS if key in value), None) if isinstance(value, dict) else value
        )
        if not isinstance(name, str):
            return None
        names.append(name)
    return names
