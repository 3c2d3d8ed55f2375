"""Records of one length in two files of a cache: the records one after the other, and their keys in the same order.

A key (32 bytes) is written after its record, so whatever a kill leaves behind the last key is overwritten next time.
Whoever writes holds the lock of the folder; readers map the records.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.schema.files import opened
from byod.schema.records import Example

KEY = 32
"""Bytes of a key."""

Bytes = NDArray[np.uint8]


def picture_key(example: Example) -> bytes:
    """32 bytes that stand for a picture, and for what is white in it."""
    if example.grey_white is None:
        return bytes.fromhex(example.sha256)
    return hashlib.sha256(f"{example.sha256} {example.grey_white}".encode()).digest()


class RecordFiles:
    """The two files of one kind of records: `NAME.keys`, and `NAME` with the ending of its content."""

    def __init__(self, names: Path, ending: str, length: int) -> None:
        self.names, self.content, self.length = names, names.with_suffix(ending), length

    @property
    def cost(self) -> int:
        """Bytes that a record takes, with its key."""
        return self.length + KEY

    def keys(self) -> dict[bytes, int]:
        """Row numbers by key; of records with the same key the last one counts."""
        if not self.names.exists() or not self.content.exists():
            return {}
        text = self.names.read_bytes()
        return {text[KEY * at : KEY * (at + 1)]: at for at in range(self._count(len(text)))}

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
        """All records, mapped from disk: uint8 [records, length]; None where there is none."""
        if not self.names.exists() or not self.content.exists():
            return None
        count = self._count(self.names.stat().st_size)
        return np.memmap(self.content, np.uint8, "r", shape=(count, self.length)) if count else None

    def append(self, parts: Iterable[Sequence[tuple[bytes, bytes | memoryview]]]) -> None:
        """Write some keys and records after the others, a part at a time."""
        count = self._count(self.names.stat().st_size) if self.names.exists() and self.content.exists() else 0
        for file, end in ((self.names, count * KEY), (self.content, count * self.length)):
            with file.open("ab") as whole:
                whole.truncate(end)
        with self.names.open("ab") as names, self.content.open("ab") as content:
            for some in parts:
                for _, record in some:
                    content.write(record)
                content.flush()
                names.write(b"".join(key for key, _ in some))
                names.flush()

    def keep_only(self, wanted: Collection[bytes]) -> None:
        """Write both files anew with these keys alone."""
        known = self.keys()
        kept = [(key, row) for key, row in known.items() if key in wanted]
        if len(kept) == len(known):
            return
        mapped = self.mapped()
        with opened(self.content.parent) as folder:
            with folder.replacing(self.content.name) as content:
                for _, row in kept:
                    content.write(mapped[row].data if mapped is not None else b"")
                self.names.unlink()
            folder.replace(self.names.name, b"".join(key for key, _ in kept))

    def make_room(self, new: int, wanted: Collection[bytes], bound: int) -> int:
        """Make room for `new` records by dropping what was not used for longest; the number there is room for.

        `bound` are the bytes of all kinds of this ending in the folder together; `wanted` are the keys to keep.
        """
        found = (
            RecordFiles(file, self.content.suffix, self.length) for file in self.names.parent.glob("*.keys")
        )
        others = sorted(
            (each for each in found if each.names != self.names), key=lambda each: each.names.stat().st_mtime
        )
        used = self.size() + sum(other.size() for other in others)
        for other in others:
            if used + new * self.cost <= bound:
                break
            used -= other.size()
            other.remove()
        if used + new * self.cost > bound:
            self.keep_only(wanted)
            used = self.size()
        return int(max(0, min(new, (bound - used) // self.cost)))

    def _count(self, keys: int) -> int:
        """The number of whole records behind so many bytes of keys."""
        return min(keys // KEY, self.content.stat().st_size // self.length)
