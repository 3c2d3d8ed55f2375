"""Evaluate the exported file on pictures its trainer never saw."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, Measured, Metrics, Paired, Prediction, Unreadable
from byod.schema.records import Example, Record, Sha256
from byod.tasks.classify.predict import predictions
from byod.training import onnx_model, statistics
from byod.training.run_folder import TEST, short_path, write_table


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


def evaluate(
    content: bytes,
    rule: InputRule,
    classes: Sequence[str],
    temperature: float,
    test: Sequence[Example],
    part: str = TEST,
) -> tuple[list[EvaluatedExample], list[Unreadable]]:
    """Ask the model file (its bytes) about every picture of `test`.

    Raises:
        TrainerError: not one of them can be opened.
        ModelError: this is not a model for these classes.
    """
    opened = onnx_model.session(content)
    onnx_model.check(opened, rule, "probabilities", len(classes))
    evaluated, unreadable = [], []
    said = predictions(opened, rule, classes, (example.path for example in test))
    for example, answer in zip(test, said, strict=True):
        if isinstance(answer, Unreadable):
            unreadable.append(answer)
        else:
            evaluated.append(EvaluatedExample(example, answer, temperature, part))
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
    measured_on: Measured | None = None,
) -> Metrics:
    """All that is measured of a model, from what it said of labelled pictures."""
    truth = statistics.class_numbers([j.example.label for j in evaluated], classes)
    given = probabilities(evaluated, classes)
    said = given.argmax(axis=1)
    table = statistics.confusion(truth, said, len(classes))
    scores = statistics.class_scores(table, classes)
    right = said == truth
    parts = list(dict.fromkeys(j.part for j in evaluated))
    by_part = [float(right[[j.part == part for j in evaluated]].mean()) for part in parts]
    crossed = parts != [TEST]
    return Metrics(
        measured_on=measured_on or (Measured.CROSS_VALIDATION if crossed else Measured.TEST),
        pictures=len(evaluated),
        unreadable=len(unreadable),
        accuracy=statistics.accuracy(table),
        interval=statistics.interval(right, [j.example.group for j in evaluated], seed=seed),
        macro_f1=statistics.macro_f1(scores),
        log_loss=statistics.log_loss(given, truth),
        ece=statistics.calibration_error(given, truth),
        ece_raw=statistics.calibration_error(uncalibrated(evaluated, classes), truth),
        per_class=scores,
        confusion=tuple(tuple(int(n) for n in row) for row in table),
        folds=tuple(by_part) if crossed else (),
    )


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
    probability: float
    probabilities: dict[str, float]


HEAD = ("file", "sha256", "group", "part", "label", "predicted", "probability")


def write_predictions(file: Path, evaluated: Sequence[EvaluatedExample], classes: Sequence[str]) -> None:
    """Write predictions.csv: HEAD, and then p(class) for each class."""
    rows = []
    for j in evaluated:
        e, said = j.example, j.said
        row = [short_path(e.path), e.sha256, e.group, j.part, e.label, said.label, f"{said.probability:.6f}"]
        rows.append([*row, *(f"{said.probabilities[name]:.6f}" for name in classes)])
    write_table(file, [*HEAD, *(f"p({name})" for name in classes)], rows)


def read_predictions(run: Path, classes: Sequence[str]) -> list[PredictionRow]:
    """The lines of a run's predictions.csv.

    Raises:
        ModelError: it is missing, or damaged.
    """
    file = run / "predictions.csv"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [
                PredictionRow.model_validate(
                    {
                        **{name: row[name] for name in HEAD},
                        "probabilities": {name: float(row[f"p({name})"]) for name in classes},
                    }
                )
                for row in csv.DictReader(lines)
            ]
    except FileNotFoundError as error:
        raise ModelError(f"{run} has no predictions.csv; train again, or restore it") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        why = (str(error).splitlines() or [""])[0]
        raise ModelError(f"{file} is not what byod wrote ({why})") from error
