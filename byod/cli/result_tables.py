"""Predictions and metrics of models as tables for people; each task has its own columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byod.schema.errors import UsageError
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


def predictions_table(run: Path, predictions: Sequence[Any], top: int | None = None) -> Table:
    """Predictions of a run for people; with `top` so many classes of each picture, the likeliest first."""
    task, _ = of_run(run)
    if top is None:
        return task.predicting.table(predictions)
    rows = [(one.path, *(f"{label} {p:.1%}" for label, p in one.top(top))) for one in predictions]
    columns = max(len(row) for row in rows) - 1
    return ("picture", "class", *(f"{number}." for number in range(2, columns + 1))), rows


def check_classes(run: Path) -> None:
    """Refuse --top where a run says nothing of classes.

    Raises:
        UsageError: it does not.
    """
    task, card = of_run(run)
    if "classes" not in type(card).model_fields:
        raise UsageError(f"--top is about classes, and {run} is a run for {task.name}; remove it")


def with_top(prediction: Any, top: int | None) -> dict[str, Any]:
    """A prediction for programs; with `top` it also lists so many classes, the likeliest first."""
    document: dict[str, Any] = prediction.model_dump(mode="json")
    if top is not None:
        document["top"] = [{"label": label, "probability": p} for label, p in prediction.top(top)]
    return document
