"""Pictures that are already on this machine: class folders, or loose ones of one class."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from byod.images import formats
from byod.images.picture_types import NOT_TAKEN_SUFFIXES, SUFFIXES, TYPES
from byod.schema.defaults import OWN_PICTURES
from byod.schema.errors import ByodError, UsageError
from byod.schema.names import PassedOver, in_utf8
from byod.schema.records import Candidate

_ENDINGS = SUFFIXES | NOT_TAKEN_SUFFIXES
_STARTS = (b"BM", *(magic for kind in TYPES.values() for magic in kind.magic))


def pictures(
    path: Path,
    label: str | None = None,
    passed: PassedOver | None = None,
    others: Counter[str] | None = None,
) -> Iterator[Candidate]:
    """Yield every picture at `path`, in the order of their names.

    With a `label`, all below the path (or the one file it names) belong to it; without, the path must hold class
    folders and their names are the labels. A file counts as a picture by its ending or by its first bytes, so
    broken ones are offered too and end with their reason; hidden files are left out. Names that are not UTF-8 are
    offered as well: a model can be asked about such a picture, though no dataset can take it in. Files and folders
    below the path that may not be read are noted in `passed`; without it, the first of them is an error. `others`
    counts the files that are no pictures, by the endings of their names.

    Raises:
        UsageError: there is nothing at the path, or no class folder and no label.
        ByodError: a folder cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"there is nothing at {path}")
    ranks: dict[str, int] = {}
    for name, file in _labelled(path.absolute(), label, passed, others):
        rank = ranks.get(name, 0)
        ranks[name] = rank + 1
        yield Candidate(url=file.as_uri(), path=file, label=name, source=OWN_PICTURES, terms=name, rank=rank)


def behind_link(place: Path, file: Path) -> bool:
    """True of a file that a link below the folder `place` leads to; the folder itself may be reached through any."""
    below = file.relative_to(place).parts if file.is_relative_to(place) else ()
    return any(place.joinpath(*below[:number]).is_symlink() for number in range(1, len(below) + 1))


def _labelled(
    path: Path, label: str | None, passed: PassedOver | None, others: Counter[str] | None
) -> Iterator[tuple[str, Path]]:
    if label is not None:
        for file in [path] if path.is_file() else _files(path, passed, others):
            yield label, file
        return
    folders = (
        [folder for folder in _children(path) if _is(Path.is_dir, folder, passed)] if path.is_dir() else []
    )
    if not folders:
        raise UsageError(f"{path} holds no class folders; name the class of its pictures with --label")
    loose = next(
        (f for f in _children(path) if _is(Path.is_file, f, passed) and _is_picture(f, passed)), None
    )
    if loose is not None:
        raise UsageError(
            f"{loose} lies beside class folders; move it into one, or name one class for all with --label"
        )
    for folder in folders:
        name = unicodedata.normalize("NFC", in_utf8(folder.name))
        for file in _files(folder, passed, others):
            yield name, file


def _files(folder: Path, passed: PassedOver | None, others: Counter[str] | None) -> Iterator[Path]:
    """The pictures in a folder and below it; folders behind links are not entered, so there are no circles."""

    def broken(error: OSError) -> None:
        _unread(Path(error.filename), error, passed)

    for place, folders, _ in os.walk(folder, onerror=broken):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in _children(Path(place)):
            if not _is(Path.is_file, file, passed):
                continue
            if _is_picture(file, passed):
                yield file
            elif others is not None and os.access(file, os.R_OK):
                others[file.suffix.lower() or "no ending"] += 1


def _is(kind: Callable[[Path], bool], place: Path, passed: PassedOver | None) -> bool:
    """True of a place of that kind; one in a folder whose names alone may be read is noted."""
    try:
        return kind(place)
    except OSError as error:
        _unread(place, error, passed)
        return False


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise ByodError(f"{folder} cannot be read ({error.strerror})") from error


def _is_picture(file: Path, passed: PassedOver | None) -> bool:
    if file.suffix.lower() in _ENDINGS:
        return True
    try:
        with file.open("rb") as opened:
            start = opened.read(64)
    except OSError as error:
        _unread(file, error, passed)
        return False
    return (
        start.startswith(_STARTS)
        or formats.is_netpbm(start)
        or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
        or start[4:8] == b"ftyp"
    )


def _unread(place: Path, error: OSError, passed: PassedOver | None) -> None:
    """Note a place that may not be read.

    Raises:
        ByodError: nobody counts them.
    """
    if passed is None:
        raise ByodError(f"{place} cannot be read ({error.strerror})") from error
    passed.takes(str(place))
