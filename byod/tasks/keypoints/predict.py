"""Finding objects and their points in a picture, by onnxruntime alone.

The steps, which the page in the browser repeats:

1. The whole picture, letterboxed (`crops.whole`) and cut at the size of `heads.onnx`, gives boxes and scores.
   A box counts from the threshold on; it becomes pixels of the picture, cut at the picture's border.
2. Best first, a box that overlaps a better one by more than 0.4 (intersection over union) is dropped.
3. The square around each box, `margin` times its longer side, cut at the size of `model.onnx`, gives points.
4. Where the points have eyes, `refine` times: the upright frame around them (`crops.of_eyes`; their distance counts as
   at least PROFILE times the first frame's side divided by `margin`) gives the points anew. This is left out where the
   middle between the eyes lies outside the last frame.
5. An object's confidence is the score of its box times the mean confidence of its two eyes (of all points, where there
   are none): both nets have to see it. It counts from the same threshold on.
6. Best first, an object whose middle (of the eyes, else of all points) is closer to that of a better one than a quarter
   of that one's longer side is dropped: two boxes found the same points.

Frames are laid around boxes and eyes rounded to a sixteenth of a pixel (floor(16 x + 0.5) / 16): two onnxruntimes
differ in the last bits, and in a frame that differs by as little some pixels would already come out one level higher.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np

from byod.images.decode import open_picture
from byod.images.resize import as_input
from byod.schema.errors import PictureError
from byod.schema.keypoints import Box, KeypointSet
from byod.schema.model_card import (
    EyesRule,
    FoundInstance,
    InputRule,
    KeypointsCard,
    KeypointsPrediction,
    Stage,
    Unreadable,
)
from byod.schema.names import in_utf8
from byod.schema.task_learning import Table
from byod.tasks.keypoints.geometry.crops import Bytes, Frame, Numbers, cut, of_box, of_eyes, whole
from byod.tasks.keypoints.geometry.targets import PROFILE, eyes_of
from byod.tasks.keypoints.run import MODELS, WEIGHTS, keypoints_card
from byod.training import onnx_model
from byod.training.model_runtime import OpenedModel
from byod.training.run_folder import model_file, named

OVERLAP = 0.4
SAME = 0.25
GRID = 16
IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class FindRule:
    """The rule that makes objects of two nets' outputs; sizes are sides of inputs in pixels, the rest as in a card."""

    points: KeypointSet
    heads_size: int
    points_size: int
    threshold: float
    margin: float
    refine: int = 0
    eyes: EyesRule | None = None

    @classmethod
    def of(cls, card: KeypointsCard) -> FindRule:
        """The rule that a card states."""
        return cls(
            card.points,
            card.heads.input.width,
            card.input.width,
            card.heads.threshold,
            card.heads.margin,
            card.refine,
            card.eyes,
        )


