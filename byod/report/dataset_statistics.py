"""Statistics of a dataset, counted once for card, exports and pages: nothing is decided here."""

from __future__ import annotations

from collections import Counter

from byod.report.i18n import Phrase, many, number, say
from byod.report.markdown import Value
from byod.schema.reasons import Reason
from byod.schema.records import Origin, Record, Sample, Sha256, Snapshot, Split, Status

NEAR_EMPTY = 20
"""Below so many pictures a class gives a training hardly anything to learn from or to be measured on."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HUB_LICENCES = frozenset(
    {"cc0-1.0", "gfdl", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"}
    | {"cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"}
    | {"cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}
)


class ClassCount(Record):
    """One class and its pictures; `undecided` ones stand in a conflict and belong to no part of the split."""

    label: str
    folder: str
    usable: int
    train: int = 0
    valid: int = 0
    test: int = 0
    undecided: int = 0


class Balance(Record):
    """The balance of the classes: `level` is "good", "warn" or "bad", `words` one or two sentences."""

    level: str
    words: Phrase


class Refusal(Record):
    """Pictures and addresses that fell to one reason: the pictures set aside, and how many addresses gave none."""

    reason: str
    samples: tuple[Sample, ...]
    addresses: int


class Star(Record):
    """A kept picture and the copies of it that were set aside."""

    keeper: Sample
    copies: tuple[Sample, ...]


def in_conflict(snapshot: Snapshot) -> frozenset[Sha256]:
    """The samples that carry different labels for the same picture."""
    return frozenset(sha256 for members in snapshot.conflicts for sha256 in members)


def usable(snapshot: Snapshot) -> tuple[Sample, ...]:
    """The kept samples that are in no conflict: what trains, and what may leave; by class, then by SHA-256."""
    disputed = in_conflict(snapshot)
    order = {label: number for number, label in enumerate(snapshot.classes)}
    chosen = (s for s in snapshot.kept if s.sha256 not in disputed and s.label in order)
    return tuple(sorted(chosen, key=lambda sample: (order[sample.label], sample.sha256)))


def class_counts(snapshot: Snapshot) -> tuple[ClassCount, ...]:
    """Every class with its counts, in the order of the recipe; empty ones too."""
    totals: Counter[str] = Counter()
    parts: Counter[tuple[str, Split]] = Counter()
    for sample in usable(snapshot):
        totals[sample.label] += 1
        if sample.sha256 in snapshot.splits:
            parts[sample.label, snapshot.splits[sample.sha256]] += 1
    disputed = in_conflict(snapshot)
    undecided = Counter(sample.label for sample in snapshot.samples if sample.sha256 in disputed)
    return tuple(
        ClassCount(
            label=label,
            folder=folder,
            usable=totals[label],
            train=parts[label, Split.TRAIN],
            valid=parts[label, Split.VALID],
            test=parts[label, Split.TEST],
            undecided=undecided[label],
        )
        for label, folder in snapshot.classes.items()
    )


def kept_counts(snapshot: Snapshot) -> dict[str, int]:
    """The number of kept pictures of each class, those in conflict too; in the order of the recipe."""
    kept = Counter(sample.label for sample in snapshot.kept)
    return {name: kept[name] for name in snapshot.classes}


def rejected_counts(snapshot: Snapshot) -> dict[str, int]:
    """The number of refused pictures for each reason, set aside or not even fetched, the commonest first."""
    return {each.reason: len(each.samples) + each.addresses for each in refusals(snapshot)}


def balance(counts: tuple[ClassCount, ...], least_classes: int) -> Balance:
    """The evenness of the classes, in words; below `least_classes` of them there is nothing to learn."""
    if not counts:
        return Balance(level="bad", words=say("There are no classes yet."))
    largest = max(counts, key=lambda count: count.usable)
    smallest = min(counts, key=lambda count: count.usable)
    if largest.usable == 0:
        return Balance(level="bad", words=say("No class has any pictures yet."))
    if len(counts) == 1 and least_classes < 2:
        words = many(
            largest.usable,
            "There is one class: “{label}”, {count} picture.",
            "There is one class: “{label}”, {count} pictures.",
            label=largest.label,
        )
        return Balance(level="good", words=words)
    if len(counts) == 1:
        return Balance(
            level="bad", words=say("There is one class only; a model needs at least two to tell apart.")
        )
    if smallest.usable == 0:
        return Balance(
            level="bad",
            words=say("“{label}” has no pictures; a model cannot learn it.", label=smallest.label),
        )
    ratio = largest.usable / smallest.usable
    words = say(
        "The largest class (“{largest}”, {most}) has {ratio} times the pictures of the smallest (“{smallest}”, "
        "{least}).",
        largest=largest.label,
        most=largest.usable,
        ratio=number(ratio, 1),
        smallest=smallest.label,
        least=smallest.usable,
    )
    if ratio >= 10:
        more = say("A model would mostly learn to say “{label}”.", label=largest.label)
        return Balance(level="bad", words=words + more)
    if ratio >= 2:
        return Balance(level="warn", words=words + say("More pictures of the small classes would help most."))
    return Balance(level="good", words=say("The classes are evenly filled.") + words)


def near_empty(counts: tuple[ClassCount, ...]) -> tuple[ClassCount, ...]:
    """The classes with fewer than `NEAR_EMPTY` usable pictures."""
    return tuple(count for count in counts if count.usable < NEAR_EMPTY)


def origin_of(snapshot: Snapshot, sample: Sample) -> Origin | None:
    """The one origin a sample is credited to: with a licence before without, then with a creator, then a page."""
    origins = snapshot.origins.get(sample.sha256, ())
    if len(origins) == 1:  # nearly always, and this is asked of every picture several times
        return origins[0]
    return min(
        origins,
        key=lambda o: (o.licence is None, o.creator is None, o.page is None, o.source, o.url, o.terms or ""),
        default=None,
    )


def licence_counts(snapshot: Snapshot) -> tuple[tuple[str | None, int], ...]:
    """Count the usable pictures under each licence code (None: none is stated), most first."""
    found: Counter[str | None] = Counter()
    for sample in usable(snapshot):
        origin = origin_of(snapshot, sample)
        found[origin.licence if origin else None] += 1
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0] or "")))


def refusals(snapshot: Snapshot) -> tuple[Refusal, ...]:
    """The refused pictures, set aside or not even fetched, by reason, most first."""
    aside: dict[str, list[Sample]] = {}
    for sample in snapshot.samples:
        word = sample.reason if sample.status.known else sample.status
        if sample.status is not Status.KEPT and word is not None:
            aside.setdefault(word.value, []).append(sample)
    found = [
        Refusal(
            reason=reason,
            samples=tuple(sorted(aside.get(reason, []), key=lambda sample: (sample.path, sample.sha256))),
            addresses=snapshot.misses.get(reason, 0),
        )
        for reason in {*aside, *snapshot.misses}
    ]
    return tuple(sorted(found, key=lambda r: (-len(r.samples) - r.addresses, r.reason)))


def stars(snapshot: Snapshot) -> tuple[Star, ...]:
    """Kept pictures with the copies set aside for them, the largest stars first."""
    by_name = {sample.sha256: sample for sample in snapshot.samples}
    copies: dict[Sha256, list[Sample]] = {}
    for sample in snapshot.samples:
        if sample.reason is Reason.DUPLICATE and sample.keeper in by_name:
            copies.setdefault(sample.keeper, []).append(sample)
    found = [
        Star(keeper=by_name[keeper], copies=tuple(sorted(members, key=lambda sample: sample.sha256)))
        for keeper, members in copies.items()
    ]
    return tuple(sorted(found, key=lambda star: (-len(star.copies), star.keeper.label, star.keeper.sha256)))


def hub_values(snapshot: Snapshot, hub: str) -> dict[str, Value]:
    """The front matter the Hugging Face Hub searches by: name, licence ("other" for a mixture), task (`hub`) and size.

    Source: https://huggingface.co/docs/hub/repositories-licenses
    """
    codes = [code for code, _ in licence_counts(snapshot)]
    only = (codes[0] or "").lower() if len(codes) == 1 else ""
    values: dict[str, Value] = {"pretty_name": snapshot.name}
    if only in _HUB_LICENCES:
        values["license"] = only
    else:
        values |= {"license": "other", "license_name": "see-credits", "license_link": "CREDITS.csv"}
    number = len(usable(snapshot))
    values["task_categories"] = [hub]
    values["size_categories"] = [next((name for limit, name in _SIZES if number < limit), "n>1M")]
    return values


def labels_claimed(snapshot: Snapshot, members: tuple[Sha256, ...]) -> tuple[str, ...]:
    """The classes that claim these samples: by where they lie, and by the queries that found them; recipe's order."""
    asked: dict[tuple[str, str], set[str]] = {}
    for line in snapshot.yields:
        asked.setdefault((line.source, line.query), set()).add(line.label)
    claimed = {sample.label for sample in snapshot.samples if sample.sha256 in members}
    for sha256 in members:
        for origin in snapshot.origins.get(sha256, ()):
            claimed |= asked.get((origin.source, origin.terms or ""), set())
    return tuple(label for label in snapshot.classes if label in claimed)
