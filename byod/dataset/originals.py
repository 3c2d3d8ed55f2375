"""The files that libraries for training do not read: a JPEG stands for each in its class folder, and is the sample.

The file itself lies in `originals/`, named by its SHA-256, and is flushed to the disk before a row tells of it. It is
never thrown away, and leaves with no export unless that is asked for.
"""

from __future__ import annotations

import hashlib
import os

from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import INCOMING, ORIGINALS
from byod.images import decode, formats
from byod.images.decode import ANY_PICTURE
from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError
from byod.schema.records import Inspected, Record


class StandIn(Record):
    """The JPEG that was put in the place of a picture: where it lies, what it is, and the file it stands for."""

    path: str
    sha256: str
    size: int
    mtime_ns: int
    inspected: Inspected
    original: str


def needs_stand_in(content: bytes) -> bool:
    """True of a picture that libraries for training do not read."""
    try:
        return TYPES[formats.recognise(content)].converted
    except PictureError:
        return False


def keep(dataset: Dataset, content: bytes, suffix: str) -> str:
    """Write a file among the originals, unless it is there; returns its path."""
    path = _place(content, suffix)
    dataset.files.make(ORIGINALS)
    dataset.files.update(path, content, flush=True)
    return path


def stand_in(dataset: Dataset, path: str, taken: set[str]) -> StandIn:
    """Put a JPEG in the place of a picture in a class folder or among the rejected; the picture joins the originals.

    Both moves are promised in the transaction that is open, when the JPEG is on the disk, and made at its end. The
    name of the JPEG is added to those that are `taken`.

    Raises:
        PictureError: it cannot be opened.
    """
    content = dataset.picture(path)
    inspected, jpeg = decode.inspect(content, ANY_PICTURE)
    sha256, original = hashlib.sha256(jpeg).hexdigest(), _place(content, inspected.original)
    stem, number = os.path.splitext(path)[0], 2
    place = f"{stem}.jpg"
    # one in a JPEG's name keeps it until the moves are made
    while place in taken or (dataset.folder / place).exists():
        place, number = f"{stem}-{number}.jpg", number + 1
    taken.add(place)
    waiting = f"{INCOMING}/{sha256[:20]}-{number}-{len(taken)}.jpg"
    dataset.files.make(INCOMING)
    dataset.files.replace(waiting, jpeg, flush=True)
    dataset.files.flush([path])
    dataset.catalog.promise_move(waiting, place)
    dataset.catalog.promise_move(path, original)
    return StandIn(
        path=place,
        sha256=sha256,
        size=len(jpeg),
        mtime_ns=(dataset.folder / waiting).stat().st_mtime_ns,
        inspected=inspected,
        original=original,
    )


def _place(content: bytes, suffix: str) -> str:
    return f"{ORIGINALS}/{hashlib.sha256(content).hexdigest()}{suffix}"
