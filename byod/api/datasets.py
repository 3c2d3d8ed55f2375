"""byod's verbs, one function each: what the command line calls, and what a program can call as well.

Each opens the dataset, takes up what people did to its folders, does one thing, and leaves the folder, the catalog
and the generated files in agreement.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from byod import exports
from byod.api import failed_addresses
from byod.collection import local_files
from byod.collection.labelled_files import LabelledFiles
from byod.collection.pipeline import BATCH, Arrival, Collection, Fetch, Watch
from byod.collection.search import refusal
from byod.collection.sources import folder as own_pictures
from byod.dataset import export_selection, folder_files, picture_query, placement
from byod.dataset import restore as restoration
from byod.dataset.assign_splits import SplitDone, assign, say_split
from byod.dataset.catalog.candidates import Candidates
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import Changes, sync
from byod.report import attribution, check_page, dataset_card, dataset_statistics
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetLocked, UsageError
from byod.schema.names import PassedOver
from byod.schema.picture_files import told_to_follow
from byod.schema.progress import Say
from byod.schema.reasons import Retry
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Snapshot
from byod.schema.task import Labels
from byod.tasks import TASKS

__all__ = ["SplitDone", "assign", "say_split"]


@contextlib.contextmanager
def opened(folder: Path, say: Say) -> Iterator[Dataset]:
    """An open dataset in which everything people did to the folders is taken up."""
    with Dataset(folder, TASKS) as dataset:
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
    if changes.any or dataset.catalog.samples.waiting():
        placement.place_samples(dataset)
        finish(dataset)


def finish(dataset: Dataset) -> Snapshot:
    """Bring the generated files (CREDITS.csv, README.md) up to date."""
    snapshot = dataset.snapshot()
    attribution.write_credits(snapshot)
    dataset_card.write_card(snapshot, dataset.task.pages)
    return snapshot


def add(
    paths: Sequence[Path], label: str | None, folder: Path, recipe: Recipe, *, say: Say, watch: Watch
) -> Snapshot:
    """Add pictures of this machine: loose ones under a label, or class folders."""
    passed, links = PassedOver(), folder_files.Links(told_to_follow())
    found = (
        candidate
        for path in paths
        for candidate in own_pictures.pictures(path, label)
        if passed.takes(str(candidate.path)) and not _is_linked(path, candidate.path, links)
    )
    with opened_to_collect(folder, recipe, say) as dataset:
        snapshot = take(found, dataset, local_files.read, say, watch)
        for line in (*passed.lines(), *links.lines()):
            say(line)
        return snapshot


def _is_linked(place: Path, file: Path | None, links: folder_files.Links) -> bool:
    """True of a picture in a given folder that is to be passed over, since it lies behind a link; it is noted."""
    linked = file is not None and not links.follow and own_pictures.behind_link(place.absolute(), file)
    if linked:
        links.passed.add(str(file))
    return linked


def add_labelled(
    labels: Path, pictures: Sequence[Path], folder: Path, task: str | None, *, say: Say, watch: Watch
) -> Snapshot:
    """Add pictures of this machine with the labels that a file says of them, in a form that the dataset's task reads.

    Raises:
        UsageError: there is no such task, the dataset is for another one, or its task takes no such file.
        DatasetError: the file cannot be read.
    """
    there = recipes.read(folder) if (folder / recipes.FILE).exists() else None
    name = task or (there or Recipe()).task
    if name not in TASKS:
        raise UsageError(f"no task is called {name!r}; there are {', '.join(TASKS)}")
    if there is not None and there.task != name:
        raise UsageError(f"{folder} is for the task {there.task}, not {name}; use --into another folder")
    found = TASKS[name].exchange.read(labels, pictures, there)
    passed, links = PassedOver(), folder_files.Links(told_to_follow())
    usable = [
        each
        for each in found.pictures
        if passed.takes(str(each.path.absolute()))
        and not any(_is_linked(place, each.path.absolute(), links) for place in pictures)
    ]
    known = {each.path.absolute().as_uri(): each for each in usable}
    candidates = [
        Candidate(
            url=url,
            path=each.path.absolute(),
            label=found.recipe.folder_of(each.label) or each.label,
            source="folder",
            terms=labels.name,
            rank=rank,
        )
        for rank, (url, each) in enumerate(known.items())
    ]

    def labels_of(url: str, content: bytes, arrival: Arrival) -> Labels | None:
        given: Labels | None = known[url].labels
        return None if given is None else given.named(arrival.sha256)

    with opened_to_collect(folder, found.recipe, say) as dataset:
        reading = LabelledFiles(dataset, known, labels_of)
        Collection(dataset, reading.fetch, watch, per_class=None).take((each, None) for each in candidates)
        for line in (*passed.lines(), *links.lines()):
            say(line)
        return finish(dataset)


def dedupe(folder: Path, *, say: Say) -> tuple[placement.Placements, Snapshot]:
    """Decide again which pictures are copies of which, and move them accordingly."""
    with opened(folder, say) as dataset:
        done = placement.place_samples(dataset)
        return done, finish(dataset)


def split(folder: Path, *, say: Say) -> SplitDone:
    """Assign each picture to train, valid or test: by duplicate group, and as before where it can stay."""
    with opened(folder, say) as dataset:
        return assign(dataset)


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
        with opened(folder, say) as dataset:
            return picture_query.select(dataset.snapshot(), wanted)
    except DatasetLocked:
        say("another byod is at work on it; this is how far it has come")
        with Dataset(folder, TASKS, lock=False) as dataset:
            return picture_query.select(dataset.snapshot(), wanted)


def check(folder: Path, into: Path | None, *, say: Say) -> tuple[Path, Snapshot]:
    """Write the page of thumbnails that shows what is in the dataset and what is wrong with it."""
    with opened(folder, say) as dataset:
        snapshot = dataset.snapshot()
        page = into or dataset.folder / "check.html"
        return check_page.write_check(snapshot, dataset.task.pages, page), snapshot


def export(
    folder: Path,
    format: str,
    into: Path,
    *,
    links: bool,
    keep_metadata: bool = False,
    where: Sequence[str] = (),
    say: Say,
) -> Path:
    """Write the dataset in another format, with its split; with `where` the pictures that fulfil these conditions."""
    wanted = picture_query.conditions(where)
    with opened(folder, say) as dataset:
        done = assign(dataset)
        say_split(done, say)
        snapshot = dataset.snapshot()
        if wanted:
            chosen = picture_query.select(snapshot, wanted)
            say(f"{len(chosen.kept)} of {len(snapshot.kept)} pictures are as --where asks")
            snapshot = chosen.model_copy(update={"fingerprint": dataset.fingerprint(chosen.samples)})
        written = exports.export(
            snapshot, dataset.task, format, into, links=links, keep_metadata=keep_metadata
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
    collection.take((each, refusal(each, options)) for each in _labelled(iter(candidates), dataset))
    failed_addresses.say_refusals(dataset, say)
    return finish(dataset)


def _labelled(candidates: Iterator[Candidate], dataset: Dataset) -> Iterator[Candidate]:
    """The candidates with their classes' folders for labels; a new label makes a new class."""
    while batch := list(itertools.islice(candidates, BATCH)):
        recipe, folders = recipes.with_classes(dataset.recipe, dict.fromkeys(each.label for each in batch))
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
