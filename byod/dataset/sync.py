"""Take up what people did to the folders since byod last looked, as verdicts.

A file is known by its SHA-256, not by its path, and is hashed again only when its size or time of change differs.

    moved to another class folder    a verdict for that class        (who: "folder")
    moved into or out of rejected/   a verdict against or for it; one that was a copy is none from then on
    dropped in                       a new sample with that label; of a HEIC, its JPEG is
    changed                          a new sample, linked to the old one
    taken away                       remembered as rejected, never fetched again
    the same bytes in two classes    a conflict: both are taken out until somebody decides
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from datetime import UTC, datetime

from byod.dataset import class_folders, label_files, originals, recovery
from byod.dataset.catalog.verdicts import DELETED_BY_HAND, FOLDER, SEARCH
from byod.dataset.dataset_folder import Dataset
from byod.dataset.folder_files import FoundFile, Links
from byod.dataset.no_copies import NoCopies
from byod.dataset.originals import StandIn, needs_stand_in
from byod.dataset.own_places import IMAGES, REJECTED
from byod.images import decode
from byod.images.decode import ANY_PICTURE
from byod.report.attribution import Credit
from byod.schema.errors import DatasetError, PictureError
from byod.schema.names import PassedOver
from byod.schema.reasons import Reason
from byod.schema.records import Inspected, Placement, Record, Sample, Status, Verdict


class Changes(Record):
    """The changes found, as counts by kind, and a line for each file that could not be taken up."""

    counts: dict[str, int]
    lines: tuple[str, ...]

    @property
    def any(self) -> bool:
        """True if anything changed."""
        return bool(self.counts)


def sync(dataset: Dataset) -> Changes:
    """Take up what people did to the folders; a lost catalog is rebuilt from them and the label log.

    Raises:
        DatasetError: the pictures' folder is gone altogether (it may be on a disk that is not there).
    """
    scan = _FolderScan(dataset)
    scan.compare()
    with dataset.changing():
        if dataset.lost:
            scan.lines += dataset.log.restore()
            scan.logged = dataset.catalog.verdicts.labels()
            credits = recovery.credits(dataset.folder, scan.lines)
            scan.credited = {line.sha256: line for line in credits}
        scan.take_up()
        if dataset.lost:
            recovery.restore_deleted(dataset.catalog, dataset.log.looks())
            recovery.restore_origins(dataset.catalog, credits)
    dataset.lost, dataset.rebuilt = False, ""
    before = {path: sha256 for path, (sha256, *_) in scan.standing.items()}
    if dataset.reading:
        return Changes(counts={}, lines=(*scan.lines, *scan.links.lines(), *scan.passed.lines()))
    followed = label_files.follow(dataset, before)
    return Changes(
        counts={**scan.counts, **followed.counts},
        lines=(*scan.lines, *scan.links.lines(), *scan.passed.lines(), *followed.lines),
    )


class _FolderScan:
    """One scan of the folders, beside what the catalog remembers of them."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.samples = dataset.catalog.samples
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = [dataset.rebuilt] if dataset.rebuilt else []
        self.passed = PassedOver()
        self.links = dataset.links = Links(dataset.follow_links)
        self.standing = self.samples.standing()
        self.path_of = {sha256: path for path, (sha256, *_) in self.standing.items()}
        self.changed: list[FoundFile] = []
        self.seen: set[str] = set()
        self.now_at: dict[str, str] = {}
        self.aside: set[str] = set()
        self.logged: dict[str, list[str | None]] = {}  # what the log says, when the catalog was lost
        self.credited: dict[str, Credit] = {}  # and what CREDITS.csv says of each picture
        self.made: dict[str, StandIn] = {}
        self.unread: set[str] = set()  # pictures of types that libraries for training do not read
        self.now = datetime.now(UTC)
        self.no_copies = NoCopies(self.samples)
        self._last_position: int | None = None

    def compare(self) -> None:
        """Find the files that are not as remembered."""
        images = self.dataset.folder / IMAGES
        expected = any(path.startswith(f"{IMAGES}/") for path in self.standing)
        if expected and not images.is_dir():
            raise DatasetError(
                f"{images} is gone; restore it; byod will not take an empty images/ to mean that everything was deleted"
            )
        self.links.find_folders(self.dataset.folder, self.dataset.recipe)
        if images.is_dir():
            made = class_folders.name_all(self.dataset, self.passed, self.lines)
            self.counts.update({"classes made by hand": made} if made else {})
        for room in (IMAGES, REJECTED):
            for file in self.links.named_files(self.dataset.folder, room, self.passed):
                self.seen.add(file.path)
                known = self.standing.get(file.path)
                if known is None or known[1:3] != (file.size, file.mtime_ns):
                    self._read(file, room)

    def _read(self, file: FoundFile, room: str) -> None:
        """Note a file that is new or changed, or that it may not be read."""
        try:
            content = self.dataset.picture(file.path)
        except PermissionError:
            self.links.unreadable.add(file.path)
            return
        sha256 = hashlib.sha256(content).hexdigest()
        self.changed.append(file.model_copy(update={"sha256": sha256}))
        may_move = not self.dataset.reading and not self.links.behind(file.path)
        if room == IMAGES and may_move and needs_stand_in(content):
            self.unread.add(file.path)
        self.now_at[file.path] = sha256

    def take_up(self) -> None:
        """Write what was found into the catalog, oldest path order first, so that two scans agree."""
        for file in sorted(self.changed, key=lambda file: file.path):
            if file.path in self.unread:
                self._stand_in(file)
            else:
                self._file(file)
        for path, (sha256, *_) in self.standing.items():
            waits = path.startswith(".byod/")
            if waits or self.links.hides(path):
                continue
            if self.path_of[sha256] == path and not self._still(sha256, path):
                self._gone(sha256)

    def _stand_in(self, file: FoundFile) -> None:
        """Have a JPEG stand for a picture that libraries for training do not read; one that is damaged goes aside."""
        try:
            made = originals.stand_in(self.dataset, file.path, self.aside)
        except PictureError:
            self._file(file)  # which says why
            return
        self.made[made.path] = made
        self.seen.add(made.path)
        self.now_at[made.path] = made.sha256
        self._file(FoundFile(path=made.path, size=made.size, mtime_ns=made.mtime_ns, sha256=made.sha256))
        self.samples.stands_for(made.sha256, made.original)
        self.counts["kept as originals, with a JPEG in their place"] += 1

    def _still(self, sha256: str, path: str) -> bool:
        """True if the file at a path is there and still has these bytes."""
        return path in self.seen and self.now_at.get(path, sha256) == sha256

    def _file(self, file: FoundFile) -> None:
        room, folder, _ = file.path.split("/", 2)
        sha256 = file.sha256
        before = self.standing.get(file.path)
        if before is not None and before[0] == sha256:
            self.samples.touched([(sha256, file.size, file.mtime_ns)])
            return
        label = folder if room == IMAGES else ""
        sample = self.samples.get(sha256)
        if sample is None:
            previous = before[0] if before is not None else None
            self._new(file, room, folder, label, previous)
            return
        if room == IMAGES and sample.fingerprint is None:
            opened = self._opened(file, sample)
            if opened is None:
                return
            sample = opened
        self.samples.touched([(sha256, file.size, file.mtime_ns)])
        old = self.path_of.get(sha256, "")
        if old != file.path and self._still(sha256, old):
            self._copy(file, sample, room, label)
        else:
            self._moved(file, sample, room, folder, label)

    def _moved(self, file: FoundFile, sample: Sample, room: str, folder: str, label: str) -> None:
        self.path_of[sample.sha256] = file.path
        status, reason = Status.KEPT, None
        if room == REJECTED:
            status = Status.REJECTED
            reason = Reason(folder) if folder in set(Reason) else Reason.REVIEW
        same = sample.status is status and (sample.label == label or status is Status.REJECTED)
        self._put(sample, label or sample.label, status, sample.reason if same else reason, file.path)
        if not same:
            self._verdict(sample.sha256, label or None, "moved by hand", back=sample if label else None)
            self.counts["moved by hand"] += 1

    def _copy(self, file: FoundFile, sample: Sample, room: str, label: str) -> None:
        """The same bytes a second time: a conflict between classes, or a copy that is set aside."""
        if room == REJECTED or self.links.behind(file.path) or self.links.behind(sample.path):
            return
        target = self._aside(file, Reason.DUPLICATE)
        if sample.status is not Status.KEPT:
            # brought back by copying instead of moving: the copy takes the place, the old file is the spare one
            self._put(sample, label, Status.KEPT, None, file.path)
            self._verdict(sample.sha256, label, "copied back by hand", back=sample)
            self.counts["moved by hand"] += 1
        elif sample.label == label:
            self.dataset.catalog.promise_move(file.path, target)
            self.counts["copies set aside"] += 1
        else:
            self.dataset.catalog.promise_move(file.path, target)
            spare = f"{REJECTED}/{Reason.CONFLICT}/{os.path.basename(sample.path)}"
            self.dataset.catalog.promise_move(sample.path, spare)
            both = f"stood in {sample.label} and in {label}"
            self._put(sample, sample.label, Status.REJECTED, Reason.CONFLICT, spare, both)
            self._verdict(sample.sha256, None, both)
            self.counts["conflicts"] += 1

    def _aside(self, file: FoundFile, reason: Reason) -> str:
        """The place a file can move to in `rejected/<reason>/`: a name that nothing there has, or is about to have."""
        stem, suffix = os.path.splitext(os.path.basename(file.path))
        target = f"{REJECTED}/{reason}/{stem}{suffix}"
        number = 2
        while target in self.aside or (self.dataset.folder / target).exists():
            target = f"{REJECTED}/{reason}/{stem}-{number}{suffix}"
            number += 1
        self.aside.add(target)
        return target

    def _new(self, file: FoundFile, room: str, folder: str, label: str, previous: str | None) -> None:
        sha256 = file.sha256
        if room == REJECTED and not self.dataset.lost:
            return  # somebody's own file, or a spare copy: none of the dataset's pictures
        reason = Reason(folder) if room == REJECTED else None  # a newer byod knows more of them
        logged = self.logged.get(sha256, [])
        named = label or next((said for said in reversed(logged) if said), "")
        values = {"sha256": sha256, "label": named, "size": file.size, "path": file.path}
        try:
            inspected = self._inspected(file)
        except PictureError as error:
            if previous is None or not self._lost(file, previous, error):
                self._unreadable(file, values, error, room)
            return
        status = Status.KEPT if room == IMAGES else Status.REJECTED
        credited = self.credited.get(sha256)
        values["original"] = credited.original or "" if credited is not None else ""
        sample = Sample.model_validate({**values, "status": status, "reason": reason}).measured(inspected)
        position = self._next_position()
        self.samples.add(sample, position=position, mtime_ns=file.mtime_ns, previous=previous)
        self.path_of[sha256] = file.path
        if (
            room == IMAGES
            and not logged
            and credited is not None
            and os.path.dirname(credited.file) == f"{room}/{folder}"
        ):
            self._verdict(sha256, label, "", who=SEARCH)  # it stood there when byod last wrote the credits
        elif room == IMAGES and (not logged or logged[-1] != label):
            self._verdict(sha256, label, "changed by hand" if previous else "put there by hand")
        self.counts["changed" if previous else "rebuilt" if self.dataset.lost else "dropped in"] += 1

    def _inspected(self, file: FoundFile) -> Inspected:
        """A file in a class folder, or about to be there; raises as `decode.inspect` does."""
        if (made := self.made.get(file.path)) is not None:
            return made.inspected
        return decode.inspect(self.dataset.picture(file.path), ANY_PICTURE)[0]

    def _opened(self, file: FoundFile, sample: Sample) -> Sample | None:
        """A sample that never was opened, measured now that it stands in a class folder; None: it is no picture."""
        try:
            inspected = self._inspected(file)
        except PictureError as error:
            path = self._refused(file, error)
            if not self._still(sample.sha256, self.path_of.get(sample.sha256, "")):
                self.path_of[sample.sha256] = path
                self._put(sample, sample.label, Status.REJECTED, error.reason, path, error.detail)
            return None
        opened = sample.measured(inspected)
        self.samples.add(opened, position=self._next_position(), mtime_ns=file.mtime_ns)
        return opened

    def _refused(self, file: FoundFile, error: PictureError) -> str:
        """Send a file that is no picture out of its class folder; say so, and where it lies then."""
        if self.links.behind(file.path):
            self.lines.append(
                f"{file.path} is not a picture byod can use ({error.detail}); behind a link, it stays"
            )
            return file.path
        path = self._aside(file, error.reason)
        self.dataset.catalog.promise_move(file.path, path)
        self.lines.append(
            f"{file.path} is not a picture byod can use ({error.detail}); it lies in {path} now"
        )
        self.counts["set aside"] += 1
        return path

    def _lost(self, file: FoundFile, sha256: str, error: PictureError) -> bool:
        """A known picture whose file holds none any more: it was damaged, which says nothing about its label.

        Returns False where byod has no address to fetch it from again.
        """
        if not self.dataset.catalog.candidates.reopen(sha256):
            return False
        path = self._aside(file, error.reason)
        self.dataset.catalog.promise_move(file.path, path)
        self.samples.forget(sha256)
        self.lines.append(
            f"{file.path} is damaged ({error.detail}) and lies in {path}; the next collect fetches it again"
        )
        self.counts["damaged"] += 1
        return True

    def _unreadable(self, file: FoundFile, values: dict[str, object], error: PictureError, room: str) -> None:
        reason = error.reason
        path = self._refused(file, error) if room == IMAGES else file.path
        sample = Sample.model_validate(
            {**values, "path": path, "status": Status.REJECTED, "reason": reason, "detail": error.detail}
        )
        position = self._next_position()
        self.samples.add(sample, position=position, mtime_ns=file.mtime_ns)

    def _next_position(self) -> int:
        """A position behind all others: the catalog is asked for the first, which reads all its rows."""
        self._last_position = (
            self.samples.next_position() if self._last_position is None else self._last_position + 1
        )
        return self._last_position

    def _gone(self, sha256: str) -> None:
        sample = self.samples.get(sha256)
        if sample is None:
            return
        self._put(sample, sample.label, Status.REJECTED, Reason.DELETED, "")
        if sample.status is Status.KEPT:
            self._verdict(sha256, None, DELETED_BY_HAND)
            self.counts["deleted by hand"] += 1

    def _put(
        self, sample: Sample, label: str, status: Status, reason: Reason | None, path: str, detail: str = ""
    ) -> None:
        detail = detail or (sample.detail if reason is sample.reason else "")
        self.samples.place(
            Placement(
                sha256=sample.sha256, label=label, status=status, reason=reason, detail=detail, path=path
            )
        )

    def _verdict(
        self, sha256: str, label: str | None, note: str, who: str = FOLDER, back: Sample | None = None
    ) -> None:
        """Write a verdict down; `back` is the sample as it was, where it comes back into a class folder."""
        others = self.no_copies.stated_by(back) if back is not None else ()
        verdict = Verdict(sha256=sha256, label=label, who=who, when=self.now, note=note, not_copy_of=others)
        self.dataset.catalog.verdicts.add([verdict])
