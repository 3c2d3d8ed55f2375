"""Placement: which of all fetched pictures stand in class folders, decided anew from everything known.

It is a function of the set of pictures, the order they were offered in and what people said of them, so it does
not matter in how many runs they came or where a run was killed. Its outcome is applied in one transaction.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from byod.dataset import dedup, offered_pictures
from byod.dataset.catalog.offer_columns import OfferColumns
from byod.dataset.catalog.sample_columns import SampleColumns
from byod.dataset.dataset_folder import Dataset
from byod.dataset.dedup import Deduplication
from byod.dataset.offered_pictures import CopyRules, first_positions
from byod.dataset.shots import Shots
from byod.images.neighbors.pictures import Flags, Indices, Pictures, Texts, numbered
from byod.schema import licences
from byod.schema.reasons import Reason, When
from byod.schema.records import Placement, Policy, Record, Status, Verdict

_AT_ONCE = 10_000


class Placements(Record):
    """The result of placing: samples whose place changed, and the counts of what stands where."""

    changed: int
    moved: int
    kept: dict[str, int]


def place_samples(
    dataset: Dataset, *, per_class: int | None = None, around: Collection[str] | None = None
) -> Placements:
    """Decide for every comparable sample, and move what has to move.

    Args:
        dataset: an open, locked dataset.
        per_class: at most this many pictures stand in a class beside those people put there and those that stand
            there already; the rest is `surplus`. None: no limit for new ones, and what is surplus stays so.
        around: the samples about which something was said since the last placing, where nothing else has
            changed: it is decided for them and for what looks like them, which comes to the same. Each must have
            been compared then (kept, or rejected for a reason that is `compared`). None: whatever changed.
    """
    catalog = dataset.catalog
    among = None if around is None else _related(dataset, around)
    verdicts = catalog.verdicts.holding(among)
    samples = _comparable(catalog.samples.columns(among), verdicts)
    places = samples.places
    offers = catalog.candidates.offers(places, among)
    samples = replace(samples, position=first_positions(samples, offers))
    rules = CopyRules(dataset, samples, offers, places, verdicts)
    licensed, refused = _licences(dataset.recipe.license, len(samples), offers)
    said = {places[sha256]: verdict for sha256, verdict in verdicts.items() if sha256 in places}
    refused = {place: why for place, why in refused.items() if place not in said}
    pictures = offered_pictures.pictures(samples, offers, said, licensed, catalog.verdicts.apart(), rules)
    shots = Shots(dataset, among)
    deduplicated = dedup.deduplicate(_without(pictures, samples, refused), shots.compare)
    reasons = {**_refusals(deduplicated, verdicts, places), **refused}
    decided = _decide(samples, said, reasons, per_class)
    with dataset.changing():
        catalog.samples.set_pixels(rules.new_pixels)
        catalog.samples.set_compared(shots.new)
        _note_findings(dataset, deduplicated, decided, samples, places, verdicts, among)
        changed = decided.changed(samples)
        moved = dataset.place(_placements(dataset, samples, decided, changed))
    return Placements(changed=len(changed), moved=moved, kept=catalog.samples.kept())


def _comparable(samples: SampleColumns, verdicts: Mapping[str, Verdict]) -> SampleColumns:
    """Those on which placing has a say: not where the picture itself is unfit, nor a file gone that nobody decided on.

    It has none either where a newer byod placed the sample with a status that this one does not know.
    """
    states: dict[tuple[str, str | None], bool] = {}
    open_ones = np.array(
        [
            states[state] if state in states else states.setdefault(state, _is_open(*state))
            for state in zip(samples.status, samples.reason, strict=True)
        ],
        bool,
    )
    decided = np.array([sha256 in verdicts for sha256 in samples.sha256], bool)
    return samples.take(open_ones & (samples.has_file | decided))


def _is_open(status: str, reason: str | None) -> bool:
    unfit = reason is not None and Reason(reason).traits.when is When.OPENED
    return Status(status).known and not (status == Status.REJECTED and unfit)


def _without(pictures: Pictures, samples: SampleColumns, refused: Mapping[int, object]) -> Pictures:
    """The pictures but for those that are refused: they are no copy's keeper."""
    if not refused:
        return pictures
    stays = np.ones(len(pictures), bool)
    gone = samples.sha256[list(refused)]
    stays[np.isin(pictures.sha256.astype("S"), gone.astype("S"))] = False
    return pictures.take(np.flatnonzero(stays))


