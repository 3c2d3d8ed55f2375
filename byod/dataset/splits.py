"""Split pictures into train, valid and test: by duplicate group, alike in every class.

No random numbers decide this. The order of a class's groups is a hash of their keys, so the same pictures come
to the same split on every machine; and what was once assigned stays, so a test set stays a test set as the
dataset grows.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from byod.schema.records import Record, Sha256, Split

FRACTIONS = {Split.TRAIN: 0.70, Split.VALID: 0.15, Split.TEST: 0.15}
"""The shares of a dataset, by class."""

_OVER = 0.25
"""So much more than its share a part may get where whole groups do not fill it evenly."""

FOLDERS = "folders"
"""The name of the split that the literature uses for the Cat Dataset."""
GIVEN = "given"
"""The name of a split that somebody said of each picture, in `captures.csv`."""
FIXED: dict[str, dict[str, Split]] = {
    FOLDERS: {
        **{f"CAT_0{number}": Split.TRAIN for number in range(5)},
        "CAT_05": Split.VALID,
        "CAT_06": Split.TEST,
    }
}
"""Fixed splits by name: the part of each folder that pictures came from."""


class Item(Record):
    """A picture to assign: its label and its duplicate group (its own SHA-256 when it is in none)."""

    sha256: Sha256
    label: str
    group: str


class SplitPlan(Record):
    """The part of every picture, and how many changed theirs because their groups have merged."""

    assigned: dict[Sha256, Split]
    moved: int


class _Group(Record):
    """Pictures that stay together; `label` is that of most of them."""

    key: str
    members: tuple[Sha256, ...]
    label: str

    @property
    def place(self) -> str:
        """The group's place in the order of its class: as good as random, and always the same."""
        return hashlib.sha256(f"byod split {self.key}".encode()).hexdigest()


def split(
    items: Sequence[Item],
    previous: Mapping[str, Split] | None = None,
    fractions: Mapping[Split, float] = FRACTIONS,
) -> SplitPlan:
    """Assign every picture to train, valid or test, whole groups at a time.

    What `previous` says stays. Where groups that were apart have merged, the whole goes to the part that has
    used it most: to train if anything of it was trained on, else to valid; so nothing that a model was trained
    or tuned on ever comes into the test set. New groups fill up test, then valid, of their class, as nearly as whole
    groups can; larger ones go to train. A class of three groups or more gets at least one in each part, if new ones
    allow it.

    Args:
        items: the pictures, each once.
        previous: the parts assigned before, by SHA-256; pictures that are gone do no harm.
        fractions: the shares wanted, of sum 1.

    Raises:
        ValueError: a picture comes twice, or the shares are no shares.
    """
    if not math.isclose(sum(fractions.values()), 1.0) or min(fractions.values()) < 0:
        raise ValueError("the shares of the parts must sum to 1, none below 0")
    previous = previous or {}
    plan: dict[str, Split] = {}
    for groups in _by_label(_groups(items)).values():
        plan.update(_split_class(groups, previous, fractions))
    assigned = {sha256: plan[sha256] for sha256 in sorted(plan)}
    moved = sum(sha256 in previous and previous[sha256] is not part for sha256, part in assigned.items())
    return SplitPlan(assigned=assigned, moved=moved)


def fixed(
    items: Sequence[Item], parts: Mapping[str, Split], previous: Mapping[str, Split]
) -> SplitPlan | None:
    """Assign pictures as a fixed split says, near-duplicates or not; None where it would leave a part empty.

    Pictures that it says nothing of (added later) go with their duplicate group, else as `split` has it.

    Args:
        items: the pictures, each once.
        parts: what the fixed split says, by SHA-256.
        previous: the parts assigned before.
    """
    said = {item.sha256: parts[item.sha256] for item in items if item.sha256 in parts}
    if set(said.values()) != set(Split):
        return None
    plan = split(items, {**previous, **said})
    assigned = {**plan.assigned, **said}
    moved = sum(sha256 in previous and previous[sha256] is not part for sha256, part in assigned.items())
    return SplitPlan(assigned=assigned, moved=moved)


