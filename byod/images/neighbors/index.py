"""An index of fingerprints, side by side in arrays, and the search for near ones.

What is compared are distinct pairs of phash and dhash, "hashes" for short: a picture has its own and, when it has a
uniform border, those of what is inside. Flat pictures have none: their hashes mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors import hamming
from byod.images.neighbors.hamming import Buckets, products
from byod.schema.recipe_parts import Duplicates
from byod.schema.records import Fingerprint, Record, Sha256

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

Indices = NDArray[np.int64]


class Picture(Record):
    """A picture as the search for duplicates sees it.

    `order` decides between equals (the lower one stays). `by_hand`: somebody labelled it, it is never dropped.
    `own`: somebody brought it, no search did. `licence`: its licence is known. `addresses`: where it was offered for
    this label. The same `sha256` may come once for each label. `width` and `height` in pixels, `size` in bytes.
    `apart`: somebody said that it is no copy of these, nor they of it. `copies` is the rule by which it is set aside
    as a copy of another one: "near" for whatever looks the same, "exact" for the same pixels, "off" for nothing.
    `pixels` is the same for pictures of the same pixels; "" where nobody had to know, and then it has none in common
    with any other.
    """

    sha256: Sha256
    label: str
    fingerprint: Fingerprint
    order: int = 0
    width: int
    height: int
    size: int
    by_hand: bool = False
    own: bool = False
    licence: bool = False
    addresses: tuple[str, ...] = ()
    apart: frozenset[Sha256] = frozenset()
    copies: Duplicates = "near"
    pixels: str = ""


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

    def __init__(self, pictures: Sequence[Picture]) -> None:
        prints = [picture.fingerprint for picture in pictures]
        self.rgb = np.frombuffer(b"".join(p.rgb for p in prints), np.uint8).reshape(len(prints), 192)
        cells = self.rgb.reshape(-1, 2, 4, 2, 4, 3).sum(axis=(2, 4), dtype=np.int32)
        self._coarse = cells.reshape(len(prints), 12)
        plain = [not p.flat for p in prints]
        inner = [p.trim_phash is not None and int(p.trim_phash, 16).bit_count() == 32 for p in prints]
        inner = [has and whole for has, whole in zip(inner, plain, strict=True)]
        hashes = [(p.phash, p.dhash) for p, has in zip(prints, plain, strict=True) if has]
        hashes += [
            (p.trim_phash or "", p.trim_dhash or "") for p, has in zip(prints, inner, strict=True) if has
        ]
        numbers = {pair: number for number, pair in enumerate(sorted(set(hashes)))}
        places = iter(hashes)
        self.plain = np.array([numbers[next(places)] if has else -1 for has in plain], np.int64)
        self.inner = np.array([numbers[next(places)] if has else -1 for has in inner], np.int64)
        self.phash = _numbers([phash for phash, _ in numbers])
        self.dhash = _numbers([dhash for _, dhash in numbers])
        self._prints = prints

    def near(self) -> Links:
        """All hashes that are alike, two each."""
        return _alike((self.phash, self.dhash), (self.phash, self.dhash), LOOSE, same=True)

    def mirrored(self) -> Links:
        """Pictures' own hashes, two each, of which the one resembles the mirror image of the other."""
        numbers, first = np.unique(self.plain, return_index=True)
        numbers, first = numbers[numbers >= 0], first[numbers >= 0]
        mirror = _numbers([self._prints[owner].mirror for owner in first])
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


def _numbers(hashes: list[str]) -> hamming.Hashes:
    return np.array([int(digits, 16) for digits in hashes], np.uint64)


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
