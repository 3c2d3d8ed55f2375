"""Rounds of a review taken back and done again: what their pulls changed stands so, and the log says so."""

from __future__ import annotations

from datetime import UTC, datetime

from byod.dataset.catalog.reviews import Before
from byod.dataset.catalog.verdicts import UNDO
from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import STAGED_LABELS
from byod.dataset.placement import place_samples
from byod.schema import files
from byod.schema.errors import UsageError
from byod.schema.keypoints import keypoints_file
from byod.schema.progress import Say
from byod.schema.records import Placement, Record, Sample, Status, Verdict


class Undone(Record):
    """A round taken back, or done again: when it was, how many pictures stand so, and how many were changed since."""

    at: datetime
    pictures: int
    changed_since: int


def undo(dataset: Dataset, say: Say) -> Undone:
    """Take the last round back: the files stand where they stood, the log says so, the answers stay in it.

    A picture that somebody annotated again since then stays where it is now.

    Raises:
        UsageError: there is no round to undo.
    """
    catalog = dataset.catalog
    pulls = catalog.reviews.to_undo()
    if not pulls:
        raise UsageError(f"{dataset.folder}: there is no pull to undo")
    now = datetime.now(UTC)
    back: set[str] = set()
    later: set[str] = set()
    for number, _ in pulls:
        with dataset.changing():  # a file may move in each of them
            holding = catalog.verdicts.numbered()
            noted: list[Before] = []
            for before in catalog.reviews.before(number):
                sample = catalog.samples.get(before.sha256)
                newest = holding.get(before.sha256, (0,))[0]
                if sample is None or newest > before.last or before.sha256 in later:
                    later.add(before.sha256)
                    continue
                after, keypoints = placement_of(sample), _keypoints(dataset, sample, before)
                _stand(dataset, sample, before.placement, before.keypoints, before.verdict, now)
                undo = catalog.verdicts.last()
                known = {"after": after, "keypoints_after": keypoints, "undo": undo}
                noted.append(before.model_copy(update=known))
                back.add(before.sha256)
            catalog.reviews.undone(number, noted)
            place_samples(dataset)
    return _told(pulls[-1][1], back, later, say)


def redo(dataset: Dataset, say: Say) -> Undone:
    """Do the round again that was taken back last: the files stand where it had put them.

    A picture of which somebody said something since then stays where it is now.

    Raises:
        UsageError: there is no round to do again.
    """
    catalog = dataset.catalog
    pulls = catalog.reviews.to_redo()
    if not pulls:
        raise UsageError(f"{dataset.folder}: no round was taken back since the last one that stands")
    now = datetime.now(UTC)
    again: set[str] = set()
    later: set[str] = set()
    own: set[int] = set()
    for number, _ in pulls:
        with dataset.changing():
            changed = catalog.reviews.before(number)
            said = catalog.verdicts.said_of(before.sha256 for before in changed)
            for before in changed:
                sample = catalog.samples.get(before.sha256)
                if (
                    sample is None
                    or before.after is None
                    or said[before.sha256][-1][0] not in {before.undo, *own}
                ):
                    later.add(before.sha256)
                    continue
                _stand(dataset, sample, before.after, before.keypoints_after, before.last, now)
                own.add(catalog.verdicts.last())
                again.add(before.sha256)
            catalog.reviews.redone(number)
            place_samples(dataset)
    return _told(pulls[0][1], again, later, say)


def _told(at: datetime, done: set[str], later: set[str], say: Say) -> Undone:
    if later:
        say(f"{len(later)} pictures were annotated again since then, and stay as they are")
    return Undone(at=at, pictures=len(done), changed_since=len(later))


def _stand(
    dataset: Dataset, sample: Sample, wanted: Placement, keypoints: str | None, verdict: int, now: datetime
) -> None:
    """Have a picture stand as it stood when a verdict held, and say so in the log."""
    label = wanted.label if wanted.status is Status.KEPT else None
    dataset.catalog.verdicts.add(
        [Verdict(sha256=sample.sha256, label=label, who=UNDO, when=now, note=f"#{verdict}")]
    )
    if keypoints is not None:
        stage_keypoints(dataset, sample, keypoints)
    if sample.path:
        free = wanted.path == sample.path or not (dataset.folder / wanted.path).exists()
        dataset.place([wanted if free and wanted.path else wanted.model_copy(update={"path": ""})])


def _keypoints(dataset: Dataset, sample: Sample, before: Before) -> str | None:
    """The text of a picture's points file, where the pull changed it."""
    return None if before.keypoints is None else keypoints_text(dataset, sample)


def keypoints_text(dataset: Dataset, sample: Sample) -> str:
    """The text of a picture's points file; "" where it has none."""
    file = dataset.folder / keypoints_file(sample.path)
    return files.read(file).decode() if file.exists() else ""


def placement_of(sample: Sample) -> Placement:
    """The place in which a sample stands."""
    return Placement(
        sha256=sample.sha256,
        label=sample.label,
        status=sample.status,
        reason=sample.reason,
        detail=sample.detail,
        keeper=sample.keeper,
        path=sample.path,
    )


def stage_keypoints(dataset: Dataset, sample: Sample, text: str) -> None:
    """Promise a picture's points file its new text (empty: none), to be carried out with the moves."""
    target = keypoints_file(sample.path)
    staged = f"{STAGED_LABELS}/{sample.sha256}.json"
    dataset.files.make(STAGED_LABELS)
    if text:
        dataset.files.replace(staged, text.encode(), flush=True)
        dataset.catalog.promise_move(staged, target)
    else:
        dataset.catalog.promise_move(target, f"{STAGED_LABELS}/{sample.sha256}.undone.json")
