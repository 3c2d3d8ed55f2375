"""Measure how well heads and their points are found: errors in distances of the eyes, and what follows from them.

Throughout, N heads and K points; places are pixels of the upright picture. The error of a point is its distance from
the true one, divided by the distance of the true eyes (inter-ocular distance, IOD). Only points that are marked and
inside the picture count, and only heads of which both eyes are. A head that was missed has infinite errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import HeadFound, KeypointScore, KeypointsScore
from byod.tasks.keypoints.geometry.crops import Numbers, of_box
from byod.tasks.keypoints.geometry.targets import TrueHead, eyes_of
from byod.training import statistics

FAILED = 0.1
"""An error beyond which a point, or a head on the mean of its points, is a failure."""

AREA = 0.08
"""The error up to which the area under the cumulated errors is taken."""

CENTRE, DEGREES, SCALE = 0.1, 5.0, 0.15
"""What glasses may be off by: in IOD, in degrees, and as a share of their size."""

REACH = 0.5
"""A find belongs to a true head if their centres are closer than this, in longer sides of the true head's box."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of each head.

    `points` float64 [N, K]: errors in IOD, nan where a point does not count, inf for a missed head; `nme` [N] their
    mean over the points that count; `worst_eye` [N] the larger error of the two eyes; `glasses` bool [N]: whether
    glasses would sit, that is the middle of the eyes is within 0.1 IOD, their angle within 5 degrees, and their
    distance within 15 %.
    """

    points: Numbers
    nme: Numbers
    worst_eye: Numbers
    glasses: Flags

    def of(self, chosen: NDArray[np.int64] | Flags) -> Errors:
        """Some of the heads, by number or by flag."""
        return Errors(self.points[chosen], self.nme[chosen], self.worst_eye[chosen], self.glasses[chosen])


@dataclass(frozen=True, slots=True)
class Matched:
    """The finds that belong to the true heads of one picture.

    `numbers` gives for each true head that of its find (None: missed); `extra` the numbers of the finds of no head.
    """

    numbers: tuple[int | None, ...]
    extra: tuple[int, ...]


def measurable(heads: Sequence[TrueHead], points: KeypointSet) -> tuple[TrueHead, ...]:
    """The heads whose eyes are both marked, inside the picture, and at least a pixel apart."""
    left, right = eyes_of(points)
    return tuple(
        head
        for head in heads
        if head.known[left]
        and head.known[right]
        and float(np.hypot(*(head.points[left] - head.points[right]))) >= 1
    )


def measured(heads: Sequence[TrueHead], found: Numbers, points: KeypointSet) -> Errors:
    """Compare measurable heads with what was found: float64 [N, K, 2], nan all over for a missed head."""
    left, right = eyes_of(points)
    count = len(points.names)
    truth = np.array([head.points for head in heads], np.float64).reshape(-1, count, 2)
    known = np.array([head.known for head in heads], np.bool_).reshape(-1, count)
    missed = np.isnan(found).all(axis=(1, 2))
    apart = np.hypot(*(truth[:, right] - truth[:, left]).T)
    away = np.hypot(*np.moveaxis(found - truth, -1, 0)) / apart[:, None]
    # what counts and has no number was missed
    errors = np.where(known, np.where(np.isnan(away), np.inf, away), np.nan)
    nme = np.where(missed, np.inf, np.nansum(errors, axis=1) / np.maximum(known.sum(axis=1), 1))
    eyes = errors[:, [left, right]]
    return Errors(
        errors, nme, eyes.max(axis=1), glasses_sit(truth[:, [left, right]], found[:, [left, right]])
    )


def glasses_sit(truth: Numbers, found: Numbers) -> Flags:
    """True if glasses laid on the found eyes would sit on the true ones; both float64 [N, 2, 2], left eye first."""
    (true_x, true_y), (x, y) = (np.moveaxis(each[:, 1] - each[:, 0], -1, 0) for each in (truth, found))
    apart, said = np.hypot(true_x, true_y), np.hypot(x, y)
    off = np.hypot(*(found.mean(axis=1) - truth.mean(axis=1)).T)
    turned = np.degrees(np.abs(np.arctan2(true_x * y - true_y * x, true_x * x + true_y * y)))
    # comparisons with nan (a missed head) are false
    return np.asarray(
        (off <= CENTRE * apart) & (turned <= DEGREES) & (np.abs(said - apart) <= SCALE * apart), np.bool_
    )


def score(errors: Errors, groups: Sequence[str], points: KeypointSet, *, seed: int = 0) -> KeypointsScore:
    """Sum up the errors of at least one head; `groups` [N] are the heads' duplicate groups."""
    nme, found = errors.nme, np.isfinite(errors.nme)
    counted = ~np.isnan(errors.points)
    low, high = median_interval(nme, groups, seed=seed)
    return KeypointsScore(
        heads=len(nme),
        found=int(found.sum()),
        median=_finite(_median(nme)),
        interval=(_finite(low), _finite(high)),
        mean=_mean(nme[found]),
        pck=float((errors.points[counted] <= FAILED).mean()),
        fr=float((nme > FAILED).mean()),
        auc=float(np.clip(1 - nme / AREA, 0, 1).mean()),
        worst_eye=_finite(_median(errors.worst_eye[found])),
        glasses=float(errors.glasses.mean()),
        glasses_interval=statistics.interval(errors.glasses, groups, seed=seed),
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


def mean_face(heads: Sequence[TrueHead], points: KeypointSet, margin: float) -> Numbers:
    """The mean place of each point in the true frames of training heads: [K, 2] in 0..1; 0.5 without any."""
    total, count = np.zeros((len(points.names), 2)), np.zeros((len(points.names), 1))
    for head in heads:
        unit = of_box(head.box, margin).to_unit(head.points)
        total += np.where(head.known[:, None], np.nan_to_num(unit), 0)
        count += head.known[:, None]
    return np.where(count > 0, total / np.maximum(count, 1), 0.5)


def mean_faces(heads: Sequence[TrueHead], mean: Numbers, margin: float) -> Numbers:
    """The mean face laid into each true frame, in pixels [N, K, 2]: what the crop alone already tells."""
    return np.array([of_box(head.box, margin).to_picture(mean) for head in heads]).reshape(-1, *mean.shape)


def matched(heads: Sequence[TrueHead], found: Sequence[HeadFound], points: KeypointSet) -> Matched:
    """Give each true head of one picture the find that is nearest to it, nearest pairs first.

    The centre of a head is the middle between its eyes; that of its box where its true eyes are not both known. A find
    further away than half the longer side of the head's box is not of that head.
    """
    pair = eyes_of(points)
    names = [points.names[number] for number in pair]
    distances = []
    for number, head in enumerate(heads):
        x0, y0, x1, y1 = head.box
        known = head.known[list(pair)].all()
        centre = head.points[list(pair)].mean(axis=0) if known else np.array(((x0 + x1) / 2, (y0 + y1) / 2))
        for other, find in enumerate(found):
            middle = np.array([find.points[name] for name in names]).mean(axis=0)
            distance = float(np.hypot(*(middle - centre)))
            if distance <= REACH * max(x1 - x0, y1 - y0):
                distances.append((distance, number, other))
    given: dict[int, int] = {}
    for _, number, other in sorted(distances):
        if number not in given and other not in given.values():
            given[number] = other
    extra = tuple(other for other in range(len(found)) if other not in given.values())
    return Matched(tuple(given.get(number) for number in range(len(heads))), extra)


def places(found: HeadFound | None, points: KeypointSet) -> Numbers:
    """The points of a find in their order, float64 [K, 2]; nan all over for a missed head."""
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
