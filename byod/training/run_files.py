"""The files of a run: its models, card and report, and tables for other programs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from byod.dataset.likeness import Looks
from byod.schema import files
from byod.schema.model_card import Card
from byod.schema.task_learning import Issues, ModelFile, Sides, Table
from byod.training import learned_looks, refit
from byod.training.fit import Model
from byod.training.run_folder import write_examples, write_issues, write_table

HISTORY = ("epoch", "train_loss", "valid_loss", "train_accuracy", "accuracy", "lr", "seconds")
"""The columns of history.csv that every run has, logged or not."""


def write(
    part: Path,
    card: Card,
    models: Sequence[ModelFile],
    tables: Mapping[str, Table],
    sides: Sides,
    issues: Issues | None,
    report: str,
    looks: Looks,
    again: tuple[Card, Model] | None = None,
) -> None:
    """Write a run's files into the folder `part`.

    They are the models and their weights, where the trainer kept them, model.json, report.html, history.csv (the
    epochs), the `tables` (predictions.csv: all that was measured on), examples.csv (which pictures stood on which of
    the `sides`), fingerprints.csv, where it is known how they look, and suspects.csv, where somebody looked for wrong
    labels; `again` is the model of all pictures with its card.
    """
    for stale in part.iterdir():
        if stale.is_file():
            stale.unlink()  # of an attempt that failed
    if again is not None:
        refit.write(part, *again)
    for each in models:
        files.replace(part / each.file, each.model.content)
        if each.model.weights is not None:
            shutil.copyfile(each.model.weights, part / each.weights)
    write_table(part / "history.csv", *_history(models))
    for name, table in tables.items():
        write_table(part / name, *table)
    write_examples(part, sides)
    learned_looks.write(part, sides, looks)
    if issues is not None:
        write_issues(part / "suspects.csv", issues.kind, issues.found)
    files.replace(part / "report.html", report.encode())
    # last, since a folder with a card is taken for a run
    files.replace(part / "model.json", card.model_dump_json(indent=1).encode())


def _history(models: Sequence[ModelFile]) -> Table:
    """The epochs of all models; a model of several nets has a first column with their stages."""
    staged = len(models) > 1
    epochs = [(each.stage, epoch) for each in models for epoch in each.model.fitted.history]
    head = list(dict.fromkeys([*HISTORY, *(key for _, epoch in epochs for key in epoch)]))
    rows = [[*([stage] if staged else []), *(epoch.get(key, "") for key in head)] for stage, epoch in epochs]
    return [*(["stage"] if staged else []), *head], rows
