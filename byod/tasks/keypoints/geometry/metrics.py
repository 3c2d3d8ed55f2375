"""Measure how well objects and their points are found: errors in sizes of the object, and what follows from them.

Throughout, N objects and K points; places are pixels of the upright picture. The error of a point is its distance from
the true one, divided by the size of the object: the true distance of the two points that the set names
(`KeypointSet.measured_by`), else the diagonal of its box. Only points that are marked and inside the picture count, and
only objects that have a size. An object that was missed has infinite errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import FoundInstance, KeypointScore, KeypointsScore
from byod.tasks.keypoints.geometry.crops import Numbers, of_box
from byod.tasks.keypoints.geometry.targets import TrueInstance, eyes_of
from byod.training import statistics

FAILED = 0.1
"""An error beyond which a point, or an object on the mean of its points, is a failure."""

AREA = 0.08
"""The error up to which the area under the cumulated errors is taken."""

CENTRE, DEGREES, SCALE = 0.1, 5.0, 0.15
"""What glasses may be off by: in distances of the eyes, in degrees, and as a share of their size."""

REACH = 0.5
"""A find belongs to a true object if their centres are closer than this, in longer sides of the true one's box."""

SIGMAS = {
    "nose": 0.026,
    **dict.fromkeys(("left_eye", "right_eye"), 0.025),
    **dict.fromkeys(("left_ear", "right_ear"), 0.035),
    **dict.fromkeys(("left_shoulder", "right_shoulder"), 0.079),
    **dict.fromkeys(("left_elbow", "right_elbow"), 0.072),
    **dict.fromkeys(("left_wrist", "right_wrist"), 0.062),
    **dict.fromkeys(("left_hip", "right_hip"), 0.107),
    **dict.fromkeys(("left_knee", "right_knee"), 0.087),
    **dict.fromkeys(("left_ankle", "right_ankle"), 0.089),
}
"""How far apart people mark COCO's points, in roots of the object's area (https://cocodataset.org/#keypoints-eval)."""
SIGMA = 0.05
"""The same of all other points, for which nobody has measured it."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of each object.

    `points` float64 [N, K]: errors in sizes of the object, nan where a point does not count, inf for a missed object;
    `nme` [N] their mean over the points that count. `oks` [N] is COCO's object keypoint similarity, 0..1. Where the
    points have eyes, `worst_eye` [N] is the larger error of the two, and `glasses` bool [N] says whether glasses would
    sit: the middle of the eyes is within 0.1 of their distance, their angle within 5 degrees, and their distance within
    15 %; else both are None.
    """

    points: Numbers
    nme: Numbers
    oks: Numbers
    worst_eye: Numbers | None = None
    glasses: Flags | None = None

    @property
    def achieved(self) -> Flags:
        """Bool [N]: whether an object is found well: glasses would sit, or (without eyes) its error is within 0.1."""
        return self.nme <= FAILED if self.glasses is None else self.glasses

    def of(self, chosen: NDArray[np.int64] | Flags) -> Errors:
        """Some of the objects, by number or by flag."""
        worst = None if self.worst_eye is None else self.worst_eye[chosen]
        sit = None if self.glasses is None else self.glasses[chosen]
        return Errors(self.points[chosen], self.nme[chosen], self.oks[chosen], worst, sit)


@dataclass(frozen=True, slots=True)
class Matched:
    """The finds that belong to the true objects of one picture.

    `numbers` gives for each true object that of its find (None: missed); `extra` the numbers of the finds of no object.
    """

    numbers: tuple[int | None, ...]
    extra: tuple[int, ...]


def measurable(instances: Sequence[TrueInstance], points: KeypointSet) -> tuple[TrueInstance, ...]:
    """The objects that have a point to measure, and a size to measure it by: at least a pixel."""
    return tuple(
        instance
        for instance, size in zip(instances, sizes(instances, points), strict=True)
        if size >= 1 and instance.known.any()
    )


