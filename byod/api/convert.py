"""Converting: somebody else's annotated pictures become a dataset with the task keypoints.

Pictures come in as in a collection: each is written down before it is read, its points before it counts as read, and
each placing as a whole. A kill at any point is made good by running the same command again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from byod.api.adding import Rights, add_to
from byod.api.datasets import SplitDone, assign, finish, say_changes, say_split
from byod.collection.labelled_files import LabelledFiles
from byod.collection.pipeline import Collection, Watch
from byod.collection.split_folders import Place
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.schema.errors import DatasetError, UsageError
from byod.schema.keypoints import NOTHING
from byod.schema.progress import Say
from byod.schema.reasons import Retry
from byod.schema.records import Record, Snapshot
from byod.tasks import TASKS
from byod.tasks.keypoints.importers.annotated import DAMAGED, Annotations
from byod.tasks.keypoints.importers.annotating import SHOWN, STORED, Annotating, plan


class Converted(Record):
    """The result of a conversion: the dataset as it stands, its split, and the number of pictures and objects found.

    `damaged` counts files that could not be read: archives, annotations or pictures.
    """

    snapshot: Snapshot
    split: SplitDone
    pictures: int
    heads: int
    lines: tuple[str, ...]
    damaged: int = 0


def convert(
    found: Annotations,
    folder: Path,
    negatives: Sequence[Path] = (),
    *,
    coordinates: str = STORED,
    say: Say,
    watch: Watch,
) -> Converted:
    """Take what a reader found into the dataset at `folder`, which is made when it is not there.

    Args:
        found: the pictures, their points, and what is to be said of them.
        folder: the dataset.
        negatives: folders of pictures that hold none of the objects.
        coordinates: `stored` or `shown`: whether points of pictures with an EXIF orientation are those of the pixels
            as stored; asked only where the annotated size does not tell.
        say: gets a line for everything that was passed over, and why.
        watch: gets the counts as they grow.

    Raises:
        UsageError: the dataset is for something else, or has not these points.
        DatasetError: nothing was found; the lines say why.
    """
    instances = sum(len(picture.heads) for picture in found.pictures)
    for line in found.lines:
        say(line)
    _check(found, coordinates, negatives)
    say(f"{len(found.pictures)} pictures with {instances} objects were found{_by_folder(found)}")
    with Dataset.create(folder, plan(folder, found), TASKS) as dataset:
        say_changes(sync(dataset), say)
        marking = Annotating(dataset, found, coordinates)
        _take(dataset, marking, watch)
        for line in marking.notes.lines():
            say(line)
        _add_negatives(dataset, negatives, watch, say)
        done = assign(dataset)
        say_split(done, say)
        snapshot = finish(dataset)
    damaged = found.damaged + marking.notes.count(DAMAGED)
    if damaged:
        say(
            f"{damaged} files are damaged; the rest came in: with a whole archive the same command takes them"
        )
    lines, pictures = (*found.lines, *marking.notes.lines()), len(found.pictures)
    return Converted(
        snapshot=snapshot, split=done, pictures=pictures, heads=instances, lines=lines, damaged=damaged
    )


def _take(dataset: Dataset, marking: Annotating, watch: Watch) -> None:
    """Take the pictures in, each with its points."""
    reading = LabelledFiles(dataset, marking.by_url, marking.keypoints, marking.twice, marking.content)
    with dataset.catalog.transaction():  # of damaged files there may be better ones now
        dataset.catalog.candidates.retry(Retry.NEXT_RUN)
    collection = Collection(dataset, reading.fetch, watch, per_class=None)
    collection.take((candidate, None) for candidate in marking.candidates())
    for url, sha256, keypoints in marking.unmarked():
        reading.write(url, sha256, keypoints)


def _check(found: Annotations, coordinates: str, negatives: Sequence[Path]) -> None:
    """See that there is something to convert."""
    if coordinates not in (STORED, SHOWN):
        raise UsageError(f"--coordinates {coordinates}: say {STORED} or {SHOWN}")
    if not found.pictures:
        raise DatasetError("no picture with points was found; the lines above say why")
    for place in negatives:
        if not place.is_dir():
            raise UsageError(f"--negatives {place}: there is no such folder")


def _add_negatives(dataset: Dataset, places: Sequence[Path], watch: Watch, say: Say) -> None:
    """Add pictures that hold none of the objects, as somebody's own."""
    if not places:
        return
    dataset.save_recipe(dataset.recipe.with_class(NOTHING))
    say(f"adding pictures that hold none of the objects, to images/{NOTHING} …")
    add_to(dataset, [Place(place, None) for place in places], NOTHING, Rights(), say=say, watch=watch)


def _by_folder(found: Annotations) -> str:
    counts = Counter(picture.folder for picture in found.pictures)
    if not 1 < len(counts) <= 12:
        return ""
    return ": " + ", ".join(f"{folder} {number}" for folder, number in sorted(counts.items()))
