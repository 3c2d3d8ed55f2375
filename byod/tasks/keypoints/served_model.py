"""A served model of keypoints: `byod.schema.serving.Serving` for the task keypoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from byod.images import decode
from byod.schema.keypoints import Instance, Keypoint, Keypoints, KeypointSet, is_inside
from byod.schema.model_card import EyesRule, FoundInstance, KeypointsCard, KeypointsPrediction
from byod.schema.records import Record
from byod.schema.serving import NO_PATH, InstanceTruth, Truth
from byod.tasks.keypoints import predict
from byod.tasks.keypoints.geometry.targets import PROFILE, eyes_of
from byod.tasks.keypoints.predict import KeypointsPredictor

SAME = 0.005
"""How far a point may move for two answers to be the same, in distances of the eyes."""
JUST_SO = 0.01
"""An object whose confidence is above the threshold by no more may come and go."""
_SCORES = {"heads", "found", "median", "interval", "within", "glasses", "glasses_interval"}


class ServedKeypoints:
    """A model of points: it finds objects, and the points of each; `byod.schema.serving.ServedModel`."""

    said = KeypointsPrediction

    def __init__(self, run: Path, threads: int) -> None:
        self._predictor = KeypointsPredictor(run, threads=threads)
        self.card = self._predictor.card

    def facts(self) -> Mapping[str, object]:
        """Its points, and how good it is."""
        metrics = self.card.metrics
        return {
            "points": self.card.points,
            "threshold": self.card.heads.threshold,
            "look": False,
            "metrics": {
                "measured_on": metrics.measured_on,
                "pictures": metrics.pictures,
                "crops": metrics.crops.model_dump(mode="json", include=_SCORES),
                "pipeline": metrics.pipeline.model_dump(mode="json", include=_SCORES),
            },
        }

    def answer(self, content: bytes, *, look: bool, threshold: float | None = None) -> KeypointsPrediction:
        """The objects in a picture; see `ServedModel`."""
        image, width, height = decode.opened(content)
        scale = (
            width / image.width,
            height / image.height,
        )  # of a very large picture a reduced one is looked at
        instances = self._predictor.find(np.asarray(image), threshold)
        return KeypointsPrediction(
            path=NO_PATH,
            width=width,
            height=height,
            heads=tuple(_scaled(found, *scale) for found in instances),
        )

    def truth(self, truth: Truth) -> tuple[None, Keypoints]:
        """The objects that a person marked."""
        if truth.heads is None or truth.width is None or truth.height is None or truth.label is not None:
            raise ValueError("this model is about points: send heads, and the picture's width and height")
        names = self.card.points.names
        instances = tuple(_head(instance, names, truth.width, truth.height) for instance in truth.heads)
        return None, Keypoints(width=truth.width, height=truth.height, heads=instances)


def _scaled(found: FoundInstance, across: float, down: float) -> FoundInstance:
    """The objects found in a reduced picture, in pixels of the whole one."""
    if across == down == 1:
        return found
    x0, y0, x1, y1 = found.box
    return found.model_copy(
        update={
            "box": (x0 * across, y0 * down, x1 * across, y1 * down),
            "points": {name: (x * across, y * down) for name, (x, y) in found.points.items()},
        }
    )


def _head(instance: InstanceTruth, names: tuple[str, ...], width: int, height: int) -> Instance:
    if not set(instance.points) <= set(names):
        raise ValueError("an object has a point that the model does not know")
    points = {name: _point(instance.points.get(name), width, height) for name in names}
    if not any(points.values()) and instance.box is None:
        raise ValueError("an object has neither a point nor a box")
    return Instance(points=points, box=instance.box)


def _point(place: tuple[float, float] | None, width: int, height: int) -> Keypoint | None:
    return (
        None if place is None else Keypoint(x=place[0], y=place[1], inside=is_inside(*place, width, height))
    )


def opened(run: Path, *, unsure_below: float, threads: int) -> ServedKeypoints:
    """The model of a run; it has a threshold of its own."""
    return ServedKeypoints(run, threads)


def nets(card: KeypointsCard) -> dict[str, str]:
    """Both nets."""
    return {"model": "model.onnx", "heads": "heads.onnx"}


def apart(card: KeypointsCard, answers: Sequence[tuple[KeypointsPrediction, KeypointsPrediction]]) -> float:
    """The way that the object went which moved most: 1 is half a hundredth of the distance of its eyes.

    Finds that count only just are passed over. Infinite where in a picture one found objects, surer than that, and the
    other none; and where no object was found at all, since nothing was compared then.
    """
    sure = card.heads.threshold + JUST_SO
    moved = []
    for one, other in answers:
        for mine, theirs in ((one.heads, other.heads), (other.heads, one.heads)):
            if not theirs and any(head.confidence > sure for head in mine):
                return math.inf
        moved += [
            min(_moved(card.points, head, each) for each in other.heads)
            for head in one.heads
            if other.heads and head.confidence > sure
        ]
    return max(moved) / SAME if moved else math.inf


def _moved(points: KeypointSet, one: FoundInstance, other: FoundInstance) -> float:
    """The way of the point that moved most, in distances of the eyes (of half the box, where there are none).

    Where there are eyes, they are what is looked at: by them the glasses sit.
    """
    pair = eyes_of(points)
    x0, y0, x1, y1 = one.box
    scale = max(x1 - x0, y1 - y0) / 2
    names = points.names if pair is None else [points.names[at] for at in pair]
    if pair is not None:
        scale = math.dist(*(one.points[name] for name in names))
    return max(math.dist(one.points[name], other.points[name]) for name in names) / max(scale, 1e-9)


class OfflineFinder(Record):
    """The constants for finding objects in JavaScript: `FindRule` and those of `predict`; `pair` numbers the eyes."""

    heads_size: int
    points_size: int
    threshold: float
    margin: float
    refine: int
    eyes: EyesRule | None
    pair: tuple[int, int] | None
    overlap: float = predict.OVERLAP
    same: float = predict.SAME
    grid: int = predict.GRID
    profile: float = PROFILE


def page_rule(card: KeypointsCard) -> dict[str, JsonValue]:
    """The rule by which the nets' outputs become objects and their points."""
    rule = predict.FindRule.of(card)
    return OfflineFinder(
        heads_size=rule.heads_size,
        points_size=rule.points_size,
        threshold=rule.threshold,
        margin=rule.margin,
        refine=rule.refine,
        eyes=rule.eyes,
        pair=eyes_of(card.points),
    ).model_dump(mode="json")