def sizes(instances: Sequence[TrueInstance], points: KeypointSet) -> Numbers:
    """The lengths that the errors of each object are divided by, in pixels: float64 [N]; nan where it is not known."""
    pair = points.measured_by
    if pair is None:
        boxes = np.array([instance.box for instance in instances], np.float64).reshape(-1, 4)
        return np.asarray(np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))
    known = np.array([instance.known[list(pair)].all() for instance in instances], np.bool_)
    ends = np.array([instance.points[list(pair)] for instance in instances], np.float64).reshape(-1, 2, 2)
    return np.where(known, np.hypot(*(ends[:, 1] - ends[:, 0]).T), np.nan)


def measured(instances: Sequence[TrueInstance], found: Numbers, points: KeypointSet) -> Errors:
    """Compare measurable objects with what was found: float64 [N, K, 2], nan all over for a missed one."""
    count = len(points.names)
    truth = np.array([instance.points for instance in instances], np.float64).reshape(-1, count, 2)
    known = np.array([instance.known for instance in instances], np.bool_).reshape(-1, count)
    missed = np.isnan(found).all(axis=(1, 2))
    away = np.hypot(*np.moveaxis(found - truth, -1, 0))
    parts = away / sizes(instances, points)[:, None]
    # what counts and has no number was missed
    errors = np.where(known, np.where(np.isnan(parts), np.inf, parts), np.nan)
    nme = np.where(missed, np.inf, np.nansum(errors, axis=1) / np.maximum(known.sum(axis=1), 1))
    alike = similarity(instances, np.where(np.isnan(away), np.inf, away), known, points)
    pair = eyes_of(points)
    if pair is None:
        return Errors(errors, nme, alike)
    eyes = list(pair)
    sit = glasses_sit(truth[:, eyes], found[:, eyes])
    return Errors(errors, nme, alike, errors[:, eyes].max(axis=1), sit)


