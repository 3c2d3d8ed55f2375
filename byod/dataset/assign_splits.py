"""Assign each picture of a dataset to a part of the split, and find the leakage of a fixed split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from byod.dataset import grouping, splits
from byod.dataset.dataset_folder import Dataset
from byod.dataset.loose_groups import CutGroup
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.records import Origin, Record, Sample, Split, Status


class SplitLeakage(Record):
    """Two pictures that look alike and stand in different parts of a fixed split; `rule` says how they are alike."""

    first: str
    first_part: Split
    second: str
    second_part: Split
    rule: str


class SplitDone(Record):
    """The split of a dataset: pictures by part and class, and how many had to change sides.

    `name` is that of a fixed split; `leaks` are the near-duplicates on both sides of it; `note` says why a fixed
    split that was asked for was not used; `elsewhere` counts the pictures in parts that only a newer byod knows; `cut`
    are the groups of near-duplicates that were too large for their class: some of each are on both sides.
    """

    counts: dict[Split, dict[str, int]]
    moved: int
    name: str | None = None
    leaks: tuple[SplitLeakage, ...] = ()
    note: str = ""
    elsewhere: int = 0
    cut: tuple[CutGroup, ...] = ()


def assign(dataset: Dataset) -> SplitDone:
    """Split an open dataset by duplicate group, page and creator, or as its recipe fixes it.

    Samples keep their part unless groups have merged. A fixed split that would leave a part empty is not used.
    """
    samples, name = dataset.catalog.samples, dataset.recipe.split
    everything, origins, previous = samples.all(), dataset.catalog.candidates.origins(), samples.splits()
    undecided = {sha256 for conflict in samples.conflicts() for sha256 in conflict}
    everywhere = [sample for sample in everything if sample.status is Status.KEPT]
    # where a newer byod put a picture into a part that this one does not know, there it stays
    kept = [sample for sample in everywhere if previous.get(sample.sha256, Split.TRAIN).known]
    groups = grouping.groups(kept, samples.groups(), origins)
    items = [
        splits.Item(sha256=sample.sha256, label=sample.label, group=groups.of[sample.sha256])
        for sample in kept
        if sample.sha256 not in undecided
    ]
    parts = {} if name is None else _fixed_parts(name, origins)
    plan = splits.fixed(items, parts, previous) if name is not None else None
    note = ""
    leaks: tuple[SplitLeakage, ...] = ()
    if plan is not None:
        leaks = _leakage({**parts, **plan.assigned}, everything, samples.lookalikes(), origins)
    elif name is not None:
        here = {parts[item.sha256] for item in items if item.sha256 in parts}
        empty = " and ".join(part for part in Split if part not in here)
        note = f"the split {name!r} would leave {empty} empty: the pictures are split by duplicate group"
    used = name if plan is not None else None
    plan = plan or splits.split(items, previous)
    with dataset.catalog.transaction():
        samples.set_splits(plan.assigned)
    counts = _counts(dataset, items, plan.assigned)
    elsewhere = len(everywhere) - len(kept)
    return SplitDone(
        counts=counts,
        moved=plan.moved,
        name=used,
        leaks=leaks,
        note=note,
        elsewhere=elsewhere,
        cut=()
        if used
        else tuple(each.model_copy(update={"label": dataset.shown(each.label)}) for each in groups.cut),
    )


def _counts(
    dataset: Dataset, items: Iterable[splits.Item], assigned: Mapping[str, Split]
) -> dict[Split, dict[str, int]]:
    counts: dict[Split, dict[str, int]] = {part: {} for part in Split}
    for item in items:
        part, name = counts[assigned[item.sha256]], dataset.shown(item.label)
        part[name] = part.get(name, 0) + 1
    return counts


def _fixed_parts(name: str, origins: Mapping[str, Sequence[Origin]]) -> dict[str, Split]:
    """The part that a fixed split gives each picture whose folder it names: that of its first origin."""
    known = splits.FIXED[name]
    folders = {sha256: [o.terms for o in found if o.terms in known] for sha256, found in origins.items()}
    return {sha256: known[terms[0]] for sha256, terms in folders.items() if terms and terms[0]}


def _leakage(
    parts: Mapping[str, Split],
    samples: Sequence[Sample],
    lookalikes: Iterable[tuple[str, str, str]],
    origins: Mapping[str, Sequence[Origin]],
) -> tuple[SplitLeakage, ...]:
    """Near-duplicates in different parts: pairs that both stand, and copies set aside for a picture of another part."""
    names = {s.sha256: next((o.title for o in origins.get(s.sha256, ()) if o.title), s.path) for s in samples}
    copies = [
        (s.sha256, s.keeper, "a copy, set aside")
        for s in samples
        if s.reason is Reason.DUPLICATE and s.keeper
    ]
    return tuple(
        SplitLeakage(first=names[a], first_part=parts[a], second=names[b], second_part=parts[b], rule=rule)
        for a, b, rule in (*lookalikes, *copies)
        if a in parts and b in parts and parts[a] is not parts[b]
    )


def say_split(done: SplitDone, say: Say) -> None:
    """Say which pictures are no longer on the side they were on, and what a fixed split leaks."""
    if done.note:
        say(done.note)
    if done.elsewhere:
        say(
            f"{done.elsewhere} pictures are in parts of the split that only a newer byod knows: they are left out"
        )
    for each in done.cut:
        together = f"no more than {each.largest} of them" if each.largest > 1 else "none of them"
        say(
            f"{each.pictures} of {each.of} pictures of {each.label} look alike: the split keeps {together} together,"
            " so pictures that are tested may resemble those that are learned"
        )
    if done.name and done.leaks:
        say(f"the split {done.name!r} has {len(done.leaks)} pairs of near-duplicates on both sides:")
        for leak in done.leaks:
            pair = f"{leak.first} ({leak.first_part}) and {leak.second} ({leak.second_part})"
            say(f"  {pair}: {leak.rule}")
    elif done.name:
        say(f"the split {done.name!r} has no near-duplicates on both sides")
    elif done.moved:
        say(f"{done.moved} pictures changed sides of the split because groups of look-alikes have merged")