def _note_findings(
    dataset: Dataset,
    deduplicated: Deduplication,
    decided: Decisions,
    samples: SampleColumns,
    places: Mapping[str, int],
    verdicts: Mapping[str, Verdict],
    among: Collection[str] | None,
) -> None:
    """Write down the groups, the look-alikes that both stand, and the conflicts nobody has decided."""
    groups = {sha256: group.key for group in deduplicated.groups for sha256 in group.members}
    kept = decided.kept
    pairs = [(a, b, rule) for a, b, rule in deduplicated.lookalikes if kept[places[a]] and kept[places[b]]]
    in_two_folders = [
        (sha256,)
        for sha256 in samples.sha256[samples.reason == Reason.CONFLICT.value]
        if (said := verdicts.get(sha256)) and said.label is None
    ]
    conflicts = [*_open_conflicts(deduplicated, verdicts), *in_two_folders]
    dataset.catalog.samples.set_findings(groups, pairs, conflicts, among)


def _related(dataset: Dataset, around: Collection[str]) -> set[str] | None:
    """These samples and all that are linked to them, however far round; None where that cannot be told.

    Whatever two pictures have to do with each other, they are in one group or one conflict. Placeholders are in
    none, so with any of them about everything is decided anew.
    """
    samples = dataset.catalog.samples
    if samples.rejected_as(Reason.PLACEHOLDER):
        return None
    found = set(around)
    for conflict in samples.conflicts():
        if not found.isdisjoint(conflict):
            found.update(conflict)
    groups = samples.groups()
    keys = {groups[sha256] for sha256 in found if sha256 in groups}
    return found | {sha256 for sha256, key in groups.items() if key in keys}


@dataclass(frozen=True, slots=True)
class Decisions:
    """New places of samples, in columns: `kept` ones have no reason. `detail` says more of those that it names.

    Of the other rejected ones the detail stays; so it does, where there is one, for those of `softly`.
    """

    label: Texts
    reason: Texts
    keeper: Texts
    detail: dict[int, str]
    softly: set[int]

    @property
    def kept(self) -> Flags:
        """True of the samples that stand."""
        return np.asarray(self.reason == None, bool)  # noqa: E711 - each of them

    def changed(self, samples: SampleColumns) -> Indices:
        """The places of the samples that have to change theirs."""
        status = np.where(self.kept, Status.KEPT.value, Status.REJECTED.value)
        new = (samples.status != status) | (samples.label != self.label)
        return np.flatnonzero(new | (samples.reason != self.reason) | (samples.keeper != self.keeper))


def _decide(
    samples: SampleColumns,
    said: Mapping[int, Verdict],
    reasons: Mapping[int, tuple[Reason, str, str | None]],
    per_class: int | None,
) -> Decisions:
    nothing: Texts = np.full(len(samples), None, object)
    decided = Decisions(samples.label.copy(), nothing.copy(), nothing.copy(), {}, set())
    undecided = np.ones(len(samples), bool)
    for place, verdict in said.items():
        undecided[place] = False
        if verdict.label is not None:
            decided.label[place] = verdict.label
            continue
        stays = samples.status[place] == Status.REJECTED and samples.reason[place] is not None
        decided.reason[place] = samples.reason[place] if stays else Reason.REVIEW.value
        decided.keeper[place] = samples.keeper[place]
        decided.detail[place] = verdict.note
        decided.softly.add(place)
    for place, (reason, detail, keeper) in reasons.items():
        if undecided[place]:
            decided.reason[place], decided.keeper[place] = reason.value, keeper
            decided.detail[place] = detail
    if per_class is None:
        decided.reason[undecided & decided.kept & (samples.reason == Reason.SURPLUS.value)] = (
            Reason.SURPLUS.value
        )
    else:
        surplus = _surplus(samples, decided, undecided, per_class)
        decided.reason[surplus] = Reason.SURPLUS.value
        decided.detail.update(dict.fromkeys(surplus.tolist(), "the class has enough"))
    return decided


