"""Find which pictures are copies of each other, and decide which one of them stays.

Two rules, two groupings. *The same* (tier A: phash <= 8, dhash <= 10, and the colours agree at every place; for what
somebody brought, the same pixels; nothing in the one has moved in the other, where their pixels can be looked at) is
for dropping, and a drop is always a direct link to the copy that stays, never a chain. *Alike* (tier B: phash <= 12 and
dhash <= 12, or the mirror image, or what is inside a uniform border) is for splitting: whatever is linked, however far
round, must not be on both sides of a split; and it is listed for review.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors.components import parts
from byod.images.neighbors.groups import grouped, linked, lookalikes, named
from byod.images.neighbors.hamming import Buckets, pairs
from byod.images.neighbors.index import STRICT, Links, Table
from byod.images.neighbors.pictures import COPIES, Flags, Indices, Picture, Pictures, firsts
from byod.images.neighbors.placeholders import placeholders
from byod.images.registration import Alignment
from byod.schema.records import DuplicateGroup, Record, Sha256

__all__ = ["Deduplication", "Drop", "Picture", "deduplicate", "pairs"]

Compare = Callable[[Sha256, Sha256], Alignment | None]
"""Lays one picture over another; None where their pixels are not to be had, and then their hashes decide."""
_DOUBTFUL = 0.1
"""The part of a copy that the kept picture does not have, from which it is asked whether it fits another one better."""
_SHOTS = 64
"""From how many pictures of its looks one is told apart: of a scene of more shots, hashes tell the copies."""


class Drop(Record):
    """A copy that need not be kept, the copy that stays, and how far apart they are.

    `rule` is "exact" for the same pixels in another file and "near" otherwise; `phash` and `dhash` in bits,
    `rgb` the mean difference of the 8x8 colour thumbnails (0..255).
    """

    sha256: Sha256
    keeper: Sha256
    rule: Literal["exact", "near"]
    phash: int
    dhash: int
    rgb: float


class Deduplication(Record):
    """The duplicates of a set of pictures; every tuple in a fixed order.

    `conflicts` are sets of pictures that are the same and were offered for different classes (one alone, when
    the same bytes were). `groups` hold two pictures or more, dropped ones included, the best first. `lookalikes`
    link pictures that stay (each to the nearest one, not all to all), with the rule: "near", "alike",
    "inside a border" or "mirrored".
    """

    drops: tuple[Drop, ...]
    placeholders: tuple[Sha256, ...]
    conflicts: tuple[tuple[Sha256, ...], ...]
    groups: tuple[DuplicateGroup, ...]
    lookalikes: tuple[tuple[Sha256, Sha256, str], ...]


def deduplicate(pictures: Pictures | Sequence[Picture], compare: Compare | None = None) -> Deduplication:
    """Decide which pictures are copies, placeholders, in conflict or alike; a function of the set alone.

    Two shots of one scene are no copies where `compare` tells them apart; a copy of several that stay goes for the one
    that it fits best.

    The best copy stays: labelled by hand, somebody's own, of known licence, without a border, of most pixels, least
    compressed, offered first. What somebody labelled is never dropped, and decides for its copies in other classes, as
    what somebody brought does for copies that a search found. Two of which somebody said that they are no copies are
    neither dropped for each other nor in conflict, and stay in one group.
    """
    ranked = _ranked(pictures if isinstance(pictures, Pictures) else Pictures.of(pictures))
    table = Table(ranked.prints)
    near = table.near()
    absent = placeholders(ranked, table, near)
    keeper, opposed = _stars(ranked, table, near.within(STRICT), ~absent, _Shots(ranked, compare))
    conflicts = _conflicts(ranked, keeper, opposed, absent)
    disputed = {sha256: number for number, conflict in enumerate(conflicts) for sha256 in conflict}
    drops = _drops(ranked, table, keeper, disputed)
    gone = _gone(ranked, keeper, disputed)
    links = linked(table, near, ~absent, gone)
    groups = grouped(ranked, links)
    return Deduplication(
        drops=drops,
        placeholders=tuple(sorted(set(ranked.sha256[absent].tolist()))),
        conflicts=conflicts,
        groups=named(ranked, groups),
        lookalikes=lookalikes(ranked, table, links, groups, gone, disputed),
    )


def _ranked(pictures: Pictures) -> Pictures:
    """Best first. Of bytes that somebody labelled, only that label counts; the same twice is one."""
    decided = np.zeros(int(pictures.bytes_of.max(initial=-1)) + 1, bool)
    decided[pictures.bytes_of[pictures.by_hand]] = True
    (counting,) = np.nonzero(pictures.by_hand | ~decided[pictures.bytes_of])
    pictures = pictures.take(counting)
    order = _order(pictures)
    ranked = firsts((pictures.bytes_of * len(pictures.labels) + pictures.label)[order])
    return pictures.take(order[ranked == np.arange(len(order))])


def _order(pictures: Pictures) -> Indices:
    """The numbers of the pictures, the best one's first; those that are alike in all else stay in their order."""
    pixels = pictures.width * pictures.height
    keys = (
        pictures.label,
        pictures.bytes_of,
        pictures.order,
        -pictures.size / np.maximum(pixels, 1),
        -pixels,
        pictures.prints.framed,
        ~pictures.licence,
        ~pictures.own,
        ~pictures.by_hand,
    )
    return np.asarray(np.lexsort(keys), np.int64)


