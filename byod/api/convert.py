"""Converting: somebody else's annotated pictures become a dataset with the task keypoints.

Pictures come in as in a collection: each is written down before it is read, its points before it counts as read, and
each placing as a whole. A kill at any point is made good by running the same command again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path

from byod.api.datasets import SplitDone, assign, finish, say_changes, say_split
from byod.collection import local_files
from byod.collection.importers.annotated import AnnotatedImage, Annotations
from byod.collection.pipeline import Arrival, Collection, Watch
from byod.dataset import splits
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.images import decode
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError, UsageError
from byod.schema.keypoints import (
    Head,
    Keypoint,
    Keypoints,
    KeypointSet,
    is_inside,
    keypoints_file,
    read_keypoints,
    upright,
    write_keypoints,
)
from byod.schema.progress import Say
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Fetched, Miss, Record, Snapshot, Task

STORED, SHOWN = "stored", "shown"
"""What coordinates of a picture with an EXIF orientation mean: the pixels as stored, or the picture turned upright."""


class Converted(Record):
    """The result of a conversion: the dataset as it stands, its split, and the number of pictures and heads found."""

    snapshot: Snapshot
    split: SplitDone
    pictures: int
    heads: int
    lines: tuple[str, ...]


def convert(
    found: Annotations, folder: Path, *, coordinates: str = STORED, say: Say, watch: Watch
) -> Converted:
    """Take what a reader found into the dataset at `folder`, which is made when it is not there.

    Args:
        found: the pictures, their points, and what is to be said of them.
        folder: the dataset.
        coordinates: `stored` or `shown`: whether points of pictures with an EXIF orientation are those of the pixels
            as stored; asked only where the annotated size does not tell.
        say: gets a line for everything that was passed over, and why.
        watch: gets the counts as they grow.

    Raises:
        UsageError: the dataset is for something else, or has not these points.
        DatasetError: nothing was found, or an archive is damaged; what was read until then stays.
    """
    heads = sum(len(picture.heads) for picture in found.pictures)
    for line in found.lines:
        say(line)
    if coordinates not in (STORED, SHOWN):
        raise UsageError(f"--coordinates {coordinates}: say {STORED} or {SHOWN}")
    if not found.pictures:
        raise DatasetError("no picture with points was found; the lines above say why")
    say(f"{len(found.pictures)} pictures with {heads} heads were found{_by_folder(found)}")
    with Dataset.create(folder, plan(folder, found)) as dataset:
        say_changes(sync(dataset), say)
        marking = _Annotating(dataset, found, coordinates)
        collection = Collection(dataset, marking.fetch, watch, per_class=None)
        collection.take((candidate, None) for candidate in marking.candidates())
        marking.mark_again()
        for line in marking.lines:
            say(line)
        done = assign(dataset)
        say_split(done, say)
        snapshot = finish(dataset)
    lines = (*found.lines, *marking.lines)
    return Converted(snapshot=snapshot, split=done, pictures=len(found.pictures), heads=heads, lines=lines)


def plan(folder: Path, found: Annotations) -> Recipe:
    """The recipe of the dataset to convert into: the one that is there, or a new one with the points found.

    Raises:
        UsageError: the dataset that is there is for something else, or has not these points.
    """
    if not (folder / recipes.FILE).exists():
        fixed = (
            splits.FOLDERS if {p.folder for p in found.pictures} & set(splits.FIXED[splits.FOLDERS]) else None
        )
        made = Recipe.model_validate(
            {
                "task": Task.KEYPOINTS,
                "points": found.points,
                "split": fixed,
                "min_side": 1,
                "max_aspect": 100,
                "sources": (),
            }
        )
        return made.with_class(found.label)
    there = recipes.read(folder)
    if there.task is not Task.KEYPOINTS or there.points is None:
        raise UsageError(
            f"{folder} is for the task {there.task}, not {Task.KEYPOINTS}; use --into another folder"
        )
    missing = [name for name in found.points.names if name not in there.points.names]
    if missing:
        raise UsageError(
            f"{folder} has no point {missing[0]!r}; add it to [points] in {folder / recipes.FILE}, or use --into"
            " another folder"
        )
    return there.with_class(found.label)


def _by_folder(found: Annotations) -> str:
    counts = Counter(picture.folder for picture in found.pictures)
    if not 1 < len(counts) <= 12:
        return ""
    return ": " + ", ".join(f"{folder} {number}" for folder, number in sorted(counts.items()))


class _Annotating:
    """Reads pictures, and writes the points of each beside it."""

    def __init__(self, dataset: Dataset, found: Annotations, coordinates: str) -> None:
        self.dataset, self.found, self.coordinates = dataset, found, coordinates
        self.names = dataset.recipe.points or KeypointSet(names=found.points.names)
        self.by_url = {picture.url: picture for picture in found.pictures}
        standing = dataset.catalog.samples.standing()
        self.standing = {sha: path for path, (sha, *_) in standing.items() if not path.startswith(".byod/")}
        self.lines: list[str] = []
        self._read: set[str] = set()
        self._lock = threading.Lock()

    def candidates(self) -> Iterable[Candidate]:
        """The pictures as offers of a source, a query for each folder."""
        label = self.dataset.recipe.folder_of(self.found.label) or self.found.label
        ranks: Counter[str] = Counter()
        for picture in self.found.pictures:
            yield Candidate(
                url=picture.url,
                label=label,
                source=self.found.source,
                terms=picture.folder,
                rank=ranks[picture.folder],
                page=self.found.page,
                title=picture.name,
            )
            ranks[picture.folder] += 1

    def fetch(
        self, candidates: Iterable[Candidate], inspect: Callable[[Fetched, bytes], Arrival]
    ) -> Generator[tuple[Fetched | Miss, Arrival | None], None, None]:
        """Read pictures; those of another conversion that was cut off are left to that one."""

        def marked(fetched: Fetched, content: bytes) -> Arrival:
            arrival = inspect(fetched, content)
            if arrival.inspected is not None:
                size = arrival.inspected.width, arrival.inspected.height
                self._mark(self.by_url[fetched.url], content, arrival.sha256, size)
            return arrival

        mine = (candidate for candidate in candidates if candidate.url in self.by_url)
        yield from local_files.read(mine, marked, self._content)

    def _content(self, candidate: Candidate) -> bytes | Miss:
        picture = self.by_url[candidate.url]
        self._read.add(candidate.url)
        size = picture.store.entries[picture.entry].size
        if size > local_files.MAX_BYTES:
            return Miss(url=candidate.url, reason=Reason.TOO_LARGE, detail=f"{size:,} bytes")
        return picture.store.read(picture.entry)

    def mark_again(self) -> None:
        """Mark the pictures that came in before and have no file of points: their annotation may be whole by now."""
        samples = self.dataset.catalog.samples
        for sha256, offers in self.dataset.catalog.candidates.addresses().items():
            unread = (url for _, _, url in offers if url in self.by_url and url not in self._read)
            picture = next((self.by_url[url] for url in unread), None)
            sample = samples.get(sha256)
            if picture is None or sample is None or not sample.path or not (sample.width and sample.height):
                continue
            if not (self.dataset.folder / keypoints_file(sample.path)).exists():
                content = picture.store.read(picture.entry)
                self._mark(picture, content, sha256, (sample.width, sample.height), sample.path)

    def _mark(
        self,
        picture: AnnotatedImage,
        content: bytes,
        sha256: str,
        size: tuple[int, int],
        path: str | None = None,
    ) -> None:
        """Write the points of a picture that is kept as `sha256` with this upright size."""
        stored = decode.stored(content)
        turn = self._turn(picture, *stored)
        if turn is None:
            return
        shown = stored[1::-1] if stored[2] >= 5 else stored[:2]
        scale = size[0] / shown[0], size[1] / shown[1]
        place = partial(_placed, size=stored[:2], turn=turn, scale=scale, frame=size)
        heads = tuple(self._head(head, place) for head in picture.heads)
        keypoints = Keypoints(sha256=sha256, width=size[0], height=size[1], heads=heads)
        path = path or self.standing.get(sha256, sha256[:20])
        name = keypoints_file(path)
        file = self.dataset.folder / name
        with self._lock:
            there = read_keypoints(file)
            if there is None:
                write_keypoints(self.dataset.files, name, keypoints)
            elif (there.heads, there.width, there.height) != (heads, *size):
                self.lines.append(
                    f"{picture.name} is the same picture as one before it, with other points; the first ones are kept"
                )

    def _turn(self, picture: AnnotatedImage, width: int, height: int, orientation: int) -> int | None:
        """The EXIF orientation by which its points are turned; None where the annotation is of another size."""
        shown = (height, width) if orientation >= 5 else (width, height)
        if picture.size not in (None, shown, (width, height)):
            stated = "{} x {}".format(*picture.size or ())
            self.lines.append(
                f"{picture.name} is annotated as {stated} and has {shown[0]} x {shown[1]} pixels: it stands unmarked"
            )
            return None
        if orientation == 1:
            return 1
        told = self.coordinates
        if picture.size is not None and shown != (width, height):
            told = SHOWN if picture.size == shown else STORED
        self.lines.append(
            f"{picture.name} is stored turned (EXIF {orientation}); its points are taken as {told}"
        )
        return 1 if told == SHOWN else orientation

    def _head(self, head: Head, place: Callable[[float, float], Keypoint]) -> Head:
        said = {name: place(point.x, point.y) for name, point in head.marked.items()}
        for names in self.found.ordered:  # again, since the picture may have been turned
            if all(name in said for name in names):
                said |= zip(
                    names, sorted((said[name] for name in names), key=lambda p: (p.x, p.y)), strict=True
                )
        box = head.box
        if box is not None:
            one, other = place(box[0], box[1]), place(box[2], box[3])
            box = min(one.x, other.x), min(one.y, other.y), max(one.x, other.x), max(one.y, other.y)
        return Head(points={name: said.get(name) for name in self.names.names}, box=box)


def _placed(
    x: float,
    y: float,
    *,
    size: tuple[int, int],
    turn: int,
    scale: tuple[float, float],
    frame: tuple[int, int],
) -> Keypoint:
    """A point as annotated, in pixels of the upright picture that is kept."""
    x, y = upright(x, y, *size, turn)
    x, y = x * scale[0], y * scale[1]
    return Keypoint(x=x, y=y, inside=is_inside(x, y, *frame))
