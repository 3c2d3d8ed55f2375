"""Add pictures of this machine: those that somebody chose, in class folders or with labels in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from byod.api import datasets
from byod.api.noted_captures import NotedCaptures
from byod.collection import local_files, own_bytes, split_folders
from byod.collection.labelled_files import LabelledFiles
from byod.collection.pipeline import Arrival, Collection, Watch
from byod.collection.sources import folder as own_pictures
from byod.collection.split_folders import Place
from byod.dataset import fixed_split, folder_files
from byod.dataset.dataset_folder import Dataset
from byod.schema import licences
from byod.schema import recipe as recipes
from byod.schema.config import Settings
from byod.schema.defaults import OWN_PICTURES
from byod.schema.errors import UsageError
from byod.schema.names import PassedOver, shown, unreadable
from byod.schema.picture_files import told_to_follow
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Policy, Record, Snapshot
from byod.schema.task import Labels
from byod.tasks import TASKS

RIGHTS = "ARR"
"""The licence of somebody's own pictures, unless another one is given: all rights reserved."""
_NAMED = 50
"""So many files that could not be taken are named, with the reason of each."""
_NEXT = {
    Reason.NOT_A_PICTURE: "leave it out",
    Reason.UNSUPPORTED: "save it as JPEG or PNG and add that",
    Reason.BROKEN: "copy it anew from where it came from, or leave it out",
    Reason.EMPTY: "copy it anew from where it came from, or leave it out",
    Reason.TOO_MANY_PIXELS: "make it smaller and add that",
    Reason.TOO_LARGE: "save it smaller and add that",
    Reason.TOO_SMALL: "a lower --min-side takes it",
    Reason.BAD_ASPECT: "a higher --max-aspect takes it",
    Reason.ANIMATED: "refuse_animated = false in byod.toml takes its first picture",
    Reason.FORBIDDEN: "allow reading it and add it again",
    Reason.NOT_FOUND: "see whether it is still there",
}


class NotTaken(Record):
    """A file that was not taken, and why."""

    file: str
    reason: Reason
    detail: str


class Added(Record):
    """The outcome of the pictures that somebody added, and the dataset as it stands then.

    `new` counts those that came in, `known` those whose bytes were added before, `copies` those of new ones that are
    the same picture as another one; `refused` are the files that were not taken, and `others` counts those that are no
    pictures, by the endings of their names.

    Examples:
        >>> drawn = byod.draw_classes("more", classes=("circle", "square"), per_class=2, seed=7)
        >>> done = byod.add("more", into="shapes", progress=False).result
        >>> isinstance(done, byod.Added), done.new
        (True, 4)
    """

    snapshot: Snapshot
    new: int
    known: int
    copies: int
    refused: tuple[NotTaken, ...] = ()
    others: dict[str, int] = {}

    @property
    def nothing(self) -> bool:
        """True if not one picture was taken, now or before."""
        return not self.new and not self.known


class Rights(Record):
    """Who made the pictures that are added, and under which licence they are: a code of `byod.schema.licences`."""

    creator: str | None = None
    licence: str = RIGHTS


def add(
    paths: Sequence[Path],
    label: str | None,
    folder: Path,
    recipe: Recipe,
    *,
    rights: Rights | None = None,
    split_from_folders: bool | None = None,
    choose: Callable[[str], bool] | None = None,
    say: Say,
    watch: Watch,
) -> Added:
    """Add pictures of this machine: loose ones under a label, or class folders, also those of the parts of a split.

    Args:
        paths: pictures, or folders of them.
        label: their class; None: their folders are classes.
        folder: the dataset's.
        recipe: its recipe, as it is to be.
        rights: who made them, and under which licence.
        split_from_folders: whether folders like `train/` and `val/` above class folders are the split; None: if
            `choose` says so, or where nobody can be asked.
        choose: asks somebody.
        say: gets lines for people.
        watch: gets the counts.
    """
    places = _places(paths, label, split_from_folders, choose, say)
    with datasets.opened_to_collect(folder, recipe, say) as dataset:
        return add_to(dataset, places, label, rights or Rights(), say=say, watch=watch)


