"""The page `byod check` writes: one HTML file that shows what is in a dataset and what is wrong with it.

It asks for nothing from outside; small pictures stand inside it, in bounded number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from pathlib import Path, PurePosixPath
from shlex import quote
from statistics import median
from typing import Any, cast

from markupsafe import Markup

from byod.report import check_findings, dataset_statistics, html
from byod.report.check_findings import CheckFindings, LikelyGroup
from byod.report.i18n import Phrase, joined, listed, many, percent, say, verbatim
from byod.report.label_figures import figure, review_words
from byod.report.record_wording import licence_name, licence_terms, meaning
from byod.report.thumbnails import Thumbnail, Tile, Tray, drawn_jpeg
from byod.schema import licences
from byod.schema.annotator_agreement import ClassAgreement
from byod.schema.files import opened
from byod.schema.label_issue import LabelIssue
from byod.schema.reasons import Reason
from byod.schema.records import Record, Sample, Sha256, Snapshot, Status
from byod.schema.task import OddLabel, Pages
from byod.schema.version import VERSION

ROOM = 11_000_000
"""How many bytes the small pictures of a page may take together."""

_EXAMPLES = 8
_CLASSES, _CONFLICTS, _STARS, _COPIES, _PAIRS, _STANDINS, _SUSPECTS = 24, 40, 40, 7, 40, 16, 60
_HARD, _TOGETHER = 24, 24
_SIDES = (0, 150, 200, 300, 400, 600, 800, 1200, 2000, inf)
_ASPECTS = (
    (0.0, 0.5, say("narrow", context="shape")),
    (0.5, 0.7, verbatim("2 : 3")),
    (0.7, 0.9, verbatim("3 : 4")),
    (0.9, 1.12, say("square", context="shape")),
    (1.12, 1.42, verbatim("4 : 3")),
    (1.42, 2.0, verbatim("3 : 2")),
    (2.0, inf, say("wide", context="shape")),
)
_RULES = {
    "near": say("almost the same"),
    "alike": say("much alike"),
    "inside a border": say("alike but for a border"),
    "mirrored": say("one mirrors the other"),
}


class Group(Record):
    """Pictures shown side by side, with what to say about them."""

    title: Phrase | str
    tiles: tuple[Tile, ...]
    more: int = 0
    commands: tuple[tuple[str, str], ...] = ()


class HistogramBin(Record):
    """One column of a histogram."""

    name: Phrase
    number: int


def write_check(
    snapshot: Snapshot,
    pages: Pages,
    into: Path,
    *,
    found: CheckFindings | None = None,
    thumbnail: Thumbnail | None = None,
) -> Path:
    """Write the page and return its path.

    Args:
        snapshot: the dataset.
        pages: what its task says of itself.
        into: the page (`….html`), or a folder for `check.html`.
        found: what was found in it, where somebody looked already.
        thumbnail: makes the small pictures; byod's own way of opening pictures when it is not given, with the labels
            that lie in them.
    """
    page = into if into.suffix == ".html" else into / "check.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    drawn = drawn_jpeg(pages.drawing(snapshot.folder))
    tray = Tray(snapshot.folder, page.absolute(), thumbnail or drawn, ROOM)
    found = check_findings.look(snapshot, pages) if found is None else found
    with opened(page.parent) as folder:
        folder.update(page.name, html.page("check.html", _content(snapshot, pages, tray, found)).encode())
    return page


def _content(snapshot: Snapshot, pages: Pages, tray: Tray, found: CheckFindings) -> dict[str, Any]:
    """Everything the template shows; what must be decided takes its pictures first, examples last."""
    counts = dataset_statistics.class_counts(snapshot)
    classes = tuple(count for count in counts if count.folder not in pages.no_classes)
    by_name = {sample.sha256: sample for sample in snapshot.samples}
    aside = dataset_statistics.refusals(snapshot)
    usable = dataset_statistics.usable(snapshot)
    content: dict[str, Any] = {
        "name": snapshot.name,
        "version": VERSION,
        "fingerprint": snapshot.fingerprint,
        "counts": counts,
        "most": max((count.usable for count in counts), default=0),
        "balance": dataset_statistics.balance(classes, pages.least_classes),
        "near_empty": dataset_statistics.near_empty(classes),
        "labelled": found.labelled,
        "usable": len(usable),
        "split": any(count.train + count.valid + count.test for count in counts),
        "groups": len(snapshot.groups),
        "yields": snapshot.yields,
        "sides": _sides(usable),
        "aspects": _aspects(usable),
        "size_words": _size_words(usable),
        "total_suspects": len(found.suspects or ()),
        "suspects": _suspects(snapshot, tray, (found.suspects or ())[:_SUSPECTS], by_name),
        "total_hard": len(found.hard),
        "hard": _suspects(snapshot, tray, found.hard[:_HARD], by_name),
        "total_conflicts": len(snapshot.conflicts),
        "conflicts": [_conflict(snapshot, tray, m, by_name) for m in snapshot.conflicts[:_CONFLICTS]],
        "total_standins": _pictures_of(aside, Reason.PLACEHOLDER),
        "standins": _examples(tray, aside, Reason.PLACEHOLDER, _STANDINS),
        "total_pairs": len(snapshot.lookalikes),
        "pairs": [
            _pair(tray, by_name[a], by_name[b], rule)
            for a, b, rule in snapshot.lookalikes[:_PAIRS]
            if a in by_name and b in by_name
        ],
    }
    content |= _odd(found.odd, tray, by_name) | _stars(snapshot, tray)
    content |= _together(found.together, tray, by_name)
    content |= _licences(snapshot) | _reviewed(snapshot)
    content["refusals"] = [_refusal(tray, refusal) for refusal in aside]
    content["refused"] = sum(len(refusal.samples) + refusal.addresses for refusal in aside)
    content["examples"] = _class_examples(usable, counts[:_CLASSES], tray)
    content["more_classes"] = max(0, len(counts) - _CLASSES)
    content["left_out"] = tray.left_out
    content["below"] = _below
    return content


def _reviewed(snapshot: Snapshot) -> dict[str, Any]:
    """What people found of the labels, and how far they agree."""
    agreed = snapshot.agreement
    return {
        "reviewed": review_words(snapshot.label_quality, agreed),
        "agreed": _agreed(snapshot),
        "people": () if agreed is None else agreed.people,
        "figure": figure,
    }


def _agreed(snapshot: Snapshot) -> list[tuple[Phrase | str, ClassAgreement]]:
    """How far people agree about each class, by the name that it is shown with."""
    names = {folder: name for name, folder in snapshot.classes.items()}
    found = snapshot.agreement.classes if snapshot.agreement is not None else ()
    return [(say("rejected") if one.label is None else names.get(one.label, one.label), one) for one in found]


def _conflict(
    snapshot: Snapshot, tray: Tray, members: tuple[Sha256, ...], by_name: dict[Sha256, Sample]
) -> Group:
    """The copies side by side, and for each class that claims them the move that decides for it."""
    found = [by_name[sha256] for sha256 in members if sha256 in by_name]
    samples = sorted(found, key=lambda s: (-(s.width or 0) * (s.height or 0), -s.size, s.sha256))
    claimed = dataset_statistics.labels_claimed(snapshot, members)
    waiting = [sample for sample in samples if sample.status is Status.REJECTED and sample.path]
    commands = tuple(
        (label, f"mv {quote(waiting[0].path)} {quote(f'images/{snapshot.classes[label]}/')}")
        for label in claimed
        if waiting
    )
    tiles = tuple(
        tray.tile(sample, (_facts(sample), _name(sample)), badge=sample.label) for sample in samples[:_COPIES]
    )
    title = _one_of(claimed) if claimed else say("the same picture under several names")
    return Group(title=title, tiles=tiles, more=len(samples) - len(tiles), commands=commands)


def _one_of(labels: Sequence[str]) -> Phrase:
    """The labels, with "or" between them."""
    title = verbatim(labels[0])
    for label in labels[1:]:
        title = say("{one} or {other}", one=title, other=label)
    return title


def _suspects(
    snapshot: Snapshot, tray: Tray, issues: Sequence[LabelIssue], by_name: dict[Sha256, Sample]
) -> list[Group]:
    return [_suspect(snapshot, tray, s, by_name[s.sha256]) for s in issues if s.sha256 in by_name]


def _suspect(snapshot: Snapshot, tray: Tray, suspect: LabelIssue, sample: Sample) -> Group:
    """A picture whose label looks wrong, and the move that would correct it."""
    words = say(
        "the others speak for {label} (label quality {quality})",
        label=suspect.suggested,
        quality=percent(suspect.quality, 0),
    )
    move = f"mv {quote(sample.path)} {quote(f'images/{snapshot.classes[suspect.suggested]}/')}"
    tile = tray.tile(sample, (words, _name(sample)), badge=sample.label)
    return Group(title=sample.label, tiles=(tile,), commands=((suspect.suggested, move),))


def _odd(odd: Sequence[OddLabel], tray: Tray, by_name: dict[Sha256, Sample]) -> dict[str, Any]:
    tiles = [
        tray.tile(by_name[each.sha256], (cast(Phrase, each.words), _name(by_name[each.sha256])))
        for each in odd[:_SUSPECTS]
    ]
    return {"odd": tiles, "total_odd": len(odd)}


def _together(groups: Sequence[LikelyGroup], tray: Tray, by_name: dict[Sha256, Sample]) -> dict[str, Any]:
    """The groups that features proposed, the first pictures of each."""
    shown = []
    for group in groups[:_TOGETHER]:
        members = [by_name[sha256] for sha256 in group.members if sha256 in by_name]
        tiles = tuple(tray.tile(sample) for sample in members[:_EXAMPLES])
        shown.append(Group(title=group.name, tiles=tiles, more=len(members) - len(tiles)))
    return {
        "together": shown,
        "total_together": len(groups),
        "pictures_together": sum(len(group.members) for group in groups),
    }


def _stars(snapshot: Snapshot, tray: Tray) -> dict[str, Any]:
    stars = dataset_statistics.stars(snapshot)
    groups = []
    for star in stars[:_STARS]:
        keeper = tray.tile(
            star.keeper, (_facts(star.keeper), _name(star.keeper)), badge=say("kept"), keep=True
        )
        copies = [
            tray.tile(copy, (_distance(star.keeper, copy), _facts(copy), _name(copy)))
            for copy in star.copies[:_COPIES]
        ]
        title = star.keeper.label
        groups.append(Group(title=title, tiles=(keeper, *copies), more=len(star.copies) - len(copies)))
    return {
        "stars": groups,
        "total_stars": len(stars),
        "total_copies": sum(len(star.copies) for star in stars),
    }


def _pair(tray: Tray, first: Sample, second: Sample, rule: str) -> Group:
    words = _RULES.get(rule) or verbatim(rule)
    labels = " / ".join(dict.fromkeys((first.label, second.label)))
    tiles = (
        tray.tile(first, (_facts(first), _name(first))),
        tray.tile(second, (_facts(second), _name(second))),
    )
    return Group(title=joined([f"{labels}:", words], " "), tiles=tiles)


def _examples(
    tray: Tray, aside: Iterable[dataset_statistics.Refusal], reason: Reason, most: int
) -> Group | None:
    for refusal in aside:
        if refusal.reason == reason and refusal.samples:
            shown = [tray.tile(s, (s.detail or _facts(s), _name(s))) for s in refusal.samples[:most]]
            more = len(refusal.samples) - len(shown)
            return Group(title="", tiles=tuple(shown), more=more)
    return None


def _pictures_of(aside: Iterable[dataset_statistics.Refusal], reason: Reason) -> int:
    return sum(len(refusal.samples) for refusal in aside if refusal.reason == reason)


def _refusal(tray: Tray, refusal: dataset_statistics.Refusal) -> dict[str, Any]:
    shown: Sequence[Sample] = ()
    if not Reason(refusal.reason).traits.own_section:
        shown = [sample for sample in refusal.samples if sample.path][:_EXAMPLES]
    return {
        "reason": refusal.reason,
        "meaning": meaning(refusal.reason),
        "pictures": len(refusal.samples),
        "addresses": refusal.addresses,
        "tiles": [tray.tile(sample, (sample.detail or _facts(sample),)) for sample in shown],
    }


def _class_examples(
    usable: Sequence[Sample], counts: Iterable[dataset_statistics.ClassCount], tray: Tray
) -> list[Group]:
    """Pictures of each class from all over its list, not only its first ones."""
    groups = []
    for count in counts:
        members = [sample for sample in usable if sample.label == count.label]
        step = max(1, len(members) // _EXAMPLES)
        tiles = tuple(tray.tile(sample) for sample in members[::step][:_EXAMPLES])
        groups.append(Group(title=count.label, tiles=tiles, more=len(members) - len(tiles)))
    return groups


def _licences(snapshot: Snapshot) -> dict[str, Any]:
    rows = []
    for code, number in dataset_statistics.licence_counts(snapshot):
        known = licences.licence(code)
        rows.append(
            {
                "name": licence_name(code),
                "number": number,
                "url": known.url if known else None,
                "terms": licence_terms(code, known),
                "tone": "" if known and known.commercial else "b" if known and known.open else "w",
            }
        )
    unknown = dict(dataset_statistics.licence_counts(snapshot)).get(None, 0)
    return {"licences": rows, "unknown": unknown}


def _facts(sample: Sample) -> Phrase:
    if sample.size >= 1000:
        size = say("{number} kB", number=round(sample.size / 1000))
    else:
        size = many(sample.size, "{count} byte", "{count} bytes")
    return listed([f"{sample.width} × {sample.height}", size]) if sample.width and sample.height else size


def _name(sample: Sample) -> str:
    return PurePosixPath(sample.path).name


def _distance(keeper: Sample, copy: Sample) -> Phrase:
    from byod.images.hashing import distance

    if keeper.fingerprint is None or copy.fingerprint is None:
        return verbatim(copy.detail) if copy.detail else say("a copy")
    return say(
        "distance {phash} (dhash {dhash})",
        phash=distance(keeper.fingerprint.phash, copy.fingerprint.phash),
        dhash=distance(keeper.fingerprint.dhash, copy.fingerprint.dhash),
    )


def _sides(samples: Iterable[Sample]) -> list[HistogramBin]:
    sides = [min(s.width, s.height) for s in samples if s.width and s.height]
    bins = []
    for low, high in pairwise(_SIDES):
        name = f"< {high:.0f}" if low == 0 else f"{low:.0f}+"
        bins.append(HistogramBin(name=verbatim(name), number=sum(low <= side < high for side in sides)))
    return bins


def _aspects(samples: Iterable[Sample]) -> list[HistogramBin]:
    ratios = [s.width / s.height for s in samples if s.width and s.height]
    return [
        HistogramBin(name=name, number=sum(low <= ratio < high for ratio in ratios))
        for low, high, name in _ASPECTS
    ]


def _size_words(samples: Iterable[Sample]) -> Phrase:
    sides = sorted(min(s.width, s.height) for s in samples if s.width and s.height)
    if not sides:
        return say("No sizes are known.")
    words = say(
        "Shorter side: {least} to {most} pixels, {median} in the middle.",
        least=sides[0],
        most=sides[-1],
        median=round(median(sides)),
    )
    small = sum(side < 224 for side in sides)
    if small:
        words += many(
            small,
            "{count} of {all} is below 224 pixels, what most models look at.",
            "{count} of {all} are below 224 pixels, what most models look at.",
            all=len(sides),
        )
    return words


def _below(x: float, name: Phrase) -> Markup:
    """The name of a column of a histogram, in SVG."""
    return Markup("".join(name.elements("text", f' x="{x}" y="168" text-anchor="middle"')))
