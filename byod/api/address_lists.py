"""Collect the pictures of a list of addresses, or only read it: what it holds, and which of its rows are bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from byod.api.collecting import Web, fetcher, reopened
from byod.api.datasets import opened_to_collect, take
from byod.api.plan import CollectOptions
from byod.collection.lists import bad_rows, list_files, list_reader
from byod.collection.lists.list_options import ListOptions, read_options
from byod.collection.lists.list_reader import ListReader, ListTally
from byod.collection.lists.list_rows import WORDS, BadRow, ListError
from byod.collection.pipeline import Watch
from byod.collection.search import refusal
from byod.schema import recipe_classes
from byod.schema.addresses import shown, shown_in
from byod.schema.errors import UsageError
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Record, Snapshot

OPTIONS = ("url_col", "label_col", "label", "caption_filter", "strict")
_SHOWN = 5


class Listed(Record):
    """What was found in a list: its rows, those of each class, and the others by the reason they are passed over for.

    `bad` rows cannot be used, `passed` ones have a caption that names no class or several, `refused` ones a licence or
    a site that the recipe refuses (counted where a list is only read). `notes` are lines about its labels and the
    first bad rows.
    """

    rows: int
    classes: dict[str, int]
    bad: dict[str, int]
    passed: dict[str, int] = {}
    refused: dict[str, int] = {}
    notes: tuple[str, ...] = ()


class CollectedList(Record):
    """The result of collecting a list: the dataset as it stands, and what was in the list.

    `bad_rows` is the file that names each bad row, None where there are none.
    """

    snapshot: Snapshot
    listed: Listed
    bad_rows: Path | None = None


def _list_options(given: CollectOptions) -> ListOptions:
    return read_options(
        given.get("url_col"), given.get("label_col"), given.get("label"), given.get("caption_filter")
    )


def check_options(
    given: Mapping[str, Any], listed: Path | None, names: Iterable[str], *, taped: bool
) -> None:
    """See that options about lists are given with one, and that no shell put files in the place of a pattern.

    A list is not `taped`: no source is asked.

    Raises:
        UsageError: something else is the case.
    """
    odd = next((name for name in OPTIONS if given.get(name)), None)
    if listed is None and odd is not None:
        raise UsageError(f"--{odd.replace('_', '-')} is about a list; add --from-urls FILE")
    if listed is not None and (file := next((name for name in names if Path(name).is_file()), None)):
        raise UsageError(
            f"{file} is a file and no class; put the pattern in quotes: --from-urls '{Path(file).parent}/*'"
        )
    if listed is not None and taped:
        raise UsageError(
            "--record and --replay are about sources that are searched; a list of addresses asks none"
        )


def collect_list(
    path: Path, given: CollectOptions, folder: Path, recipe: Recipe, web: Web, *, say: Say, watch: Watch
) -> CollectedList:
    """Collect the pictures of a list; its bad rows are passed over, counted and named in bad-rows.csv.

    Raises:
        UsageError: there is no such list.
        ListError: it cannot be read, or a row of it is bad and it was to be read strictly; nothing was fetched then.
    """
    options = _list_options(given)
    with list_files.found(path, options.url_col) as files:
        list_reader.check(files, options)
        if given.get("strict"):
            _check_rows(path, ListReader(files, options))
        with opened_to_collect(folder, recipe, say, reopened(web)) as dataset:
            names = [entry.name for entry in dataset.recipe.classes.values()]
            reader, named = ListReader(files, options, names), bad_rows.BadRows(dataset.files)
            try:
                candidates = reader.candidates(named.add)
                snapshot = take(candidates, dataset, fetcher(web), say, watch, web.settings.asker)
            finally:
                named.write()
            listed = _listed(reader.tally)
            place = dataset.folder / bad_rows.FILE if listed.bad else None
            for line in (*listed.notes, *_summary(path, listed, place, snapshot)):
                say(line)
            return CollectedList(snapshot=snapshot, listed=listed, bad_rows=place)


def preview_list(path: Path, given: CollectOptions, recipe: Recipe) -> tuple[Listed, Recipe]:
    """Read a list to its end, and say what is in it, with the recipe that would come of it; nothing is written.

    Raises:
        UsageError: there is no such list.
        ListError: it cannot be read.
    """
    refused: Counter[str] = Counter()
    options, search = _list_options(given), recipe.search_options()
    with list_files.found(path, options.url_col) as files:
        reader = ListReader(files, options, [entry.name for entry in recipe.classes.values()])
        for candidate in reader.candidates():
            if (reason := refusal(candidate, search)) is not None:
                refused[reason] += 1
    return _listed(reader.tally, refused), recipe_classes.with_classes(recipe, reader.tally.labels)[0]


def _check_rows(path: Path, reader: ListReader) -> None:
    for _ in reader.candidates():
        continue
    if bad := reader.tally.bad:
        raise ListError(
            f"{_named(path)}: {bad.total()} of {reader.tally.rows} rows are bad ({_counted(bad)}); the first is"
            f" {_told(reader.tally.first[0])}; nothing was fetched: fix them, or remove --strict"
        )


def _listed(tally: ListTally, refused: Mapping[str, int] | None = None) -> Listed:
    return Listed(
        rows=tally.rows,
        classes=dict(tally.labels),
        bad=dict(tally.bad.most_common()),
        passed=dict(tally.passed),
        refused=dict(refused or {}),
        notes=tuple(_notes(tally)),
    )


def _notes(tally: ListTally) -> Iterator[str]:
    slashed = [f"{given!r} is taken as {label!r}" for given, label in tally.slashed.items()]
    twins = [f"{label!r} beside {other!r}" for label, other in tally.twins.items()]
    if slashed:
        yield f"no class can have a slash in its name: {_some(slashed)}"
    if twins:
        yield (
            f"labels that differ in their case alone are classes of their own: {_some(twins)}; write them alike to join"
            " them"
        )
    for row in tally.first:
        yield _told(row)
    if (more := tally.bad.total() - len(tally.first)) > 0:
        yield f"and {more} more bad rows"


def _told(row: BadRow) -> str:
    where = row.file if row.number is None else f"{row.file}, row {row.number}"
    said = f": {row.detail}" if row.detail else ""
    given = shown_in(shown(row.url))[:60]
    return f"{where}: {WORDS[row.fault]}{said}" + (f" ({given!r})" if given else "")


def _some(lines: list[str]) -> str:
    more = len(lines) - min(len(lines), _SHOWN)
    return "; ".join(lines[:_SHOWN]) + (f"; and {more} more" if more else "")


def _named(path: Path) -> str:
    return "standard input" if str(path) == list_files.STANDARD_INPUT else str(path)


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in numbers.items())


def _summary(path: Path, listed: Listed, place: Path | None, snapshot: Snapshot) -> Iterator[str]:
    if listed.passed:
        yield f"{sum(listed.passed.values())} rows were passed over: {_counted(listed.passed)}"
    if place is not None:
        number = sum(listed.bad.values())
        yield f"{_named(path)}: {number} of {listed.rows} rows are bad: {_counted(listed.bad)}; {place} names each"
    if listed.rows and not sum(listed.classes.values()):
        yield f"no row of {_named(path)} can be used"
    if other := snapshot.misses.get(Reason.HASH_MISMATCH):
        yield f"{other} files are others than the list expects (hash-mismatch); byod status --failed names them"
