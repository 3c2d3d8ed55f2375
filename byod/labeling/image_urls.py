"""The pictures as reviewers see them: upright, at most 1024 pixels, in a format every browser draws, named by hash.

Label Studio serves them itself: from a folder beside its own files (its local-files storage, never synced), or, on
a server whose disk byod cannot reach, as uploads.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from PIL import Image

from byod.images import decode
from byod.images.picture_types import TYPES
from byod.labeling.client import LabelStudio
from byod.schema import files
from byod.schema.errors import PictureError, ReviewError
from byod.schema.records import Sample

MAX_SIDE = 1024
_MAX_BYTES = 1_500_000
_UPLOAD_FILES = 50  # Django takes 100 files a request

Addressed = Callable[[Sequence[Sample]], dict[str, str]]
"""Gives the address, as a task names it, of each picture; one that cannot be shown is left out."""


class Ahead:
    """The addresses of pictures, found in a thread of its own before anybody asks for them."""

    def __init__(self, address: Addressed) -> None:
        self._address = address
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._coming: tuple[list[str], Future[dict[str, str]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def begin(self, samples: Sequence[Sample]) -> None:
        """Find the addresses of these pictures meanwhile."""
        self._coming = self._begun(samples)

    def _begun(self, samples: Sequence[Sample]) -> tuple[list[str], Future[dict[str, str]]]:
        return [sample.sha256 for sample in samples], self._thread.submit(self._address, samples)

    def __call__(self, samples: Sequence[Sample]) -> dict[str, str]:
        """The addresses of these pictures, found by now or as soon as they are; SHA-256 → address."""
        begun, self._coming = self._coming, None
        if begun is None or begun[0] != [sample.sha256 for sample in samples]:
            begun = self._begun(samples)
        return begun[1].result()


class LocalFiles:
    """Previews in a folder that Label Studio serves: links to the pictures where they are fit as they are.

    Args:
        dataset: the dataset's folder.
        root: what the server calls LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.
        room: the folder below it that is this dataset's.
    """

    def __init__(self, dataset: Path, root: Path, room: str) -> None:
        self._dataset, self._room = dataset, room
        self.folder = root / room
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, samples: Sequence[Sample]) -> dict[str, str]:
        """Make what is missing; SHA-256 → address."""
        names = {sample.sha256: self._as_it_is(sample) for sample in samples}
        rest = [sample for sample in samples if names[sample.sha256] is None]
        # a picture is shrunk outside of the interpreter; to link one takes less than to hand it to a thread
        with ThreadPoolExecutor(max_workers=2) as threads:
            names |= zip((sample.sha256 for sample in rest), threads.map(self._made, rest), strict=True)
        return {
            sha256: f"/data/local-files/?d={quote(f'{self._room}/{name}')}"
            for sha256, name in names.items()
            if name is not None
        }

    def tidy(self, pictures: Collection[str]) -> None:
        """Remove the previews of all pictures but these: what was deleted does not live on behind a second name."""
        for file in self.folder.iterdir():
            if file.name[:64] not in pictures:
                file.unlink(missing_ok=True)

    def _as_it_is(self, sample: Sample) -> str | None:
        """The second name of a picture that is shown as it is; None where it is not, or cannot have one."""
        source = self._dataset / sample.path
        name = _name(sample, fit=True)
        try:
            if not _fit(sample, source):
                return None
            target = self.folder / name
            return name if target.exists() or _linked(source, target) else None
        except (PictureError, FileNotFoundError):
            return None

    def _made(self, sample: Sample) -> str | None:
        """The name of a file that is written to show a picture; None for one that cannot be shown."""
        source = self._dataset / sample.path
        try:
            fit = _fit(sample, source)
            name = _name(sample, fit=fit)
            target = self.folder / name
            if not target.exists():
                files.replace(target, source.read_bytes() if fit else shrunk(source))
        except (PictureError, FileNotFoundError):
            return None
        return name


def _name(sample: Sample, *, fit: bool) -> str:
    """What the file is called that shows a picture: as it is, where it is fit for that, or shrunk."""
    suffix = TYPES[sample.format].suffixes[0] if sample.format in TYPES else ".jpg"
    return f"{sample.sha256}{suffix if fit else '.preview.jpg'}"


class Uploads:
    """Previews sent to a server: Label Studio keeps them among its uploads."""

    def __init__(self, dataset: Path, studio: LabelStudio, project: int) -> None:
        self._dataset, self._studio, self._project = dataset, studio, project

    def __call__(self, samples: Sequence[Sample]) -> dict[str, str]:
        """Send the pictures, some at a time; SHA-256 → address."""
        found: dict[str, str] = {}
        for at in range(0, len(samples), _UPLOAD_FILES):
            found |= self._sent(samples[at : at + _UPLOAD_FILES])
        return found

    def _sent(self, samples: Sequence[Sample]) -> dict[str, str]:
        files = []
        for sample in samples:
            source = self._dataset / sample.path
            try:
                fit = _fit(sample, source)
                body = source.read_bytes() if fit else shrunk(source)
            except (PictureError, FileNotFoundError):
                continue
            suffix = TYPES[sample.format or ""].suffixes[0] if fit else ".jpg"
            # a field of its own for each: of several files in one field Django's view takes the last
            files.append((sample.sha256, (f"{sample.sha256}{suffix}", body)))
        if not files:
            return {}
        path = f"/api/projects/{self._project}"
        told = self._studio.post(f"{path}/import", params={"commit_to_project": "false"}, files=files)
        numbers = told.get("file_upload_ids") or []
        rows: list[dict[str, Any]] = self._studio.get(
            f"{path}/file-uploads", params={"ids": json.dumps(numbers)}
        )
        by_number = {row["id"]: str(row["file"]) for row in rows}
        names = [by_number.get(number, "") for number in numbers]
        found = {
            sample.sha256: f"/data/{name}" for sample in samples for name in names if sample.sha256 in name
        }
        if len(found) != len(files):
            raise ReviewError(f"the Label Studio at {self._studio.url} did not keep the pictures sent to it")
        return found


def _fit(sample: Sample, source: Path) -> bool:
    """True if reviewers may see the file as it is: small, upright, and of a format every browser draws."""
    kind = TYPES.get(sample.format or "")
    if kind is None or not kind.shown_as_is or sample.size > _MAX_BYTES:
        return False
    if max(sample.width or MAX_SIDE + 1, sample.height or MAX_SIDE + 1) > MAX_SIDE:
        return False
    return decode.plain(source.read_bytes())


def shrunk(source: Path) -> bytes:
    """The picture upright, in RGB, with no side over 1024 pixels, as JPEG without metadata.

    Raises:
        PictureError: it cannot be opened.
    """
    image = decode.open_picture(source, at_least=MAX_SIDE)
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    body = io.BytesIO()
    image.save(body, "JPEG", quality=88)
    return body.getvalue()


def _linked(source: Path, target: Path) -> bool:
    """Give the file a second name; False where the disk cannot, and of one that is a link."""
    try:
        if source.is_symlink():
            return False
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        return False
    return True
