"""Pictures that a model got wrong, sent in with what they really show: they wait in `.byod/reports/` of a dataset.

Each is a JPEG made by byod (upright, without metadata, no larger than it need be) and a JSON file beside it, written
last. `byod add --reports` takes them into the dataset.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from byod.images.decode import QUALITY, opened
from byod.schema import file_formats, files, places
from byod.schema.errors import DatasetError
from byod.schema.keypoints import MAX_BYTES, Keypoints
from byod.schema.records import Record, Sha256

ROOM = ".byod/reports"
MOST = 1000
"""How many may wait; a server that takes them in from strangers must not fill a disk."""
MAX_SIDE = 2048
"""Longer side of the pictures kept, in pixels."""


class Feedback(Record):
    """A person's word on a picture: a class (None: none of the model's), or its keypoints in pixels of the file."""

    format: file_formats.Format = 1
    sha256: Sha256
    run: str
    when: datetime
    width: int
    height: int
    label: str | None = None
    marks: Keypoints | None = None


def keep(dataset: Path, content: bytes, *, run: str, label: str | None, marks: Keypoints | None) -> Feedback:
    """Keep a picture with what it shows; the same picture again replaces what was said before.

    `marks` are in pixels of the picture as it was sent, upright.

    Raises:
        PictureError: the picture cannot be opened.
        DatasetError: so many wait already, or the keypoints are those of a picture of another size.
    """
    places.inside(dataset, ROOM)
    image, *size = opened(content)
    sent = (size[0], size[1])
    if marks is not None and (marks.width, marks.height) != sent:
        raise DatasetError(
            f"the keypoints are those of a picture of {marks.width} x {marks.height} pixels; this one has"
            f" {sent[0]} x {sent[1]}"
        )
    image.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=3.0)
    image.info.clear()
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    kept = stream.getvalue()
    sha256 = hashlib.sha256(kept).hexdigest()
    width, height = image.size
    correction = Feedback(
        sha256=sha256,
        run=run,
        when=datetime.now(UTC),
        width=width,
        height=height,
        label=label,
        marks=None if marks is None else marks.scaled(sha256, width, height),
    )
    picture, said = files_of(dataset, sha256)
    if not said.exists() and count(dataset) >= MOST:
        raise DatasetError(f"{MOST} reports wait here already; take them up first: byod add --reports")
    with files.opened(dataset) as folder:
        folder.make(ROOM)
        folder.replace(f"{ROOM}/{picture.name}", kept, flush=True)
        folder.replace(f"{ROOM}/{said.name}", correction.model_dump_json(indent=1).encode(), flush=True)
    return correction


def files_of(dataset: Path, sha256: str) -> tuple[Path, Path]:
    """The picture and the JSON of a correction."""
    return dataset / ROOM / f"{sha256[:20]}.jpg", dataset / ROOM / f"{sha256[:20]}.json"


def count(dataset: Path) -> int:
    """Count the waiting corrections."""
    return sum(1 for _ in (dataset / ROOM).glob("[!.]*.json"))


def waiting(dataset: Path) -> Iterator[Feedback]:
    """The corrections that wait, oldest name first.

    Raises:
        DatasetError: one of the files is none of byod's, or a newer byod wrote it.
    """
    places.inside(dataset, ROOM)
    for file in sorted((dataset / ROOM).glob("[!.]*.json")):
        try:
            if file.lstat().st_size > MAX_BYTES:
                raise DatasetError(f"{file} is too large for a report; remove it")
            found = file_formats.read(Feedback, files.read(file), file, DatasetError)
            picture, _ = files_of(dataset, found.sha256)
            if picture.exists() and not files.is_ordinary(picture):
                raise places.is_link(picture)
            yield found
        except ValidationError as error:
            raise DatasetError(f"{file}: {file_formats.fault(error)}; fix or remove that file") from error
