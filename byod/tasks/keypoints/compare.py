"""Models for keypoints side by side: `byod.schema.task_learning.Comparing` for the task keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from byod.schema.model_card import KeypointsCard, Paired
from byod.schema.run_comparison import KeypointsComparison, KeypointsContender
from byod.schema.task_learning import Table
from byod.tasks.keypoints import evaluated_examples
from byod.tasks.keypoints.evaluated_examples import PredictionRow
from byod.tasks.keypoints.evaluation import rate
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.report import compare_page
from byod.training import statistics

counted = "objects"
page = compare_page.page


def unlike(card: KeypointsCard, other: KeypointsCard) -> str:
    """Say why two runs cannot be compared."""
    if card.points.names == other.points.names:
        return ""
    return f"one finds {', '.join(other.points.names)}, and the other {', '.join(card.points.names)}"


def lines(run: Path, card: KeypointsCard) -> dict[tuple[str, int], PredictionRow]:
    """The lines of a run by picture, and the number of the object in it."""
    return {(line.sha256, line.head): line for line in evaluated_examples.read_predictions(run, card.points)}


def parameters(card: KeypointsCard) -> int:
    """Of both nets."""
    return card.parameters + card.heads.parameters


def evaluated(
    card: KeypointsCard, lines: Sequence[PredictionRow], truth: Sequence[PredictionRow]
) -> Sequence[PredictionRow]:
    """The errors that a run wrote down: they hold for the keypoints of its own time."""
    return lines


def contender(
    entrant: Mapping[str, Any], card: KeypointsCard, evaluated: Sequence[PredictionRow]
) -> KeypointsContender:
    """One run by its errors, either way."""
    groups = [line.group for line in evaluated]
    crops, pipeline = (
        metrics.score(evaluated_examples.errors_of(evaluated, card.points, crops=way), groups, card.points)
        for way in (True, False)
    )
    return KeypointsContender(**entrant, crops=crops, pipeline=pipeline, reviewed=card.reviewed)


def paired(card: KeypointsCard, first: Sequence[PredictionRow], second: Sequence[PredictionRow]) -> Paired:
    """Test whether one model finds more objects of whole pictures well than the other."""
    one, other = (
        evaluated_examples.errors_of(some, card.points, crops=False).achieved for some in (first, second)
    )
    return statistics.paired(one, other, [line.group for line in first])


def comparison(card: KeypointsCard, number: int, fields: Mapping[str, Any]) -> KeypointsComparison:
    """The record of a comparison."""
    return KeypointsComparison(points=card.points.names, heads=number, **fields)


def table(comparison: KeypointsComparison) -> tuple[str, Table]:
    """The number of objects that each run finds well, and how far points are off."""
    rows = [
        (
            rate(one.pipeline.achieved[0]),
            "–".join(rate(end) for end in one.pipeline.achieved[1]),
            rate(one.crops.achieved[0]),
            rate(one.crops.median),
            "–".join(rate(end) for end in one.crops.interval),
        )
        for one in comparison.runs
    ]
    well = "found within 0.1" if comparison.runs[0].pipeline.glasses is None else "glasses"
    head = (f"{well}, whole pictures", "95 %", f"{well}, true crops", "error, true crops", "95 %")
    return f"{comparison.heads} objects", (head, rows)
