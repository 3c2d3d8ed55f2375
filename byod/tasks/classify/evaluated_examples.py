"""Evaluate the exported file on pictures its trainer never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byod.schema.errors import TrainerError
from byod.schema.model_card import (
    ClassScore,
    InputRule,
    Measured,
    Metrics,
    Paired,
    Prediction,
    Share,
    Temperature,
    Unreadable,
)
from byod.schema.model_graph import Typicality
from byod.schema.names import shown
from byod.schema.records import Example, Record, Sha256
from byod.schema.task_learning import Table
from byod.tasks.classify.predict import check
from byod.tasks.classify.predict import predictions as answers
from byod.training import onnx_model, precision_recall, statistics
from byod.training.run_folder import TEST, read_lines, short_path


@dataclass(frozen=True)
class EvaluatedExample:
    """A test picture with what the model said of it; `part` names the fold, or "test"."""

    example: Example
    said: Prediction
    temperature: float
    part: str

    @property
    def right(self) -> bool:
        """True if the likeliest class is the label."""
        return self.said.label == self.example.label


@dataclass(frozen=True)
class LoadedModel:
    """A model file (its bytes) with what it takes to ask it: the input's rule, the classes, and what a card says."""

    content: bytes
    rule: InputRule
    classes: tuple[str, ...]
    temperature: float
    typicality: Typicality | None = None


