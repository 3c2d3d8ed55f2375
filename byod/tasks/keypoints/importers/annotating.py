"""Annotations on their way into a dataset: pictures as offers of a source, and the keypoints of each in its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from byod.collection import local_files
from byod.collection.pipeline import Arrival
from byod.dataset import splits
from byod.dataset.dataset_folder import Dataset
from byod.images import decode
from byod.schema import recipe as recipes
from byod.schema.errors import DamagedError, UsageError
from byod.schema.keypoints import (
    Instance,
    Keypoint,
    Keypoints,
    KeypointSet,
    is_inside,
    keypoints_file,
    upright,
)
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Miss, Task
from byod.tasks.keypoints.importers.annotated import DAMAGED, AnnotatedImage, Annotations, Notes
from byod.tasks.keypoints.odd_points import Oddity, plausible, without_unset

_ODD = {
    Oddity.UNSET: (
        "{} lies at 0, 0 or -1, -1, where nobody sets it, and stays unmarked",
        "points lie at 0, 0 or -1, -1, where nobody sets them, and stay unmarked",
    ),
    Oddity.FAR: (
        "{} lies far outside the picture and stays unmarked",
        "points lie far outside their pictures and stay unmarked",
    ),
    Oddity.SAME_SPOT: (
        "{} lie on one spot and stay unmarked",
        "pairs of points lie on one spot and stay unmarked",
    ),
    Oddity.SWAPPED: (
        "{} are exchanged; the picture stands unmarked",
        "pictures have left and right exchanged and stand unmarked",
    ),
    Oddity.NOTHING: (
        "none of its points can be true; the picture stands unmarked",
        "pictures have points none of which can be true, and stand unmarked",
    ),
}
"""For each reason what is said of one picture, and of many behind their number."""
STORED, SHOWN = "stored", "shown"
"""What coordinates of a picture with an EXIF orientation mean: the pixels as stored, or the picture turned upright."""


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
                "task": Task.KEYPOINTS.value,
                "points": found.points,
                "split": fixed,
                "min_side": 1,
                "max_aspect": 100,
                "sources": (),
            }
        )
        return made.with_class(found.label)
    there = recipes.read(folder)
    if there.task != Task.KEYPOINTS or there.points is None:
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


class Annotating:
    """Reads pictures of other people's datasets, and says which keypoints each has."""

    def __init__(self, dataset: Dataset, found: Annotations, coordinates: str) -> None:
        self.dataset, self.found, self.coordinates = dataset, found, coordinates
        self.names = dataset.recipe.points or KeypointSet(names=found.points.names)
        self.by_url = {picture.url: picture for picture in found.pictures}
        self.notes = Notes()
        self._read: set[str] = set()

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

    def content(self, candidate: Candidate) -> bytes | Miss:
        """Read a picture from where it lies, be it an archive."""
        picture = self.by_url[candidate.url]
        self._read.add(candidate.url)
        size = picture.store.entries[picture.entry].size
        if size > local_files.MAX_BYTES:
            return Miss(url=candidate.url, reason=Reason.TOO_LARGE, detail=f"{size:,} bytes")
        try:
            return picture.store.read(picture.entry)
        except DamagedError as error:
            self.notes.add(DAMAGED, picture.name, str(error))
            return Miss(url=candidate.url, reason=Reason.DAMAGED, detail=str(error))

    def unmarked(self) -> Iterator[tuple[str, str, Keypoints]]:
        """The pictures that came in before and have no file of points: their annotation may be whole by now."""
        samples = self.dataset.catalog.samples
        for sha256, offers in self.dataset.catalog.candidates.addresses().items():
            unread = (url for _, _, url in offers if url in self.by_url and url not in self._read)
            url, sample = next(unread, None), samples.get(sha256)
            if url is None or sample is None or not sample.path or not (sample.width and sample.height):
                continue
            if not (self.dataset.folder / keypoints_file(sample.path)).exists():
                picture = self.by_url[url]
                try:
                    content = picture.store.read(picture.entry)
                except DamagedError:
                    continue  # its picture is there and stays as it is
                keypoints = self._keypoints(picture, content, sha256, (sample.width, sample.height))
                if keypoints is not None:
                    yield url, sha256, keypoints

    def keypoints(self, url: str, content: bytes, arrival: Arrival) -> Keypoints | None:
        """The keypoints of a picture as it arrived."""
        kept = arrival.inspected
        if kept is None:
            return None
        return self._keypoints(self.by_url[url], content, arrival.sha256, (kept.width, kept.height))

    def twice(self, url: str, there: Keypoints, new: Keypoints) -> None:
        """Note a picture that came in before with other points."""
        if (there.heads, there.width, there.height) != (new.heads, new.width, new.height):
            name = self.by_url[url].name
            line = f"{name} is the same picture as one before it, with other points; the first ones are kept"
            self.notes.add(
                "pictures are there twice with other points, of which the first are kept", name, line
            )

    def _keypoints(
        self, picture: AnnotatedImage, content: bytes, sha256: str, size: tuple[int, int]
    ) -> Keypoints | None:
        """The points of a picture that is kept as `sha256` with this upright size."""
        stored = decode.stored(content)
        turn = self._turn(picture, *stored)
        if turn is None:
            return None
        shown = stored[1::-1] if stored[2] >= 5 else stored[:2]
        scale = size[0] / shown[0], size[1] / shown[1]
        place = partial(_placed, size=stored[:2], turn=turn, scale=scale, frame=size)
        instances = []
        for annotated in picture.heads:
            instance, odd = without_unset(annotated)
            if annotated.marked and not instance.marked and instance.box is None:
                self._say_odd(picture, [(Oddity.NOTHING, "")])
                return None
            placed, more = plausible(self._head(instance, place), self.names, *size)
            self._say_odd(picture, (*odd, *more))
            if placed is None:
                return None  # a picture without this object would say that there is none
            instances.append(placed)
        return Keypoints(sha256=sha256, width=size[0], height=size[1], heads=tuple(instances))

    def _say_odd(self, picture: AnnotatedImage, odd: Iterable[tuple[Oddity, str]]) -> None:
        for oddity, names in odd:
            one, many = _ODD[oddity]
            self.notes.add(many, picture.name, f"{picture.name}: {one.format(names)}")

    def _turn(self, picture: AnnotatedImage, width: int, height: int, orientation: int) -> int | None:
        """The EXIF orientation by which its points are turned; None where the annotation is of another size."""
        shown = (height, width) if orientation >= 5 else (width, height)
        if picture.size not in (None, shown, (width, height)):
            stated = "{} x {}".format(*picture.size or ())
            line = f"{picture.name} is annotated as {stated} and has {shown[0]} x {shown[1]} pixels: it stands unmarked"
            self.notes.add(
                "pictures are of another size than annotated and stand unmarked", picture.name, line
            )
            return None
        if orientation == 1:
            return 1
        told = self.coordinates
        if picture.size is not None and shown != (width, height):
            told = SHOWN if picture.size == shown else STORED
        line = f"{picture.name} is stored turned (EXIF {orientation}); its points are taken as {told}"
        self.notes.add(
            f"pictures are stored turned, and their points are taken as {told}", picture.name, line
        )
        return 1 if told == SHOWN else orientation

    def _head(self, instance: Instance, place: Callable[[float, float], Keypoint]) -> Instance:
        said = {name: place(point.x, point.y) for name, point in instance.marked.items()}
        for names in self.found.ordered:  # again, since the picture may have been turned
            if all(name in said for name in names):
                said |= zip(
                    names, sorted((said[name] for name in names), key=lambda p: (p.x, p.y)), strict=True
                )
        box = instance.box
        if box is not None:
            one, other = place(box[0], box[1]), place(box[2], box[3])
            box = min(one.x, other.x), min(one.y, other.y), max(one.x, other.x), max(one.y, other.y)
        return Instance(points={name: said.get(name) for name in self.names.names}, box=box)


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