class Finder:
    """Two opened nets and the rule that joins them."""

    def __init__(self, instances: OpenedModel, points: OpenedModel, rule: FindRule) -> None:
        """See that the nets are what the rule says.

        Raises:
            ModelError: they are not.
        """
        count = len(rule.points.names)
        for opened, size, stage in (
            (instances, rule.heads_size, Stage.DETECTION),
            (points, rule.points_size, Stage.POINTS),
        ):
            onnx_model.check_stage(opened, InputRule(width=size, height=size), stage, count)
        pair = eyes_of(rule.points)
        self._seen = list(pair or range(count))
        self._pair = pair
        self._heads, self._points, self.rule = instances, points, rule

    def find(self, pixels: Bytes, threshold: float | None = None) -> list[FoundInstance]:
        """All objects in an upright picture uint8 [height, width, 3], the surest first.

        `threshold` is the least confidence of what is told; by default the rule's.
        """
        least = self.rule.threshold if threshold is None else threshold
        boxes, scores = self.boxes(pixels, least)
        frames = [of_box([_rounded(side) for side in box], self.rule.margin) for box in boxes]
        places, sure = self.points_in(pixels, frames)
        confidences = np.array(scores) * sure[:, self._seen].mean(axis=1)
        found = []
        for number in self._distinct(boxes, places, confidences, least):
            both = zip(self.rule.points.names, places[number], sure[number], strict=True)
            named = [(name, (float(x), float(y)), float(confidence)) for name, (x, y), confidence in both]
            found.append(
                FoundInstance(
                    confidence=float(confidences[number]),
                    box=boxes[number],
                    points={name: place for name, place, _ in named},
                    point_confidence={name: confidence for name, _, confidence in named},
                )
            )
        return found

    def boxes(self, pixels: Bytes, threshold: float) -> tuple[list[Box], list[float]]:
        """Steps 1 and 2: boxes (x0, y0, x1, y1) in pixels of the picture with their scores, the best first."""
        height, width = pixels.shape[:2]
        frame = whole(width, height)
        image = as_input(cut(pixels, frame, self.rule.heads_size)[None])
        found, sure = onnx_model.stage_answer(self._heads, image, Stage.DETECTION, 0)
        scores = sure[0].astype(np.float64)
        corners = frame.to_picture(found[0].astype(np.float64).reshape(-1, 2, 2))
        boxes = np.clip(corners, 0, (width, height)).reshape(-1, 4)
        order = [
            int(number)
            for number in np.argsort(-scores, kind="stable")
            if scores[number] >= threshold and _area(boxes[number]) > 0
        ]
        kept: list[int] = []
        for number in order:
            if all(overlap(boxes[number], boxes[better]) <= OVERLAP for better in kept):
                kept.append(number)
        return [_box(boxes[number]) for number in kept], [min(1.0, float(scores[number])) for number in kept]

    def points_in(self, pixels: Bytes, frames: Sequence[Frame]) -> tuple[Numbers, Numbers]:
        """Steps 3 and 4 for some frames of one picture.

        Returns:
            Points float64 [n, K, 2] in pixels of the picture, and their confidence [n, K] in 0..1.
        """
        count = len(self.rule.points.names)
        if not frames:
            return np.empty((0, count, 2)), np.empty((0, count))
        places, sure = self._once(pixels, frames)
        least = [PROFILE * frame.side / self.rule.margin for frame in frames]
        for _ in range(self.rule.refine if self.rule.eyes is not None else 0):
            upright = [self._upright(*each) for each in zip(frames, places, least, strict=True)]
            changed = [number for number, frame in enumerate(upright) if frame is not None]
            if not changed:
                break
            frames = [new or old for new, old in zip(upright, frames, strict=True)]
            places[changed], sure[changed] = self._once(pixels, [frames[number] for number in changed])
        return places, sure

    def _once(self, pixels: Bytes, frames: Sequence[Frame]) -> tuple[Numbers, Numbers]:
        images = as_input(np.stack([cut(pixels, frame, self.rule.points_size) for frame in frames]))
        found, sure = onnx_model.stage_answer(self._points, images, Stage.POINTS, len(self.rule.points.names))
        unit = found.astype(np.float64)
        places = np.stack([frame.to_picture(each) for frame, each in zip(frames, unit, strict=True)])
        return places, np.clip(sure.astype(np.float64), 0, 1)

    def _upright(self, frame: Frame, places: Numbers, least: float) -> Frame | None:
        """The next frame of an object; None where the eyes cannot be right."""
        if self._pair is None:
            return None
        left, right = places[self._pair[0]], places[self._pair[1]]
        middle = frame.to_unit((left + right) / 2)
        if self.rule.eyes is None or not ((middle >= 0) & (middle <= 1)).all():
            return None
        one, other = ((_rounded(float(x)), _rounded(float(y))) for x, y in (left, right))
        return of_eyes(one, other, self.rule.eyes, at_least=least)

    def _distinct(
        self, boxes: Sequence[Box], places: Numbers, confidences: Numbers, least: float
    ) -> list[int]:
        """Steps 5 and 6: the numbers of the objects to keep, the best first."""
        middles = places[:, self._seen].mean(axis=1)
        order = np.argsort(-confidences, kind="stable")
        kept: list[int] = []
        for number in (int(each) for each in order if confidences[each] >= least):
            if all(math.dist(middles[number], middles[k]) >= SAME * _longer(boxes[k]) for k in kept):
                kept.append(number)
        return kept


