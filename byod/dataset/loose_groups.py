"""Cut groups of near-copies that have grown too large to be copies of one picture.

Pictures of one thing from a fixed camera, digits, frames of a turntable: all look alike, and links from one to the
next join nearly a whole class. Kept on one side of a split, nothing would be left to test on. There "alike" says
little: only the nearest stay together, no more than a small share of their class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from byod.images.neighbors.fingerprints import Fingerprints, Near
from byod.images.neighbors.index import LOOSE
from byod.schema.records import Record, Sample, Sha256

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
    firsts = Fingerprints()
    held: Counter[str] = Counter()
    keys: dict[Sha256, str] = {}
    for sample in found:
        key = _nearest(firsts.near(sample.fingerprint, LOOSE), held, room)
        if key is None:
            key = sample.sha256
            firsts.add(key, sample.fingerprint)
        held[key] += 1
        keys[sample.sha256] = key
    return keys


def _nearest(near: Near, held: Mapping[str, int], room: int) -> str | None:
    """The nearest piece by its first picture, of those with room; of one that is the same picture in any case."""
    apart = near.phash + near.dhash
    free = np.array([held[key] < room for key in near.names], bool)
    free |= (apart == 0) & (near.colour <= _SAME_COLOUR)
    if not free.any():
        return None
    return near.names[int(np.argmin(np.where(free, apart + near.colour / 256, np.inf)))]
