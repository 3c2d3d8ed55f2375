"""Cut groups of near-copies that have grown too large to be copies of one picture.

Pictures of one thing from a fixed camera, digits, frames of a turntable: all look alike, and links from one to the
next join nearly a whole class. Kept on one side of a split, nothing would be left to test on. There "alike" says
little: only the nearest stay together, no more than a small share of their class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors.index import LOOSE
from byod.schema.records import Fingerprint, Record, Sample, Sha256

SHARE = 0.2
"""A group of more than this share of a class is none of copies of one picture."""
FEW = 9
"""As many pictures may be a group in however small a class."""
LARGEST = 32
"""The most pictures of a group that was cut, whatever the size of the class."""
_SAME_COLOUR = 0.5
"""Mean difference of the colour thumbnails (0..255) up to which pictures of equal hashes are taken for one picture."""


class CutGroup(Record):
    """A group that was cut: its pictures in the class that it filled most, all of that class, most in a piece."""

    label: str
    pictures: int
    of: int
    largest: int


def cut(
    samples: Sequence[Sample], groups: Mapping[Sha256, str]
) -> tuple[dict[Sha256, str], tuple[CutGroup, ...]]:
    """Cut the groups that are too large for their classes; the others stay as they are.

    Args:
        samples: the pictures in the order they came: what came before is grouped alike when more come.
        groups: the group of each picture that is in one.

    Returns:
        The groups with the pieces in place of those that were cut, and what was cut.
    """
    size = Counter(sample.label for sample in samples)
    members: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[groups.get(sample.sha256, sample.sha256)].append(sample)
    new, done = dict(groups), []
    for key in sorted(members):
        found = members[key]
        here = Counter(sample.label for sample in found)
        label = max(sorted(here), key=lambda name: here[name] / size[name])
        if all(count <= max(FEW, SHARE * size[name]) for name, count in here.items()):
            continue
        room = _room(min(size[name] for name in here))
        new |= _pieces(found, room)
        done.append(CutGroup(label=label, pictures=here[label], of=size[label], largest=room))
    return new, tuple(done)


def _room(size: int) -> int:
    """The most pictures of a piece: a power of two, so that it seldom changes when pictures are added."""
    return min(LARGEST, 1 << max(0, (size // 10).bit_length() - 1))


def _pieces(found: Sequence[Sample], room: int) -> dict[Sha256, str]:
    """In the order they came, each joins the nearest first one of a piece that has room, or is the first of another."""
    hashes = _Hashes([sample.fingerprint for sample in found])
    firsts: list[int] = []
    held: list[int] = []
    keys: dict[Sha256, str] = {}
    for number, sample in enumerate(found):
        joined = hashes.nearest(number, firsts, held, room)
        if joined is None:
            joined = len(firsts)
            firsts.append(number)
            held.append(0)
        held[joined] += 1
        keys[sample.sha256] = found[firsts[joined]].sha256
    return keys


class _Hashes:
    """The hashes and colours of pictures, to be compared with one at a time; a picture without any is alike to none."""

    def __init__(self, prints: Sequence[Fingerprint | None]) -> None:
        self._known = [found is not None and not found.flat for found in prints]
        hashes = [("0", "0") if found is None else (found.phash, found.dhash) for found in prints]
        self._phash: NDArray[np.uint64] = np.array([int(phash, 16) for phash, _ in hashes], np.uint64)
        self._dhash: NDArray[np.uint64] = np.array([int(dhash, 16) for _, dhash in hashes], np.uint64)
        colours = b"".join(bytes(192) if found is None else found.rgb for found in prints)
        self._rgb = np.frombuffer(colours, np.uint8).reshape(-1, 192).astype(np.int16)

    def nearest(self, number: int, firsts: Sequence[int], held: Sequence[int], room: int) -> int | None:
        """The piece whose first picture is nearest, of those with room; of one that is the same picture in any case."""
        known = [piece for piece, first in enumerate(firsts) if self._known[first]]
        if not known or not self._known[number]:
            return None
        others = np.array([firsts[piece] for piece in known], np.int64)
        phash = np.bitwise_count(self._phash[others] ^ self._phash[number]).astype(np.int64)
        dhash = np.bitwise_count(self._dhash[others] ^ self._dhash[number]).astype(np.int64)
        colour = np.abs(self._rgb[others] - self._rgb[number]).mean(axis=1)
        free = np.array([held[piece] < room for piece in known], bool)
        free |= (phash + dhash == 0) & (colour <= _SAME_COLOUR)
        free &= (phash <= LOOSE[0]) & (dhash <= LOOSE[1])
        if not free.any():
            return None
        apart = np.where(free, phash + dhash + colour / 256, np.inf)
        return known[int(np.argmin(apart))]
