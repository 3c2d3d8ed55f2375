"""Rounds of a review taken back: what their pulls changed stands as before, and the log says so."""

from __future__ import annotations

from datetime import UTC, datetime

from byod.dataset.catalog.reviews import Before
from byod.dataset.catalog.verdicts import UNDO
from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import STAGED_LABELS
from byod.dataset.placement import place_samples
from byod.schema.errors import UsageError
from byod.schema.keypoints import keypoints_file
from byod.schema.progress import Say
from byod.schema.records import Record, Sample, Status, Verdict


class Undone(Record):
    """A pull taken back: when it was, how many pictures stand as before, and how many were changed since."""

    at: datetime
    pictures: int
    changed_since: int


def undo(dataset: Dataset, say: Say) -> Undone:
    """Take the last pull back: the files stand where they stood, the log says so, the answers stay in it.

    A picture that somebody annotated again since then stays where it is now.

    Raises:
        UsageError: there is no pull to undo.
    """
    catalog = dataset.catalog
    last = catalog.reviews.last_pull()
    if last is None:
        raise UsageError(f"{dataset.folder}: there is no pull to undo")
    number, at = last
    now = datetime.now(UTC)
    back = later = 0
    with dataset.changing():
        holding = catalog.verdicts.numbered()
        for before in catalog.reviews.before(number):
            sample = catalog.samples.get(before.sha256)
            if sample is None or holding.get(before.sha256, (0,))[0] > before.last:
                later += 1
                continue
            _put_back(dataset, sample, before, now)
            back += 1
        catalog.reviews.undo(number)
        place_samples(dataset)
    if later:
        say(f"{later} pictures were annotated again since then, and stay as they are")
    return Undone(at=at, pictures=back, changed_since=later)


def _put_back(dataset: Dataset, sample: Sample, before: Before, now: datetime) -> None:
    was = before.placement
    label = was.label if was.status is Status.KEPT else None
    dataset.catalog.verdicts.add(
        [Verdict(sha256=sample.sha256, label=label, who=UNDO, when=now, note=f"#{before.verdict}")]
    )
    if before.keypoints is not None:
        stage_keypoints(dataset, sample, before.keypoints)
    if sample.path:
        free = was.path == sample.path or not (dataset.folder / was.path).exists()
        dataset.place([was if free else was.model_copy(update={"path": ""})])


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
