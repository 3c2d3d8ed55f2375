"""A model for keypoints on marked pictures from elsewhere, or on its dataset's test pictures as they are marked now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byod.schema.model_card import KeypointsCard, KeypointsElsewhere, KeypointsMetrics, KeypointsScore
from byod.schema.task_learning import Table
from byod.tasks.keypoints import evaluated_examples
from byod.tasks.keypoints.evaluated_examples import EvaluatedExample, LoadedModel
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.training_set import TrainingSet, unmeasured
from byod.training.run_evaluation import RunEvaluation, counts


class KeypointsEvaluation(RunEvaluation):
    """An evaluation of a run for points; `baseline` is its mean places on the same pictures.

    `unmarked` counts the pictures whose points nobody marked, which are left out.
    """

    metrics: KeypointsMetrics
    apart: KeypointsMetrics | None = None
    baseline: KeypointsScore
    unmarked: int


def pictures_in(place: Path) -> None:
    """Nothing: only a dataset says which points are marked."""


def known_to(card: KeypointsCard, labelled: TrainingSet) -> tuple[TrainingSet, dict[str, Any]]:
    """The pictures that are marked; points that the model does not know are left out."""
    kept = tuple(e for e in labelled.examples if e.sha256 in labelled.keypoints)
    unmarked = len(labelled.examples) - len(kept)
    return TrainingSet(kept, labelled.keypoints_of(kept), card.points), {"unmarked": unmarked}


def nothing_left(
    card: KeypointsCard, labelled: TrainingSet, left_out: Mapping[str, Any], on: str, learned: int
) -> str:
    """Say why no picture is left to measure on."""
    where = on or "the dataset"
    if labelled.examples:
        return unmeasured(where, card.points)
    if learned:
        return f"the model has learned from all {learned} pictures of {where}; it takes others to measure it"
    if on:
        return f"no picture of {where} has its points marked"
    return f"{where} has no test pictures with points; name another dataset of keypoints"


def loaded(run: Path, card: KeypointsCard) -> LoadedModel:
    """The run's two model files, and the mean places of its points."""
    return LoadedModel(KeypointsPredictor(run).finder, np.array(card.mean_face))


def evaluation(
    fields: Mapping[str, Any],
    metrics: KeypointsMetrics,
    labelled: TrainingSet,
    evaluated: Sequence[EvaluatedExample],
) -> KeypointsEvaluation:
    """The record of an evaluation."""
    baseline = evaluated_examples.baseline(evaluated, labelled.points, seed=0)
    return KeypointsEvaluation(**fields, metrics=metrics, baseline=baseline)


def shown_card(card: KeypointsCard, evaluation: KeypointsEvaluation) -> KeypointsCard:
    """The run's card with what was measured now in place of its own."""
    shown = card.model_copy(update={"metrics": evaluation.metrics, "baseline": evaluation.baseline})
    return beside(shown, evaluation) if evaluation.on else shown.model_copy(update={"elsewhere": None})


def beside(card: KeypointsCard, evaluation: KeypointsEvaluation) -> KeypointsCard:
    """The run's card with the evaluation beside its own metrics."""
    found = KeypointsElsewhere(**counts(dict(evaluation)), metrics=evaluation.metrics, apart=evaluation.apart)
    return card.model_copy(update={"elsewhere": found})


def table(evaluation: KeypointsEvaluation) -> tuple[str, Table, list[str]]:
    """The errors on true crops and in whole pictures, and what was left out."""
    metrics = evaluation.metrics
    ways = {
        "true crops": metrics.crops,
        "whole pictures": metrics.pipeline,
        "mean places, true crops": evaluation.baseline,
    }
    rows = [(name, *_scored(score)) for name, score in ways.items()]
    head = (
        "measured on",
        "objects",
        "found",
        "error (median)",
        "95 %",
        "FR@0.10",
        "PCK@0.1",
        "AUC@0.08",
        "OKS",
        "glasses" if metrics.pipeline.glasses is not None else "within 0.1",
    )
    remarks = [f"{metrics.false_finds} objects found where none is marked, in {metrics.pictures} pictures"]
    if evaluation.unmarked:
        remarks.append(f"{evaluation.unmarked} pictures are left out: their points are not marked")
    return "Errors in sizes of the object", (head, rows), remarks


def _scored(score: KeypointsScore) -> tuple[str | int, ...]:
    low, high = score.interval
    rates = (score.fr, score.pck, score.auc, score.oks, score.achieved[0])
    return (
        score.heads,
        score.found,
        rate(score.median),
        f"{rate(low)}–{rate(high)}",
        *(rate(each) for each in rates),
    )


def rate(value: float | None) -> str:
    """A rate for the terminal; a dash where it is infinite."""
    return "–" if value is None else f"{value:.1%}"
