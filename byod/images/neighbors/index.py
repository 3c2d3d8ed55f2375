"""An index of fingerprints, side by side in arrays, and the search for near ones.

What is compared are distinct pairs of phash and dhash, "hashes" for short: a picture has its own and, when it has a
uniform border, those of what is inside. Flat pictures have none: their hashes mean nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors import hamming
from byod.images.neighbors.hamming import Buckets, products
from byod.images.neighbors.pictures import Indices, Prints

LOOSE = (12, 12)
"""Bits of phash and dhash by which two pictures are alike (tier B): enough to keep them together in a split."""
STRICT = (8, 10)
"""Bits of phash and dhash by which two pictures may be the same (tier A), if their colours agree, too."""
COLOUR = 8.0
"""Mean difference of the 8x8 colour thumbnails (0..255) up to which the colours of two pictures agree."""

_EVERYWHERE = 6.0
"""Mean difference of the colours of one cell of the 8x8 thumbnails up to which two pictures agree there."""
_EVEN, _MOST = 0.1, 20.0
"""Where a cell differs by more, up to so much, the middle one must by this share of it: a copy in other colours differs
all over, and a page of one design with another picture in it nowhere else."""
_BITS, _SURE = 4, 16.0
"""Of pictures whose hashes differ in no more bits than this, a cell may differ by so much."""

_PRODUCT = 4096
_AT_ONCE = 1 << 16


class Links(NamedTuple):
    """Two hashes each that differ, and how far apart they are in bits."""

    one: Indices
    other: Indices
    phash: Indices
    dhash: Indices

    def within(self, limits: tuple[int, int]) -> Links:
        """Those of at most so many bits of phash and of dhash."""
        near = (self.phash <= limits[0]) & (self.dhash <= limits[1])
        return Links(*(column[near] for column in self))


class Table:
    """Pictures in the order given, and their hashes.

    `plain` is the number of the hashes of each picture, `inner` that of what is inside its border; -1 for none. `rgb`
    is uint8 [N, 192]. `phash` and `dhash` have a value for each number.
    """

    def __init__(self, prints: Prints) -> None:
        self.rgb = prints.rgb
        cells = self.rgb.reshape(-1, 2, 4, 2, 4, 3).sum(axis=(2, 4), dtype=np.int32)
        self._coarse = cells.reshape(len(self.rgb), 12)
        (plain,), (inner,) = np.nonzero(~prints.flat), np.nonzero(prints.inside)
        hashes = np.concatenate(
            (
                np.stack((prints.phash[plain], prints.dhash[plain])),
                np.stack((prints.trim_phash[inner], prints.trim_dhash[inner])),
            ),
            axis=1,
        )
        (self.phash, self.dhash), numbers = _numbered(hashes)
        self.plain = np.full(len(self.rgb), -1, np.int64)
        self.inner = np.full(len(self.rgb), -1, np.int64)
        self.plain[plain], self.inner[inner] = numbers[: len(plain)], numbers[len(plain) :]
        self._mirror = prints.mirror

    def near(self) -> Links:
        """All hashes that are alike, two each."""
        return _alike((self.phash, self.dhash), (self.phash, self.dhash), LOOSE, same=True)

    def mirrored(self) -> Links:
        """Pictures' own hashes, two each, of which the one resembles the mirror image of the other."""
        numbers, first = np.unique(self.plain, return_index=True)
        numbers, first = numbers[numbers >= 0], first[numbers >= 0]
        mirror = self._mirror[first]
        links = _alike(
            (mirror, mirrored(self.dhash[numbers])),
            (self.phash[numbers], self.dhash[numbers]),
            LOOSE,
            same=False,
        )
        apart = links.one != links.other
        one, other, phash, dhash = (column[apart] for column in links)
        return Links(numbers[one], numbers[other], phash, dhash)

    def of_one_colour(self, one: Indices, other: Indices, limit: float = COLOUR) -> NDArray[np.bool_]:
        """For each of many pairs, True if the colours of both pictures agree."""
        agree = np.zeros(len(one), bool)
        for top in range(0, len(one), _AT_ONCE):
            left, right = one[top : top + _AT_ONCE], other[top : top + _AT_ONCE]
            rough = np.abs(self._coarse[left] - self._coarse[right]).sum(axis=1) <= limit * 192
            (likely,) = np.nonzero(rough)
            near = self.colour_difference(left[likely], right[likely]) <= limit
            agree[top + likely[near]] = True
        return agree

    def everywhere(self, one: Indices, other: Indices) -> NDArray[np.bool_]:
        """For each of many pairs, True if the colours of both agree as a whole and at every place, or differ evenly."""
        agree = self.of_one_colour(one, other)
        (likely,) = np.nonzero(agree)
        for top in range(0, len(likely), _AT_ONCE):
            some = likely[top : top + _AT_ONCE]
            apart = np.abs(self.rgb[other[some]].astype(np.int16) - self.rgb[one[some]])
            cells = apart.reshape(-1, 64, 3).mean(axis=2)
            top, middle = cells.max(axis=1), np.median(cells, axis=1)
            near = (top <= _SURE) & (self._bits(one[some], other[some]) <= _BITS)
            agree[some] = (top <= _EVERYWHERE) | near | ((top <= _MOST) & (middle >= _EVEN * top))
        return agree

    def _bits(self, one: Indices, other: Indices) -> Indices:
        """Bits of phash and dhash together between pairs of pictures."""
        left, right = self.plain[one], self.plain[other]
        phash, dhash = self.phash[left] ^ self.phash[right], self.dhash[left] ^ self.dhash[right]
        return np.asarray(np.bitwise_count(phash).astype(np.int64) + np.bitwise_count(dhash), np.int64)

    def colour_difference(self, one: Indices, other: Indices) -> NDArray[np.float64]:
        """The mean difference of the 8x8 colour thumbnails of pairs of pictures: 0..255."""
        apart = np.abs(self.rgb[other].astype(np.int16) - self.rgb[one])
        return np.asarray(apart.mean(axis=1), np.float64)


