"""Placement: which of all fetched pictures stand in class folders, decided anew from everything known.

It is a function of the set of pictures, the order they were offered in and what people said of them, so it does
not matter in how many runs they came or where a run was killed. Its outcome is applied in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from byod.dataset import dedup, same_pixels
from byod.dataset.dataset_folder import Dataset
from byod.dataset.dedup import Deduplication, Picture
from byod.dataset.shots import Shots
from byod.schema import licences
from byod.schema.reasons import Reason, When
from byod.schema.recipe_parts import Duplicates
from byod.schema.records import Placement, Policy, Record, Sample, Status, Verdict


class _CopyRules:
    """The rules by which pictures are set aside as copies: those of the search's, those of somebody's own.

    `own` are the samples that somebody brought, or put into a class folder; `pixels` the hashes of the pixels of those
    that need them, `new_pixels` what was not known of these.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: Sequence[Sample],
        offered: Mapping[str, object],
        verdicts: Mapping[str, Verdict],
        among: Collection[str] | None,
    ) -> None:
        self._found, self._own = dataset.recipe.duplicates, dataset.recipe.own.duplicates
        by_hand = {sha256 for sha256, said in verdicts.items() if said.label is not None}
        self.own = dataset.catalog.candidates.own(among) | (by_hand - offered.keys())
        self.pixels, self.new_pixels = same_pixels.hashes(
            dataset, (sample for sample in samples if self.of(sample.sha256) != "near")
        )

    def of(self, sha256: str) -> Duplicates:
        """The rule for a sample."""
        return self._own if sha256 in self.own else self._found


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
    offered = catalog.candidates.addresses(among)
    known = [
        _first_candidate(sample, position, offered.get(sample.sha256))
        for sample, position in catalog.samples.comparable(among)
        if _comparable(sample, sample.sha256 in verdicts)
    ]
    samples = [sample for sample, _ in known]
    rules = _CopyRules(dataset, samples, offered, verdicts, among)
    stated = catalog.candidates.licences(among)
    refused = {
        sha256: why
        for sha256, why in _unlicensed(stated, dataset.recipe.license).items()
        if sha256 not in verdicts
    }
    compared = [
        each for each in known if each[0].sha256 not in refused
    ]  # what is refused is no copy's keeper
    shots = Shots(dataset, samples, among)
    deduplicated = dedup.deduplicate(
        _pictures(compared, verdicts, offered, stated, catalog.verdicts.apart(), rules), shots.compare
    )
    reasons = {**_refusals(deduplicated, verdicts), **refused}
    placements = _decide({each[0].sha256: each for each in known}, verdicts, reasons, per_class)
    with dataset.changing():
        catalog.samples.set_pixels(rules.new_pixels)
        catalog.samples.set_compared(shots.new)
        _note_findings(dataset, deduplicated, placements, verdicts, samples, among)
        changed = [made for sample in samples if _differs(sample, made := placements[sample.sha256])]
        moved = dataset.place(changed)
    return Placements(changed=len(changed), moved=moved, kept=catalog.samples.kept())


