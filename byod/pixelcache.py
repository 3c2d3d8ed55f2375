"""Pictures decoded once: uint8 pixels near the training size, on disk, memory-mapped, shared by all trainers.

For each input rule there are two files: the pixels of picture after picture, and their SHA-256s (32 bytes each)
in the same order. A key is written after its pixels, so whatever a kill leaves behind the last key is
overwritten next time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import ArrayLike, NDArray

from byod.errors import PictureError, TrainerError
from byod.modelcard import InputRule
from byod.records import Example
from byod.resizing import pixels

MEGABYTES = 4096
RESIZING = 1  # the number of the resize rule's code; another one makes new files
AT_ONCE = 64  # pictures decoded before their pixels are written

Bytes = NDArray[np.uint8]


class Pixels:
    """The decoded pictures of some examples: uint8 [N, height, width, 3], RGB, read by row number."""

    def __init__(
        self, examples: Sequence[Example], rule: InputRule, store: Bytes | None, rows: NDArray[np.int64]
    ) -> None:
        self._examples, self._rule, self._store, self._rows = examples, rule, store, rows

    def __len__(self) -> int:
        return len(self._examples)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(pictures, height, width, 3)."""
        return (len(self), self._rule.height, self._rule.width, 3)

    def rows(self, numbers: ArrayLike) -> Bytes:
        """A copy of the pictures of these numbers, in their order; what is not in the cache is decoded now.

        Raises:
            TrainerError: one cannot be opened any more.
        """
        wanted = np.asarray(numbers, np.int64)
        places = self._rows[wanted]
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if self._store is not None:
            found[places >= 0] = self._store[places[places >= 0]]
        for at in np.flatnonzero(places < 0):
            found[at] = _decode(self._examples[int(wanted[at])], self._rule)
        return found

    def all(self) -> Bytes:
        """All pictures at once, in memory."""
        return self.rows(np.arange(len(self)))


