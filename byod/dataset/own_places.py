"""The files and folders that byod keeps in a dataset, checked before they are opened: none is a link, pipe or device.

A folder from somebody else may hold anything. What libraries open by its path (SQLite, the lock) is looked at here; all
else goes through `byod.schema.files`.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from pathlib import Path

from byod.dataset import label_log
from byod.schema import files, places
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError
from byod.schema.records import Placement, Sample, Status
from byod.schema.task import Storage

IMAGES = "images"
REJECTED = "rejected"
ORIGINALS = "originals"
"""The pictures for which a JPEG stands in a class folder, since libraries for training do not read them."""
INCOMING = ".byod/incoming"
STAGED_LABELS = ".byod/marks"
"""Labels that a review told, until the moves promised with them are made."""
CATALOG = "catalog.db"
_JOURNAL = f"{CATALOG}-journal"
CATALOG_LOG = f"{CATALOG}-wal"
BESIDE_CATALOG = (CATALOG_LOG, f"{CATALOG}-shm", _JOURNAL)
"""What SQLite keeps beside the catalog while it is open, or after a kill."""
_FILES = (
    *(recipes.FILE, label_log.FILE, CATALOG, *BESIDE_CATALOG),
    *("CREDITS.csv", "README.md", ".byod/lock", ".byod/written", ".byod/state", ".byod/review-key"),
)
_ROOMS = (IMAGES, REJECTED, ORIGINALS, "runs", INCOMING, STAGED_LABELS, ".byod/reports", ".byod/replaced")
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""Ends a journal that names another file. Source: https://www.sqlite.org/fileformat.html#the_rollback_journal"""


def check(folder: Path) -> None:
    """See that what byod keeps in a dataset folder is really there, and not behind a link, nor a pipe or a device.

    Raises:
        DatasetError: it is not.
    """
    for name in _FILES:
        place = places.inside(folder, name)
        if place.exists() and not place.is_file():
            raise DatasetError(f"{place} is not an ordinary file, and byod needs one there; move it away")
    for name in _ROOMS:
        check_room(folder, name)
    _check_journal(folder / _JOURNAL)


def check_room(folder: Path, name: str) -> None:
    """See that a folder in a dataset is none behind a link, and no file.

    Raises:
        DatasetError: it is one.
    """
    place = places.inside(folder, name)
    if place.exists() and not place.is_dir():
        raise places.no_folder(place)


def check_there(folder: files.Folder, error: BaseException | None) -> None:
    """See that a dataset is still where it was when work on it ended, perhaps with an error.

    Raises:
        DatasetError: it was moved or removed meanwhile.
    """
    if not folder.is_in_place():
        raise DatasetError(
            f"{folder.path} was moved or removed while byod was at work on it; bring it back and run the same command"
            " again"
        ) from error


def check_moves(folder: Path, storage: Storage | None, moves: Iterable[tuple[int, str, str]]) -> None:
    """See that all journalled moves (number, source, target) are of pictures and their labels, before any is made.

    Raises:
        DatasetError: one leads out of the folder or through a link, or is of another file.
    """
    rooms = (
        f"{IMAGES}/",
        f"{REJECTED}/",
        f"{ORIGINALS}/",
        f"{INCOMING}/",
        f"{STAGED_LABELS}/",
        *([f"{storage.folder}/"] if storage else ()),
    )
    known: set[str] = set()
    root = str(folder)
    for _, source, target in moves:
        for place in (source, target):
            places.check_inside(root, place, known)
            if not place.startswith(rooms) or "/." in place:
                raise places.leads_out(folder, place)


def target(root: str, sample: Sample, placement: Placement, taken: Container[str]) -> str:
    """The path at which a sample comes to stand, by its status and class; it keeps its name where nobody has that.

    `root` is the dataset's folder; `taken` are paths that others are about to get.
    """
    if not sample.path:
        return ""
    kept = placement.status is Status.KEPT
    room = f"{IMAGES}/{placement.label}" if kept else f"{REJECTED}/{placement.reason}"
    if os.path.dirname(sample.path) == room:
        return sample.path
    name = os.path.basename(sample.path)
    if sample.status is Status.WAITING:
        name = f"{sample.sha256[:20]}{os.path.splitext(name)[1]}"
    path = f"{room}/{name}"
    if path in taken or os.path.exists(f"{root}/{path}"):
        stem, suffix = os.path.splitext(name)
        path = f"{room}/{stem}-{sample.sha256[:12]}{suffix}"
    return path


def _check_journal(file: Path) -> None:
    """Refuse a journal of SQLite's that names another file, which SQLite would open, and remove.

    byod never writes to two catalogs at once, so no journal of its own names one.
    """
    if file.exists() and files.read(file).endswith(_SUPER_JOURNAL):
        raise DatasetError(
            f"{file} is none of byod's (it names a file elsewhere), so nothing was changed; remove it"
        )
