"""From two nets to one model: the frames between them, and the score from which on a find counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from byod.schema.keypoints import Box
from byod.schema.model_card import FoundInstance
from byod.schema.records import Example
from byod.tasks.keypoints.geometry.augment import Jitter, Random, beside
from byod.tasks.keypoints.geometry.batch_feeds import MARGIN
from byod.tasks.keypoints.geometry.crops import Bytes, cut, whole
from byod.tasks.keypoints.geometry.metrics import matched
from byod.tasks.keypoints.geometry.regions import opened
from byod.tasks.keypoints.geometry.targets import eyes_rule, true_instances
from byod.tasks.keypoints.predict import Finder, FindRule
from byod.tasks.keypoints.stages import StageModels
from byod.tasks.keypoints.training_set import TrainingSet
from byod.training import onnx_model

REFINE = 1
"""How often points are looked for again in an upright frame."""
FLOOR, CEILING = 0.05, 0.95
"""Between these a threshold is chosen."""
USUAL = 0.5
"""The threshold where no validation picture says anything."""
NEARBY = 1.25
"""A threshold is as good as those are, on the mean, that differ from it by up to this factor: a few dozen objects leave
the best single one to chance."""
PARTS = 4
"""So many parts without an object are looked for in each validation picture."""
AS_IT_IS = Jitter(rotation=0, mirror=0)
MOST = 800
"""Pixels a side of a view at the most."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a whole picture: `turned` by so many degrees, in a square so many times `wider`."""

    turned: float = 0.0
    wider: float = 1.0


VIEWS = (View(), View(20, 1.2), View(-20, 1.2), View(0, 1.6))


@dataclass(frozen=True, slots=True)
class Find:
    """A find in a validation picture: how sure, whether it is an object's, and how much it counts."""

    confidence: float
    hit: bool
    weight: float = 1.0


@dataclass(frozen=True)
class KeypointModel:
    """One model: both nets, and the rule that joins them."""

    pair: StageModels
    rule: FindRule

    @cached_property
    def finder(self) -> Finder:
        """The exported files at work."""
        instances, points = (onnx_model.session(model.content) for _, model in self.pair.parts)
        return Finder(instances, points, self.rule)


def calibrate(
    pair: StageModels, marked: TrainingSet, train: Sequence[Example], valid: Sequence[Example]
) -> KeypointModel:
    """Choose the threshold on the validation pictures, and measure the upright frame on the training objects."""
    instances, points = pair.heads.fitted.input, pair.points.fitted.input
    learned = true_instances(train, marked.keypoints, marked.points)
    rule = FindRule(
        points=marked.points,
        heads_size=instances.width,
        points_size=points.width,
        threshold=FLOOR,
        margin=MARGIN,
        refine=REFINE,
        eyes=eyes_rule(learned, marked.points, MARGIN),
    )
    threshold = choose(*scores(KeypointModel(pair, rule).finder, marked, valid))
    return KeypointModel(pair, replace(rule, threshold=threshold))


def scores(finder: Finder, marked: TrainingSet, valid: Sequence[Example]) -> tuple[list[Find], int]:
    """The finds in views of the validation pictures, and in parts that show no object; and the number of objects.

    A few dozen objects as they are would say little of the harder ones, so each picture is looked at turned and smaller
    as well; a find in a view counts as a share of one.

    The parts stand for the pictures without a cat that such a set hardly ever has: together they count as much as the
    pictures themselves.

    Raises:
        TrainerError: a picture cannot be opened any more.
    """
    found: list[Find] = []
    false: list[float] = []
    there = parts = 0
    share = 1 / len(VIEWS)
    for number, example in enumerate(valid):
        keypoints = marked.keypoints[example.sha256]
        truth = true_instances([example], marked.keypoints, marked.points)
        there += len(truth)
        pixels = opened(example, keypoints.width, keypoints.height)
        for view in VIEWS:
            finds = _seen(finder, pixels, view)
            extra = matched(truth, finds, marked.points).extra
            found += [Find(find.confidence, number not in extra, share) for number, find in enumerate(finds)]
        if len(truth) == len(keypoints.heads):
            for part in _parts(pixels, [instance.box for instance in truth], np.random.default_rng(number)):
                parts += 1
                false += [find.confidence for find in finder.find(part)]
    return found + [Find(each, False, len(valid) / parts) for each in false], there


def _seen(finder: Finder, pixels: Bytes, view: View) -> list[FoundInstance]:
    """The finds in a view of a picture, in pixels of the picture."""
    height, width = pixels.shape[:2]
    frame = whole(width, height)
    frame = replace(frame, side=frame.side * view.wider, angle=math.radians(view.turned))
    size = max(1, min(MOST, round(frame.side)))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = frame.to_picture(np.array(point) / size)
        return float(x), float(y)

    def back(find: FoundInstance) -> FoundInstance:
        x0, y0, x1, y1 = find.box
        (x, y), scale = place(((x0 + x1) / 2, (y0 + y1) / 2)), frame.side / size
        across, down = (x1 - x0) / 2 * scale, (y1 - y0) / 2 * scale
        points = {name: place(at) for name, at in find.points.items()}
        return find.model_copy(update={"box": (x - across, y - down, x + across, y + down), "points": points})

    if view == View():
        return finder.find(pixels)
    return [back(find) for find in finder.find(cut(pixels, frame, size))]


def _parts(pixels: Bytes, boxes: Sequence[Box], random: Random) -> Iterator[Bytes]:
    """Squares of a picture in which hardly anything of an object is to be seen."""
    height, width = pixels.shape[:2]
    for _ in range(PARTS):
        frame = beside(np.array(boxes, np.float64).reshape(-1, 4), width, height, AS_IT_IS, random)
        if frame is not None:
            yield cut(pixels, frame, max(1, round(frame.side)))


def choose(found: Sequence[Find], there: int) -> float:
    """The threshold with the best F1 (objects found, nothing else found); in the middle of those that are as good."""
    if not there or not any(find.hit for find in found):
        return USUAL
    sure = np.array([find.confidence for find in found])
    hit = np.array([find.hit for find in found])
    weight = np.array([find.weight for find in found])
    right = weight * hit
    tried = np.geomspace(FLOOR / NEARBY, CEILING * NEARBY, 400)
    counted = sure >= tried[:, None]
    f1 = 2 * (counted @ right) / (counted @ weight + there)
    within = np.flatnonzero((tried >= FLOOR) & (tried <= CEILING))
    around = [np.abs(np.log(tried / tried[n])) <= math.log(NEARBY) for n in within]
    nearby = np.array([f1[each].mean() for each in around])
    best = within[nearby >= nearby.max() - 1e-9]
    run = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)[-1]
    return float(np.sqrt(tried[run[0]] * tried[run[-1]]))
