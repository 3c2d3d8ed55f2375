"""Files of labels follow their pictures: renamed with them, set aside when they are gone, back when they return.

A file is known by the picture it names (its SHA-256), not by where it lies. Labels of a picture that is there, kept or
rejected, lie in the folder of the task's storage (`points/`); those of one that was taken away wait in
`rejected/deleted/`.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import IMAGES, REJECTED
from byod.schema.errors import DatasetError
from byod.schema.reasons import Reason
from byod.schema.records import Placement, Record
from byod.schema.task import Labels, Storage

ASIDE = f"{REJECTED}/{Reason.DELETED}"
"""Where the labels wait whose picture is gone."""
_MOVING = ".moving"


class Followed(Record):
    """The changes to files of labels: counts by kind, and a line for each that needs somebody to look."""

    counts: dict[str, int]
    lines: tuple[str, ...]


def follow(dataset: Dataset, before: Mapping[str, str]) -> Followed:
    """Bring the files of labels to where their pictures are now; does nothing where folders are the labels.

    A kill on the way is made good by the next call. Two pictures whose names differ only in folder or ending would
    share one file; the one that does not own it gets another name.

    Args:
        dataset: open and locked, with the catalog as the folders are.
        before: path to SHA-256 of the samples before the folders were looked at; empty when that is not known.
    """
    if dataset.task.storage is None:
        return Followed(counts={}, lines=())
    following = _Following(dataset, dataset.task.storage, before)
    following.part_names()
    following.find_misplaced()
    following.carry_out()
    return Followed(counts=dict(following.counts), lines=tuple(following.lines))


def write_labels(dataset: Dataset, name: str, labels: Labels, *, flush: bool = True) -> None:
    """Write the labels of one picture into an open dataset, under the name that `Dataset.label_file` gives."""
    storage = dataset.task.storage
    if storage is None:
        raise DatasetError(
            f"{dataset.folder}: its class folders are its labels, and {name} has no place there"
        )
    dataset.files.make(storage.folder)
    dataset.files.replace(name, storage.content(labels), flush=flush)


def label_by_folder(dataset: Dataset) -> None:
    """Write the labels that pictures have by standing in a folder that is no class, where they have none."""
    storage = dataset.task.storage
    if storage is None:
        return
    for path, (sha256, *_) in dataset.catalog.samples.standing().items():
        room, _, inner = path.partition("/")
        folder = inner.partition("/")[0]
        if room != IMAGES or folder not in dataset.task.pages.no_classes:
            continue
        name, sample = dataset.label_file(path), dataset.catalog.samples.get(sha256)
        if name is not None and sample is not None and not (dataset.folder / name).exists():
            labels = storage.of_folder(folder, sample.width or 1, sample.height or 1)
            write_labels(dataset, name, labels.named(sha256))


def stem(path: str) -> str:
    """The name of a picture's file without its ending, which is that of its labels."""
    return PurePosixPath(path).stem


