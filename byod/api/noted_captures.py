"""Note of pictures that are added how they came about: `captures.csv`."""

from __future__ import annotations

from pathlib import Path

from byod.collection.split_folders import Place
from byod.dataset import captures, splits
from byod.dataset.captures import Capture
from byod.dataset.dataset_folder import Dataset
from byod.images import camera
from byod.images.camera import Taken
from byod.schema.names import in_utf8
from byod.schema.progress import Say
from byod.schema.records import Candidate, Split


class NotedCaptures:
    """What is noted of pictures as they are offered: names, parts of the split, and afterwards their cameras."""

    def __init__(self, label: str | None) -> None:
        """Note pictures whose class is the name of a folder, or `label`."""
        self.number = 0
        self._label = label
        self._place_of: dict[Path, Place] = {}
        self._addresses: dict[str, Path] = {}

    def of(self, candidate: Candidate, place: Place) -> Candidate:
        """The candidate, whose place is noted."""
        if candidate.path is not None:
            self._place_of[candidate.path] = place
        return candidate

    def addressed(self, candidate: Candidate) -> Candidate:
        """The candidate, counted, whose address is final now."""
        self.number += 1
        if candidate.path is not None:
            self._addresses[candidate.url] = candidate.path
        return candidate

    def write(self, dataset: Dataset, say: Say) -> None:
        """Write down what is known of those that came in."""
        known = captures.read(dataset.folder)
        by_sample: dict[str, tuple[Path, Place]] = {}
        twice: set[str] = set()
        for url, path in self._addresses.items():
            outcome, place = dataset.catalog.candidates.outcome(url), self._place_of[path]
            if outcome is None or (sha256 := outcome[2]) is None:
                continue
            before = by_sample.get(sha256)
            if before is not None and before[1].part is not place.part:
                twice.add(sha256)
            if before is None or _ORDER.index(place.part) < _ORDER.index(before[1].part):
                by_sample[sha256] = (path, place)
        captures.put(
            dataset.files,
            known,
            (self._capture(sha256, *found, sha256 in known) for sha256, found in by_sample.items()),
        )
        if any(place.part for _, place in by_sample.values()) and dataset.recipe.split is None:
            dataset.save_recipe(dataset.recipe.model_copy(update={"split": splits.GIVEN}))
        if twice:
            say(
                f"{len(twice)} pictures lie in two parts of the split: they are in the one that is learned from least"
            )

    def _capture(self, sha256: str, path: Path, place: Place, known: bool) -> Capture:
        above = place.folder.absolute()
        below = path.relative_to(above) if path.is_relative_to(above) else path
        name = below.as_posix() if below != Path() else path.name
        name = name if self._label is None else f"{self._label}/{name}"
        found = Taken("", None) if known else _taken(path)
        return Capture(
            sha256=sha256,
            name=in_utf8(name)[-500:],
            camera=found.camera,
            taken=found.moment,
            split=place.part,
        )


_ORDER = (Split.TEST, Split.VALID, Split.TRAIN, None)
"""Of a picture in two parts, the one that is learned from least counts."""


def _taken(file: Path) -> Taken:
    """What a file says of its camera; nothing where it cannot be read any more."""
    try:
        return camera.taken(file.read_bytes())
    except OSError:
        return Taken("", None)
