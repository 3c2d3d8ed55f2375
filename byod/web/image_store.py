"""The pictures of a dataset by their hash, read beside whoever works on it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import IMAGES, REJECTED
from byod.schema import files
from byod.schema.errors import DatasetError
from byod.schema.picture_files import readable
from byod.schema.records import Sample
from byod.tasks import TASKS

_FRESH = 10.0  # seconds that a look at all folders is good for


class ImageStore:
    """A dataset opened without its lock, for several threads.

    Raises:
        DatasetError: the folder is not a dataset, or it has no catalog.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "catalog.db").is_file():
            raise DatasetError(f"{folder} has no catalog yet; byod check {folder} makes it")
        self._dataset = Dataset(folder, TASKS, lock=False)
        self._turn = threading.Lock()
        self._seen: tuple[float, dict[int, list[Path]]] = (float("-inf"), {})

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self._dataset.folder

    def read(self, sha256: str) -> tuple[str, bytes] | None:
        """The name and bytes of the picture with this hash, wherever it lies now; None when there is none.

        A picture that was moved or renamed by hand is found by its bytes, before byod has noticed the move.
        """
        with self._turn:
            sample = self._dataset.catalog.samples.get(sha256)
            if sample is None or not sample.path:
                return None
            usual = readable(self.folder, sample.path, follow=self._dataset.follow_links)
            places = [usual] if usual is not None else self._elsewhere(sample)
        for place in places:
            content = _content(place, sample.size)
            if content is not None and hashlib.sha256(content).hexdigest() == sha256:
                return place.name, content
        return None

    def _elsewhere(self, sample: Sample) -> list[Path]:
        """Other files of the same size; looked for only when the picture is not where it should be."""
        since, by_size = self._seen
        if time.monotonic() - since > _FRESH:
            by_size = {}
            for place, size in _files(self.folder):
                by_size.setdefault(size, []).append(place)
            self._seen = (time.monotonic(), by_size)
        return by_size.get(sample.size, [])

    def close(self) -> None:
        """Close the catalog."""
        with self._turn:
            self._dataset.catalog.close()


def _content(place: Path, size: int) -> bytes | None:
    """The bytes of a file of this size, or None."""
    try:
        return files.read(place) if place.stat().st_size == size else None
    except (FileNotFoundError, NotADirectoryError, DatasetError):
        return None  # somebody moves files while we look


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files in class folders and among the rejected, with their sizes."""
    for room in [*(folder / IMAGES).glob("*"), *(folder / REJECTED).glob("*")]:
        if room.is_dir() and not room.is_symlink():
            with os.scandir(room) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path), entry.stat(follow_symlinks=False).st_size
