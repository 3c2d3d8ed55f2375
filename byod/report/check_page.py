"""The page `byod check` writes: one HTML file that shows what is in a dataset and what is wrong with it.

It asks for nothing from outside and runs no script; small pictures stand inside it, in bounded number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from pathlib import Path, PurePosixPath
from shlex import quote
from statistics import median
from typing import Any

from byod.report import dataset_statistics
from byod.report.thumbnails import Thumbnail, Tile, Tray, drawn_jpeg
from byod.schema import licences
from byod.schema.files import opened
from byod.schema.model_card import LabelIssue
from byod.schema.names import in_utf8
from byod.schema.reasons import Reason, meaning
from byod.schema.records import Record, Sample, Sha256, Snapshot, Status
from byod.schema.task import Pages
from byod.schema.version import VERSION

ROOM = 11_000_000
"""How many bytes the small pictures of a page may take together."""

_EXAMPLES = 8
_CLASSES, _CONFLICTS, _STARS, _COPIES, _PAIRS, _STANDINS, _SUSPECTS = 24, 40, 40, 7, 40, 16, 60
_SIDES = (0, 150, 200, 300, 400, 600, 800, 1200, 2000, inf)
_ASPECTS = (
    (0.0, 0.5, "narrow"),
    (0.5, 0.7, "2 : 3"),
    (0.7, 0.9, "3 : 4"),
    (0.9, 1.12, "square"),
    (1.12, 1.42, "4 : 3"),
    (1.42, 2.0, "3 : 2"),
    (2.0, inf, "wide"),
)
_RULES = {
    "near": "almost the same",
    "alike": "much alike",
    "inside a border": "alike but for a border",
    "mirrored": "one mirrors the other",
}


class Group(Record):
    """Pictures shown side by side, with what to say about them."""

    title: str
    tiles: tuple[Tile, ...]
    more: int = 0
    commands: tuple[tuple[str, str], ...] = ()


class HistogramBin(Record):
    """One column of a histogram."""

    name: str
    number: int


def write_check(
    snapshot: Snapshot,
    pages: Pages,
    into: Path,
    *,
    suspects: Sequence[LabelIssue] = (),
    thumbnail: Thumbnail | None = None,
) -> Path:
    """Write the page and return its path.

    Args:
        snapshot: the dataset.
        pages: what its task says of itself.
        into: the page (`….html`), or a folder for `check.html`.
        suspects: pictures whose labels look wrong, the likeliest first.
        thumbnail: makes the small pictures; byod's own way of opening pictures when it is not given, with the labels
            that lie in them.
    """
    page = into if into.suffix == ".html" else into / "check.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    drawn = drawn_jpeg(pages.drawing(snapshot.folder))
    tray = Tray(snapshot.folder, page.absolute(), thumbnail or drawn, ROOM)
    with opened(page.parent) as folder:
        folder.update(page.name, _rendered(_content(snapshot, pages, tray, suspects)).encode())
    return page


def _rendered(content: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("byod", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return in_utf8(templates.get_template("check.html").render(content))


def _content(snapshot: Snapshot, pages: Pages, tray: Tray, suspects: Sequence[LabelIssue]) -> dict[str, Any]:
    """Everything the template shows; what must be decided takes its pictures first, examples last."""
    counts = dataset_statistics.class_counts(snapshot)
    by_name = {sample.sha256: sample for sample in snapshot.samples}
    aside = dataset_statistics.refusals(snapshot)
    usable = dataset_statistics.usable(snapshot)
    content: dict[str, Any] = {
        "name": snapshot.name,
        "version": VERSION,
        "fingerprint": snapshot.fingerprint,
        "counts": counts,
        "most": max((count.usable for count in counts), default=0),
        "balance": dataset_statistics.balance(counts, pages.least_classes),
        "near_empty": dataset_statistics.near_empty(counts),
        "labelled": pages.label_count(snapshot),
        "usable": len(usable),
        "split": any(count.train + count.valid + count.test for count in counts),
        "groups": len(snapshot.groups),
        "yields": snapshot.yields,
        "sides": _sides(usable),
        "aspects": _aspects(usable),
        "size_words": _size_words(usable),
        "total_suspects": len(suspects),
        "suspects": [
            _suspect(snapshot, tray, s, by_name[s.sha256])
            for s in suspects[:_SUSPECTS]
            if s.sha256 in by_name
        ],
        "total_conflicts": len(snapshot.conflicts),
        "conflicts": [_conflict(snapshot, tray, m, by_name) for m in snapshot.conflicts[:_CONFLICTS]],
        "standins": _examples(tray, aside, Reason.PLACEHOLDER, _STANDINS),
        "total_pairs": len(snapshot.lookalikes),
        "pairs": [
            _pair(tray, by_name[a], by_name[b], rule)
            for a, b, rule in snapshot.lookalikes[:_PAIRS]
            if a in by_name and b in by_name
        ],
    }
    content |= _stars(snapshot, tray) | _licences(snapshot)
    content["refusals"] = [_refusal(tray, refusal) for refusal in aside]
    content["refused"] = sum(len(refusal.samples) + refusal.addresses for refusal in aside)
    content["examples"] = _class_examples(usable, counts[:_CLASSES], tray)
    content["more_classes"] = max(0, len(counts) - _CLASSES)
    content["left_out"] = tray.left_out
    return content


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
    title = " or ".join(claimed) if claimed else "the same picture under several names"
    return Group(title=title, tiles=tiles, more=len(samples) - len(tiles), commands=commands)


def _suspect(snapshot: Snapshot, tray: Tray, suspect: LabelIssue, sample: Sample) -> Group:
    """A doubted picture, and the move that follows the doubt."""
    words = f"the others speak for {suspect.suggested} (label quality {suspect.quality:.0%})"
    move = f"mv {quote(sample.path)} {quote(f'images/{snapshot.classes[suspect.suggested]}/')}"
    tile = tray.tile(sample, (words, _name(sample)), badge=sample.label)
    return Group(title=sample.label, tiles=(tile,), commands=((suspect.suggested, move),))


def _stars(snapshot: Snapshot, tray: Tray) -> dict[str, Any]:
    stars = dataset_statistics.stars(snapshot)
    groups = []
    for star in stars[:_STARS]:
        keeper = tray.tile(star.keeper, (_facts(star.keeper), _name(star.keeper)), badge="kept", keep=True)
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
    words = _RULES.get(rule, rule)
    labels = dict.fromkeys((first.label, second.label))
    tiles = (
        tray.tile(first, (_facts(first), _name(first))),
        tray.tile(second, (_facts(second), _name(second))),
    )
    return Group(title=f"{' / '.join(labels)}: {words}", tiles=tiles)


def _examples(
    tray: Tray, aside: Iterable[dataset_statistics.Refusal], reason: Reason, most: int
) -> Group | None:
    for refusal in aside:
        if refusal.reason == reason and refusal.samples:
            shown = [tray.tile(s, (s.detail or _facts(s), _name(s))) for s in refusal.samples[:most]]
            more = len(refusal.samples) - len(shown)
            return Group(title=str(len(refusal.samples)), tiles=tuple(shown), more=more)
    return None


def _refusal(tray: Tray, refusal: dataset_statistics.Refusal) -> dict[str, Any]:
    # copies, conflicts and stand-ins have sections of their own
    shown: Sequence[Sample] = ()
    if refusal.reason not in (Reason.DUPLICATE, Reason.CONFLICT, Reason.PLACEHOLDER):
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
        terms = "not stated" if code is None else "not known to byod"
        if known:
            terms = "any use" if known.commercial else "not for money" if known.open else "ask first"
        rows.append(
            {
                "name": known.name if known else code or "no licence stated",
                "number": number,
                "url": known.url if known else None,
                "terms": terms,
                "tone": "" if known and known.commercial else "b" if known and known.open else "w",
            }
        )
    unknown = dict(dataset_statistics.licence_counts(snapshot)).get(None, 0)
    return {"licences": rows, "unknown": unknown}


def _facts(sample: Sample) -> str:
    size = f"{sample.size / 1000:,.0f} kB" if sample.size >= 1000 else f"{sample.size} bytes"
    return f"{sample.width} × {sample.height}, {size}" if sample.width and sample.height else size


def _name(sample: Sample) -> str:
    return PurePosixPath(sample.path).name


def _distance(keeper: Sample, copy: Sample) -> str:
    from byod.images.hashing import distance

    if keeper.fingerprint is None or copy.fingerprint is None:
        return copy.detail or "a copy"
    return (
        f"distance {distance(keeper.fingerprint.phash, copy.fingerprint.phash)}"
        f" (dhash {distance(keeper.fingerprint.dhash, copy.fingerprint.dhash)})"
    )


def _sides(samples: Iterable[Sample]) -> list[HistogramBin]:
    sides = [min(s.width, s.height) for s in samples if s.width and s.height]
    bins = []
    for low, high in pairwise(_SIDES):
        name = f"< {high:.0f}" if low == 0 else f"{low:.0f}+"
        bins.append(HistogramBin(name=name, number=sum(low <= side < high for side in sides)))
    return bins


def _aspects(samples: Iterable[Sample]) -> list[HistogramBin]:
    ratios = [s.width / s.height for s in samples if s.width and s.height]
    return [
        HistogramBin(name=name, number=sum(low <= ratio < high for ratio in ratios))
        for low, high, name in _ASPECTS
    ]


def _size_words(samples: Iterable[Sample]) -> str:
    sides = sorted(min(s.width, s.height) for s in samples if s.width and s.height)
    if not sides:
        return "No sizes are known."
    words = f"Shorter side: {sides[0]} to {sides[-1]} pixels, {median(sides):.0f} in the middle."
    small = sum(side < 224 for side in sides)
    if small:
        words += f" {small} of {len(sides)} are below 224 pixels, what most models look at."
    return words
