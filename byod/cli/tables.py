"""Print a dataset: tables for people, and the JSON other programs rely on."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from byod.cli.output import print_result, print_table, put, say
from byod.collection.lists.list_rows import WORDS, Fault
from byod.dataset.picture_query import known_of
from byod.report import dataset_statistics
from byod.report.attribution import encode
from byod.report.record_wording import licence_name
from byod.schema.recipe import Recipe
from byod.schema.records import FailedAddress, Record, Snapshot
from byod.tasks import TASKS

if TYPE_CHECKING:
    from byod import Dataset, Preview
    from byod.api.address_lists import Listed
    from byod.dataset.assign_splits import SplitDone
    from byod.report.check_findings import CheckFindings, LikelyGroup
    from byod.schema.task import LabelCount, OddLabel
    from byod.tasks.classify.leakage import Leakage


_MORE = {"taken", "left", "listed", "bad_rows", "new", "known", "copies", "refused", "others"}
"""Fields of a verb's result that its JSON has beside those of the dataset."""


_MOST_ROWS = 40
"""Rows of a table about classes that a person still reads."""


def counts(snapshot: Snapshot, labelled: LabelCount | None = None) -> dict[str, Any]:
    """The JSON of `collect` and `status`; `labelled` says how far labelling has come, where that is known already."""
    labelled = TASKS[snapshot.task].pages.label_count(snapshot) if labelled is None else labelled
    return {
        "dataset": str(snapshot.folder),
        "task": snapshot.task,
        "classes": dataset_statistics.kept_counts(snapshot),
        "rejected": dataset_statistics.rejected_counts(snapshot),
        "conflicts": len(snapshot.conflicts),
        "lookalikes": len(snapshot.lookalikes),
        "yield": [
            {
                "source": row.source,
                "query": row.query,
                "class": row.label,
                **row.model_dump(include={"offered", "fetched", "valid", "unique", "kept", "stopped_by"}),
            }
            for row in snapshot.yields
        ],
        "licences": licences(snapshot),
        "label_quality": _told(snapshot.label_quality),
        "agreement": _told(snapshot.agreement),
        **({} if labelled is None else {labelled.heading.text().lower(): labelled.facts}),
    }


def _told(found: Record | None) -> dict[str, Any] | None:
    """A figure as JSON; None where there is none."""
    return None if found is None else found.model_dump(mode="json")


def meanings(recipe: Recipe) -> dict[str, Any]:
    """The item of Wikidata that each class was read as; None where it was searched as typed."""
    return {
        entry.name: entry.meaning.model_dump() if entry.meaning is not None and entry.meaning.known else None
        for entry in recipe.classes.values()
    }


def licences(snapshot: Snapshot) -> dict[str, int]:
    """Count the pictures under each licence; "unknown" where no source states one."""
    return {licence or "unknown": number for licence, number in dataset_statistics.licence_counts(snapshot)}


def collected(dataset: Dataset, as_json: bool, again: str | None) -> Snapshot:
    """Print the result of a collection as JSON, or as tables, and return the dataset as it stands."""
    result = dataset.result
    assert result is not None  # a verb made it
    snapshot = result if isinstance(result, Snapshot) else result.snapshot
    more = {} if isinstance(result, Snapshot) else result.model_dump(mode="json", include=_MORE)
    if as_json:
        print_result({**counts(snapshot), "meanings": meanings(dataset.recipe), **more})
        return snapshot
    recipe = dataset.recipe
    status(snapshot, recipe)
    unknown = licences(snapshot).get("unknown", 0)
    if unknown and again is not None and recipe.license == "any":
        say(f"{unknown} pictures have no stated licence. To refuse such ones: {again}")
    if not snapshot.kept:
        say("no picture was kept; the lines above say why")
    else:
        put(
            f"Pictures: {snapshot.folder}/images   look at them: byod check   train: byod train --plugin fastai"
        )
    if "taken" in more:
        put(f"{more['taken']} reports were added, {more['left']} wait; look at them: byod review")
    return snapshot