class _Following:
    def __init__(self, dataset: Dataset, storage: Storage, before: Mapping[str, str]) -> None:
        self.dataset, self.storage, self.before = dataset, storage, before
        self.folder = dataset.folder / storage.folder
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.moves: list[tuple[Path, str, str]] = []  # the file, its picture, where it belongs
        self.paths: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self._know()

    def _know(self) -> None:
        """Map each picture to its path; one that has not been placed is known by the name it will get."""
        standing = self.dataset.catalog.samples.standing()
        self.paths = {
            sha256: f"{sha256[:20]}.waiting" if path.startswith(".byod/") else path
            for path, (sha256, *_) in standing.items()
        }
        self.owner = {stem(path): sha256 for sha256, path in self.paths.items()}

    def part_names(self) -> None:
        """Give every picture a stem of its own."""
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for sha256, path in self.paths.items():
            alike[stem(path)].append(sha256)
        shared = {name: members for name, members in alike.items() if len(members) > 1}
        if not shared:
            return
        was = {stem(path): sha256 for path, sha256 in self.before.items()}
        placements = []
        for name, members in shared.items():
            labels = self._read(self.folder / f"{name}.json")
            owner = labels.sha256 if labels is not None and labels.sha256 else was.get(name)
            members.sort(key=lambda sha256: (sha256 != owner, self.paths[sha256]))
            placements += [self._renamed(sha256) for sha256 in members[1:]]
        self.dataset.place(placements, with_labels=False)
        self.counts["renamed, since two pictures shared a name"] += len(placements)
        self._know()

    def _renamed(self, sha256: str) -> Placement:
        sample = self.dataset.catalog.samples.get(sha256)
        if sample is None:
            raise DatasetError(f"{self.dataset.folder}: no sample {sha256[:12]} to rename")
        path = PurePosixPath(sample.path)
        known = sample.model_dump(include=set(Placement.model_fields) - {"path"})
        return Placement(**known, path=str(path.with_name(f"{path.stem}-{sha256[:12]}{path.suffix}")))

    def find_misplaced(self) -> None:
        """Find the files that are not where their pictures are."""
        for file in sorted(self.folder.glob(f".*{_MOVING}")):
            self._moves(file, file.name[1:65])
        was = {stem(path): sha256 for path, sha256 in self.before.items() if not path.startswith(".byod/")}
        for file in sorted(self.folder.glob("[!.]*.json")):
            now = self.owner.get(file.stem)
            if now is None or was.get(file.stem) != now:
                self._look_at(file, was.get(file.stem), now)
        returned = {sha256[:20]: sha256 for sha256 in self.paths}
        for file in sorted((self.dataset.folder / ASIDE).glob("[!.]*.json")):
            if file.stem in returned:
                self._moves(file, returned[file.stem])
                self.counts[f"files of {self.storage.folder} brought back"] += 1

    def _look_at(self, file: Path, was: str | None, now: str | None) -> None:
        labels = self._read(file)
        if labels is None:
            return
        sha256 = labels.sha256 or was or now
        if sha256 is None:
            self.lines.append(f"{self.storage.folder}/{file.name} belongs to no picture")
        elif sha256 in self.paths:
            if file.stem != stem(self.paths[sha256]):
                self._moves(file, sha256)
                self.counts[f"files of {self.storage.folder} renamed"] += 1
            elif labels.sha256 is None:
                self._write(file, labels, sha256)
        elif now is not None and was == sha256:
            self._changed(file, labels, now)
        elif self.dataset.catalog.samples.get(sha256) is not None:
            self._moves(file, sha256)
            self.counts[f"files of {self.storage.folder} set aside"] += 1
        elif now is not None:
            self.lines.append(
                f"{self.storage.folder}/{file.name} names another picture than {self.paths[now]}; look at it"
            )

    def _changed(self, file: Path, labels: Labels, now: str) -> None:
        """A picture was edited in place: its labels may still fit, as they do where it kept its size."""
        sample, path = self.dataset.catalog.samples.get(now), self.paths[now]
        if sample is not None and labels.fits(sample.width or 0, sample.height or 0):
            self._write(file, labels, now)
            self.lines.append(
                f"{path} was changed; its {self.storage.folder} stay, see whether they still fit"
            )
            return
        self._moves(file, labels.sha256 or self.before[path])
        self.lines.append(
            f"{path} was changed and has another size: its {self.storage.folder} lie in {ASIDE}/, label it again"
        )

    def _moves(self, file: Path, sha256: str) -> None:
        path = self.paths.get(sha256)
        target = f"{ASIDE}/{sha256[:20]}.json" if path is None else f"{self.storage.folder}/{stem(path)}.json"
        self.moves.append((file, sha256, target))

    def _read(self, file: Path) -> Labels | None:
        try:
            labels: Labels | None = self.storage.read(file)
            return labels
        except DatasetError as error:
            self.lines.append(str(error))
            return None

    def _write(self, file: Path, labels: Labels, sha256: str) -> None:
        """Note in a file which picture its labels belong to."""
        write_labels(self.dataset, f"{self.storage.folder}/{file.name}", labels.named(sha256))

    def carry_out(self) -> None:
        """Move the files in two steps, so that they may exchange names; in between a file names its picture."""
        files, under_way = self.dataset.files, []
        for number, (source, sha256, target) in enumerate(self.moves):
            between = source.relative_to(self.dataset.folder).as_posix()
            if not source.name.endswith(_MOVING):
                files.make(self.storage.folder)
                files.move(between, between := f"{self.storage.folder}/.{sha256}-{number}{_MOVING}")
            under_way.append((between, target))
        for between, target in under_way:
            place = target
            if (
                self.dataset.folder / place
            ).exists():  # a second file for the same picture: the first one holds
                place = self._spare(PurePosixPath(place).stem)
                self.lines.append(
                    f"{target} is there already; other {self.storage.folder} of its picture lie in {place}"
                )
            files.make(os.path.dirname(place))
            files.move(between, place)

    def _spare(self, name: str) -> str:
        number = 2
        while (self.dataset.folder / (place := f"{ASIDE}/{name}-{number}.json")).exists():
            number += 1
        return place