def evaluate(
    model: LoadedModel, test: Sequence[Example], part: str = TEST
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """Ask a model about every picture of `test`.

    Raises:
        TrainerError: not one of them can be opened.
        ModelError: this is not a model for these classes.
    """
    opened = onnx_model.session(model.content)
    check(opened, model.rule, model.classes, model.typicality)
    evaluated, unreadable = [], []
    paths = (example.path for example in test)
    said = answers(opened, model.rule, model.classes, paths, model.typicality)
    for example, answer in zip(test, said, strict=True):
        if isinstance(answer, Unreadable):
            unreadable.append(answer)
        else:
            evaluated.append(EvaluatedExample(example, answer, model.temperature, part))
    if not evaluated:
        raise TrainerError(
            f"not one of the {len(test)} test pictures can be opened any more ({unreadable[0].error})"
        )
    return evaluated, unreadable


def probabilities(evaluated: Sequence[EvaluatedExample], classes: Sequence[str]) -> statistics.Numbers:
    """float64 [N, C]: what was said of each picture."""
    return np.array([[j.said.probabilities[name] for name in classes] for j in evaluated])


def uncalibrated(evaluated: Sequence[EvaluatedExample], classes: Sequence[str]) -> statistics.Numbers:
    """float64 [N, C]: what would have been said without the temperature."""
    temperatures = np.array([[j.temperature] for j in evaluated])
    return statistics.softmax(np.log(np.clip(probabilities(evaluated, classes), 1e-38, 1.0)) * temperatures)


def metrics(
    evaluated: Sequence[EvaluatedExample],
    unreadable: Sequence[Unreadable],
    classes: Sequence[str],
    *,
    seed: int,
    measured_on: Measured,
) -> Metrics:
    """All that is measured of a model, from what it said of labelled pictures."""
    truth = statistics.class_numbers([j.example.label for j in evaluated], classes)
    given = probabilities(evaluated, classes)
    said = given.argmax(axis=1)
    table = statistics.confusion(truth, said, len(classes))
    scores = with_thresholds(statistics.class_scores(table, classes), truth, given)
    right = said == truth
    parts = list(dict.fromkeys(j.part for j in evaluated))
    by_part = [float(right[[j.part == part for j in evaluated]].mean()) for part in parts]
    return Metrics(
        measured_on=measured_on,
        pictures=len(evaluated),
        unreadable=len(unreadable),
        none_of_these=_none_of_these(evaluated),
        accuracy=statistics.accuracy(table),
        interval=statistics.interval(right, [j.example.group for j in evaluated], seed=seed),
        macro_f1=statistics.macro_f1(scores),
        log_loss=statistics.log_loss(given, truth),
        ece=statistics.calibration_error(given, truth),
        ece_raw=statistics.calibration_error(uncalibrated(evaluated, classes), truth),
        per_class=scores,
        confusion=tuple(tuple(int(n) for n in row) for row in table),
        folds=tuple(by_part) if measured_on is Measured.CROSS_VALIDATION else (),
    )


def _none_of_these(evaluated: Sequence[EvaluatedExample]) -> int | None:
    told = [j.said.none_of_these for j in evaluated if j.said.none_of_these is not None]
    return sum(told) if told else None


def with_thresholds(
    scores: dict[str, ClassScore], truth: statistics.Labels, given: statistics.Numbers
) -> dict[str, ClassScore]:
    """The scores (in the order of the classes) with each class's average precision, and its best threshold."""
    curves = {
        name: precision_recall.curve(truth == number, given[:, number]) for number, name in enumerate(scores)
    }
    more = {
        name: {"average_precision": found.average, "threshold": float(found.thresholds[found.best])}
        for name, found in curves.items()
        if found is not None
    }
    return {name: score.model_copy(update=more.get(name, {})) for name, score in scores.items()}


def paired(first: Sequence[EvaluatedExample], second: Sequence[EvaluatedExample], *, seed: int = 0) -> Paired:
    """Two models compared on the pictures both were asked about."""
    other = {j.example.sha256: j for j in second}
    both = [(j, other[j.example.sha256]) for j in first if j.example.sha256 in other]
    return statistics.paired(
        np.array([a.right for a, _ in both], np.bool_),
        np.array([b.right for _, b in both], np.bool_),
        [a.example.group for a, _ in both],
        seed=seed,
    )


class PredictionRow(Record):
    """One line of a run's predictions.csv: a picture, what it is, and what was said of it."""

    file: str
    sha256: Sha256
    group: str
    part: str
    label: str
    predicted: str
    probability: Share
    temperature: Temperature | None = None
    probabilities: dict[str, Share]


TYPICAL = ("typicality", "none_of_these")
"""The columns of a model that says how typical a picture is, after HEAD."""
TEMPERATURE = "temperature"
"""The column of the temperature of the model that was asked; older runs have none."""
HEAD = ("file", "sha256", "group", "part", "label", "predicted", "probability")


def predictions(evaluated: Sequence[EvaluatedExample], classes: Sequence[str]) -> Table:
    """The table predictions.csv, with numbers as they were counted.

    HEAD, TEMPERATURE, TYPICAL where the model says it, and then p(class) for each class.
    """
    told = any(j.said.typicality is not None for j in evaluated)
    rows = []
    for j in evaluated:
        e, said = j.example, j.said
        row = [short_path(e.path), e.sha256, e.group, j.part, e.label, said.label, said.probability]
        like: list[object] = []
        if told:
            none = "" if said.none_of_these is None else str(said.none_of_these).lower()
            like = ["" if said.typicality is None else said.typicality, none]
        rows.append([*row, j.temperature, *like, *(said.probabilities[name] for name in classes)])
    return [*HEAD, TEMPERATURE, *(TYPICAL if told else ()), *(f"p({name})" for name in classes)], rows


def read_predictions(run: Path, classes: Sequence[str]) -> list[PredictionRow]:
    """The lines of a run's predictions.csv.

    Raises:
        ModelError: it is missing, or damaged.
    """

    def line(row: dict[str, str]) -> PredictionRow:
        for column in ("label", "predicted"):
            if row[column] not in classes:
                raise ValueError(f"its {column} {shown(row[column])[:60]} is none of the model's classes")
        probabilities = {name: row[f"p({name})"] for name in classes}
        return PredictionRow.model_validate(
            {
                **{name: row[name] for name in HEAD},
                TEMPERATURE: row.get(TEMPERATURE) or None,
                "probabilities": probabilities,
            }
        )

    return read_lines(run, line)