def _stars(
    pictures: Pictures, table: Table, strict: Links, here: Flags, shots: _Shots
) -> tuple[Indices, list[tuple[int, int]]]:
    """From the best down: each picture that stays takes its copies, unless another has them that they fit better.

    Returns the keeper of each picture (itself, if it stays) and the pairs that are the same in two classes.
    """
    around = _Neighbourhood(table, strict, here)
    rules = _Rules(pictures)
    keeper = np.arange(len(pictures))
    opposed: list[tuple[int, int]] = []
    for number in around.crowded.tolist():
        if keeper[number] != number:
            continue
        others = around.of(number)
        others = others[rules.alike(number, others)]
        if apart := pictures.apart.get(pictures.sha256[number]):
            others = others[[sha256 not in apart for sha256 in pictures.sha256[others]]]
        free = keeper[others] == others
        differ = rules.differ(number, others)
        others = others[differ | (rules.copies(number, others) & (free | shots.told))]
        others = shots.same(number, others[table.everywhere(np.full(len(others), number), others)])
        free, differ = keeper[others] == others, rules.differ(number, others)
        copies = rules.copies(number, others)
        taken = others[copies & (free | (~differ & shots.nearer(number, others)))]
        keeper[taken] = number
        shots.took(number, taken)
        opposed.extend((number, other) for other in others[differ & ~(copies & free)].tolist())
    for number in shots.doubtful(keeper):
        others = around.of(number)
        if shots.fits_another(number, int(keeper[number]), others[keeper[others] == others]):
            keeper[number] = number
    return keeper, opposed


class _Neighbourhood:
    """Which of the pictures that are here have nearly the hashes of one; `crowded` are those that are not alone."""

    def __init__(self, table: Table, strict: Links, here: Flags) -> None:
        self._plain = table.plain
        self._present = present = np.flatnonzero(here & (table.plain >= 0))
        self._sharing = sharing = Buckets.of(table.plain[present], len(table.phash))
        self._beside = Buckets.of(np.concatenate((strict.one, strict.other)), len(table.phash))
        self._partners = np.concatenate((strict.other, strict.one))
        crowd = sharing.sizes + np.bincount(strict.one, sharing.sizes[strict.other], len(sharing.sizes))
        crowd += np.bincount(strict.other, sharing.sizes[strict.one], len(sharing.sizes))
        self.crowded: Indices = present[crowd[table.plain[present]] > 1]

    def of(self, number: int) -> Indices:
        """The others around a picture."""
        own = int(self._plain[number])
        hashes = np.append(self._partners[self._beside.members(own)], own)
        others = self._present[self._sharing.members_of(hashes)]
        return np.asarray(others[others != number], np.int64)


class _Shots:
    """Whether pictures that look the same are one shot, and which of several they fit best; see `Compare`."""

    def __init__(self, pictures: Pictures, compare: Compare | None) -> None:
        self._pictures, self._compare = pictures, compare
        self.told = compare is not None
        self._others = np.zeros(len(pictures), np.int64)
        self._left = np.full(len(pictures), np.inf)
        self._now: dict[tuple[int, int], float] = {}

    def same(self, one: int, others: Indices) -> Indices:
        """Those of the pictures that are the same shot as one."""
        if self._compare is None:
            return others
        self._now = {}
        same = np.array([self._is_same(one, other) for other in others.tolist()], bool)
        return np.asarray(others[same], np.int64)

    def nearer(self, one: int, others: Indices) -> NDArray[np.bool_]:
        """True of those that fit one, which was compared last, better than the one that they go for."""
        left = np.array([self._now.get((one, other), np.inf) for other in others.tolist()])
        return np.asarray(left < self._left[others], bool)

    def took(self, one: int, taken: Indices) -> None:
        """Remember how well those fit that one took."""
        for other in taken.tolist():
            self._left[other] = self._now.get((one, other), np.inf)

    def doubtful(self, keeper: Indices) -> list[int]:
        """The copies that fit the picture that they go for badly."""
        copies = keeper != np.arange(len(keeper))
        found: list[int] = np.flatnonzero(
            copies & np.isfinite(self._left) & (self._left > _DOUBTFUL)
        ).tolist()
        return found

    def fits_another(self, copy: int, keeper: int, standing: Indices) -> bool:
        """True if a copy fits another shot of the scene better than its keeper, though their colours do not agree."""
        for other in standing.tolist():
            found = self._laid(copy, other)
            if found and not found.moved and found.left < self._left[copy]:
                shots = self._laid(keeper, other)
                if shots and shots.moved:
                    return True
        return False

    def _laid(self, one: int, other: int) -> Alignment | None:
        return self._compare and self._compare(self._pictures.sha256[one], self._pictures.sha256[other])

    def _is_same(self, one: int, other: int) -> bool:
        same, pixels = self._pictures.bytes_of, self._pictures.pixels
        if same[one] == same[other] or (pixels[one] and pixels[one] == pixels[other]):
            self._now[one, other] = 0.0
            return True
        if max(self._others[one], self._others[other]) >= _SHOTS:
            return True
        found = self._laid(one, other)
        if found is None:
            return True
        if found.moved:
            self._others[[one, other]] += 1
        else:
            self._now[one, other] = found.left
        return not found.moved