def add_to(
    dataset: Dataset, places: Sequence[Place], label: str | None, rights: Rights, *, say: Say, watch: Watch
) -> Added:
    """Add the pictures of some places of this machine to an open, locked dataset; see `add`."""
    passed, links, unread = PassedOver(), folder_files.Links(told_to_follow()), unreadable()
    others: Counter[str] = Counter()
    told = {"creator": rights.creator, "licence": rights.licence}
    _say_policy(dataset, rights, say)
    collection = Collection(dataset, local_files.read, watch, per_class=None, by=Settings.load().reviewer)
    noted = NotedCaptures(label)
    found = (
        noted.of(candidate.model_copy(update=told), place)
        for place in places
        for candidate in own_pictures.pictures(place.folder, label, unread, others)
        if passed.takes(str(candidate.path)) and not _is_linked(place.folder, candidate.path, links)
    )
    apart = own_bytes.told_apart(datasets.labelled(found, dataset), dataset)
    collection.take((noted.addressed(each), None) for each in apart)
    noted.write(dataset, say)
    done = _added(dataset, collection, noted.number, others)
    for line in (*_lines(done), *passed.lines(), *links.lines(), *unread.lines()):
        say(line)
    return done


def _places(
    paths: Sequence[Path],
    label: str | None,
    wanted: bool | None,
    choose: Callable[[str], bool] | None,
    say: Say,
) -> list[Place]:
    """The folders to take pictures from, and the part of the split of each, where there are such folders."""
    found: list[Place] = []
    for path in paths:
        places = split_folders.places(path) if label is None and wanted is not False and path.is_dir() else ()
        if len(places) < 2:
            found.append(Place(path, None))
            continue
        names = split_folders.described(places)
        if wanted is None and choose is not None and not choose(f"Are {names} the parts of a split"):
            found.append(Place(path, None))
            continue
        say(
            f"{names} are taken as the split that the pictures came with; --split-from-folders no makes them classes"
        )
        found += places
    return found


def _say_policy(dataset: Dataset, rights: Rights, say: Say) -> None:
    """Say what a licence policy, which is about pictures that a search finds, means for one's own."""
    policy = dataset.recipe.license
    if policy is not Policy.ANY and (why := licences.allows(policy, rights.licence)) is not None:
        say(
            f"this dataset collects under the policy {policy} only; your own pictures stand there as "
            f"{rights.licence} ({why.traits.words}): give them a licence with --license, like CC-BY-4.0, if you like"
        )


def _added(dataset: Dataset, collection: Collection, offered: int, others: Counter[str]) -> Added:
    refused = tuple(
        NotTaken(file=str(candidate.path), reason=reason, detail=detail)
        for candidate, reason, detail in collection.refused
    )
    snapshot = datasets.finish(dataset)
    copies = {each.sha256 for each in snapshot.samples if each.reason is Reason.DUPLICATE}
    return Added(
        snapshot=snapshot,
        new=len(collection.new),
        known=offered - len(collection.new) - len(refused),
        copies=len(collection.new & copies),
        refused=refused,
        others=dict(others.most_common()),
    )


def _lines(done: Added) -> Iterator[str]:
    """What became of all that was offered, in lines for people."""
    told = [f"{done.new} pictures are new"] if done.new else []
    if done.copies:
        told.append(
            f"{done.copies} of them are copies of others, pixel for pixel, and lie in rejected/duplicate"
        )
    if done.known:
        told.append(f"{done.known} were there already")
    if told:
        yield "; ".join(told)
    for each in done.refused[:_NAMED]:
        what = each.detail or each.reason.traits.words
        yield f"{shown(each.file)} was not taken: {what}; {_NEXT.get(each.reason, 'leave it out')}"
    if len(done.refused) > _NAMED:
        yield f"and {len(done.refused) - _NAMED} more were not taken; byod add --json lists them all"
    if done.others:
        kinds = ", ".join(f"{number} {shown(ending)}" for ending, number in done.others.items())
        yield f"passed over, since they are no pictures: {kinds}"