def mirrored(dhashes: hamming.Hashes) -> hamming.Hashes:
    """The dhashes of mirror images: each row of 8 bits reversed and inverted (but for ties of grey)."""
    rows = np.ascontiguousarray(dhashes).view(np.uint8)
    return _MIRRORED_ROWS[rows].view(np.uint64)


_MIRRORED_ROWS = np.packbits(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1] == 0, axis=1
)[:, 0]


def _numbered(hashes: hamming.Hashes) -> tuple[hamming.Hashes, Indices]:
    """The distinct columns of [2, N] hashes, in order, and the number of each column among them."""
    order = np.lexsort((hashes[1], hashes[0]))
    ordered = hashes[:, order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return ordered[:, new], numbers


def _bits(one: hamming.Hashes, other: hamming.Hashes) -> Indices:
    return np.asarray(np.bitwise_count(one ^ other), np.int64)


def _alike(
    left: tuple[hamming.Hashes, hamming.Hashes],
    right: tuple[hamming.Hashes, hamming.Hashes],
    limits: tuple[int, int],
    *,
    same: bool,
) -> Links:
    """Positions whose phash and dhash are both near; `same` takes each unordered pair of one set once.

    Searched by phash. Where many share one, their dhashes are searched instead of comparing each with each.
    """
    values, members = np.unique(left[0], return_inverse=True)
    targets, target_members = (values, members) if same else np.unique(right[0], return_inverse=True)
    lefts, rights = Buckets.of(members, len(values)), Buckets.of(target_members, len(targets))
    if same:
        (repeated,) = np.nonzero(lefts.sizes > 1)
        equal = np.stack((repeated, repeated), axis=1)
        found = np.concatenate((hamming.pairs(values, limits[0]), equal))
    else:
        found = hamming.cross(values, targets, limits[0])
    many = lefts.sizes[found[:, 0]] * rights.sizes[found[:, 1]] > _PRODUCT
    parts = [products(found[~many], lefts, rights)]
    for value, target in found[many]:
        ours, theirs = lefts.members(value), rights.members(target)
        crossed = hamming.cross(left[1][ours], right[1][theirs], limits[1])
        parts.append((ours[crossed[:, 0]], theirs[crossed[:, 1]]))
    one, other = (np.concatenate(column) for column in zip(*parts, strict=True))
    once = (one < other) | (members[one] != target_members[other]) if same else np.full(len(one), True)
    one, other = one[once], other[once]
    dhash = _bits(left[1][one], right[1][other])
    near = dhash <= limits[1]
    one, other = one[near], other[near]
    return Links(one, other, _bits(left[0][one], right[0][other]), dhash[near])
