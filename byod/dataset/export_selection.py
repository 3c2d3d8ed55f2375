"""Select the pictures of an export: usable ones in a fixed order, as bytes every reader understands."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path, PurePosixPath

from byod.images.picture_types import TYPES
from byod.report import dataset_statistics
from byod.report.attribution import Credit, credit
from byod.schema.errors import DatasetError, PictureError
from byod.schema.recipe import safe_folder
from byod.schema.records import Record, Sample, Snapshot, Split

_ORIENTATION = 274


class Leaving(Record):
    """One picture on its way out: `folder` is a safe name for its class, `stem` a unique file name without ending.

    `number` is the class's position among the classes, from 0.
    """

    sample: Sample
    split: Split
    label: str
    number: int
    folder: str
    stem: str
    credit: Credit


class Content(Record):
    """A picture's bytes as they leave; `same` says whether they are the dataset's own."""

    content: bytes
    suffix: str
    same: bool

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def selected(snapshot: Snapshot) -> tuple[Leaving, ...]:
    """The usable pictures, by part of the split, class and SHA-256.

    Addresses of files on this machine (`file:`) are left out of their credits: they say nothing to anybody else.

    Raises:
        DatasetError: there are none, or some have no part of the split yet.
    """
    samples = [s for s in dataset_statistics.usable(snapshot) if _has_a_place(snapshot, s)]
    if not samples:
        raise DatasetError(f"{snapshot.name} has no pictures that can leave; `byod status` says why")
    unsplit = sum(sample.sha256 not in snapshot.splits for sample in samples)
    if unsplit:
        raise DatasetError(
            f"{unsplit} pictures of {snapshot.name} have no part of the split; run `byod split`"
        )
    folders: dict[str, str] = {}
    for label, folder in snapshot.classes.items():
        folders[label] = safe_folder(folder, folders.values())
    numbers = {label: number for number, label in enumerate(snapshot.classes)}
    parts = {split: number for number, split in enumerate(Split)}
    leaving = (
        Leaving(
            sample=sample,
            split=snapshot.splits[sample.sha256],
            label=sample.label,
            number=numbers[sample.label],
            folder=folders[sample.label],
            stem=sample.sha256[:20],
            credit=_public(credit(sample, dataset_statistics.origin_of(snapshot, sample), sample.path)),
        )
        for sample in samples
    )
    return tuple(sorted(leaving, key=lambda item: (parts[item.split], item.number, item.sample.sha256)))


def _has_a_place(snapshot: Snapshot, sample: Sample) -> bool:
    """True unless it is in a part of the split that only a newer byod knows."""
    part = snapshot.splits.get(sample.sha256)
    return part is None or part.known


def content(snapshot: Snapshot, item: Leaving) -> Content:
    """A picture as upright 8-bit JPEG or PNG: its own bytes when it is one, otherwise written anew.

    Readers differ: torchvision and Keras do not turn a photo as its EXIF says, Keras knows no WebP. A JPEG, WebP or
    AVIF is written anew as JPEG of quality 95 without chroma subsampling, anything else as PNG.

    Raises:
        DatasetError: the file is gone or is not the picture that byod knows.
    """
    path = snapshot.folder / PurePosixPath(item.sample.path)
    try:
        original = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); run `byod status` first") from error
    if hashlib.sha256(original).hexdigest() != item.sample.sha256:
        raise DatasetError(f"{path} has changed since byod looked at it; run `byod status` first")
    kind, portable = _kind(original, path)
    if portable:
        return Content(content=original, suffix=TYPES[kind].suffixes[0], same=True)
    return _anew(original, path, lossless=kind in TYPES and TYPES[kind].lossless)


def place(
    snapshot: Snapshot, item: Leaving, root: Path, folder: PurePosixPath, links: bool
) -> tuple[str, Content]:
    """Put one picture into `root/folder`; returns its path relative to `root`, and what was written."""
    picture = content(snapshot, item)
    relative = folder / (item.stem + picture.suffix)
    target = root / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (links and picture.same and _linked(snapshot.folder / PurePosixPath(item.sample.path), target)):
        target.write_bytes(picture.content)
    return str(relative), picture


def _linked(source: Path, target: Path) -> bool:
    """True if a hard link could be made; another file system, or one without links, cannot have one."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _kind(original: bytes, path: Path) -> tuple[str, bool]:
    """Pillow's name of the format, and whether every reader sees the picture as byod does."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(original)) as image:
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            upright = image.getexif().get(_ORIENTATION, 1) in (0, 1)
            return kind, kind in TYPES and TYPES[kind].everywhere and image.mode in ("L", "RGB") and upright
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} is not a picture that can be opened; run `byod status` first") from error


def _anew(original: bytes, path: Path, *, lossless: bool) -> Content:
    from byod.images.decode import open_picture

    try:
        image = open_picture(original)
    except PictureError as error:
        raise DatasetError(f"{path} cannot be opened ({error.detail}); run `byod status` first") from error
    target = io.BytesIO()
    if lossless:
        image.save(target, "PNG")
        return Content(content=target.getvalue(), suffix=".png", same=False)
    image.save(target, "JPEG", quality=95, subsampling=0)
    return Content(content=target.getvalue(), suffix=".jpg", same=False)


def _public(line: Credit) -> Credit:
    local = {
        name: None
        for name in ("url", "page", "creator_url", "licence_url")
        if not (getattr(line, name) or "").lower().startswith(("http://", "https://"))
    }
    return line.model_copy(update=local)