def given(items: Sequence[Item], said: Mapping[str, Split], previous: Mapping[str, Split]) -> SplitPlan:
    """Assign pictures as somebody said; what that leaves open is taken from what is there to learn from.

    Where only a part to validate was said (`val/` without `test/`), it is the one that is tested. Nothing else is
    tested then; a part to validate is taken from the others where none was said.

    Args:
        items: the pictures, each once.
        said: the parts that somebody said, by SHA-256.
        previous: the parts assigned before.
    """
    here = {item.sha256: said[item.sha256] for item in items if item.sha256 in said}
    if Split.TEST not in here.values():
        here = {sha256: Split.TEST if part is Split.VALID else part for sha256, part in here.items()}
    tested = Split.TEST in here.values()
    if Split.VALID in here.values():
        shares = {Split.TRAIN: 1.0, Split.VALID: 0.0, Split.TEST: 0.0}
    else:
        here = {sha256: part for sha256, part in here.items() if part is Split.TEST}
        shares = {Split.TRAIN: 0.85, Split.VALID: 0.15, Split.TEST: 0.0} if tested else FRACTIONS
    before = {sha256: part for sha256, part in previous.items() if not (tested and part is Split.TEST)}
    others = [item for item in items if here.get(item.sha256) is not Split.TEST]
    assigned = {**split(others, {**before, **here}, shares).assigned, **here}
    moved = sum(sha256 in previous and previous[sha256] is not part for sha256, part in assigned.items())
    return SplitPlan(assigned=assigned, moved=moved)


def folds(items: Sequence[Item], k: int, seed: int) -> tuple[tuple[Sha256, ...], ...]:
    """Cut the pictures into `k` parts for cross-validation: whole groups, each class spread evenly.

    Args:
        items: the pictures, each once.
        k: how many parts; with fewer groups than this, some are empty.
        seed: another seed gives other parts; the order of `items` does not matter.

    Returns:
        The SHA-256s of each part, in ascending order; every picture in exactly one.

    Raises:
        ValueError: `k` is below 2, or a picture comes twice.
    """
    if k < 2:
        raise ValueError(f"cross-validation needs at least 2 parts, not {k}")
    parts: list[list[str]] = [[] for _ in range(k)]
    for label, groups in _by_label(_groups(items)).items():
        random.Random(f"{seed} {label}").shuffle(groups)
        filled = [0] * k
        for group in sorted(groups, key=lambda group: -len(group.members)):
            part = min(range(k), key=lambda number: (filled[number], len(parts[number]), number))
            parts[part].extend(group.members)
            filled[part] += len(group.members)
    return tuple(tuple(sorted(part)) for part in parts)


def _groups(items: Sequence[Item]) -> list[_Group]:
    """The groups in the order of their keys."""
    members: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        members[item.group].append(item)
    if len({item.sha256 for item in items}) != len(items):
        raise ValueError("a picture comes twice among those to be split")
    return [_group(key, members[key]) for key in sorted(members)]


def _group(key: str, items: Iterable[Item]) -> _Group:
    found = sorted(items, key=lambda item: item.sha256)
    counts = Counter(item.label for item in found)
    label = min(counts, key=lambda name: (-counts[name], name))
    return _Group(key=key, members=tuple(item.sha256 for item in found), label=label)


def _by_label(groups: Iterable[_Group]) -> dict[str, list[_Group]]:
    classes: dict[str, list[_Group]] = {}
    for group in groups:
        classes.setdefault(group.label, []).append(group)
    return dict(sorted(classes.items()))


def _split_class(
    groups: Sequence[_Group], previous: Mapping[str, Split], fractions: Mapping[Split, float]
) -> dict[str, Split]:
    """The parts of one class's pictures."""
    parts: dict[str, Split] = {}
    new: list[_Group] = []
    for group in groups:
        before = {previous[sha256] for sha256 in group.members if sha256 in previous}
        if before:
            parts[group.key] = next(part for part in Split if part in before)  # in order of use
        else:
            new.append(group)
    new.sort(key=lambda group: group.place)
    total = sum(len(group.members) for group in groups)
    for part in (Split.TEST, Split.VALID):
        filled = sum(len(group.members) for group in groups if parts.get(group.key) is part)
        wanted = math.floor(fractions.get(part, 0.0) * total + 0.5)
        for group in new:
            if group.key not in parts and _fits(filled, len(group.members), wanted):
                parts[group.key] = part
                filled += len(group.members)
    for group in new:
        parts.setdefault(group.key, Split.TRAIN)
    _leave_none_empty(groups, new, parts, fractions)
    return {sha256: parts[group.key] for group in groups for sha256 in group.members}


def _fits(filled: int, size: int, wanted: int) -> bool:
    """True if a group brings a part nearer to what it wants, and hardly over it."""
    after = filled + size
    return after <= wanted or (after - wanted < wanted - filled and after <= (1 + _OVER) * wanted)


def _leave_none_empty(
    groups: Sequence[_Group], new: Sequence[_Group], parts: dict[str, Split], fractions: Mapping[Split, float]
) -> None:
    """Give a part that a small class would leave empty its smallest new group, from a part that has several."""
    if len(groups) < 3:
        return
    for part in (Split.TEST, Split.VALID, Split.TRAIN):
        held = Counter(parts.values())
        if held[part] or not fractions.get(part):
            continue
        spare = [group for group in new if held[parts[group.key]] > 1]
        if spare:
            chosen = min(spare, key=lambda g: (parts[g.key] is not Split.TRAIN, len(g.members), g.place))
            parts[chosen.key] = part
