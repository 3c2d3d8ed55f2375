"""Measure a finished run on other labelled pictures, or on its dataset's test pictures as they are labelled now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import Card, Measured, Unreadable
from byod.schema.records import Record
from byod.schema.task_learning import Evaluating, LabelledSet, Learning
from byod.training import run_folder
from byod.training.run_folder import TEST


class RunEvaluation(Record):
    """An evaluation of a run on other pictures; tasks add their metrics and what else they left out.

    `on` names the folder ("": the run's own dataset), `learned` counts pictures that it was trained on, which are left
    out.
    """

    run: str
    on: str
    learned: int
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class EvaluatedRun:
    """An evaluation with the pictures it was made on, and what was said of each."""

    record: Any
    labelled: LabelledSet
    evaluated: Sequence[Any]


def evaluate_run(
    learning: Learning, evaluating: Evaluating, run: Path, card: Card, labelled: LabelledSet, on: str
) -> EvaluatedRun:
    """Ask the run's model about labelled pictures that it has not learned from.

    Raises:
        ModelError: the run cannot be read.
        UsageError: no picture is left to measure on.
    """
    seen = run_folder.trained_on(run_folder.read_examples(run))
    fresh = labelled.of(e for e in labelled.examples if e.sha256 not in seen)
    learned = len(labelled.examples) - len(fresh.examples)
    known, left_out = evaluating.known_to(card, fresh)
    if not known.measured(known.examples):
        raise UsageError(evaluating.nothing_left(card, known, left_out, on, learned))
    model = evaluating.loaded(run, card)
    try:
        with run_folder.named(run):
            evaluated, unreadable = learning.evaluate_on(known, model, known.examples, TEST)
    except TrainerError as error:
        raise UsageError(str(error)) from error
    measured_on = Measured.FOLDER if on else Measured.TEST
    metrics = learning.metrics(known, evaluated, unreadable, seed=card.seed, measured_on=measured_on)
    fields = {"run": str(run), "on": on, "learned": learned, "unreadable": tuple(unreadable), **left_out}
    return EvaluatedRun(evaluating.evaluation(fields, metrics, known, evaluated), known, evaluated)