class PixelCache:
    """A folder of decoded pictures that never grows beyond its bound."""

    def __init__(
        self, folder: Path, *, megabytes: int = MEGABYTES, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._folder, self._bound, self._say = folder, megabytes * 1_000_000, say

    def pixels(self, examples: Sequence[Example], rule: InputRule) -> Pixels:
        """Decode what is not there yet, and give all of it; past the bound, pictures are decoded when asked for.

        Raises:
            TrainerError: a picture cannot be opened.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = _Store(self._folder, rule)
        with FileLock(self._folder / "lock"):
            known = store.keys()
            wanted = dict.fromkeys(bytes.fromhex(example.sha256) for example in examples)
            missing = [
                e for e in {e.sha256: e for e in examples}.values() if bytes.fromhex(e.sha256) not in known
            ]
            if missing:
                room = self._make_room(store, len(missing), wanted)
                if room < len(missing):
                    self._say(
                        f"the cache holds {self._bound // 1_000_000} MB: {len(missing) - room} of {len(wanted)} "
                        "pictures are decoded anew in each epoch"
                    )
                store.add(missing[:room], self._say)
                known = store.keys()
            store.touch()
        rows = np.array([known.get(bytes.fromhex(e.sha256), -1) for e in examples], np.int64)
        return Pixels(examples, rule, store.mapped(), rows)

    def _make_room(self, store: _Store, new: int, wanted: dict[bytes, None]) -> int:
        """How many of `new` pictures there is room for, once what was not used for longest is gone."""
        others = [_Store.of(file) for file in self._folder.glob("*.keys") if file != store.names]
        others.sort(key=lambda other: other.names.stat().st_mtime)
        used = store.size() + sum(other.size() for other in others)
        for other in others:
            if used + new * store.cost <= self._bound:
                break
            used -= other.size()
            other.remove()
        if used + new * store.cost > self._bound:
            store.keep_only(wanted)
            used = store.size()
        return int(max(0, min(new, (self._bound - used) // store.cost)))


class _Store:
    """The two files of one input rule."""

    def __init__(self, folder: Path, rule: InputRule) -> None:
        name = f"{rule.width}x{rule.height}-{rule.resize}-{RESIZING}"
        self.rule, self.record = rule, rule.width * rule.height * 3
        self.names, self.content = folder / f"{name}.keys", folder / f"{name}.u8"

    @property
    def cost(self) -> int:
        """Bytes a picture takes, with its key."""
        return self.record + 32

    @classmethod
    def of(cls, names: Path) -> _Store:
        """The store whose keys lie in this file."""
        size, resize, _ = names.stem.split("-")
        width, height = size.split("x")
        return cls(
            names.parent,
            InputRule.model_validate({"width": int(width), "height": int(height), "resize": resize}),
        )

    def keys(self) -> dict[bytes, int]:
        """Row numbers by key."""
        if not self.names.exists() or not self.content.exists():
            return {}
        text = self.names.read_bytes()
        count = min(len(text) // 32, self.content.stat().st_size // self.record)
        return {text[32 * at : 32 * at + 32]: at for at in range(count)}

    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in (self.names, self.content) if file.exists())

    def touch(self) -> None:
        """Note that it was used now."""
        if self.names.exists():
            os.utime(self.names)

    def remove(self) -> None:
        """Delete both files; one that is mapped by another program stays (Windows), and goes next time."""
        for file in (self.names, self.content):
            with contextlib.suppress(PermissionError):
                file.unlink(missing_ok=True)

    def mapped(self) -> Bytes | None:
        """All pictures, mapped from disk; None when there is none."""
        count = len(self.keys())
        if not count:
            return None
        shape = (count, self.rule.height, self.rule.width, 3)
        return np.memmap(self.content, np.uint8, "r", shape=shape)

    def add(self, examples: Sequence[Example], say: Callable[[str], None]) -> None:
        """Decode pictures on all cores and append them."""
        if not examples:
            return
        count = len(self.keys())
        for file, end in ((self.names, count * 32), (self.content, count * self.record)):
            with file.open("ab") as whole:
                whole.truncate(end)
        with self.names.open("ab") as names, self.content.open("ab") as content:
            for some in _decoded(examples, self.rule, say):
                for _, picture in some:
                    content.write(picture.data)
                content.flush()
                names.write(b"".join(bytes.fromhex(example.sha256) for example, _ in some))
                names.flush()

    def keep_only(self, wanted: dict[bytes, None]) -> None:
        """Write both files anew with these pictures alone."""
        known = self.keys()
        kept = [(key, row) for key, row in known.items() if key in wanted]
        if len(kept) == len(known):
            return
        mapped = self.mapped()
        new_content, new_names = self.content.with_suffix(".u8.new"), self.names.with_suffix(".keys.new")
        with new_content.open("wb") as content:
            for _, row in kept:
                content.write(np.ascontiguousarray(mapped[row]).data if mapped is not None else b"")
        new_names.write_bytes(b"".join(key for key, _ in kept))
        self.names.unlink()
        os.replace(new_content, self.content)
        os.replace(new_names, self.names)


def _decoded(
    examples: Sequence[Example], rule: InputRule, say: Callable[[str], None]
) -> Iterator[list[tuple[Example, Bytes]]]:
    """Some pictures at a time, decoded on threads; says how far it is every few seconds."""
    import time

    told = time.monotonic()
    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        for at in range(0, len(examples), AT_ONCE):
            some = examples[at : at + AT_ONCE]
            yield list(zip(some, threads.map(lambda e: _decode(e, rule), some), strict=True))
            if time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"decoded {at + len(some)} of {len(examples)} pictures")


def _decode(example: Example, rule: InputRule) -> Bytes:
    try:
        return np.ascontiguousarray(pixels(example.path, rule))
    except PictureError as error:
        raise TrainerError(
            f"{example.path} cannot be opened any more ({error.detail}); move it away, and train again"
        ) from error
