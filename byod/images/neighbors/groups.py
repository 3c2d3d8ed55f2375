"""Pictures that belong together because they are alike: groups for splitting, and pairs for somebody to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from byod.images.neighbors.components import listed, parts, tree
from byod.images.neighbors.hamming import Buckets
from byod.images.neighbors.index import LOOSE, STRICT, Links, Table
from byod.images.neighbors.pictures import Flags, Indices, Pictures, Prints
from byod.schema.records import DuplicateGroup

LARGEST_GROUP = 50
"""Groups of more pictures than this may have been linked by accident; their look-alikes say so."""

RULES = ("alike", "inside a border", "mirrored")
"""Why two pictures are linked."""


class LinkedGroup(NamedTuple):
    """Links between pictures (by their numbers), the nearest first; `rule` is a place in `RULES`."""

    one: Indices
    other: Indices
    phash: Indices
    dhash: Indices
    rule: Indices


def linked(table: Table, near: Links, here: Flags, gone: Flags) -> LinkedGroup:
    """Link the pictures that are alike: those of the same hashes to the first, and the first of hashes that are near.

    `here` marks the pictures to take, `gone` those that are dropped: they stand for their hashes only where
    nothing else does.
    """
    (shown,) = np.nonzero(here & (table.plain >= 0))
    (framed,) = np.nonzero(here & (table.inner >= 0))
    picture = np.concatenate((shown, framed))
    inner = np.arange(len(picture)) >= len(shown)
    order = np.lexsort((inner, picture, gone[picture]))
    picture, inner = picture[order], inner[order]
    hashes = np.concatenate((table.plain[shown], table.inner[framed]))[order]
    buckets = Buckets.of(hashes, len(table.phash))
    first = np.full(len(table.phash), -1)
    first[buckets.sizes > 0] = buckets.order[buckets.starts[buckets.sizes > 0]]
    none = np.zeros(len(picture), np.int64)
    links = [_between(picture, inner, first[hashes], np.arange(len(picture)), none, none, False)]
    for found, mirrored in ((near, False), (table.mirrored(), True)):
        both = (first[found.one] >= 0) & (first[found.other] >= 0)
        one, other, phash, dhash = (column[both] for column in found)
        links.append(_between(picture, inner, first[one], first[other], phash, dhash, mirrored))
    joined = LinkedGroup(*(np.concatenate(column) for column in zip(*links, strict=True)))
    order = np.lexsort((joined.other, joined.one, joined.dhash, joined.phash, joined.rule == 2))
    return LinkedGroup(*(column[order] for column in joined))


def _between(
    picture: Indices,
    inner: Flags,
    one: Indices,
    other: Indices,
    phash: Indices,
    dhash: Indices,
    mirrored: bool,
) -> LinkedGroup:
    """Links between appearances of pictures as links between the pictures; the lower number first."""
    first, second = picture[one], picture[other]
    rule = np.full(len(one), 2) if mirrored else (inner[one] | inner[other]).astype(np.int64)
    apart = first != second
    links = (np.minimum(first, second), np.maximum(first, second), phash, dhash, rule)
    return LinkedGroup(*(column[apart] for column in links))


def grouped(pictures: Pictures, near: LinkedGroup) -> list[list[int]]:
    """Groups of two pictures or more that are linked, however far round: their numbers, the best first.

    Of the same bytes under several labels the first one stands for all.
    """
    same = pictures.first_of_bytes()
    one = np.concatenate((near.one, same))
    other = np.concatenate((near.other, np.arange(len(pictures))))
    part = parts(len(pictures), one, other)
    alone = same == np.arange(len(pictures))
    groups = [
        [member for member in members if alone[member]]
        for members in listed(part, np.bincount(part, minlength=len(pictures)) > 1)
    ]
    return [members for members in groups if len(members) > 1]


def named(pictures: Pictures, groups: Sequence[Sequence[int]]) -> tuple[DuplicateGroup, ...]:
    """The groups by the hashes of their pictures, in the order of their keys."""
    found = [tuple(pictures.sha256[list(members)].tolist()) for members in groups]
    return tuple(
        sorted((DuplicateGroup(key=min(each), members=each) for each in found), key=lambda group: group.key)
    )


def lookalikes(
    pictures: Pictures,
    table: Table,
    near: LinkedGroup,
    groups: Sequence[Sequence[int]],
    gone: Flags,
    disputed: Mapping[str, int],
) -> tuple[tuple[str, str, str], ...]:
    """Pairs of pictures that stay although they are alike: as few as link them all, the nearest ones.

    `disputed` maps the pictures in conflict to the number of the conflict; they are not listed a second time.
    """
    loose = _loose(pictures, groups)
    stay = ~(gone[near.one] | gone[near.other])
    near = LinkedGroup(*(column[stay] for column in near))
    same = pictures.first_of_bytes()
    strict = (near.rule == 0) & (near.phash <= STRICT[0]) & (near.dhash <= STRICT[1])
    chosen = tree(len(pictures), same[near.one], same[near.other])
    agree = strict[chosen] & table.of_one_colour(near.one[chosen], near.other[chosen])
    found: list[tuple[str, str, str]] = []
    for link, near_in_all in zip(chosen.tolist(), agree.tolist(), strict=True):
        one, other = sorted((pictures.sha256[near.one[link]], pictures.sha256[near.other[link]]))
        if one in disputed and disputed[one] == disputed.get(other):
            continue
        rule = "near" if near_in_all else RULES[near.rule[link]]
        if one in loose:
            rule = f"{rule}, in a loose group of {loose[one]}"
        found.append((one, other, rule))
    return tuple(sorted(found))


def _loose(pictures: Pictures, groups: Sequence[Sequence[int]]) -> dict[str, int]:
    """The size of the groups that are too large or too wide to be copies of one picture, by their members."""
    loose: dict[str, int] = {}
    for members in groups:
        count, numbers = len(members), np.array(members)
        if count > LARGEST_GROUP or (count > 2 and _widest(pictures.prints.take(numbers)) > 2 * LOOSE[0]):
            loose.update(dict.fromkeys(pictures.sha256[numbers].tolist(), count))
    return loose


def _widest(prints: Prints) -> int:
    """The largest distance in bits between two pictures, mirror images and borders aside."""
    inside = np.where(prints.framed, prints.trim_phash, prints.phash)
    plain = np.stack((prints.phash, inside), axis=1)
    views = np.concatenate((plain, prints.mirror[:, None]), axis=1)
    apart = np.bitwise_count(views[:, None, :, None] ^ plain[None, :, None, :]).min(axis=(2, 3))
    return int(np.minimum(apart, apart.T).max())