def similarity(
    instances: Sequence[TrueInstance], away: Numbers, known: Flags, points: KeypointSet
) -> Numbers:
    """COCO's object keypoint similarity of each object, 0..1: float64 [N]; `away` [N, K] are distances in pixels.

    The mean over the points that count of exp(-d² / (2 s² k²)), with s² the area of the object's box and k twice the
    point's sigma (https://cocodataset.org/#keypoints-eval).
    """
    boxes = np.array([instance.box for instance in instances], np.float64).reshape(-1, 4)
    area = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-9)
    spread = 2 * np.array([SIGMAS.get(name, SIGMA) for name in points.names])
    near = np.exp(-(away**2) / (2 * area[:, None] * spread**2))
    return np.asarray((near * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def glasses_sit(truth: Numbers, found: Numbers) -> Flags:
    """True if glasses laid on the found eyes would sit on the true ones; both float64 [N, 2, 2], left eye first."""
    (true_x, true_y), (x, y) = (np.moveaxis(each[:, 1] - each[:, 0], -1, 0) for each in (truth, found))
    apart, said = np.hypot(true_x, true_y), np.hypot(x, y)
    off = np.hypot(*(found.mean(axis=1) - truth.mean(axis=1)).T)
    turned = np.degrees(np.abs(np.arctan2(true_x * y - true_y * x, true_x * x + true_y * y)))
    # comparisons with nan (a missed object) are false
    return np.asarray(
        (off <= CENTRE * apart) & (turned <= DEGREES) & (np.abs(said - apart) <= SCALE * apart), np.bool_
    )


def score(errors: Errors, groups: Sequence[str], points: KeypointSet, *, seed: int = 0) -> KeypointsScore:
    """Sum up the errors of at least one object; `groups` [N] are their duplicate groups."""
    nme, found = errors.nme, np.isfinite(errors.nme)
    counted = ~np.isnan(errors.points)
    low, high = median_interval(nme, groups, seed=seed)
    worst, sit = errors.worst_eye, errors.glasses
    return KeypointsScore(
        heads=len(nme),
        found=int(found.sum()),
        median=_finite(_median(nme)),
        interval=(_finite(low), _finite(high)),
        mean=_mean(nme[found]),
        pck=float((errors.points[counted] <= FAILED).mean()),
        fr=float((nme > FAILED).mean()),
        auc=float(np.clip(1 - nme / AREA, 0, 1).mean()),
        oks=None if np.isnan(errors.oks).any() else float(errors.oks.mean()),
        within=float((nme <= FAILED).mean()),
        within_interval=statistics.interval(nme <= FAILED, groups, seed=seed),
        worst_eye=None if worst is None else _finite(_median(worst[found])),
        glasses=None if sit is None else float(sit.mean()),
        glasses_interval=None if sit is None else statistics.interval(sit, groups, seed=seed),
        per_point={
            name: _point_score(errors.points[counted[:, number], number])
            for number, name in enumerate(points.names)
        },
    )


def median_interval(errors: Numbers, groups: Sequence[str], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a median: percentiles of a bootstrap over groups of near-duplicates; may be infinite."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(errors, kind="stable")
    sorted_errors, member = errors[order], member[order]
    random = np.random.default_rng(seed)
    medians = []
    for _ in range(statistics.RESAMPLES):
        times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
        until = np.cumsum(times[member])
        medians.append(sorted_errors[np.searchsorted(until, until[-1] / 2)])
    # no interpolation: the mean of a number and infinity would be infinite
    low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def mean_face(instances: Sequence[TrueInstance], points: KeypointSet, margin: float) -> Numbers:
    """The mean place of each point in the true frames of training objects: [K, 2] in 0..1; 0.5 without any."""
    total, count = np.zeros((len(points.names), 2)), np.zeros((len(points.names), 1))
    for instance in instances:
        unit = of_box(instance.box, margin).to_unit(instance.points)
        total += np.where(instance.known[:, None], np.nan_to_num(unit), 0)
        count += instance.known[:, None]
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)


def mean_faces(instances: Sequence[TrueInstance], mean: Numbers, margin: float) -> Numbers:
    """The mean face laid into each true frame, in pixels [N, K, 2]: what the crop alone already tells."""
    return np.array([of_box(instance.box, margin).to_picture(mean) for instance in instances]).reshape(
        -1, *mean.shape
    )


def matched(
    instances: Sequence[TrueInstance], found: Sequence[FoundInstance], points: KeypointSet
) -> Matched:
    """Give each true object of one picture the find that is nearest to it, nearest pairs first.

    The centre of an object is the middle between its eyes, where the points have some; else, or where the true ones are
    not both known, that of its box. A find further away than half the longer side of the box is not of that object.
    """
    pair = eyes_of(points)
    distances = []
    for number, instance in enumerate(instances):
        x0, y0, x1, y1 = instance.box
        eyes = list(pair) if pair is not None and instance.known[list(pair)].all() else []
        centre = instance.points[eyes].mean(axis=0) if eyes else np.array(((x0 + x1) / 2, (y0 + y1) / 2))
        for other, find in enumerate(found):
            distance = float(np.hypot(*(_centre(find, pair, points) - centre)))
            if distance <= REACH * max(x1 - x0, y1 - y0):
                distances.append((distance, number, other))
    given: dict[int, int] = {}
    for _, number, other in sorted(distances):
        if number not in given and other not in given.values():
            given[number] = other
    extra = tuple(other for other in range(len(found)) if other not in given.values())
    return Matched(tuple(given.get(number) for number in range(len(instances))), extra)


def _centre(find: FoundInstance, pair: tuple[int, int] | None, points: KeypointSet) -> Numbers:
    """The middle between the eyes of a find; that of its box where the points have none."""
    corners: Numbers
    if pair is None:
        corners = np.array(find.box, np.float64).reshape(2, 2)
    else:
        corners = np.array([find.points[points.names[at]] for at in pair], np.float64)
    return np.asarray(corners.mean(axis=0))


def places(found: FoundInstance | None, points: KeypointSet) -> Numbers:
    """The points of a find in their order, float64 [K, 2]; nan all over for a missed object."""
    if found is None:
        return np.full((len(points.names), 2), np.nan)
    return np.array([found.points[name] for name in points.names], np.float64)


def _point_score(errors: Numbers) -> KeypointScore:
    found = errors[np.isfinite(errors)]
    return KeypointScore(
        heads=len(errors),
        median=_finite(_median(found)),
        mean=_mean(found),
        pck=float((errors <= FAILED).mean()) if len(errors) else 0.0,
    )


def _median(values: Numbers) -> float:
    """The median; infinite where it lies at or beyond the first infinite value."""
    if not len(values):
        return float("inf")
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float((low + high) / 2)


def _mean(values: Numbers) -> float | None:
    return float(values.mean()) if len(values) else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
