"""Select the pictures of an export: usable ones in a fixed order, as bytes every reader understands."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from byod.images.formats import recognise
from byod.images.metadata import Blocks, Kept, Uncuttable, read, rewritten
from byod.images.picture_types import TYPES
from byod.report import dataset_statistics
from byod.report.attribution import Credit, credit
from byod.schema.errors import DatasetError, PictureError
from byod.schema.folder_names import safe_folder
from byod.schema.records import Record, Sample, Snapshot, Split


class Leaving(Record):
    """One picture on its way out: `folder` is a safe name for its class, `stem` a unique file name without ending.

    `number` is the class's position among the classes, from 0; `kept` how much of its metadata goes with it.
    """

    sample: Sample
    split: Split
    label: str
    number: int
    folder: str
    stem: str
    credit: Credit
    kept: Kept


class Content(Record):
    """A picture's bytes as they leave; `same` says whether they are the dataset's own."""

    content: bytes
    suffix: str
    same: bool

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def selected(snapshot: Snapshot, *, keep_metadata: bool) -> tuple[Leaving, ...]:
    """The usable pictures, by part of the split, class and SHA-256.

    Of metadata, pictures from the web keep who made them and how they may be used, one's own nothing, and all of them
    everything with `keep_metadata`. Addresses of files on this machine (`file:`) are left out of their credits: they
    say nothing to anybody else.

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
            kept=Kept.ALL
            if keep_metadata
            else Kept.CREDIT
            if _from_the_web(snapshot, sample)
            else Kept.NOTHING,
        )
        for sample in samples
    )
    return tuple(sorted(leaving, key=lambda item: (parts[item.split], item.number, item.sample.sha256)))


def _has_a_place(snapshot: Snapshot, sample: Sample) -> bool:
    """True unless it is in a part of the split that only a newer byod knows."""
    part = snapshot.splits.get(sample.sha256)
    return part is None or part.known


def _from_the_web(snapshot: Snapshot, sample: Sample) -> bool:
    """True unless it came from this machine alone: from a folder, an archive, or by hand."""
    return any(is_public(origin.url) for origin in snapshot.origins.get(sample.sha256, ()))


def positions(snapshot: Snapshot, items: Iterable[Leaving]) -> int:
    """The number of pictures whose own file says where they were taken."""
    return sum(_says_where(snapshot.folder / PurePosixPath(item.sample.path)) for item in items)


def _says_where(path: Path) -> bool:
    try:
        original = path.read_bytes()
        return read(original, recognise(original)).position
    except (OSError, PictureError, Uncuttable):
        return False  # it has just been exported: whatever hinders reading it was said, or it is damaged


class _Original(NamedTuple):
    """A picture's own file: Pillow's name of its type, its metadata, and whether every reader sees it as byod does.

    `cuttable` says whether its segments can be told apart.
    """

    content: bytes
    path: Path
    kind: str
    blocks: Blocks
    portable: bool
    cuttable: bool


def content(snapshot: Snapshot, item: Leaving) -> Content:
    """A picture as upright 8-bit JPEG or PNG, with the metadata that may leave.

    A file that is one already is copied, or its metadata cut out of it; any other is written anew. Readers differ:
    torchvision and Keras do not turn a photo as its EXIF says, Keras knows no WebP. A JPEG, WebP or AVIF is written
    anew as JPEG of quality 95 without chroma subsampling, anything else as PNG. A picture that is written anew keeps at
    most who made it and how it may be used.

    Raises:
        DatasetError: the file is gone or is not the picture that byod knows.
    """
    original = _looked_at(snapshot, item)
    whole, kind = original.content, original.kind
    told = Blocks() if item.kept is Kept.NOTHING else original.blocks.credit
    if original.portable and (item.kept is Kept.ALL or original.cuttable):
        left = whole if item.kept is Kept.ALL else rewritten(whole, kind, told)
        return Content(content=left, suffix=TYPES[kind].suffixes[0], same=left == whole)
    return _anew(original, told)


def _looked_at(snapshot: Snapshot, item: Leaving) -> _Original:
    path = snapshot.folder / PurePosixPath(item.sample.path)
    try:
        original = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); run `byod status` first") from error
    if hashlib.sha256(original).hexdigest() != item.sample.sha256:
        raise DatasetError(f"{path} has changed since byod looked at it; run `byod status` first")
    return _opened(original, path)


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
    """True if a hard link could be made; another file system, or one without links, cannot have one.

    None is made of a file behind a link: whoever edits the export would change what lies elsewhere.
    """
    try:
        if source.is_symlink() or source.parent.is_symlink():
            return False
        os.link(source, target)
    except OSError:
        return False
    return True


def _opened(original: bytes, path: Path) -> _Original:
    from byod.images.decode import ANY_PICTURE
    from byod.images.picture_file import open_file

    try:
        opened = open_file(original, ANY_PICTURE.limits)
    except PictureError as error:
        raise DatasetError(f"{path} cannot be opened ({error.detail}); run `byod status` first") from error
    kind = opened.name
    portable = TYPES[kind].everywhere and opened.file.mode in ("L", "RGB") and opened.orientation == 1
    try:
        return _Original(original, path, kind, read(original, kind), portable, cuttable=True)
    except Uncuttable:
        return _Original(original, path, kind, Blocks(), portable, cuttable=False)


def _anew(original: _Original, told: Blocks) -> Content:
    from byod.images.decode import open_picture

    try:
        image = open_picture(original.content)
    except PictureError as error:
        raise DatasetError(
            f"{original.path} cannot be opened ({error.detail}); run `byod status` first"
        ) from error
    image.info.clear()  # Pillow would write some of it
    target = io.BytesIO()
    kind = "PNG" if original.kind in TYPES and TYPES[original.kind].lossless else "JPEG"
    if kind == "PNG":
        image.save(target, "PNG")
    else:
        image.save(target, "JPEG", quality=95, subsampling=0)
    left = rewritten(target.getvalue(), kind, told)
    return Content(content=left, suffix=TYPES[kind].suffixes[0], same=False)


def _public(line: Credit) -> Credit:
    local = {
        name: None
        for name in ("url", "page", "creator_url", "licence_url")
        if not is_public(getattr(line, name) or "")
    }
    return line.model_copy(update={**local, "original": None})


def is_public(address: str) -> bool:
    """True for an address that says something to others: one of the web, not of a file on this machine."""
    return address.lower().startswith(("http://", "https://"))
