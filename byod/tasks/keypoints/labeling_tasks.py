"""What people are asked about keypoints: `byod.schema.review.Reviewing` for the task keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from byod.schema.errors import UsageError
from byod.schema.keypoints import Keypoints, keypoints_file, read_keypoints
from byod.schema.progress import Say
from byod.schema.records import Snapshot
from byod.schema.review_tasks import Kind, Purpose, ReviewContext, ReviewTask


def review_tasks(context: ReviewContext, say: Say) -> Iterator[tuple[Purpose, list[ReviewTask]]]:
    """The points of every picture.

    Raises:
        UsageError: suspects or uncertain pictures are asked for, which are about labels.
    """
    if context.issues is not None or context.uncertain:
        raise UsageError("--suspects and --uncertain are about labels, and this dataset is about points")
    snapshot = context.snapshot
    read = {s.sha256: read_keypoints(snapshot.folder / keypoints_file(s.path)) for s in snapshot.kept}
    keypoints = {sha256: one for sha256, one in read.items() if one is not None}
    yield Purpose.POINTS, points(snapshot, keypoints, last_verdict=context.last_verdict)


def points(snapshot: Snapshot, keypoints: Mapping[str, Keypoints], *, last_verdict: int) -> list[ReviewTask]:
    """Are the points right? All kept pictures of a keypoints dataset; those without any points look wrong."""
    return [
        ReviewTask(
            sample=sample,
            label=snapshot.classes[sample.label],
            kind=Kind.POINTS,
            suspicion=0.0 if sample.sha256 in keypoints else 1.0,
            keypoints=keypoints.get(sample.sha256),
            last_verdict=last_verdict,
        )
        for sample in snapshot.kept
    ]