def _surplus(samples: SampleColumns, decided: Decisions, undecided: Flags, per_class: int) -> Indices:
    """The samples beyond so many of a class: new ones of which nobody said anything, those that were offered last."""
    (standing,) = np.nonzero(decided.kept)
    _, label = np.unique(decided.label[standing].astype(str), return_inverse=True)
    new = samples.status[standing] != Status.KEPT.value
    keys = (numbered(samples.sha256[standing]), samples.position[standing], new, undecided[standing], label)
    ranked = np.lexsort(keys)
    sizes = np.bincount(label)
    rank = np.empty(len(standing), np.int64)
    rank[ranked] = np.arange(len(standing)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(standing[(rank >= per_class) & undecided[standing] & new], np.int64)


def _placements(
    dataset: Dataset, samples: SampleColumns, decided: Decisions, changed: Indices
) -> Iterator[Placement]:
    """The new places of the samples that have to change theirs."""
    for some in np.array_split(changed, len(changed) // _AT_ONCE + 1):
        known = dataset.catalog.samples.named(
            samples.sha256[place]
            for place in some.tolist()
            if decided.reason[place] is not None and (place in decided.softly or place not in decided.detail)
        )
        for place in some.tolist():
            sha256, reason = samples.sha256[place], decided.reason[place]
            detail = decided.detail.get(place, "")
            if sha256 in known:
                detail = known[sha256].detail or detail
            yield Placement(
                sha256=sha256,
                label=decided.label[place],
                status=Status.KEPT if reason is None else Status.REJECTED,
                reason=reason,
                detail="" if reason is None else detail,
                keeper=decided.keeper[place],
            )


def _refusals(
    deduplicated: Deduplication, verdicts: Mapping[str, Verdict], places: Mapping[str, int]
) -> dict[int, tuple[Reason, str, str | None]]:
    """The reasons that samples may not stand: copies, placeholders, conflicts that nobody has decided."""
    reasons: dict[str, tuple[Reason, str, str | None]] = {}
    for conflict in deduplicated.conflicts:
        decided = [sha256 for sha256 in conflict if sha256 in verdicts]
        for sha256 in conflict:
            if decided:
                reasons[sha256] = (Reason.DUPLICATE, "a copy of one whose class somebody decided", decided[0])
            else:
                reasons[sha256] = (Reason.CONFLICT, "the same picture was offered for several classes", None)
    for drop in deduplicated.drops:
        if drop.sha256 not in reasons:
            how = (
                "the same picture"
                if drop.rule == "exact"
                else f"phash {drop.phash}, dhash {drop.dhash} apart"
            )
            reasons[drop.sha256] = (
                Reason.DUPLICATE,
                f"{how}; the kept copy is {drop.keeper[:12]}",
                drop.keeper,
            )
    for sha256 in deduplicated.placeholders:
        reasons[sha256] = (Reason.PLACEHOLDER, "the same picture under many addresses", None)
    return {places[sha256]: why for sha256, why in reasons.items()}


def _licences(
    policy: Policy, count: int, offers: OfferColumns
) -> tuple[Flags, dict[int, tuple[Reason, str, str | None]]]:
    """Which of so many samples strangers offered under a known licence, and those that the policy does not accept.

    A policy made stricter also reaches what was collected before.
    """
    strangers = np.ones(count, bool)
    strangers[offers.sample[offers.local]] = False
    (counting,) = np.nonzero(strangers[offers.sample])
    names = list(dict.fromkeys(offers.licence))
    codes = {name: code for code, name in enumerate(names)}
    code = np.array([codes[name] for name in offers.licence], np.int64)[counting]
    stated = np.unique(offers.sample[counting] * max(1, len(names)) + code)
    licensed = np.zeros(count, bool)
    refused: dict[int, tuple[Reason, str, str | None]] = {}
    outcomes: dict[tuple[int, ...], tuple[Reason, str, str | None] | None] = {}
    places, code = np.divmod(stated, max(1, len(names)))
    edges = np.flatnonzero(np.diff(places, prepend=-1, append=-1))
    for start, end in itertools.pairwise(edges.tolist()):
        place, found = int(places[start]), tuple(code[start:end].tolist())
        licensed[place] = any(names[each] is not None for each in found)
        if found not in outcomes:
            outcomes[found] = _refusal(policy, [names[each] for each in found])
        if (why := outcomes[found]) is not None:
            refused[place] = why
    return licensed, refused


def _refusal(policy: Policy, stated: Sequence[str | None]) -> tuple[Reason, str, str | None] | None:
    """Why a policy does not accept a picture that is offered under these licences (None: under none that is known)."""
    refusals = [licences.allows(policy, licence) for licence in sorted(stated, key=str)]
    if None in refusals:
        return None
    known = ", ".join(sorted(licence for licence in stated if licence)) or "none is stated"
    reason = next((why for why in refusals if why is Reason.LICENCE_REFUSED), Reason.LICENCE_UNKNOWN)
    return reason, f"licence: {known}", None


def _open_conflicts(deduplicated: Deduplication, verdicts: Mapping[str, Verdict]) -> list[tuple[str, ...]]:
    """Conflicts to show: nobody decided, or people decided differently for copies of one picture."""
    shown = []
    for conflict in deduplicated.conflicts:
        said = {verdicts[sha256].label for sha256 in conflict if sha256 in verdicts} - {None}
        if len(said) != 1:
            shown.append(tuple(sorted(set(conflict))))
    return shown
