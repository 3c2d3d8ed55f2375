"""The Cat Dataset (Zhang, Sun and Tang, 2008): pictures in `CAT_00` … `CAT_06`, each with a `.cat` file beside it.

It is around as Kaggle's archive, which holds everything twice, as the two zips it was first published in, and
unpacked. Its known errata are handled by rule, and each one is said.
Sources: https://archive.org/details/CAT_DATASET and https://www.kaggle.com/datasets/crawford/cat-dataset
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from byod.collection.importers.archives import Store, is_picture, same
from byod.schema.errors import KeypointsError, UsageError
from byod.schema.keypoints import Instance, Keypoint
from byod.tasks.keypoints.importers import cat_file
from byod.tasks.keypoints.importers.annotated import AnnotatedImage, Annotations, address, some

NAME = "cats"
LABEL = "cat"
_FOLDER = re.compile(r"(?:^|/)(CAT_\d\d)/[^/]+$", re.IGNORECASE)
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
    lines: list[str] = field(default_factory=list)

    def add(self, file: _File) -> None:
        name = PurePosixPath(file.entry).name
        if name.lower().endswith(cat_file.SUFFIX):
            self._once(self.labels, file)
        elif is_picture(name):
            self._once(self.pictures, file)
        else:
            self.others.append(name)

    def _once(self, known: dict[str, _File], file: _File) -> None:
        first = known.setdefault(file.key, file)
        if first is file:
            return
        if same(first.store, first.entry, file.store, file.entry):
            self.twice += 1
        else:
            self.lines.append(
                f"{file.key} is there twice with different contents: {first.entry} is taken, {file.entry} is not"
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
    lines = listing.lines
    if listing.twice:
        lines.append(f"{listing.twice} files are there twice with the same contents; each is taken once")
    pairs = dict(_pairs(listing))
    wanted = {key: pair for key, pair in pairs.items() if not _listed(key, leave_out)}
    lines += _left_out(pairs, wanted, leave_out)
    pictures = []
    for key, (picture, label) in sorted(wanted.items()):
        try:
            head = _head(label.store.read(label.entry), label.key)
        except KeypointsError as error:
            lines.append(f"{error}; the picture is left out")
            continue
        url = f"{NAME}:{key}" if picture.canonical else address(picture.store, picture.entry)
        pictures.append(AnnotatedImage(key, picture.folder, url, picture.store, picture.entry, (head,)))
    return Annotations(NAME, LABEL, cat_file.POINTS, tuple(pictures), tuple(lines), page)


def _file(store: Store, entry: str) -> _File:
    found = _FOLDER.search(f"{store.where.resolve().name}/{entry}")
    if found:
        return _File(store, entry, found[1].upper(), True)
    parent = PurePosixPath(entry).parent.as_posix()
    return _File(store, entry, store.where.resolve().stem if parent == "." else parent, False)


def _pairs(listing: _Listing) -> Iterator[tuple[str, tuple[_File, _File]]]:
    """Each picture with its `.cat` file, and a line for each that has none; names differ in case or ending at times."""
    lines = listing.lines
    left = dict(listing.pictures)
    by_case = {key.lower(): key for key in left}
    by_stem = {str(PurePosixPath(key).with_suffix("")).lower(): key for key in left}
    for name, label in sorted(listing.labels.items()):
        stated = name[: -len(cat_file.SUFFIX)]
        key = by_case.get(stated.lower()) or by_stem.get(str(PurePosixPath(stated).with_suffix("")).lower())
        if key is None or key not in left:
            why = f" ({_ERRATA[name]})" if name in _ERRATA else ""
            lines.append(f"{name} has no picture{why}; it is left out")
            continue
        if key != stated:
            lines.append(f"{name} is taken for {key}: there is no {stated}")
        yield key, (left.pop(key), label)
    for key in sorted(left):
        why = f" ({_ERRATA[key]})" if key in _ERRATA else ""
        lines.append(f"{key} has no .cat file{why}; it is left out")
    if listing.others:
        counts = Counter(listing.others)
        told = some([f"{name} ({n})" if n > 1 else name for name, n in counts.most_common()], 5)
        lines.append(
            f"{len(listing.others)} files are neither pictures nor .cat files and are passed over: {told}"
        )


def _head(content: bytes, where: str) -> Instance:
    points = cat_file.parse(content, where)
    named = zip(cat_file.POINTS.names, points, strict=True)
    return Instance(points={name: Keypoint(x=x, y=y) for name, (x, y) in named})


def _listed(key: str, leave_out: Collection[str]) -> bool:
    return key in leave_out or PurePosixPath(key).name in leave_out


def _left_out(pairs: Collection[str], wanted: Collection[str], leave_out: Collection[str]) -> Iterator[str]:
    if not leave_out:
        return
    known = {*pairs, *(PurePosixPath(key).name for key in pairs)}
    missing = sorted(set(leave_out) - known)
    yield f"the cleaning list leaves out {len(pairs) - len(wanted)} pictures"
    if missing:
        yield f"{len(missing)} of its lines name no picture that is here: {some(missing)}"


def cleaning_list(file: Path) -> frozenset[str]:
    """The names of a cleaning list: a text with a name on each line (`#` begins a remark), or JSON.

    JSON may be a list of names, or lists of names by folder, straight or under the key `remove`.

    Raises:
        UsageError: it cannot be read, or is no such list.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        values = json.loads(text) if text.lstrip().startswith(("{", "[")) else None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as a cleaning list: {error}") from error
    if values is None:
        words = (line.partition("#")[0].strip() for line in text.splitlines())
        return frozenset(word.replace("\\", "/") for word in words if word)
    if isinstance(values, dict):
        values = values.get("remove", values)
    if isinstance(values, dict) and all(isinstance(names, list) for names in values.values()):
        values = [f"{folder}/{name}" for folder, names in values.items() for name in names]
    if not isinstance(values, list) or not all(isinstance(name, str) for name in values):
        raise UsageError(f"{file} is not a cleaning list: it holds no list of names, nor one for each folder")
    return frozenset(values)
