"""Pictures that belong on one side of a split: near-copies, those of one page, by one person, of one session."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from byod.dataset import loose_groups
from byod.dataset.loose_groups import CutGroup
from byod.dataset.sessions import Tie
from byod.schema.records import Origin, Sample, Sha256

SHARE = 0.2
"""A page or person with more than this share of a class ties nothing together: no part would be left to test on."""

NOBODY = frozenset({"", "unknown", "anonymous", "unknown author", "author unknown", "n/a", "none"})


LARGEST = 1 / 3
"""No session is joined to more than this share of a class: three parts are to have something of it."""
_BLOCK = 0.1
"""The share of a class that a piece of a session has which is larger than that."""
FEWEST = 3
"""A class needs as many groups: one each to train on, to validate and to test."""


class Grouping(NamedTuple):
    """The group of each sample: its SHA-256, or a key that it shares with all that belong with it.

    `cut` are groups of near-copies that were too large for their class, `by` says what tied pictures together, and
    `ungrouped` are the classes in which nothing is kept together, since too few groups would be left.
    """

    of: dict[Sha256, str]
    cut: tuple[CutGroup, ...]
    by: tuple[str, ...] = ()
    ungrouped: tuple[str, ...] = ()


def groups(
    samples: Iterable[Sample],
    duplicates: Mapping[Sha256, str],
    origins: Mapping[Sha256, Iterable[Origin]],
    sessions: Iterable[Tie] = (),
) -> Grouping:
    """Group the samples that belong on one side of a split.

    `duplicates` are the groups of near-copies; those too large for their class are cut. Samples join when they come
    from the same landing page, or from the same creator on the same source, where that is known; whoever made more
    than a fifth of a class is passed over. Those of a session stay together, unless it is too large a share of their
    class: then its stretches do. A class that would be left with fewer than three groups is not grouped at all.
    """
    found = list(samples)
    duplicates, cut = loose_groups.cut(found, duplicates)
    joined = _Joined(found)
    for sample in found:
        if sample.sha256 in duplicates:
            joined.join("near-copies", sample.sha256, duplicates[sample.sha256], 1.0)
    for kind, members in _shared(found, origins):
        for other in members[1:]:
            joined.join(kind, members[0], other, 1.0)
    for tie in sessions:
        pieces, share = _pieces(tie, joined)
        for piece in pieces:
            for other in piece[1:]:
                joined.join(tie.kind, piece[0], other, share)
    of = {sample.sha256: joined.root(sample.sha256) for sample in found}
    ungrouped = _left_with_few(found, of)
    of |= {sample.sha256: sample.sha256 for sample in found if sample.label in ungrouped}
    return Grouping(of, cut, tuple(sorted(joined.by)), tuple(sorted(ungrouped)))


class _Joined:
    """Which samples are joined: a forest (Galler and Fischer 1964) that counts the labels in each tree."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._parents: dict[str, str] = {}
        self.label = {sample.sha256: sample.label for sample in samples}
        self.size = Counter(self.label.values())
        self._held = {sha256: Counter({label: 1}) for sha256, label in self.label.items()}
        self.by: set[str] = set()

    def root(self, key: str) -> str:
        """The sample that stands for all that are joined with this one."""
        parents, root = self._parents, key
        while parents.get(root, root) != root:
            root = parents[root]
        while parents.get(key, key) != root:
            parents[key], key = root, parents[key]
        return root

    def join(self, kind: str, one: str, other: str, share: float) -> None:
        """Join two, unless both would then be in a group of more than a share of a class."""
        low, high = sorted((self.root(one), self.root(other)))
        if low == high:
            return
        held = self._held.get(low, Counter()) + self._held.get(high, Counter())
        if share < 1 and any(count > max(1, share * self.size[label]) for label, count in held.items()):
            return
        self._parents[high] = low
        self._held[low] = held
        self.by.add(kind)


def _pieces(tie: Tie, joined: _Joined) -> tuple[list[tuple[Sha256, ...]], float]:
    """A session whole where three parts can have something of its classes, else in stretches; and the share of each."""
    members = tuple(sha256 for sha256 in tie.members if sha256 in joined.label)
    held = Counter(joined.label[sha256] for sha256 in members)
    if all(count <= LARGEST * joined.size[label] for label, count in held.items()):
        return [members], LARGEST
    length = max(1, int(_BLOCK * min(joined.size[label] for label in held)))
    return [members[at : at + length] for at in range(0, len(members), length)], _BLOCK


def _left_with_few(samples: Iterable[Sample], of: Mapping[Sha256, str]) -> set[str]:
    """The classes that have pictures enough to be split, and too few groups of them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    count: Counter[str] = Counter()
    for sample in samples:
        found[sample.label].add(of[sample.sha256])
        count[sample.label] += 1
    return {label for label, groups in found.items() if len(groups) < FEWEST <= count[label]}


def _shared(
    samples: Sequence[Sample], origins: Mapping[Sha256, Iterable[Origin]]
) -> Iterable[tuple[str, list[Sha256]]]:
    """The samples of one page, or by one person; not of whoever has more than a fifth of a class."""
    size = Counter(sample.label for sample in samples)
    made: defaultdict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for sample in samples:
        for tie in {tie for origin in origins.get(sample.sha256, ()) for tie in _ties(origin)}:
            made[tie].append(sample)
    for (kind, *_), members in made.items():
        share = Counter(sample.label for sample in members)
        if all(number <= max(2, SHARE * size[label]) for label, number in share.items()):
            yield kind, [sample.sha256 for sample in members]


def _ties(origin: Origin) -> Iterable[tuple[str, ...]]:
    if origin.page:
        yield "page", origin.page
    creator = (origin.creator or "").strip().casefold()
    if creator not in NOBODY:
        yield "creator", origin.source, creator
