"""Keypoints that look wrong: objects on which a model that never saw them is far off, more than it is on others."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import FoundInstance
from byod.schema.records import Record, Sha256
from byod.tasks.keypoints import evaluated_examples
from byod.tasks.keypoints.evaluated_examples import EvaluatedExample, EvaluatedInstance
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.geometry.crops import Numbers
from byod.tasks.keypoints.geometry.targets import TrueInstance
from byod.training.run_folder import short_path

LEAST = 0.1
"""The least error, in inter-ocular distances, that makes keypoints suspicious."""
SPREADS = 6.0
"""How many spreads (median absolute deviations) beyond the median an error must lie."""


class IssueKind(StrEnum):
    """The reason that an object's keypoints look wrong."""

    FAR = "far off"
    EXCHANGED = "sides exchanged"
    UNMARKED = "not marked"


_ORDER = (IssueKind.EXCHANGED, IssueKind.FAR, IssueKind.UNMARKED)


class KeypointIssue(Record):
    """An object whose keypoints are probably wrong, or a sure find where no object is marked (then `head` is None).

    `file` is the end of the picture's path. `point` is the worst point and `error` its distance from where the model
    sees it, in inter-ocular distances; for a find that is not marked they are empty and its confidence.
    """

    sha256: Sha256
    file: str
    head: int | None
    why: IssueKind
    point: str
    error: float


def find_issues(evaluated: Sequence[EvaluatedExample], points: KeypointSet) -> tuple[KeypointIssue, ...]:
    """The suspects among unseen objects: exchanged ones first, then the furthest off, then unmarked finds."""
    instances = evaluated_examples.instances_of(evaluated)
    found = [
        each for instance, error in _outliers(instances, points) if (each := _issue(instance, error, points))
    ]
    sure = sorted(instance.found.confidence for instance in instances if instance.found is not None)
    for picture in evaluated if sure else ():
        # as sure as of half of the marked objects
        found += [_unmarked(picture, f) for f in picture.extra if f.confidence >= sure[len(sure) // 2]]
    return tuple(sorted(found, key=lambda s: (_ORDER.index(s.why), -s.error)))


def _outliers(
    instances: Sequence[EvaluatedInstance], points: KeypointSet
) -> list[tuple[EvaluatedInstance, Numbers]]:
    """Objects with a point further from where the model sees it on the true crop than that point is on others.

    Beside each stand the errors of its points [K], nan where a point is no outlier: some are harder than others.
    """
    if not instances:
        return []
    errors = evaluated_examples.on_crops(instances, points).points
    for number in range(len(points.names)):
        known = errors[~np.isnan(errors[:, number]), number]
        middle = float(np.median(known)) if len(known) else 0.0
        spread = float(np.median(np.abs(known - middle))) if len(known) else 0.0
        usual = errors[:, number] <= max(LEAST, middle + SPREADS * spread)
        errors[usual, number] = np.nan
    return [(instances[at], errors[at]) for at in np.flatnonzero(~np.isnan(errors).all(axis=1))]


def _issue(instance: EvaluatedInstance, errors: Numbers, points: KeypointSet) -> KeypointIssue:
    number = int(np.nanargmax(errors))
    example = instance.truth.example
    return KeypointIssue(
        sha256=example.sha256,
        file=short_path(example.path),
        head=instance.truth.number,
        why=IssueKind.EXCHANGED if _is_exchanged(instance.truth, instance.crop, points) else IssueKind.FAR,
        point=points.names[number],
        error=float(errors[number]),
    )


def _is_exchanged(truth: TrueInstance, crop: Numbers, points: KeypointSet) -> bool:
    """True if what was found fits the keypoints once the two sides change places, and does not as they are."""
    as_marked, other = (
        metrics.measured([truth], places[None], points).nme[0]
        for places in (crop, crop[list(points.permutation)])
    )
    return bool(other <= LEAST and other < as_marked / 3)


def _unmarked(evaluated: EvaluatedExample, find: FoundInstance) -> KeypointIssue:
    example = evaluated.example
    return KeypointIssue(
        sha256=example.sha256,
        file=short_path(example.path),
        head=None,
        why=IssueKind.UNMARKED,
        point="",
        error=find.confidence,
    )