class KeypointsPredictor:
    """The model of one run folder: `heads.onnx` and `model.onnx` beside `model.json`."""

    def __init__(self, run: Path, *, threads: int = 0) -> None:
        """Open and check the three files; `threads` 0 takes one a core.

        Raises:
            ModelError: one is missing, damaged, or they do not belong together.
        """
        self.card = keypoints_card(run)
        instances = model_file(run / "heads.onnx", self.card.heads.sha256)
        points = model_file(run / "model.onnx", self.card.model_sha256)
        self._run = run
        with named(run):
            self.finder = Finder(
                onnx_model.session(instances, threads=threads),
                onnx_model.session(points, threads=threads),
                FindRule.of(self.card),
            )

    def find(self, pixels: Bytes, threshold: float | None = None) -> list[FoundInstance]:
        """All objects in an upright picture uint8 [height, width, 3], the surest first; see `Finder.find`."""
        with named(self._run):
            return self.finder.find(pixels, threshold)

    def points_in(self, pixels: Bytes, frame: Frame) -> tuple[Numbers, Numbers]:
        """The points of an object known to be in a frame: float64 [K, 2] in pixels; their confidence [K] in 0..1."""
        with named(self._run):
            places, sure = self.finder.points_in(pixels, [frame])
        return places[0], sure[0]

    def predict(
        self, pictures: Iterable[Path | tuple[str, bytes]]
    ) -> Iterator[KeypointsPrediction | Unreadable]:
        """Say of each picture, in order, which objects are in it; one that cannot be opened becomes an `Unreadable`.

        A picture is a path, or a name with the bytes themselves. A few are decoded ahead on threads.
        """
        for name, found in _opened(pictures):
            if isinstance(found, PictureError):
                yield Unreadable(path=name, reason=found.reason, error=found.detail)
                continue
            height, width = found.shape[:2]
            yield KeypointsPrediction(path=name, width=width, height=height, heads=tuple(self.find(found)))


def predictor(run: Path) -> KeypointsPredictor:
    """The model of a run."""
    return KeypointsPredictor(run)


def files(card: KeypointsCard) -> list[tuple[str, str]]:
    """Its two model files, and those of their weights."""
    return [(MODELS[stage], WEIGHTS[stage]) for stage in (Stage.POINTS, Stage.DETECTION)]


def table(predictions: Sequence[KeypointsPrediction]) -> Table:
    """A line for each object: how sure, and where its box and points are, in pixels."""
    names = list(
        dict.fromkeys(name for one in predictions for instance in one.heads for name in instance.points)
    )
    rows: list[tuple[str, ...]] = []
    for one in predictions:
        for number, instance in enumerate(one.heads, start=1):
            box = " ".join(f"{side:.0f}" for side in instance.box)
            places = (f"{x:.0f} {y:.0f}" for x, y in (instance.points[name] for name in names))
            rows.append((one.path, str(number), f"{instance.confidence:.0%}", box, *places))
        if not one.heads:
            rows.append((one.path, "none", "", "", *("" for _ in names)))
    return ("picture", "object", "sure", "box (pixels)", *names), rows


def overlap(one: Numbers, other: Numbers) -> float:
    """Intersection over union of two boxes, 0..1."""
    x0, y0 = np.maximum(one[:2], other[:2])
    x1, y1 = np.minimum(one[2:], other[2:])
    shared = max(0.0, float(x1 - x0)) * max(0.0, float(y1 - y0))
    both = _area(one) + _area(other) - shared
    return shared / both if both > 0 else 0.0


def _area(box: Numbers) -> float:
    return max(0.0, float(box[2] - box[0])) * max(0.0, float(box[3] - box[1]))


def _box(box: Numbers) -> Box:
    x0, y0, x1, y1 = (float(side) for side in box)
    return x0, y0, x1, y1


def _rounded(value: float) -> float:
    return math.floor(GRID * value + 0.5) / GRID


def _longer(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _opened(pictures: Iterable[Path | tuple[str, bytes]]) -> Iterator[tuple[str, Bytes | PictureError]]:
    """Pictures in order, upright and at full size, a few of them decoded ahead."""

    def open_one(picture: Path | tuple[str, bytes]) -> tuple[str, Bytes | PictureError]:
        name, source = (str(picture), picture) if isinstance(picture, Path) else picture
        name = in_utf8(name)
        try:
            return name, np.asarray(open_picture(source))
        except PictureError as error:
            return name, error

    waiting: deque[Future[tuple[str, Bytes | PictureError]]] = deque()
    with ThreadPoolExecutor(min(IN_FLIGHT, cpu_count() or 1)) as threads:
        for picture in pictures:
            waiting.append(threads.submit(copy_context().run, open_one, picture))
            if len(waiting) > IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
