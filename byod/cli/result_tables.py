"""Predictions and metrics of models as tables for people; each task has its own columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byod.schema.task_learning import Table
from byod.tasks import TASKS, of_run
from byod.training import run_evaluation
from byod.training.run_evaluation import RunEvaluation


def evaluation_table(run: Path, evaluation: RunEvaluation) -> tuple[str, str, Table, tuple[str, ...]]:
    """An evaluation for people: a summary in one line, a title, a table, and remarks."""
    task, _ = of_run(run)
    title, table, remarks = task.evaluating.table(evaluation)
    told = run_evaluation.remarks(task.learning, evaluation)
    return run_evaluation.summary(task.learning, evaluation), title, table, (*remarks, *told)


def comparison_table(found: Any) -> tuple[str, Table]:
    """A comparison of runs for people: a title, and a table with what each achieves and costs."""
    number, (head, rows) = TASKS[found.task].comparing.table(found)
    table = [
        (
            one.run,
            one.arch,
            *row,
            f"{one.model_bytes / 1e6:.1f} MB",
            f"{one.seconds:.1f} s",
            f"{one.milliseconds:.1f} ms",
        )
        for one, row in zip(found.runs, rows, strict=True)
    ]
    columns = ("run", "net", *head, "size", "trained in", "a picture in")
    return f"{number}: {found.note}", (columns, table)


def predictions_table(run: Path, predictions: Sequence[Any]) -> Table:
    """Predictions of a run for people."""
    task, _ = of_run(run)
    return task.predicting.table(predictions)
