"""The two nets of one model: each learned through the seam, compared with its export, and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byod.images.resize import as_input
from byod.schema.errors import TrainerError
from byod.schema.records import Example, Task
from byod.schema.version import VERSION
from byod.tasks.keypoints import verification
from byod.tasks.keypoints.geometry.batch_feeds import DetectionFeed, KeypointFeed
from byod.tasks.keypoints.training_set import TrainingSet
from byod.training import finished_model, onnx_model
from byod.training.fit import Finished, Model, Work, name_of
from byod.training.fit import fit as fit_model
from byod.training.protocol import Floats, Run, Stage, Trained, TrainingData

APART = 1e-3
"""Scores closer than this may change places in the export; boxes are compared where they are further apart."""
SEEN = 0.01
"""The least score of a box that is compared: nobody looks at those below."""


@dataclass(frozen=True)
class StageModels:
    """Both nets of a model."""

    heads: Model
    points: Model

    @property
    def parts(self) -> tuple[tuple[Stage, Model], ...]:
        """In the order in which they learned."""
        return (Stage.DETECTION, self.heads), (Stage.POINTS, self.points)


def fit(
    work: Work, marked: TrainingSet, train: tuple[Example, ...], valid: tuple[Example, ...], part: str = ""
) -> StageModels:
    """Train both nets, or take what an earlier, killed run finished for this part ("fold 2/5"; "": the whole).

    Raises:
        TrainerError: the trainer cannot train this, or what it exports is not what it trained.
    """
    instances, points = (_fit(work, marked, train, valid, part, stage) for stage in Stage)
    return StageModels(instances, points)


def _fit(
    work: Work,
    marked: TrainingSet,
    train: tuple[Example, ...],
    valid: tuple[Example, ...],
    part: str,
    stage: Stage,
) -> Model:
    data = TrainingData(
        task=Task.KEYPOINTS,
        train=train,
        valid=valid,
        stage=stage,
        points=marked.points,
        keypoints=marked.keypoints_of((*train, *valid)),
    )

    def finish(trained: Trained, run: Run, target: Path) -> Finished:
        worst = parity(trained, data, run)
        look = verification.learned(data, trained.input.width, run) if stage is Stage.POINTS else None
        metadata = {"byod": VERSION, "stage": stage.value, "points": "\n".join(marked.points.names)}
        gate = None if look is None else look.gate
        return Finished(
            sha256=finished_model.finish_stage(trained.onnx, target, metadata=metadata, gate=gate),
            typicality=None if look is None else look.measured,
            parity=worst,
        )

    called = f"{part} {stage}".strip()
    return fit_model(work, data, called, name_of(called), finish)


def parity(trained: Trained, data: TrainingData, run: Run) -> float:
    """By how much the exported file differs from the trained net on all validation pictures.

    Raises:
        TrainerError: it is more than 1e-4 of the scale of an output.
        ModelError: it is not a file of this stage.
    """
    assert data.stage is not None
    assert data.points is not None
    opened = onnx_model.session(trained.onnx.read_bytes(), trained=True)
    onnx_model.check_stage(opened, trained.input, data.stage, len(data.points.names))
    worst = 0.0
    for images in valid_images(data, trained.input.width, run):
        said = trained.outputs(images)
        worst = max(worst, difference(data.stage, said, onnx_model.outputs(opened, images)))
    if worst >= onnx_model.PARITY:
        raise TrainerError(
            f"the exported model ({data.stage}) differs from the trained one by {worst:.1e} (allowed: "
            f"{onnx_model.PARITY:.0e}); {trained.arch} cannot be exported faithfully, choose another architecture"
        )
    return worst


def valid_images(data: TrainingData, size: int, run: Run) -> Iterator[Floats]:
    """The validation pictures of a stage as its net sees them: float32 [N, 3, size, size] in batches."""
    assert data.points is not None
    if data.stage is Stage.DETECTION:
        for whole in DetectionFeed(data.valid, data.keypoints, size, cache=run.cache).plain(32):
            yield as_input(whole.images)
    else:
        for instances in KeypointFeed(data.valid, data.keypoints, data.points, size, cache=run.cache).plain(
            32
        ):
            yield as_input(instances.images)


def difference(stage: Stage, trained: Mapping[str, Floats], exported: Mapping[str, Floats]) -> float:
    """The largest difference of what a net and its export say, relative to the scale of each output (at least 1).

    Boxes are in the order of their scores, so they are compared where these tell them apart.

    Raises:
        TrainerError: an output is missing, of another shape, or not finite.
    """
    names = onnx_model.OUTPUTS[stage]
    if missing := [name for name in names if name not in trained]:
        raise TrainerError(
            f"the trained model gives no {missing[0]}; Trained.outputs must name {' and '.join(names)}"
        )
    first, second = (np.asarray(trained[name], np.float32) for name in names)
    others = exported[names[0]], exported[names[1]]
    if stage is Stage.DETECTION and first.shape == others[0].shape:
        told = _distinct(second)
        first, others = first * told[..., None], (others[0] * told[..., None], others[1])
    return max(onnx_model.difference(a, b) for a, b in zip((first, second), others, strict=True))


def _distinct(scores: Floats) -> Floats:
    """float32 [N, Q]: 1 where a score is further from its neighbours than `APART`, and seen at all; else 0."""
    away = np.pad(np.abs(np.diff(scores, axis=1)), ((0, 0), (1, 1)), constant_values=1.0)
    told = (away[:, :-1] > APART) & (away[:, 1:] > APART) & (scores >= SEEN)
    return told.astype(np.float32)