def _note_findings(
    dataset: Dataset,
    deduplicated: Deduplication,
    placements: Mapping[str, Placement],
    verdicts: Mapping[str, Verdict],
    known: Sequence[Sample],
    among: Collection[str] | None,
) -> None:
    """Write down the groups, the look-alikes that both stand, and the conflicts nobody has decided."""
    groups = {sha256: group.key for group in deduplicated.groups for sha256 in group.members}
    standing = {sha256 for sha256, placement in placements.items() if placement.status is Status.KEPT}
    pairs = [(a, b, rule) for a, b, rule in deduplicated.lookalikes if a in standing and b in standing]
    in_two_folders = [
        (sample.sha256,)
        for sample in known
        if sample.reason is Reason.CONFLICT and (said := verdicts.get(sample.sha256)) and said.label is None
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


def _comparable(sample: Sample, decided: bool) -> bool:
    """True if placing has a say: not where the picture itself is unfit, nor where its file is gone and nobody decided.

    It has none either where a newer byod placed the sample with a status that this one does not know.
    """
    if not sample.status.known or (
        sample.status is Status.REJECTED
        and sample.reason is not None
        and sample.reason.traits.when is When.OPENED
    ):
        return False
    return bool(sample.path) or decided


def _first_candidate(
    sample: Sample, position: int, candidates: list[tuple[str, int, str]] | None
) -> tuple[Sample, int]:
    """The sample's place in the order: that of its first candidate, whichever of them arrived first."""
    return (sample, min(number for _, number, _ in candidates)) if candidates else (sample, position)


def _pictures(
    known: Sequence[tuple[Sample, int]],
    verdicts: Mapping[str, Verdict],
    offered: Mapping[str, list[tuple[str, int, str]]],
    stated: Mapping[str, set[str | None]],
    apart: Mapping[str, frozenset[str]],
    rules: _CopyRules,
) -> list[Picture]:
    """The samples as the duplicate search sees them."""
    licensed = {sha256 for sha256, found in stated.items() if found != {None}}
    return [
        picture
        for sample, position in known
        for picture in _of_sample(
            sample, position, verdicts.get(sample.sha256), offered, licensed, apart, rules
        )
    ]


def _of_sample(
    sample: Sample,
    position: int,
    verdict: Verdict | None,
    offered: Mapping[str, list[tuple[str, int, str]]],
    licensed: set[str],
    apart: Mapping[str, frozenset[str]],
    rules: _CopyRules,
) -> list[Picture]:
    """The sample as the duplicate search sees it: once for each class it was offered for, once if labelled by hand."""
    candidates: dict[str, list[tuple[int, str]]] = {}
    for label, number, url in offered.get(sample.sha256, []):
        candidates.setdefault(label, []).append((number, url))
    if verdict is not None or not candidates:
        everywhere = [offer for found in candidates.values() for offer in found]
        label = sample.label if verdict is None else verdict.label or sample.label
        candidates = {label: [(position, url) for _, url in everywhere] or [(position, "")]}
    return [
        Picture(
            sha256=sample.sha256,
            label=label,
            fingerprint=sample.fingerprint,
            order=min(number for number, _ in found),
            width=sample.width,
            height=sample.height,
            size=sample.size,
            by_hand=verdict is not None,
            licence=sample.sha256 in licensed,
            addresses=tuple(dict.fromkeys(url for _, url in found if url.startswith("http"))),
            apart=apart.get(sample.sha256, frozenset()),
            own=sample.sha256 in rules.own,
            copies=rules.of(sample.sha256),
            pixels=rules.pixels.get(sample.sha256, ""),
        )
        for label, found in candidates.items()
    ]


def _decide(
    known: Mapping[str, tuple[Sample, int]],
    verdicts: Mapping[str, Verdict],
    reasons: Mapping[str, tuple[Reason, str, str | None]],
    per_class: int | None,
) -> dict[str, Placement]:
    placements: dict[str, Placement] = {}
    contenders: dict[str, list[tuple[bool, bool, int, str]]] = {}
    for sha256, (sample, position) in known.items():
        verdict = verdicts.get(sha256)
        if verdict is not None and verdict.label is None:
            stays = sample.status is Status.REJECTED and sample.reason is not None
            reason = sample.reason if stays and sample.reason else Reason.REVIEW
            placements[sha256] = _rejected(sample, reason, sample.detail or verdict.note, sample.keeper)
        elif verdict is None and sha256 in reasons:
            reason, detail, keeper = reasons[sha256]
            placements[sha256] = _rejected(sample, reason, detail, keeper)
        elif verdict is None and per_class is None and sample.reason is Reason.SURPLUS:
            placements[sha256] = _rejected(sample, Reason.SURPLUS, sample.detail)
        else:
            label = sample.label if verdict is None or verdict.label is None else verdict.label
            placements[sha256] = Placement(sha256=sha256, label=label, status=Status.KEPT)
            stands = sample.status is Status.KEPT
            contenders.setdefault(label, []).append((verdict is None, not stands, position, sha256))
    if per_class is not None:
        for ranked in contenders.values():
            for undecided, new, _, sha256 in sorted(ranked)[per_class:]:
                if undecided and new:
                    placements[sha256] = _rejected(known[sha256][0], Reason.SURPLUS, "the class has enough")
    return placements


def _refusals(
    deduplicated: Deduplication, verdicts: Mapping[str, Verdict]
) -> dict[str, tuple[Reason, str, str | None]]:
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
    return reasons


def _unlicensed(
    stated: Mapping[str, set[str | None]], policy: Policy
) -> dict[str, tuple[Reason, str, str | None]]:
    """The samples the policy does not accept: a policy made stricter also reaches what was collected before."""
    reasons: dict[str, tuple[Reason, str, str | None]] = {}
    for sha256, found in stated.items():
        refusals = [licences.allows(policy, licence) for licence in sorted(found, key=str)]
        if None not in refusals:
            known = ", ".join(sorted(licence for licence in found if licence)) or "none is stated"
            reason = next((r for r in refusals if r is Reason.LICENCE_REFUSED), Reason.LICENCE_UNKNOWN)
            reasons[sha256] = (reason, f"licence: {known}", None)
    return reasons


def _open_conflicts(deduplicated: Deduplication, verdicts: Mapping[str, Verdict]) -> list[tuple[str, ...]]:
    """Conflicts to show: nobody decided, or people decided differently for copies of one picture."""
    shown = []
    for conflict in deduplicated.conflicts:
        said = {verdicts[sha256].label for sha256 in conflict if sha256 in verdicts} - {None}
        if len(said) != 1:
            shown.append(tuple(sorted(set(conflict))))
    return shown


def _rejected(sample: Sample, reason: Reason, detail: str, keeper: str | None = None) -> Placement:
    return Placement(
        sha256=sample.sha256,
        label=sample.label,
        status=Status.REJECTED,
        reason=reason,
        detail=detail,
        keeper=keeper,
    )


def _differs(sample: Sample, placement: Placement) -> bool:
    return (sample.status, sample.label, sample.reason, sample.keeper) != (
        placement.status,
        placement.label,
        placement.reason,
        placement.keeper,
    )