def chosen(snapshot: Snapshot, as_json: bool) -> None:
    """The pictures that conditions chose: how many of each class; as JSON each with all that is known of it."""
    kept = Counter(sample.label for sample in snapshot.kept)
    if as_json:
        known = [known_of(snapshot, sample) for sample in snapshot.kept]
        print_result({"dataset": str(snapshot.folder), "classes": dict(kept), "pictures": known})
        return
    rows = [(name, kept[name]) for name in snapshot.classes]
    print_table(
        f"{snapshot.name}: {kept.total()} pictures are as --where asks",
        ("class", "kept"),
        _shortened(rows, 1),
        numbers=1,
    )


def status(snapshot: Snapshot, recipe: Recipe | None = None) -> None:
    """Counts per class, yield by source and query, reasons, conflicts and licences."""
    kept = Counter(sample.label for sample in snapshot.kept)
    rows = [(name, kept[name]) for name in snapshot.classes]
    print_table(f"{snapshot.name}: kept pictures", ("class", "kept"), _shortened(rows, 1), numbers=1)
    if snapshot.yields:
        columns = ("source", "query", "class", "stopped by", "offered", "fetched", "valid", "unique", "kept")
        found = [
            (y.source, y.query, y.label, y.stopped_by, y.offered, y.fetched, y.valid, y.unique, y.kept)
            for y in snapshot.yields
        ]
        print_table("Yield", columns, _shortened(found, 5), numbers=5)
    if refused := dataset_statistics.rejected_counts(snapshot):
        print_table("Not kept", ("reason", "number"), refused.items(), numbers=1)
    if kept.total():
        rows = [(_named(code), number) for code, number in licences(snapshot).items()]
        print_table("Licences", ("licence", "pictures"), rows, numbers=1)
    _labels(snapshot)
    _conflicts(snapshot)
    _troubles(snapshot)
    if recipe is not None:
        _fallen_short(snapshot, kept, recipe)


def _fallen_short(snapshot: Snapshot, kept: Mapping[str, int], recipe: Recipe) -> None:
    """A line for each class that was searched for and has fewer pictures than wanted: how its sources ended."""
    wanted = recipe.per_class
    short = [name for name in snapshot.classes if kept[name] < wanted]
    lines = [
        f"{name} has {kept[name]} of {wanted}: {ends}"
        for name in short
        if (ends := _why_short(snapshot, name, recipe))
    ]
    for line in lines[:_MOST_ROWS]:
        say(line)
    if len(lines) > _MOST_ROWS:
        say(f"and {len(lines) - _MOST_ROWS} more classes have fewer than {wanted}")


def _named(licence: str) -> str:
    """A licence's code, and its name where the code does not tell it."""
    name = licence_name(licence).text()
    return (
        licence
        if licence == "unknown" or name.replace(" ", "-") == licence
        else f"{licence} ({name.lower()})"
    )


