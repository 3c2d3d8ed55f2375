"""A model for points on marked pictures from elsewhere, or on its dataset's test pictures as they are marked now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from byod.schema.errors import TrainerError, UsageError
from byod.schema.keypoints import Keypoints
from byod.schema.model_card import KeypointsCard, KeypointsMetrics, KeypointsScore, Measured, Unreadable
from byod.schema.records import Example, Record, Sha256
from byod.tasks.keypoints import evaluate
from byod.tasks.keypoints.evaluate import EvaluatedExample
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.training_set import TrainingSet
from byod.training import run_folder


class KeypointsEvaluation(Record):
    """An evaluation of a run for points on other pictures; `baseline` is its mean face there.

    `learned` counts pictures that it was trained on, `unmarked` those whose points nobody marked (all left out).
    """

    run: str
    on: str
    metrics: KeypointsMetrics
    baseline: KeypointsScore
    learned: int
    unmarked: int
    unreadable: tuple[Unreadable, ...]


def evaluate_run(
    run: Path, examples: Sequence[Example], keypoints: Mapping[Sha256, Keypoints], on: str
) -> tuple[KeypointsEvaluation, list[EvaluatedExample], KeypointsCard]:
    """Ask the run's model about marked pictures; points that it does not know are left out.

    Raises:
        ModelError: the run cannot be read.
        UsageError: no picture is left to measure on.
    """
    predictor = KeypointsPredictor(run)
    card = predictor.card
    seen = run_folder.trained_on(run_folder.read_examples(run))
    fresh = [e for e in examples if e.sha256 not in seen]
    kept = tuple(e for e in fresh if e.sha256 in keypoints)
    learned, unmarked = len(examples) - len(fresh), len(fresh) - len(kept)
    marked = TrainingSet(kept, keypoints, card.points)
    where = on or "the dataset"
    if not kept or not marked.measured(kept):
        raise UsageError(_nothing(where, on, learned, kept))
    try:
        evaluated, unreadable = evaluate.evaluate(predictor.finder, np.array(card.mean_face), marked, kept)
    except TrainerError as error:
        raise UsageError(str(error)) from error
    measured_on = Measured.FOLDER if on else Measured.TEST
    metrics, baseline = evaluate.measure(
        evaluated, unreadable, card.points, seed=card.seed, measured_on=measured_on
    )
    found = KeypointsEvaluation(
        run=str(run),
        on=on,
        metrics=metrics,
        baseline=baseline,
        learned=learned,
        unmarked=unmarked,
        unreadable=tuple(unreadable),
    )
    return found, evaluated, card


def _nothing(where: str, on: str, learned: int, kept: Sequence[Example]) -> str:
    if kept:
        return f"no head in {where} has both its eyes marked; there is nothing to measure errors by"
    if learned:
        return f"the model has learned from all {learned} pictures of {where}; it takes others to measure it"
    if on:
        return f"no picture of {where} has its points marked"
    return f"{where} has no test pictures with points; name another dataset of keypoints"
