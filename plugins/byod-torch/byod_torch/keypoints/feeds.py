"""The batches of one stage, to learn from and to evaluate on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from byod.plugin import (
    DetectionBatch,
    DetectionFeed,
    Example,
    Jitter,
    KeypointBatch,
    KeypointFeed,
    Run,
    Stage,
    TrainingData,
)
from byod_torch.keypoints.schedule import Plan

STILL = Jitter(rotation=0, zoom=1, shift=0, mirror=0, colour=0, blur=0)
EVALUATED = 32

Batch = KeypointBatch | DetectionBatch


class Feed:
    """The training and validation batches of one stage.

    Raises:
        TrainerError: the points have no pair of eyes, or would be mislabelled by mirroring.
    """

    def __init__(self, data: TrainingData, planned: Plan, run: Run) -> None:
        self.batch_size = planned.batch_size
        usual = Jitter()
        moving = replace(usual, mirror=usual.mirror if planned.mirror else 0)
        self.train = _feed(data, data.train, planned, run, moving if planned.augment else STILL)
        self.valid = _feed(data, data.valid, planned, run, STILL)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.train.steps(self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The training batches of one epoch, augmented; the same for the same number."""
        yield from self.train.epoch(number, self.batch_size)

    def validating(self) -> Iterator[Batch]:
        """The validation batches, as they are."""
        yield from self.valid.plain(EVALUATED)


def _feed(
    data: TrainingData, part: tuple[Example, ...], planned: Plan, run: Run, jitter: Jitter
) -> DetectionFeed | KeypointFeed:
    cache = run.cache or run.folder / "pixels"
    if planned.stage is Stage.DETECTION:
        return DetectionFeed(
            part, data.keypoints, planned.size,
            seed=run.seed, jitter=jitter, cache=cache, cache_mb=run.cache_mb, say=run.say,
        )  # fmt: skip
    assert data.points is not None
    return KeypointFeed(
        part, data.keypoints, data.points, planned.size,
        seed=run.seed, jitter=jitter, cache=cache, cache_mb=run.cache_mb, say=run.say,
    )  # fmt: skip
