"""Features computed once: a float16 vector for each picture and extractor, on disk, memory-mapped, shared by all.

For each extractor there are two files, as `record_files` has them: the vectors, each with a checksum of it and of its
key, and the keys (SHA-256s of pictures). A vector that is not what was written is computed anew.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from byod.images.pixel_cache import decoded
from byod.images.record_files import RecordFiles, picture_key
from byod.images.resize import as_input
from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule
from byod.schema.progress import Say, silent
from byod.schema.records import Example

MEGABYTES = 1024
BATCH = 8
"""Pictures computed at a time: with more, all maps of a net stand in memory, and it is no quicker."""
CHECK = 4
"""Bytes of the checksum."""
TOLD = 5.0
"""Seconds between two lines that say how far it is."""

Floats = NDArray[np.float32]
Vectors = NDArray[np.float16]
Compute = Callable[[Floats], Floats]


class FeatureStore:
    """A folder of vectors that never grows beyond its bound.

    Args:
        folder: it is made where it is missing.
        megabytes: its bound, for all extractors together.
        say: is told how far it is while vectors are computed.
    """

    def __init__(self, folder: Path, *, megabytes: int = MEGABYTES, say: Say = silent) -> None:
        self._folder, self._bound, self._say = folder, megabytes * 1_000_000, say

    def vectors(
        self, examples: Sequence[Example], extractor: str, width: int, rule: InputRule, compute: Compute
    ) -> Vectors:
        """float16 [N, width]: what `compute` makes of each picture, computed where it is not there yet.

        Args:
            examples: the pictures, in the order of the rows.
            extractor: a name of a file for all that decides the numbers; those of different ones are never mixed up.
            width: numbers of a vector.
            rule: how pictures are brought to the input of `compute`.
            compute: from float32 [n, 3, height, width of the rule] to float32 [n, width].

        Raises:
            TrainerError: a picture cannot be opened, or `compute` raised it.
        """
        keys = [picture_key(example) for example in examples]
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = RecordFiles(self._folder / f"{extractor}.keys", ".f16", 2 * width + CHECK)
        with FileLock(self._folder / "lock"):
            known = self._known(files, keys, width)
            wanted = {key: example for key, example in zip(keys, examples, strict=True) if key not in known}
            if wanted:
                room = files.make_room(len(wanted), dict.fromkeys(keys), self._bound)
                files.append(self._kept(self._computed(wanted, rule, compute), known, room))
            files.touch()
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, width), np.float16)

    @staticmethod
    def _known(files: RecordFiles, keys: Sequence[bytes], width: int) -> dict[bytes, Vectors]:
        """The vectors that are there, each as it was written."""
        rows, mapped = files.keys(), files.mapped()
        if mapped is None:
            return {}
        found = {}
        for key in dict.fromkeys(keys):
            if (row := rows.get(key)) is not None:
                record = mapped[row].tobytes()
                if _checksum(key, record[:-CHECK]) == record[-CHECK:]:
                    found[key] = np.frombuffer(record[:-CHECK], "<f2", width)
        return found

    @staticmethod
    def _kept(
        computed: Iterator[list[tuple[bytes, Vectors]]], known: dict[bytes, Vectors], room: int
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """What is computed, into `known`; as records those that there is room for."""
        for some in computed:
            known.update(some)
            written, room = some[: max(room, 0)], room - len(some)
            yield [(key, _record(key, vector)) for key, vector in written]

    def _computed(
        self, wanted: dict[bytes, Example], rule: InputRule, compute: Compute
    ) -> Iterator[list[tuple[bytes, Vectors]]]:
        """A batch at a time; the next pictures are decoded meanwhile."""
        names, pictures = list(wanted), list(wanted.values())
        started = told = time.monotonic()
        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:

            def decoding(at: int) -> list[Future[NDArray[np.uint8]]]:
                return [threads.submit(decoded, one, rule) for one in pictures[at : at + BATCH]]

            waiting = decoding(0)
            for at in range(0, len(pictures), BATCH):
                now, waiting = waiting, decoding(at + BATCH)
                images = as_input(np.stack([one.result() for one in now]))
                yield list(zip(names[at : at + BATCH], _halved(compute(images)), strict=True))
                if time.monotonic() - told > TOLD:
                    told, done = time.monotonic(), at + len(now)
                    left = (told - started) / done * (len(pictures) - done)
                    self._say(f"features of {done} of {len(pictures)} pictures, about {left:.0f} s left")


def _halved(vectors: Floats) -> Vectors:
    """The same as float16.

    Raises:
        TrainerError: a number is too large for it.
    """
    if np.abs(vectors).max(initial=0) > np.finfo(np.float16).max:
        raise TrainerError(
            "the extractor gives numbers above 65,504, which float16 cannot hold; choose another"
        )
    return vectors.astype("<f2")


def _record(key: bytes, vector: Vectors) -> bytes:
    content = np.ascontiguousarray(vector, "<f2").tobytes()
    return content + _checksum(key, content)


def _checksum(key: bytes, content: bytes) -> bytes:
    return zlib.crc32(key + content).to_bytes(CHECK, "little")