def _is_linked(place: Path, file: Path | None, links: folder_files.Links) -> bool:
    """True of a picture in a given folder that is to be passed over, since it lies behind a link; it is noted."""
    linked = file is not None and not links.follow and own_pictures.behind_link(place.absolute(), file)
    if linked:
        links.passed.add(str(file))
    return linked


def _recipe_for(folder: Path, task: str | None) -> Recipe | None:
    """The recipe that is there, which is for the task that was named, if one was."""
    there = recipes.read(folder) if (folder / recipes.FILE).exists() else None
    name = task or (there or Recipe()).task
    if name not in TASKS:
        raise UsageError(f"no task is called {name!r}; there are {', '.join(TASKS)}")
    if there is not None and there.task != name:
        raise UsageError(f"{folder} is for the task {there.task}, not {name}; use --into another folder")
    return there


def _above(file: Path | None, places: Sequence[Place]) -> Place:
    """The first of some folders that a file lies in."""
    assert file is not None  # it is a picture of this machine
    return next((each for each in places if file.is_relative_to(each.folder.absolute())), Place(file, None))


def _as_candidates(offered: Mapping[str, Any], recipe: Recipe, terms: str) -> list[Candidate]:
    """Pictures with labels as candidates, by their addresses."""
    return [
        Candidate(
            url=url,
            path=each.path.absolute(),
            label=recipe.folder_of(each.label) or each.label,
            source=OWN_PICTURES,
            terms=terms,
            rank=rank,
            licence=RIGHTS,
        )
        for rank, (url, each) in enumerate(offered.items())
    ]


def add_labelled(
    labels: Path, pictures: Sequence[Path], folder: Path, task: str | None, *, say: Say, watch: Watch
) -> Added:
    """Add pictures of this machine with the labels that a file says of them, in a form that the dataset's task reads.

    Raises:
        UsageError: there is no such task, the dataset is for another one, or its task takes no such file.
        DatasetError: the file cannot be read.
    """
    there = _recipe_for(folder, task)
    found = TASKS[(there or Recipe()).task if task is None else task].exchange.read(labels, pictures, there)
    passed, links = PassedOver(), folder_files.Links(told_to_follow())
    usable = [
        each
        for each in found.pictures
        if passed.takes(str(each.path.absolute()))
        and not any(_is_linked(place, each.path.absolute(), links) for place in pictures)
    ]
    offered = {each.path.absolute().as_uri(): each for each in usable}
    candidates = _as_candidates(offered, found.recipe, labels.name)
    above = [Place(place, None) for place in pictures if place.is_dir()]
    with datasets.opened_to_collect(folder, found.recipe, say) as dataset:
        noted = NotedCaptures(None)
        named = (noted.of(each, _above(each.path, above)) for each in candidates)
        told = [noted.addressed(each) for each in own_bytes.told_apart(named, dataset)]
        known = {each.url: offered[each.url.split("#")[0]] for each in told}

        def labels_of(url: str, content: bytes, arrival: Arrival) -> Labels | None:
            given: Labels | None = known[url].labels
            return None if given is None else given.named(arrival.sha256)

        reading = LabelledFiles(dataset, known, labels_of)
        by = Settings.load().reviewer
        collection = Collection(dataset, reading.fetch, watch, per_class=None, by=by)
        collection.take((each, None) for each in told)
        noted.write(dataset, say)
        if fixed_split.says_more(labels):
            datasets.fix_split(dataset, labels, say)
        done = _added(dataset, collection, noted.number, Counter())
        for line in (*_lines(done), *passed.lines(), *links.lines()):
            say(line)
        return done