class _Rules:
    """What the labels of pictures, and who gave them, say about copies; one against many, as numbers."""

    def __init__(self, pictures: Pictures) -> None:
        self._label, self._by_hand, self._own = pictures.label, pictures.by_hand, pictures.own
        self._near, self._stay = (pictures.copies == COPIES.index(rule) for rule in ("near", "off"))
        self._pixels = pictures.bytes_of.copy()
        behind = int(pictures.bytes_of.max(initial=-1)) + 1
        hashes: dict[str, int] = {}
        for number in np.flatnonzero(pictures.pixels != "").tolist():
            self._pixels[number] = hashes.setdefault(pictures.pixels[number], behind + len(hashes))

    def alike(self, one: int, others: Indices) -> NDArray[np.bool_]:
        """True of those that may be the same as one: near ones, or those of its pixels, as the rule of each has it."""
        return np.asarray(self._near[others] | (self._pixels[others] == self._pixels[one]), bool)

    def differ(self, one: int, others: Indices) -> NDArray[np.bool_]:
        """True of those with another label."""
        return np.asarray(self._label[others] != self._label[one], bool)

    def copies(self, one: int, others: Indices) -> NDArray[np.bool_]:
        """True of those that are set aside for one: of its label, or of another that it decides for."""
        decides = self._by_hand[one] | (self._own[one] & ~self._own[others])
        here = ~self.differ(one, others) & ~self._stay[others]
        return np.asarray(~self._by_hand[others] & (here | (self.differ(one, others) & decides)), bool)


def _conflicts(
    pictures: Pictures, keeper: Indices, opposed: list[tuple[int, int]], absent: Flags
) -> tuple[tuple[str, ...], ...]:
    """Sets of pictures that are the same in different classes, those that stay for their dropped copies."""
    first = pictures.first_of_bytes()
    (again,) = np.nonzero((first != np.arange(len(pictures))) & ~absent)
    twice = list(zip(first[again].tolist(), again.tolist(), strict=True))
    for one, other in opposed:
        left, right = int(keeper[one]), int(keeper[other])
        apart = pictures.apart.get(pictures.sha256[left], ())
        if pictures.label[left] != pictures.label[right] and pictures.sha256[right] not in apart:
            twice.append((int(first[left]), int(first[right])))
    if not twice:
        return ()
    links = np.array(twice, np.int64)
    part = parts(len(pictures), links[:, 0], links[:, 1])
    sets: defaultdict[int, set[str]] = defaultdict(set)
    for number in np.unique(links).tolist():
        sets[int(part[number])].add(pictures.sha256[number])
    return tuple(sorted(tuple(sorted(found)) for found in sets.values()))


def _drops(
    pictures: Pictures, table: Table, keeper: Indices, disputed: Mapping[str, int]
) -> tuple[Drop, ...]:
    """The copies that go; what is in conflict waits for somebody's decision instead."""
    drops: dict[str, Drop] = {}
    for number in np.flatnonzero(keeper != np.arange(len(keeper))).tolist():
        sha256, kept = pictures.sha256[number], int(keeper[number])
        if sha256 in disputed or sha256 in drops:
            continue
        phash, dhash = _apart(table, int(table.plain[number]), int(table.plain[kept]))
        rgb = float(table.colour_difference(np.array([number]), np.array([kept]))[0])
        size = pictures.width[number], pictures.height[number]
        exact = phash == dhash == 0 and rgb == 0 and size == (pictures.width[kept], pictures.height[kept])
        drops[sha256] = Drop(
            sha256=sha256,
            keeper=pictures.sha256[kept],
            rule="exact" if exact else "near",
            phash=phash,
            dhash=dhash,
            rgb=round(rgb, 2),
        )
    return tuple(drops[sha256] for sha256 in sorted(drops))


def _gone(pictures: Pictures, keeper: Indices, disputed: Mapping[str, int]) -> Flags:
    """True of the copies that go, under each of their labels."""
    numbers = np.flatnonzero(keeper != np.arange(len(keeper))).tolist()
    dropped = [number for number in numbers if pictures.sha256[number] not in disputed]
    return np.isin(pictures.bytes_of, pictures.bytes_of[dropped])


def _apart(table: Table, one: int, other: int) -> tuple[int, int]:
    """Bits of phash and of dhash between two pictures, by the numbers of their hashes."""
    return (
        int(table.phash[one] ^ table.phash[other]).bit_count(),
        int(table.dhash[one] ^ table.dhash[other]).bit_count(),
    )
