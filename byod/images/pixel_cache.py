"""Pictures decoded once: uint8 pixels near the training size, on disk, memory-mapped, shared by all trainers.

For each input rule (and each other kind of block, `PixelCache.blocks`) there are two files: the pixels of picture after
picture, and their SHA-256s (32 bytes each) in the same order. A key is written after its pixels, so whatever a kill
leaves behind the last key is overwritten next time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import ArrayLike, NDArray

from byod.images.resize import pixels
from byod.schema.errors import PictureError, TrainerError
from byod.schema.files import opened
from byod.schema.model_card import InputRule, PixelRule
from byod.schema.progress import Say, silent
from byod.schema.records import Example

MEGABYTES = 4096
RESIZING = {
    PixelRule.REDUCED: 1,
    PixelRule.WHOLE: 2,
}  # the number of a rule's code; another one makes new files
AT_ONCE = 64  # pictures decoded before their pixels are written

Bytes = NDArray[np.uint8]
Size = tuple[int, int]  # width and height


class Blocks:
    """Blocks of pixels, all of one size: uint8 [N, height, width, 3], RGB, read by row number.

    `make` gives the block of a number anew; `rows` says where each lies in `store`, -1 where it is not there.
    """

    def __init__(
        self, make: Callable[[int], Bytes], size: Size, store: Bytes | None, rows: NDArray[np.int64]
    ) -> None:
        self._make, self._size, self._store, self._rows = make, size, store, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(blocks, height, width, 3)."""
        return (len(self), self._size[1], self._size[0], 3)

    def rows(self, numbers: ArrayLike) -> Bytes:
        """A copy of the blocks of these numbers, in their order; what is not in the cache is made now.

        Raises:
            TrainerError: a picture cannot be opened any more.
        """
        wanted = np.asarray(numbers, np.int64)
        places = self._rows[wanted]
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if self._store is not None:
            found[places >= 0] = self._store[places[places >= 0]]
        for at in np.flatnonzero(places < 0):
            found[at] = self._make(int(wanted[at]))
        return found

    def all(self) -> Bytes:
        """All blocks at once, in memory."""
        return self.rows(np.arange(len(self)))


class Pixels(Blocks):
    """The decoded pictures of some examples, resized by an input rule."""

    def __init__(
        self, examples: Sequence[Example], rule: InputRule, store: Bytes | None, rows: NDArray[np.int64]
    ) -> None:
        size = (rule.width, rule.height)
        super().__init__(lambda number: _decode(examples[number], rule), size, store, rows)


