"""The files of a run for classes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from byod.schema import files
from byod.schema.model_card import LabelIssue, ModelCard
from byod.schema.records import Example
from byod.tasks.classify import evaluate
from byod.tasks.classify.evaluate import EvaluatedExample
from byod.training.fit import Model
from byod.training.run_folder import WEIGHTS, write_examples, write_issues, write_table

HISTORY = ("epoch", "train_loss", "valid_loss", "train_accuracy", "accuracy", "lr", "seconds")


def write(
    part: Path,
    card: ModelCard,
    model: Model,
    report: str,
    sides: Sequence[tuple[str, Sequence[Example]]],
    evaluated: Sequence[EvaluatedExample],
    suspects: Sequence[LabelIssue],
) -> None:
    """Write a run's files into `part`: the model, its card and report, and tables for other programs.

    `sides` are the parts of the split by name; examples.csv says which pictures stood on which.
    """
    files.replace(part / "model.onnx", model.content)
    if model.weights is not None:
        shutil.copyfile(model.weights, part / WEIGHTS)
    rows = [[epoch.get(key, "") for key in HISTORY] for epoch in model.fitted.history]
    write_table(part / "history.csv", HISTORY, rows)
    evaluate.write_predictions(part / "predictions.csv", evaluated, card.classes)
    write_examples(part, sides)
    if card.suspects is not None:
        write_issues(part / "suspects.csv", LabelIssue, suspects)
    files.replace(part / "report.html", report.encode())
    # last, since a folder with a card is taken for a run
    files.replace(part / "model.json", card.model_dump_json(indent=1).encode())