def _shortened(rows: Sequence[tuple[Any, ...]], numbers: int) -> list[tuple[Any, ...]]:
    """The first rows of a table, and one with the sums of all others: a list can name thousands of classes."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    first, others = rows[: _MOST_ROWS - 1], rows[_MOST_ROWS - 1 :]
    sums = [sum(row[place - numbers] for row in others) for place in range(numbers)]
    blanks = [""] * (len(rows[0]) - numbers - 1)
    return [*first, (f"and {len(others)} more (all with --json)", *blanks, *sums)]


def split_title(done: SplitDone) -> str:
    """What a split goes by, in a title."""
    if done.name is not None:
        return f"The fixed split {done.name!r}"
    return (
        f"Split by {', '.join(_TIES.get(each, each) for each in done.by)}" if done.by else "Split one by one"
    )


_TIES = {"creator": "person", "camera": "time and camera", "sequence": "running number"}


def _labels(snapshot: Snapshot) -> None:
    found = TASKS[snapshot.task].pages.label_count(snapshot)
    if found is not None:
        head = tuple(name.text() for name in found.head)
        print_table(f"{found.heading.text()}: {found.words.text()}", head, found.rows, numbers=1)


def _troubles(snapshot: Snapshot) -> None:
    """A line for each thing that went wrong with a source, once."""
    for detail in dict.fromkeys(row.detail for row in snapshot.yields if row.detail):
        say(detail)


def _why_short(snapshot: Snapshot, name: str, recipe: Recipe) -> str:
    """How each source that is searched for a class ended; empty where none is."""
    ends: dict[str, list[str]] = {}
    for row in snapshot.yields:
        if row.label == name and row.source in recipe.sources:
            ends.setdefault(row.source, []).append(row.stopped_by or "not finished")
    return " · ".join(f"{source} {'/'.join(dict.fromkeys(words))}" for source, words in ends.items())


def _conflicts(snapshot: Snapshot) -> None:
    if not snapshot.conflicts:
        return
    by_hash = {sample.sha256: sample for sample in snapshot.samples}
    rows = [
        (
            ", ".join(by_hash[sha256].path for sha256 in conflict),
            " / ".join(dataset_statistics.labels_claimed(snapshot, conflict)),
        )
        for conflict in snapshot.conflicts
    ]
    print_table(
        "Conflicts: move the file into the right class folder to decide", ("file", "class"), rows[:20]
    )
    if len(rows) > 20:
        say(f"and {len(rows) - 20} more conflicts; byod check shows them all")


def preview(found: Preview, as_json: bool) -> bool:
    """Print what a dry run found; returns whether any picture would be fetched."""
    if found.listed is not None:
        return _listed(found.listed, as_json)
    recipe, drawn = found.recipe, found.candidates
    fetched = not all(reason is not None for _, reason in drawn)
    total: Counter[tuple[str, str, str]] = Counter()
    refused: Counter[tuple[str, str, str]] = Counter()
    for candidate, reason in drawn:
        key = (recipe.classes[candidate.label].name, candidate.source, candidate.terms)
        total[key] += 1
        refused[key] += reason is not None
    if as_json:
        print_result(
            {
                "candidates": [
                    {**candidate.model_dump(mode="json", exclude_none=True), "refused": reason}
                    for candidate, reason in drawn
                ],
                "meanings": meanings(recipe),
                "failed": [
                    {
                        "source": row.source,
                        "query": row.query,
                        "class": row.label,
                        "stopped_by": row.stopped_by,
                    }
                    | {"detail": row.detail}
                    for row in found.failed
                ],
            }
        )
        return fetched
    rows = [(*key, number, refused[key]) for key, number in total.items()]
    print_table(
        "A dry run: nothing was fetched", ("class", "source", "query", "offered", "refused"), rows, numbers=2
    )
    for detail in dict.fromkeys(row.detail for row in found.failed):
        say(detail)
    if not fetched:
        say("no picture would be fetched; the lines above say why")
    return fetched


def _listed(listed: Listed, as_json: bool) -> bool:
    """Print what a dry run found in a list."""
    fetched = sum(listed.classes.values()) > sum(listed.refused.values())
    if as_json:
        print_result({"listed": listed.model_dump(mode="json")})
        return fetched
    title = f"A dry run: {listed.rows} rows were read, nothing was fetched"
    print_table(title, ("class", "rows"), _shortened(list(listed.classes.items()), 1), numbers=1)
    if listed.bad:
        rows = [(word, number, WORDS[Fault(word)]) for word, number in listed.bad.items()]
        print_table("Bad rows", ("reason", "rows", "what it means"), rows)
    for heading, numbers in (("Passed over", listed.passed), ("Refused by the recipe", listed.refused)):
        if numbers:
            print_table(heading, ("reason", "rows"), list(numbers.items()), numbers=1)
    for line in listed.notes:
        say(line)
    if not fetched:
        say("no picture would be fetched; the lines above say why")
    return fetched


def failed(found: Sequence[FailedAddress], *, as_json: bool, as_csv: bool) -> None:
    """The addresses that gave no picture, as a table, as CSV or as JSON."""
    rows = [each.model_dump(mode="json") for each in found]
    if as_json:
        print_result({"failed": rows})
    elif as_csv:
        columns = tuple(FailedAddress.model_fields)
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            [encode(str(row[name])) if row[name] is not None else "" for name in columns] for row in rows
        )
        for line in text.getvalue().splitlines():
            put(line)
    else:
        total = Counter(each.reason for each in found)
        print_table("Failed", ("reason", "number"), total.items(), numbers=1)
        head = ("address", "class", "source", "reason", "what was said")
        table = [(each.url, each.label, each.source, each.reason, each.detail) for each in found]
        print_table(f"{len(found)} addresses gave no picture", head, table)
        if found:
            say("to ask again for those of a reason: byod collect --recipe DATASET --retry REASON")


def findings(snapshot: Snapshot, found: CheckFindings) -> dict[str, Any]:
    """The JSON of what a check found, besides the counts; `suspects` and `hard` where somebody asked for them."""
    told: dict[str, Any] = {"odd": odd(snapshot, found.odd)}
    told["together"] = [group.model_dump(mode="json") for group in found.together]
    if found.suspects is not None:
        told["suspects"] = [one.model_dump(mode="json") for one in found.suspects]
        told["hard"] = [one.model_dump(mode="json") for one in found.hard]
    return told


def odd(snapshot: Snapshot, found: Sequence[OddLabel]) -> list[dict[str, str]]:
    """The files of pictures whose labels cannot be true by themselves, and why."""
    by_hash = {sample.sha256: sample.path for sample in snapshot.samples}
    return [{"file": by_hash[each.sha256], "why": each.words.text()} for each in found]


def odd_table(rows: Sequence[Mapping[str, str]]) -> None:
    """The labels that cannot be true, of many the first ones."""
    if rows:
        shown = [(row["file"], row["why"]) for row in rows[:_MOST_ROWS]]
        print_table(f"{len(rows)} labels cannot be true; byod check shows them", ("file", "why"), shown)


def suspects(found: CheckFindings) -> None:
    """The labels that look wrong to a probe, the likeliest to be wrong first, and how many pictures are only hard."""
    if found.suspects is None:
        return
    if found.suspects:
        rows = [(one.file, one.label, one.suggested, f"{one.quality:.0%}") for one in found.suspects[:20]]
        head = ("file", "labelled", "the others say", "label quality")
        title = f"{len(found.suspects)} labels look wrong; all are in suspects.csv"
        print_table(title, head, rows, numbers=1)
    else:
        say("no label looks wrong to the probe")
    if found.hard:
        say(
            f"{len(found.hard)} pictures are hard for it: it takes them for another class, as it does others whose "
            "labels are right; the page shows them"
        )


def together(groups: Sequence[LikelyGroup]) -> None:
    """A line on the groups that features proposed."""
    if groups:
        pictures = sum(len(group.members) for group in groups)
        say(
            f"{pictures} pictures look as if taken together, in {len(groups)} groups (byod split --by features): the "
            "page shows them"
        )


def leak(found: Leakage) -> None:
    """Print what a random split would claim beside what byod's split finds."""
    rows = [
        (name, f"{one.accuracy:.1%}", f"{one.interval[0]:.1%} to {one.interval[1]:.1%}")
        for name, one in (("byod's: near-copies on one side", found.grouped), ("random", found.random))
    ]
    print_table(f"The probe ({found.probe}), cross-validated", ("split", "accuracy", "95 %"), rows, numbers=2)
    low, high = found.difference.interval
    say(
        f"{found.together} of {found.pictures} pictures have a near-copy, or kin from the same page or person; "
        "a random split would claim "
        f"{found.difference.difference:+.1%} ({low:+.1%} to {high:+.1%}, p = {found.difference.p_value:.2f})"
    )