class PixelCache:
    """A folder of decoded pictures that never grows beyond its bound."""

    def __init__(self, folder: Path, *, megabytes: int = MEGABYTES, say: Say = silent) -> None:
        self._folder, self._bound, self._say = folder, megabytes * 1_000_000, say

    def pixels(self, examples: Sequence[Example], rule: InputRule) -> Pixels:
        """Decode what is not there yet, and give all of it; past the bound, pictures are decoded when asked for.

        Raises:
            TrainerError: a picture cannot be opened.
        """
        keys = [_key(example) for example in examples]
        size, name = (rule.width, rule.height), f"{rule.resize}-{RESIZING[rule.pixels]}"
        return Pixels(
            examples, rule, *self._kept(keys, name, size, lambda number: _decode(examples[number], rule))
        )

    def blocks(self, keys: Sequence[bytes], kind: str, size: Size, make: Callable[[int], Bytes]) -> Blocks:
        """Any blocks of pixels, likewise: `make` gives uint8 [height, width, 3] of a number, once for each key.

        Args:
            keys: 32 bytes each that stand for all that a block is made from.
            kind: a word for what they are; blocks of another kind or size are never mixed up.
            size: width and height of a block, in pixels.
            make: called on several threads.

        Raises:
            TrainerError: `make` raised it.
        """
        return Blocks(make, size, *self._kept(keys, kind, size, make))

    def _kept(
        self, keys: Sequence[bytes], kind: str, size: Size, make: Callable[[int], Bytes]
    ) -> tuple[Bytes | None, NDArray[np.int64]]:
        """All that there is room for, on disk and mapped, and the row of each key in it (-1: no room)."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = _Store(self._folder, kind, size)
        with FileLock(self._folder / "lock"):
            known = store.keys()
            first = {key: number for number, key in reversed(list(enumerate(keys)))}
            missing = [number for number, key in enumerate(keys) if key not in known and first[key] == number]
            if missing:
                room = self._make_room(store, len(missing), dict.fromkeys(keys))
                if room < len(missing):
                    self._say(
                        f"the cache holds {self._bound // 1_000_000} MB: {len(missing) - room} of {len(first)} "
                        "pictures are decoded anew in each epoch"
                    )
                store.add([(keys[number], number) for number in missing[:room]], make, self._say)
                known = store.keys()
            store.touch()
        return store.mapped(), np.array([known.get(key, -1) for key in keys], np.int64)

    def _make_room(self, store: _Store, new: int, wanted: dict[bytes, None]) -> int:
        """Make room for `new` pictures by dropping what was not used for longest; the number there is room for."""
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
    """The two files of one kind and size of blocks."""

    def __init__(self, folder: Path, kind: str, size: Size) -> None:
        name = f"{size[0]}x{size[1]}-{kind}"
        self.size_of_one, self.record = size, size[0] * size[1] * 3
        self.names, self.content = folder / f"{name}.keys", folder / f"{name}.u8"

    @property
    def cost(self) -> int:
        """Bytes a picture takes, with its key."""
        return self.record + 32

    @classmethod
    def of(cls, names: Path) -> _Store:
        """The store whose keys lie in this file."""
        size, kind = names.stem.split("-", 1)
        width, height = size.split("x")
        return cls(names.parent, kind, (int(width), int(height)))

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
        shape = (count, self.size_of_one[1], self.size_of_one[0], 3)
        return np.memmap(self.content, np.uint8, "r", shape=shape)

    def add(
        self,
        wanted: Sequence[tuple[bytes, int]],
        make: Callable[[int], Bytes],
        say: Say,
    ) -> None:
        """Make the blocks of these keys and numbers on all cores and append them."""
        if not wanted:
            return
        count = len(self.keys())
        for file, end in ((self.names, count * 32), (self.content, count * self.record)):
            with file.open("ab") as whole:
                whole.truncate(end)
        with self.names.open("ab") as names, self.content.open("ab") as content:
            for some in _made(wanted, make, say):
                for _, block in some:
                    content.write(np.ascontiguousarray(block).data)
                content.flush()
                names.write(b"".join(key for key, _ in some))
                names.flush()

    def keep_only(self, wanted: dict[bytes, None]) -> None:
        """Write both files anew with these pictures alone."""
        known = self.keys()
        kept = [(key, row) for key, row in known.items() if key in wanted]
        if len(kept) == len(known):
            return
        mapped = self.mapped()
        with opened(self.content.parent) as folder:
            with folder.replacing(self.content.name) as content:
                for _, row in kept:
                    content.write(np.ascontiguousarray(mapped[row]).data if mapped is not None else b"")
                self.names.unlink()
            folder.replace(self.names.name, b"".join(key for key, _ in kept))


def _made(
    wanted: Sequence[tuple[bytes, int]], make: Callable[[int], Bytes], say: Say
) -> Iterator[list[tuple[bytes, Bytes]]]:
    """Some blocks at a time, made on threads; says how far it is every few seconds."""
    import time

    told = time.monotonic()
    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        for at in range(0, len(wanted), AT_ONCE):
            some = wanted[at : at + AT_ONCE]
            made = threads.map(lambda one: make(one[1]), some)
            yield [(key, block) for (key, _), block in zip(some, made, strict=True)]
            if time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"decoded {at + len(some)} of {len(wanted)} pictures")


def _key(example: Example) -> bytes:
    """32 bytes that stand for a picture, and for what is white in it."""
    if example.grey_white is None:
        return bytes.fromhex(example.sha256)
    return hashlib.sha256(f"{example.sha256} {example.grey_white}".encode()).digest()


def _decode(example: Example, rule: InputRule) -> Bytes:
    if example.grey_white is not None:
        rule = rule.model_copy(update={"grey_white": example.grey_white})
    try:
        return np.ascontiguousarray(pixels(example.path, rule))
    except PictureError as error:
        raise TrainerError(
            f"{example.path} cannot be opened any more ({error.detail}); move it away, and train again"
        ) from error
