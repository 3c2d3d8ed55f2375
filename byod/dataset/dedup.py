"""Find which pictures are copies of each other, and decide which one of them stays.

Two rules, two groupings. *The same* (tier A: phash <= 8, dhash <= 10, and the colours agree at every place; for what
somebody brought, the same pixels; nothing in the one has moved in the other, where their pixels can be looked at) is
for dropping, and a drop is always a direct link to the copy that stays, never a chain. *Alike* (tier B: phash <= 12 and
dhash <= 12, or the mirror image, or what is inside a uniform border) is for splitting: whatever is linked, however far
round, must not be on both sides of a split; and it is listed for review.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors.components import parts
from byod.images.neighbors.groups import grouped, linked, lookalikes
from byod.images.neighbors.hamming import Buckets, pairs
from byod.images.neighbors.index import STRICT, Indices, Links, Picture, Table
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


def deduplicate(pictures: Sequence[Picture], compare: Compare | None = None) -> Deduplication:
    """Decide which pictures are copies, placeholders, in conflict or alike; a function of the set alone.

    Two shots of one scene are no copies where `compare` tells them apart; a copy of several that stay goes for the one
    that it fits best.

    The best copy stays: labelled by hand, somebody's own, of known licence, without a border, of most pixels, least
    compressed, offered first. What somebody labelled is never dropped, and decides for its copies in other classes, as
    what somebody brought does for copies that a search found. Two of which somebody said that they are no copies are
    neither dropped for each other nor in conflict, and stay in one group.
    """
    pictures = _ranked(pictures)
    table = Table(pictures)
    near = table.near()
    absent = placeholders(pictures, table, near)
    here = np.array([picture.sha256 not in absent for picture in pictures], bool)
    keeper, opposed = _stars(pictures, table, near.within(STRICT), here, _Shots(pictures, compare))
    conflicts = _conflicts(pictures, keeper, opposed, absent)
    disputed = {sha256: number for number, conflict in enumerate(conflicts) for sha256 in conflict}
    drops = _drops(pictures, table, keeper, disputed)
    dropped = {drop.sha256 for drop in drops}
    gone = np.array([picture.sha256 in dropped for picture in pictures], bool)
    links = linked(table, near, here, gone)
    groups = grouped(pictures, links)
    return Deduplication(
        drops=drops,
        placeholders=tuple(sorted(absent)),
        conflicts=conflicts,
        groups=groups,
        lookalikes=lookalikes(pictures, table, links, groups, gone, disputed),
    )


def _ranked(pictures: Sequence[Picture]) -> list[Picture]:
    """Best first. Of bytes that somebody labelled, only that label counts; the same twice is one."""
    decided = {picture.sha256 for picture in pictures if picture.by_hand}
    once: dict[tuple[str, str], Picture] = {}
    for picture in pictures:
        if picture.by_hand or picture.sha256 not in decided:
            key = (picture.sha256, picture.label)
            once[key] = min(once.get(key, picture), picture, key=_rank)
    return sorted(once.values(), key=_rank)


def _rank(picture: Picture) -> tuple[bool, bool, bool, bool, int, float, int, str, str, tuple[str, ...]]:
    pixels = picture.width * picture.height
    return (
        not picture.by_hand,
        not picture.own,
        not picture.licence,
        picture.fingerprint.trim_phash is not None,
        -pixels,
        -picture.size / max(pixels, 1),
        picture.order,
        picture.sha256,
        picture.label,
        picture.addresses,
    )


def _stars(
    pictures: Sequence[Picture], table: Table, strict: Links, here: NDArray[np.bool_], shots: _Shots
) -> tuple[list[int], list[tuple[int, int]]]:
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
        if apart := pictures[number].apart:
            others = others[[pictures[other].sha256 not in apart for other in others.tolist()]]
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
    return keeper.tolist(), opposed


class _Neighbourhood:
    """Which of the pictures that are here have nearly the hashes of one; `crowded` are those that are not alone."""

    def __init__(self, table: Table, strict: Links, here: NDArray[np.bool_]) -> None:
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

    def __init__(self, pictures: Sequence[Picture], compare: Compare | None) -> None:
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
        return self._compare and self._compare(self._pictures[one].sha256, self._pictures[other].sha256)

    def _is_same(self, one: int, other: int) -> bool:
        left, right = self._pictures[one], self._pictures[other]
        if left.sha256 == right.sha256 or (left.pixels and left.pixels == right.pixels):
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

    def __init__(self, pictures: Sequence[Picture]) -> None:
        labels = {label: at for at, label in enumerate(sorted({picture.label for picture in pictures}))}
        pixels = {one: at for at, one in enumerate(dict.fromkeys(p.pixels or p.sha256 for p in pictures))}
        self._label = np.array([labels[picture.label] for picture in pictures], np.int64)
        self._pixels = np.array([pixels[picture.pixels or picture.sha256] for picture in pictures], np.int64)
        self._by_hand = np.array([picture.by_hand for picture in pictures], bool)
        self._own = np.array([picture.own for picture in pictures], bool)
        self._near = np.array([picture.copies == "near" for picture in pictures], bool)
        self._stay = np.array([picture.copies == "off" for picture in pictures], bool)

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
    pictures: Sequence[Picture], keeper: list[int], opposed: list[tuple[int, int]], absent: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    """Sets of pictures that are the same in different classes, those that stay for their dropped copies."""
    first: dict[str, int] = {}
    twice: list[tuple[int, int]] = []
    for number, picture in enumerate(pictures):
        if first.setdefault(picture.sha256, number) != number and picture.sha256 not in absent:
            twice.append((first[picture.sha256], number))
    for one, other in opposed:
        left, right = pictures[keeper[one]], pictures[keeper[other]]
        if left.label != right.label and right.sha256 not in left.apart:
            twice.append((first[left.sha256], first[right.sha256]))
    if not twice:
        return ()
    links = np.array(twice, np.int64)
    part = parts(len(pictures), links[:, 0], links[:, 1])
    sets: defaultdict[int, set[str]] = defaultdict(set)
    for number in np.unique(links).tolist():
        sets[int(part[number])].add(pictures[number].sha256)
    return tuple(sorted(tuple(sorted(found)) for found in sets.values()))


def _drops(
    pictures: Sequence[Picture], table: Table, keeper: list[int], disputed: dict[str, int]
) -> tuple[Drop, ...]:
    """The copies that go; what is in conflict waits for somebody's decision instead."""
    drops: dict[str, Drop] = {}
    for number, kept in enumerate(keeper):
        sha256 = pictures[number].sha256
        if kept == number or sha256 in disputed or sha256 in drops:
            continue
        phash, dhash = _apart(table, int(table.plain[number]), int(table.plain[kept]))
        rgb = float(table.colour_difference(np.array([number]), np.array([kept]))[0])
        sizes = {(picture.width, picture.height) for picture in (pictures[number], pictures[kept])}
        exact = phash == dhash == 0 and rgb == 0 and len(sizes) == 1
        drops[sha256] = Drop(
            sha256=sha256,
            keeper=pictures[kept].sha256,
            rule="exact" if exact else "near",
            phash=phash,
            dhash=dhash,
            rgb=round(rgb, 2),
        )
    return tuple(drops[sha256] for sha256 in sorted(drops))


def _apart(table: Table, one: int, other: int) -> tuple[int, int]:
    """Bits of phash and of dhash between two pictures, by the numbers of their hashes."""
    return (
        int(table.phash[one] ^ table.phash[other]).bit_count(),
        int(table.dhash[one] ^ table.dhash[other]).bit_count(),
    )
