"""Pictures that belong on one side of a split: near-copies, pictures of one page, pictures by one person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from byod.dataset import loose_groups
from byod.dataset.loose_groups import CutGroup
from byod.schema.records import Origin, Sample, Sha256

SHARE = 0.2
"""A page or person with more than this share of a class ties nothing together: no part would be left to test on."""

NOBODY = frozenset({"", "unknown", "anonymous", "unknown author", "author unknown", "n/a", "none"})


class Grouping(NamedTuple):
    """The group of each sample: its SHA-256, or a key that it shares with all that belong with it; and what was cut."""

    of: dict[Sha256, str]
    cut: tuple[CutGroup, ...]


def groups(
    samples: Iterable[Sample],
    duplicates: Mapping[Sha256, str],
    origins: Mapping[Sha256, Iterable[Origin]],
) -> Grouping:
    """Group the samples that belong on one side of a split.

    `duplicates` are the groups of near-copies; those too large for their class are cut. Samples join when they come
    from the same landing page, or from the same creator on the same source, where that is known; whoever made more
    than a fifth of a class is passed over.
    """
    found = list(samples)
    duplicates, cut = loose_groups.cut(found, duplicates)
    size = Counter(sample.label for sample in found)
    made: defaultdict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for sample in found:
        for tie in {tie for origin in origins.get(sample.sha256, ()) for tie in _ties(origin)}:
            made[tie].append(sample)
    parents: dict[str, str] = {}
    for sample in found:
        _join(parents, sample.sha256, duplicates.get(sample.sha256, sample.sha256))
    for members in made.values():
        share = Counter(sample.label for sample in members)
        if all(number <= max(2, SHARE * size[label]) for label, number in share.items()):
            for other in members[1:]:
                _join(parents, members[0].sha256, other.sha256)
    return Grouping({sample.sha256: _root(parents, sample.sha256) for sample in found}, cut)


def _ties(origin: Origin) -> Iterable[tuple[str, ...]]:
    if origin.page:
        yield "page", origin.page
    creator = (origin.creator or "").strip().casefold()
    if creator not in NOBODY:
        yield "creator", origin.source, creator


def _root(parents: dict[str, str], key: str) -> str:
    root = key
    while parents.get(root, root) != root:
        root = parents[root]
    while parents.get(key, key) != root:
        parents[key], key = root, parents[key]
    return root


def _join(parents: dict[str, str], one: str, other: str) -> None:
    """Both belong together from now on; the smaller root stands for both."""
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low
