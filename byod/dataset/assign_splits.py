"""Assign each picture of a dataset to a part of the split, and find the leakage of a fixed split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from byod.dataset import captures, splits
from byod.dataset.dataset_folder import Dataset
from byod.dataset.loose_groups import CutGroup
from byod.dataset.splits import SplitPlan
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.records import Origin, Record, Sample, Sha256, Split, Status

_LEAKS = 10
"""So many leaks are named."""


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
    are the groups of near-duplicates that were too large for their class: some of each are on both sides. `by` says
    what tied pictures together; of the classes in `ungrouped` no pictures are kept together, since hardly any would be
    left to test on. `group_of` is the group of each picture that was split.
    """

    counts: dict[Split, dict[str, int]]
    moved: int
    name: str | None = None
    leaks: tuple[SplitLeakage, ...] = ()
    note: str = ""
    elsewhere: int = 0
    cut: tuple[CutGroup, ...] = ()
    by: tuple[str, ...] = ()
    ungrouped: tuple[str, ...] = ()
    group_of: dict[Sha256, str] = Field(default={}, exclude=True, repr=False)

    @property
    def kind(self) -> str:
        """ "given" for a fixed split, "ungrouped" where pictures of a class were not kept together, else "grouped"."""
        return "given" if self.name else "ungrouped" if self.ungrouped else "grouped"


def assign(dataset: Dataset) -> SplitDone:
    """Split an open dataset by the groups of its pictures, or as its recipe fixes it.

    Samples keep their part unless groups have merged. A fixed split that would leave a part empty is not used.
    """
    samples = dataset.catalog.samples
    everything, origins, previous = samples.all(), dataset.catalog.candidates.origins(), samples.splits()
    undecided = {sha256 for conflict in samples.conflicts() for sha256 in conflict}
    everywhere = [sample for sample in everything if sample.status is Status.KEPT]
    # where a newer byod put a picture into a part that this one does not know, there it stays
    kept = [sample for sample in everywhere if previous.get(sample.sha256, Split.TRAIN).known]
    groups = dataset.grouped(kept, origins)
    items = [
        splits.Item(sha256=sample.sha256, label=sample.label, group=groups.of[sample.sha256])
        for sample in kept
        if sample.sha256 not in undecided
    ]
    wanted = dataset.recipe.split
    parts = {} if wanted is None else _fixed_parts(dataset, wanted, origins)
    plan, name, note = _planned(items, wanted, parts, previous)
    leaks: tuple[SplitLeakage, ...] = ()
    if name is not None:
        leaks = _leakage({**parts, **plan.assigned}, everything, samples.lookalikes(), origins)
    with dataset.catalog.transaction():
        samples.set_splits(plan.assigned)
    return SplitDone(
        counts=_counts(dataset, items, plan.assigned),
        moved=plan.moved,
        name=name,
        leaks=leaks,
        note=note,
        elsewhere=len(everywhere) - len(kept),
        cut=() if name else tuple(_shown(dataset, each) for each in groups.cut),
        by=groups.by,
        ungrouped=() if name else tuple(dataset.shown(label) for label in groups.ungrouped),
        group_of=groups.of,
    )


def _planned(
    items: Sequence[splits.Item],
    wanted: str | None,
    parts: Mapping[str, Split],
    previous: Mapping[str, Split],
) -> tuple[SplitPlan, str | None, str]:
    """The split, the name of the fixed one that it is, and why one of these parts that was asked for was not used."""
    if wanted is None:
        return splits.split(items, previous), None, ""
    here = {parts[item.sha256] for item in items if item.sha256 in parts}
    if wanted == splits.GIVEN and here & {Split.VALID, Split.TEST}:
        return splits.given(items, parts, previous), wanted, ""
    if wanted != splits.GIVEN and (plan := splits.fixed(items, parts, previous)) is not None:
        return plan, wanted, ""
    empty = " and ".join(part for part in Split if part not in here)
    note = f"the split {wanted!r} would leave {empty} empty: the pictures are split by their groups"
    return splits.split(items, previous), None, note


def _shown(dataset: Dataset, cut: CutGroup) -> CutGroup:
    return cut.model_copy(update={"label": dataset.shown(cut.label)})


def _counts(
    dataset: Dataset, items: Iterable[splits.Item], assigned: Mapping[str, Split]
) -> dict[Split, dict[str, int]]:
    counts: dict[Split, dict[str, int]] = {part: {} for part in Split}
    for item in items:
        part, name = counts[assigned[item.sha256]], dataset.shown(item.label)
        part[name] = part.get(name, 0) + 1
    return counts


def _fixed_parts(dataset: Dataset, name: str, origins: Mapping[str, Sequence[Origin]]) -> dict[str, Split]:
    """The part that a fixed split gives each picture: what was said of it, or by the folder of its first origin."""
    if name == splits.GIVEN:
        return {sha: one.split for sha, one in captures.read(dataset.folder).items() if one.split is not None}
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
    for label in done.ungrouped:
        say(
            f"nearly all pictures of {label} belong together, so they are split one by one: what is said of test "
            "pictures is too good; take some at another time and place"
        )
    if done.name and done.leaks:
        say(f"the split {done.name!r} has {len(done.leaks)} pairs of near-duplicates on both sides:")
        for leak in done.leaks[:_LEAKS]:
            pair = f"{leak.first} ({leak.first_part}) and {leak.second} ({leak.second_part})"
            say(f"  {pair}: {leak.rule}")
        if len(done.leaks) > _LEAKS:
            say(f"  and {len(done.leaks) - _LEAKS} more; byod split --json lists them all")
    elif done.name:
        say(f"the split {done.name!r} has no near-duplicates on both sides")
    elif done.moved:
        say(f"{done.moved} pictures changed sides of the split because groups of look-alikes have merged")
