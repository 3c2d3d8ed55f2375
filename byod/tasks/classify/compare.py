"""Classifiers side by side: `byod.schema.task_learning.Comparing` for the task classify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from byod.schema.model_card import Measured, ModelCard, Paired, Prediction
from byod.schema.records import Example, Split
from byod.schema.run_comparison import Comparison, Contender
from byod.schema.task_learning import Table
from byod.tasks.classify import evaluated_examples
from byod.tasks.classify.evaluated_examples import EvaluatedExample, PredictionRow
from byod.tasks.classify.report import compare_page

counted = "pictures"
page = compare_page.page


def unlike(card: ModelCard, other: ModelCard) -> str:
    """Say why two runs cannot be compared."""
    if set(card.classes) == set(other.classes):
        return ""
    return f"one tells {', '.join(other.classes)} apart, and the other {', '.join(card.classes)}"


def lines(run: Path, card: ModelCard) -> dict[str, PredictionRow]:
    """The lines of a run by picture."""
    return {line.sha256: line for line in evaluated_examples.read_predictions(run, card.classes)}


def parameters(card: ModelCard) -> int:
    """Of the net."""
    return card.parameters


def evaluated(
    card: ModelCard, lines: Sequence[PredictionRow], truth: Sequence[PredictionRow]
) -> list[EvaluatedExample]:
    """The predictions of a run, with the labels and groups of the latest run."""
    return [_evaluated(card, *each) for each in zip(lines, truth, strict=True)]


def _evaluated(card: ModelCard, line: PredictionRow, truth: PredictionRow) -> EvaluatedExample:
    example = Example(
        sha256=line.sha256, path=Path(line.file), label=truth.label, split=Split.TEST, group=truth.group
    )
    said = Prediction(
        path=line.file, label=line.predicted, probability=line.probability, probabilities=line.probabilities
    )
    return EvaluatedExample(example, said, line.temperature or card.temperature, line.part)


def contender(
    entrant: Mapping[str, Any], card: ModelCard, evaluated: Sequence[EvaluatedExample]
) -> Contender:
    """One run by its accuracy."""
    metrics = evaluated_examples.metrics(evaluated, (), card.classes, seed=0, measured_on=Measured.TEST)
    return Contender(
        **entrant,
        accuracy=metrics.accuracy,
        interval=metrics.interval,
        macro_f1=metrics.macro_f1,
        ece=metrics.ece,
        reviewed=card.reviewed,
    )


def paired(card: ModelCard, first: Sequence[EvaluatedExample], second: Sequence[EvaluatedExample]) -> Paired:
    """Two runs by the pictures each got right."""
    return evaluated_examples.paired(first, second)


def comparison(card: ModelCard, number: int, fields: Mapping[str, Any]) -> Comparison:
    """The record of a comparison."""
    return Comparison(classes=card.classes, pictures=number, **fields)


def table(comparison: Comparison) -> tuple[str, Table]:
    """Each run's accuracy."""
    rows = [
        (
            f"{one.accuracy:.1%}",
            f"{one.interval[0]:.1%}–{one.interval[1]:.1%}",
            f"{one.macro_f1:.1%}",
            f"{one.ece:.1%}",
        )
        for one in comparison.runs
    ]
    return f"{comparison.pictures} pictures", (("accuracy", "95 %", "macro F1", "ECE"), rows)
