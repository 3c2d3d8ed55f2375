"""A dataset on disk: class folders, rejected pictures, recipe, label log and catalog, opened together.

    byod.toml        the recipe
    images/<class>/  the pictures: folders are the labels
    rejected/<reason>/
    points/          where folders do not say all: a file of labels for each picture (here of the task keypoints)
    labels.jsonl     the label log as text
    captures.csv     how own pictures came about, and the parts and groups that somebody said
    catalog.db       what byod remembers
    .byod/           lock, state of the catalog, and pictures that nothing has placed yet

What is written in which order, so that a kill or a power cut at any point is made good when the dataset is opened
again: pictures that arrive are flushed to the disk before a row names the place where they are kept; a move is
journalled in the catalog, on the disk, before it happens; the journal forgets it when its new name is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from byod.dataset import (
    captures,
    grouping,
    label_log,
    label_quality,
    own_places,
    read_only,
    recovery,
    review_log,
    sessions,
)
from byod.dataset.catalog import Catalog, CatalogDamaged, check_version
from byod.dataset.catalog_state import CatalogState
from byod.dataset.folder_files import Links
from byod.dataset.grouping import Grouping
from byod.dataset.own_places import CATALOG, IMAGES
from byod.schema import files, names, paths, places
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError, DatasetLocked, RecipeError, UsageError
from byod.schema.picture_files import told_to_follow
from byod.schema.recipe import Recipe
from byod.schema.records import DuplicateGroup, Example, Origin, Placement, Sample, Sha256, Snapshot, Status
from byod.schema.task import Tasks, label_file, task_of

_AT_ONCE = 10_000


class Dataset:
    """An open dataset; use it in a `with` block, which holds its lock.

    Args:
        folder: where it lies; it must hold a recipe.
        tasks: the tasks that there are, by name; the recipe says which one it is for.
        lock: whether to take the lock (only `byod status` reads without it).
        follow_links: whether pictures below `images/` are read through links; None: as the environment says.
        reading: read a folder that cannot be written to: nothing is written, moved or kept.

    Raises:
        DatasetLocked: another byod is at work on it.
        DatasetError: the folder is not a dataset, its catalog cannot be read, or a newer byod wrote in it.
        RecipeError: `byod.toml` cannot be read, or is for a task that there is not.
    """

    def __init__(
        self,
        folder: Path,
        tasks: Tasks,
        *,
        lock: bool = True,
        follow_links: bool | None = None,
        reading: bool = False,
    ) -> None:
        places.check_file_system()
        self.folder = folder.resolve()
        self.follow_links = told_to_follow() if follow_links is None else follow_links
        self.links = Links(self.follow_links)
        own_places.check(self.folder)
        self.recipe = recipes.read(self.folder)
        self.task = task_of(self.recipe, self.folder / recipes.FILE, tasks)
        if self.task.storage is not None:
            own_places.check_room(self.folder, self.task.storage.folder)
        check_version(self.folder / CATALOG)
        label_log.check_format(self.folder / label_log.FILE)
        self.reading = reading
        lock = lock and not reading
        if not reading:
            with files.opened(self.folder) as within:
                within.make(".byod")
        self._lock = FileLock(self.folder / ".byod" / "lock")
        self.locked = lock
        with contextlib.ExitStack() as opened:
            if lock:
                self._take_lock()
                opened.callback(self._lock.release)
            self.files = opened.enter_context(contextlib.closing(files.Folder(self.folder)))
            self.state = CatalogState(self.files)
            proven = lock and self.state.is_proven()
            if reading:
                beside = opened.enter_context(tempfile.TemporaryDirectory(prefix="byod-"))
                self.catalog, self.rebuilt = read_only.copied(self.folder, self.state, Path(beside)), ""
            else:
                self.catalog, self.rebuilt = self._opened_catalog(proven)
            opened.callback(self.catalog.close)
            # gone, emptied, set aside, or no more than the header that a power cut left
            self.lost = self.catalog.blank()
            if not proven:
                self.catalog.check(self.folder)
            self.log = label_log.LabelLog(self.files, self.catalog)
            if lock:
                self._make_good()
            self._held = opened.pop_all()  # all is well, and stays open

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DatasetLocked(
                f"another byod is at work on {self.folder}; wait for it or stop it first"
            ) from None
        except NotImplementedError:
            raise DatasetError(
                f"{self.folder} lies on a file system without locks; move it to a disk of this machine"
            ) from None

    def _opened_catalog(self, proven: bool) -> tuple[Catalog, str]:
        if self.locked:
            return recovery.open_catalog(self.files, self.state, proven)
        catalog = Catalog(self.folder / CATALOG)
        try:
            catalog.check_values()
        except CatalogDamaged:
            catalog.close()
            raise
        return catalog, ""

    def _make_good(self) -> None:
        """Do what a kill or a power cut left undone."""
        self._finish_moves()
        recovery.check_arrivals(self.files, self.catalog, self.task.storage)
        if not self.lost:
            recovery.clear_incoming(self.files, self.catalog)
        recovery.clear_temporary(self.files, self.task.storage)

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, tasks: Tasks) -> Dataset:
        """Make a dataset folder with this recipe, or write the recipe into the one that is there, and open it."""
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / recipes.FILE).exists():
            recipes.write(folder, recipe)
        dataset = cls(folder, tasks)
        dataset.save_recipe(recipe)
        return dataset

    def __enter__(self) -> Dataset:
        """Enter the block that holds the lock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring the log's text copy up to date, close the catalog, give the lock back; the folder must be there."""
        try:
            own_places.check_there(self.files, error)
            # the text knows nothing that the catalog could still lose
            if self.locked and not self.catalog.damaged:
                self.catalog.checkpoint()
                self.log.write()
                self.files.touch(".byod/written")
                self.catalog.close()
                self.state.closed()
            elif self.locked:
                self.state.forget()  # the next command rebuilds it
        finally:
            self._held.close()

    @property
    def name(self) -> str:
        """The folder's name."""
        return names.in_utf8(self.folder.name)

    def save_recipe(self, recipe: Recipe) -> None:
        """Write the recipe and make a folder for each class."""
        self.recipe = recipe
        if self.reading:
            return
        recipes.write(self.folder, recipe)
        for folder in recipe.classes:
            self.files.make(f"{IMAGES}/{folder}")

    def shown(self, label: str) -> str:
        """The name people see for a class folder."""
        entry = self.recipe.classes.get(label)
        return label if entry is None else entry.name

    def picture(self, path: str) -> bytes:
        """The bytes of the picture at a path, which are read through a link only where that was asked for."""
        return (self.folder / path).read_bytes() if self.links.behind(path) else self.files.read(path)

    def label_file(self, path: str) -> str | None:
        """The file with the labels of the picture at `path`; None where its class folder is its label."""
        return label_file(self.task.storage, path)

    def place(self, placements: Iterable[Placement], *, with_labels: bool = True) -> int:
        """Give samples their new places: rows and journal in one transaction, then the files move.

        A placement without a path gets one from its status and class, keeping the file's name. Samples without
        a file (its bytes were not kept) only change their row. `with_labels` renames files of labels with their
        pictures. Returns how many files moved.
        """
        taken, known, coming, moves = set[str](), set[str](), iter(placements), 0
        with self.changing():
            while some := list(islice(coming, _AT_ONCE)):
                moves += self._place(some, taken, known, with_labels)
        return moves

    def _place(self, some: Sequence[Placement], taken: set[str], known: set[str], with_labels: bool) -> int:
        """Write some new places down; `taken` are paths that others got, `known` folders that were looked at."""
        promised, placed, moves, root = list[tuple[str, str]](), list[Placement](), 0, str(self.folder)
        there = self.catalog.samples.named(placement.sha256 for placement in some)
        for placement in some:
            sample = there.get(placement.sha256)
            if sample is None:
                raise DatasetError(f"{self.folder}: no sample {placement.sha256[:12]} to move")
            path = placement.path or own_places.target(root, sample, placement, taken)
            if path != sample.path and self.reading:
                path = sample.path
            elif path != sample.path and (self.links.behind(sample.path) or self.links.behind(path)):
                self.links.stayed.add(sample.path)
                if sample.status is Status.WAITING:
                    continue
                path = sample.path
            taken.add(path)
            if path != sample.path:
                places.check_inside(root, paths.of_picture(path), known)
                promised.append((sample.path, path))
                moves += 1
                old, new = self.label_file(sample.path), self.label_file(path)
                if with_labels and old is not None and new is not None and old != new:
                    promised.append((old, new))
            placed.append(placement.model_copy(update={"path": path}))
            there[sample.sha256] = sample.model_copy(update={"path": path, "status": placement.status})
        self.catalog.promise_moves(promised)
        self.catalog.samples.place_all(placed)
        return moves

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction; the moves promised in it are carried out at its end, that of the outermost one."""
        with self.catalog.transaction():
            yield
        if not self.catalog.in_transaction:
            self._finish_moves()

    def _finish_moves(self) -> None:
        """Carry out the moves that are promised and not yet done."""
        promised = self.catalog.promised_moves()
        if not promised:
            return
        if self.reading:  # its own catalog is a copy
            self.catalog.moves_done(promised[-1][0])
            return
        own_places.check_moves(
            self.folder, self.task.storage, promised
        )  # all of them before the first is carried out
        rooms: set[str] = set()
        root = str(self.folder)
        with self.files.held_open():
            for _, source, target in promised:
                if (room := os.path.dirname(target)) not in rooms:
                    self.files.make(room)
                rooms |= {room, os.path.dirname(source)}
                # else it moved before a kill, or somebody took it away: the next look at the folders tells
                if os.path.exists(f"{root}/{source}"):
                    self.files.move(source, target)
        # the promise stands until the names are on the disk
        self.files.flush_names(room for room in rooms if (self.folder / room).is_dir())
        with self.catalog.unflushed(), self.catalog.transaction():
            self.catalog.moves_done(promised[-1][0])

    def flush_arrivals(self) -> None:
        """See that the pictures that arrived, and their labels, are on the disk, before a row names their place."""
        noted = self.catalog.samples.arrivals()
        if noted:
            self.files.flush(name for _, path, labels in noted for name in (path, labels) if name)
            with self.catalog.unflushed(), self.catalog.transaction():
                self.catalog.samples.flushed()

    def snapshot(self) -> Snapshot:
        """The dataset as it stands, with the classes' shown names."""
        catalog = self.catalog
        samples = tuple(
            sample
            if (name := self.shown(sample.label)) == sample.label
            else sample.model_copy(update={"label": name})
            for sample in catalog.samples.all()
            if not (sample.path and self.links.hides(sample.path))
        )
        yields = tuple(
            entry.model_copy(update={"label": self.shown(entry.label)})
            for entry in catalog.candidates.yields()
        )
        origins = catalog.candidates.origins()
        reviewed = catalog.verdicts.noted(review_log.LABELS)
        return Snapshot(
            folder=self.folder,
            name=self.name,
            task=self.recipe.task,
            classes={entry.name: folder for folder, entry in self.recipe.classes.items()},
            samples=samples,
            origins=origins,
            splits=catalog.samples.splits(),
            groups=self._groups(),
            conflicts=catalog.samples.conflicts(),
            lookalikes=catalog.samples.lookalikes(),
            yields=yields,
            misses=catalog.candidates.misses(),
            fingerprint=self.fingerprint(samples),
            label_quality=label_quality.label_quality(reviewed, catalog.verdicts),
            agreement=review_log.agreement(reviewed, catalog.verdicts),
        )

    def _groups(self) -> tuple[DuplicateGroup, ...]:
        members: dict[str, list[str]] = {}
        for sha256, key in self.catalog.samples.groups().items():
            members.setdefault(key, []).append(sha256)
        return tuple(
            DuplicateGroup(key=key, members=tuple(sorted(group))) for key, group in sorted(members.items())
        )

    def fingerprint(self, samples: Iterable[Sample]) -> str:
        """A hash of which pictures stand in which class, and of their labels: equal for equal datasets."""
        lines = sorted(
            f"{sample.sha256} {sample.label}{self._labels_of(sample)}"
            for sample in samples
            if sample.status is Status.KEPT
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _labels_of(self, sample: Sample) -> str:
        """A hash of the file of a sample's labels; empty where there is none."""
        name = self.label_file(sample.path)
        if name is None:
            return ""
        try:
            content = files.read(self.folder / name)
        except FileNotFoundError:
            return ""
        return f" {hashlib.sha256(content).hexdigest()}"

    def grouped(self, kept: Sequence[Sample], origins: Mapping[Sha256, Sequence[Origin]]) -> Grouping:
        """The groups of pictures that a split keeps together, by all that is known of them.

        Raises:
            DatasetError: `captures.csv` cannot be read.
            RecipeError: the recipe's `split_by` is none of the words for it.
        """
        try:
            by = sessions.check(self.recipe.split_by)
        except UsageError as error:
            raise RecipeError(f"{self.folder / recipes.FILE}: split_by: {error}") from error
        ties = sessions.ties(captures.read(self.folder), by)
        return grouping.groups(kept, self.catalog.samples.groups(), origins, ties)

    def examples(self, snapshot: Snapshot, groups: Mapping[Sha256, str] | None = None) -> list[Example]:
        """The pictures to train and test on: kept, not in conflict, with their parts; `groups` else found anew."""
        conflicting = {sha256 for conflict in snapshot.conflicts for sha256 in conflict}
        groups = self.grouped(snapshot.kept, snapshot.origins).of if groups is None else groups
        return [
            Example(
                sha256=sample.sha256,
                path=self.folder / sample.path,
                label=sample.label,
                split=part,
                group=groups[sample.sha256],
            )
            for sample in snapshot.kept
            if sample.sha256 not in conflicting
            and (part := snapshot.splits.get(sample.sha256))
            and part.known
        ]
