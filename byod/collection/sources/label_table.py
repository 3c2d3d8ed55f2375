"""Tables of labels in the cache: which pictures of a large labelled collection are of a class, and who made them.

A table is a folder: `classes.json` (names of classes by their numbers), `pairs.npy` (class, picture, value, sorted by
class), `pictures.jsonl` (a line for each picture) and `starts.npy` (where each line begins). It is written whole or not
at all, and read without being loaded: only what belongs to a class is looked at.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byod.schema import files

Array = np.ndarray[Any, np.dtype[Any]]
FORMAT = 1
PAIR = np.dtype([("kind", "<u4"), ("picture", "<u4"), ("value", "<f4")])
_ABOUT, _CLASSES, _PAIRS, _STARTS, _PICTURES = (
    "about.json",
    "classes.json",
    "pairs.npy",
    "starts.npy",
    "pictures.jsonl",
)


class DamagedTableError(Exception):
    """A table in the cache cannot be read; it is to be made again."""


class PictureLines:
    """The lines of pictures while a table is made: each gets the next number."""

    def __init__(self, place: Path) -> None:
        self._place, self.starts, self._size = place, array("Q", [0]), 0
        self._waiting: list[bytes] = []

    def add(self, picture: Sequence[object]) -> None:
        """Add the line of a picture."""
        line = json.dumps(picture, ensure_ascii=False).encode() + b"\n"
        self._size += len(line)
        self.starts.append(self._size)
        self._waiting.append(line)
        if len(self._waiting) >= 10_000:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with files.opened(self._place) as folder:
            folder.append(_PICTURES, b"".join(self._waiting))
        self._waiting.clear()


def write(place: Path, lines: PictureLines, classes: Sequence[str], pairs: Array) -> None:
    """Finish a table in the folder where its lines of pictures are; of what is said twice the lowest value counts."""
    lines.flush()
    kept = first_of_each(pairs, pairs["value"])
    with files.opened(place) as folder:
        for name, array in ((_PAIRS, kept), (_STARTS, np.array(lines.starts, dtype="<u8"))):
            with folder.replacing(name) as stream:
                np.save(stream, array, allow_pickle=False)
        folder.replace(_CLASSES, json.dumps(list(classes)).encode())
        folder.replace(_ABOUT, json.dumps({"format": FORMAT, "pictures": len(lines.starts) - 1}).encode())


def first_of_each(pairs: Array, by: Array) -> Array:
    """Of the pairs of one class and picture the first by some values; sorted by class, then by picture."""
    pairs = pairs[np.lexsort((by, pairs["picture"], pairs["kind"]))]
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = (pairs["kind"][1:] != pairs["kind"][:-1]) | (pairs["picture"][1:] != pairs["picture"][:-1])
    return np.compress(first, pairs)


def pairs_of(kinds: Any, pictures: Any, values: Any) -> Array:
    """Three sequences of equal length as pairs."""
    pairs = np.empty(len(kinds), dtype=PAIR)
    pairs["kind"], pairs["picture"], pairs["value"] = kinds, pictures, values
    return pairs


class LabelTable:
    """A table that was written.

    Raises:
        DamagedTableError: it is not there, of another version, or not whole.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        try:
            about = json.loads(files.read(place / _ABOUT))
            self._classes = {
                name: number for number, name in enumerate(json.loads(files.read(place / _CLASSES)))
            }
            self._pairs = np.load(place / _PAIRS, mmap_mode="r", allow_pickle=False)
            self._starts = np.load(place / _STARTS, mmap_mode="r", allow_pickle=False)
            size = (place / _PICTURES).stat().st_size
            whole = (
                about["format"] == FORMAT
                and self._pairs.dtype == PAIR
                and self._starts.dtype == np.dtype("<u8")
                and len(self._starts) == about["pictures"] + 1
                and int(self._starts[-1]) == size
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DamagedTableError(f"{place}: {error}") from error
        if not whole:
            raise DamagedTableError(f"{place} is of another version, or not whole")
        self._begins = np.searchsorted(self._pairs["kind"], np.arange(len(self._classes) + 1))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return tuple(self._classes)

    def of_class(self, name: str) -> tuple[Array, Array]:
        """The pictures about which something is said of a class, and what: their numbers and values."""
        number = self._classes.get(name)
        if number is None:
            return np.empty(0, dtype="<u4"), np.empty(0, dtype="<f4")
        begin, end = self._begins[number], self._begins[number + 1]
        return np.array(self._pairs["picture"][begin:end]), np.array(self._pairs["value"][begin:end])

    def pictures(self, numbers: Iterable[int]) -> Iterator[list[Any]]:
        """The lines of pictures, as they were written."""
        with (self._place / _PICTURES).open("rb") as stream:
            for number in numbers:
                if not 0 <= number < len(self._starts) - 1:
                    continue
                begin, end = int(self._starts[number]), int(self._starts[number + 1])
                stream.seek(begin)
                try:
                    yield json.loads(stream.read(max(0, end - begin)))
                except ValueError:
                    continue
