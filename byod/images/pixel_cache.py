"""Pictures decoded once: uint8 pixels near the training size, on disk, memory-mapped, shared by all trainers.

For each input rule (and each other kind of block, `PixelCache.blocks`) there are two files, as `record_files` has them:
the pixels of picture after picture, and their SHA-256s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import ArrayLike, NDArray

from byod.images.record_files import RecordFiles, picture_key
from byod.images.resize import pixels
from byod.schema.errors import PictureError, TrainerError
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
        super().__init__(lambda number: decoded(examples[number], rule), size, store, rows)


class PixelCache:
    """A folder of decoded pictures that never grows beyond its bound."""

    def __init__(self, folder: Path, *, megabytes: int = MEGABYTES, say: Say = silent) -> None:
        self._folder, self._bound, self._say = folder, megabytes * 1_000_000, say

    def pixels(self, examples: Sequence[Example], rule: InputRule) -> Pixels:
        """Decode what is not there yet, and give all of it; past the bound, pictures are decoded when asked for.

        Raises:
            TrainerError: a picture cannot be opened.
        """
        keys = [picture_key(example) for example in examples]
        size, name = (rule.width, rule.height), f"{rule.resize}-{RESIZING[rule.pixels]}"
        return Pixels(
            examples, rule, *self._kept(keys, name, size, lambda number: decoded(examples[number], rule))
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
        width, height = size
        store = RecordFiles(self._folder / f"{width}x{height}-{kind}.keys", ".u8", width * height * 3)
        with FileLock(self._folder / "lock"):
            known = store.keys()
            first = {key: number for number, key in reversed(list(enumerate(keys)))}
            missing = [number for number, key in enumerate(keys) if key not in known and first[key] == number]
            if missing:
                room = store.make_room(len(missing), dict.fromkeys(keys), self._bound)
                if room < len(missing):
                    self._say(
                        f"the cache holds {self._bound // 1_000_000} MB: {len(missing) - room} of {len(first)} "
                        "pictures are decoded anew in each epoch"
                    )
                if room:
                    store.append(
                        _made([(keys[number], number) for number in missing[:room]], make, self._say)
                    )
                known = store.keys()
            store.touch()
        mapped = store.mapped()
        blocks = None if mapped is None else mapped.reshape(-1, height, width, 3)
        return blocks, np.array([known.get(key, -1) for key in keys], np.int64)


def _made(
    wanted: Sequence[tuple[bytes, int]], make: Callable[[int], Bytes], say: Say
) -> Iterator[list[tuple[bytes, memoryview]]]:
    """Some blocks at a time, made on threads; says how far it is every few seconds."""
    import time

    told = time.monotonic()
    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        for at in range(0, len(wanted), AT_ONCE):
            some = wanted[at : at + AT_ONCE]
            made = threads.map(lambda one: make(one[1]), some)
            yield [
                (key, np.ascontiguousarray(block).data) for (key, _), block in zip(some, made, strict=True)
            ]
            if time.monotonic() - told > 5:
                told = time.monotonic()
                say(f"decoded {at + len(some)} of {len(wanted)} pictures")


def decoded(example: Example, rule: InputRule) -> Bytes:
    """The pixels of an example by an input rule: uint8 [height, width, 3].

    Raises:
        TrainerError: it cannot be opened any more.
    """
    if example.grey_white is not None:
        rule = rule.model_copy(update={"grey_white": example.grey_white})
    try:
        return np.ascontiguousarray(pixels(example.path, rule))
    except PictureError as error:
        raise TrainerError(
            f"{example.path} cannot be opened any more ({error.detail}); move it away, and train again"
        ) from error
