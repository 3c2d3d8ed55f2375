"""byod's verbs, one function each: what the command line calls, and what a program can call as well.

Each opens the dataset, takes up what people did to its folders, does one thing, and leaves the folder, the catalog
and the generated files in agreement.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from byod import exports
from byod.api import failed_addresses, likely_sessions
from byod.collection.pipeline import BATCH, Collection, Fetch, Watch
from byod.collection.search import refusal
from byod.dataset import (
    captures,
    export_selection,
    fixed_split,
    label_files,
    picture_query,
    placement,
    read_only,
    sessions,
    splits,
)
from byod.dataset import restore as restoration
from byod.dataset.assign_splits import SplitDone, assign, say_split
from byod.dataset.catalog.candidates import Candidates
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import Changes, sync
from byod.report import attribution, check_findings, check_page, dataset_card, dataset_statistics
from byod.report.check_findings import CheckFindings
from byod.schema import recipe as recipes
from byod.schema import recipe_classes
from byod.schema.errors import DatasetLocked, UsageError
from byod.schema.names import shown
from byod.schema.progress import Say
from byod.schema.reasons import Retry
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Snapshot, Split
from byod.tasks import TASKS

__all__ = ["SplitDone", "assign", "say_split"]


@contextlib.contextmanager
def opened(folder: Path, say: Say, *, reading: bool = False) -> Iterator[Dataset]:
    """An open dataset in which everything people did to the folders is taken up.

    Args:
        folder: where it lies.
        say: gets lines for people.
        reading: whether a folder that cannot be written to will do; nothing is kept there.

    Raises:
        DatasetError: it cannot be written to, or cannot be opened.
    """
    unwritable = read_only.is_read_only(folder)
    if unwritable and not reading:
        raise read_only.refused(folder)
    if unwritable:
        say(f"{folder} cannot be written to: it is read as it is, and nothing is kept there")
    with Dataset(folder, TASKS, reading=unwritable) as dataset:
        sync_folders(dataset, say)
        yield dataset
        _say_stays(dataset, say)


def _say_stays(dataset: Dataset, say: Say) -> None:
    for line in dataset.links.stays():
        say(line)


def sync_folders(dataset: Dataset, say: Say) -> None:
    """Take up what people did to the folders of an open dataset."""
    if dataset.recipe.unknown:
        say(
            f"byod.toml: {', '.join(dataset.recipe.unknown)}: nothing that this byod knows; kept, and not used"
        )
    changes = sync(dataset)
    say_changes(changes, say)
    if changes.any or dataset.catalog.samples.waiting() or dataset.reading:
        placement.place_samples(dataset)
        finish(dataset)


def finish(dataset: Dataset) -> Snapshot:
    """Bring the generated files (CREDITS.csv, README.md) up to date."""
    if dataset.reading:
        return dataset.snapshot()
    label_files.label_by_folder(dataset)
    snapshot = dataset.snapshot()
    attribution.write_credits(snapshot)
    dataset_card.write_card(snapshot, dataset.task.pages)
    return snapshot


def dedupe(folder: Path, *, say: Say) -> tuple[placement.Placements, Snapshot]:
    """Decide again which pictures are copies of which, and move them accordingly."""
    with opened(folder, say) as dataset:
        done = placement.place_samples(dataset)
        return done, finish(dataset)


def split(
    folder: Path,
    by: str | None = None,
    fixed: Path | None = None,
    test_from: Path | None = None,
    *,
    say: Say,
) -> SplitDone:
    """Assign each picture to train, valid or test: by group, as somebody has it, and as before where it can stay.

    Args:
        folder: the dataset's.
        by: what groups pictures from now on, as in the recipe's `split_by`; "features": groups are proposed by likeness
            and written down; None: as it stands there.
        fixed: a list of files and their parts; `none` forgets what was fixed before.
        test_from: a folder of the pictures that are to be tested.
        say: gets lines for people.
    """
    if by not in (None, sessions.FEATURES):
        sessions.check(by)
    with opened(folder, say) as dataset:
        if by == sessions.FEATURES:
            by = likely_sessions.write_down(dataset, say)
        if by is not None:
            dataset.save_recipe(dataset.recipe.model_copy(update={"split_by": by}))
        if fixed is not None and str(fixed) == sessions.NONE:
            dataset.save_recipe(dataset.recipe.model_copy(update={"split": None}))
        elif fixed is not None:
            fix_split(dataset, fixed, say)
        if test_from is not None:
            received = {sha: sha for sha, *_ in dataset.catalog.samples.standing().values()}
            received |= dataset.catalog.candidates.received()
            known = captures.read(dataset.folder)
            _fix(dataset, known, fixed_split.lying_in(test_from, received), str(test_from), say)
        return assign(dataset)


def fix_split(dataset: Dataset, file: Path, say: Say) -> None:
    """Take up what a list says of parts and groups; what it says of no picture here, or of several, is said."""
    known = captures.read(dataset.folder)
    said = fixed_split.listed(file, dataset.snapshot().samples, known)
    for names, why in (
        (said.unknown, "are no pictures of this dataset"),
        (said.ambiguous, "name several pictures"),
    ):
        if names:
            say(
                f"{len(names)} files of {file} {why}: {', '.join(map(shown, names[:3]))}{' …' if names[3:] else ''}"
            )
    _fix(dataset, known, said.captures, str(file), say)


def _fix(
    dataset: Dataset,
    known: Mapping[str, captures.Capture],
    said: Sequence[captures.Capture],
    where: str,
    say: Say,
) -> None:
    """Write down parts and groups that somebody said."""
    if not said:
        raise UsageError(f"{where} names not one picture of {dataset.folder}")
    captures.put(dataset.files, known, said)
    parts = Counter(one.split for one in said if one.split is not None)
    if parts:
        dataset.save_recipe(dataset.recipe.model_copy(update={"split": splits.GIVEN}))
        told = ", ".join(f"{parts[part]} {part}" for part in Split if parts[part])
        say(f"{where} says the part of {parts.total()} pictures: {told}")


def restore(folder: Path, wanted: Sequence[str], *, say: Say) -> int:
    """Bring rejected pictures back into their class: all of a reason, or single ones; return how many.

    Raises:
        UsageError: nothing rejected goes by one of these names.
    """
    with opened(folder, say) as dataset:
        done = restoration.restore(dataset, wanted, say)
        placement.place_samples(dataset)
        finish(dataset)
        return done


def status(folder: Path, where: Sequence[str] = (), *, say: Say) -> Snapshot:
    """The dataset as it stands; while another byod is at work on it, as the catalog has it so far.

    With `where` those pictures alone that fulfil all these conditions.
    """
    wanted = picture_query.conditions(where)
    try:
        with opened(folder, say, reading=True) as dataset:
            return picture_query.select(dataset.snapshot(), wanted)
    except DatasetLocked:
        say("another byod is at work on it; this is how far it has come")
        with Dataset(folder, TASKS, lock=False) as dataset:
            return picture_query.select(dataset.snapshot(), wanted)


def check(folder: Path, into: Path | None, *, say: Say) -> tuple[Path, Snapshot, CheckFindings]:
    """Write the page of thumbnails that shows what is in the dataset and what is wrong with it."""
    with opened(folder, say, reading=True) as dataset:
        snapshot = dataset.snapshot()
        own = Path(f"{dataset.name}-check.html") if dataset.reading else dataset.folder / "check.html"
        page = into or own
        together = likely_sessions.noted(snapshot)
        found = check_findings.look(snapshot, dataset.task.pages, together=together)
        return check_page.write_check(snapshot, dataset.task.pages, page, found=found), snapshot, found


def export(
    folder: Path,
    format: str,
    into: Path,
    *,
    links: bool,
    keep_metadata: bool = False,
    originals: bool = False,
    where: Sequence[str] = (),
    say: Say,
) -> Path:
    """Write the dataset in another format, with its split; with `where` the pictures that fulfil these conditions."""
    wanted = picture_query.conditions(where)
    with opened(folder, say, reading=True) as dataset:
        done = assign(dataset)
        say_split(done, say)
        snapshot = dataset.snapshot()
        if wanted:
            chosen = picture_query.select(snapshot, wanted)
            say(f"{len(chosen.kept)} of {len(snapshot.kept)} pictures are as --where asks")
            snapshot = chosen.model_copy(update={"fingerprint": dataset.fingerprint(chosen.samples)})
        written = exports.export(
            snapshot,
            dataset.task,
            format,
            into,
            links=links,
            keep_metadata=keep_metadata,
            originals=originals,
        )
        items = exports.leaving(snapshot, dataset.task)
        if told := export_selection.positions(snapshot, items):
            outcome = "kept, as asked for" if keep_metadata else "left out"
            say(f"{told} of {len(items)} pictures say in their file where they were taken: {outcome}")
        staying = len(dataset_statistics.usable(snapshot)) - len(items)
        if (left := staying - done.elsewhere) > 0:
            say(f"{left} pictures have no {dataset.task.exchange.holds} yet and stay here")
        return written


@contextlib.contextmanager
def opened_to_collect(
    folder: Path, recipe: Recipe, say: Say, reopen: Callable[[Candidates], None] = lambda candidates: None
) -> Iterator[Dataset]:
    """A dataset ready to collect into: what may turn out otherwise this time is open again, and what `reopen` opens."""
    if read_only.is_read_only(folder):
        raise read_only.refused(folder)
    with Dataset.create(folder, recipe, TASKS) as dataset:
        say_changes(sync(dataset), say)
        options, candidates = dataset.recipe.search_options(), dataset.catalog.candidates
        with dataset.catalog.transaction():
            candidates.retry(Retry.NEXT_RUN)
            reopen(candidates)
            candidates.forget(lambda candidate: refusal(candidate, options) is None)
        yield dataset
        _say_stays(dataset, say)


def take(
    candidates: Iterable[Candidate],
    dataset: Dataset,
    fetch: Fetch,
    say: Say,
    watch: Watch,
    asker: Callable[[str], str | None] = lambda source: None,
) -> Snapshot:
    """Collect listed pictures: their labels become classes, and there is no limit to a class."""
    options = dataset.recipe.search_options()
    collection = Collection(dataset, fetch, watch, per_class=None, asker=asker)
    collection.take((each, refusal(each, options)) for each in labelled(candidates, dataset))
    failed_addresses.say_refusals(dataset, say)
    return finish(dataset)


def labelled(candidates: Iterable[Candidate], dataset: Dataset) -> Iterator[Candidate]:
    """The candidates with their classes' folders for labels; a new label makes a new class."""
    coming = iter(candidates)
    while batch := list(itertools.islice(coming, BATCH)):
        recipe, folders = recipe_classes.with_classes(
            dataset.recipe, dict.fromkeys(each.label for each in batch)
        )
        if recipe is not dataset.recipe:
            dataset.save_recipe(recipe)
        for each in batch:
            yield each.model_copy(update={"label": folders[recipes.tidy(each.label)]})


def say_changes(changes: Changes, say: Say) -> None:
    """Say what was synced from the folders."""
    if changes.any:
        say("synced from the folders: " + ", ".join(f"{n} {kind}" for kind, n in changes.counts.items()))
    for line in changes.lines:
        say(line)
