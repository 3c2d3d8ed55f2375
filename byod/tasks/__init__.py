"""The tasks that there are: all that differs between them lies in their folders, and is reached through `TASKS`."""

from __future__ import annotations

from pathlib import Path

from byod.schema.errors import ModelError
from byod.schema.model_card import Card
from byod.schema.task import TaskDefinition, unknown_task
from byod.tasks.classify import CLASSIFY
from byod.tasks.keypoints import KEYPOINTS

TASKS: dict[str, TaskDefinition] = {task.name: task for task in (CLASSIFY, KEYPOINTS)}
"""The tasks by name; whoever adds one puts it in here."""


def of_run(run: Path) -> tuple[TaskDefinition, Card]:
    """The task that a run is for, and its card.

    Raises:
        ModelError: it is not a run, or one for a task that there is not.
    """
    from byod.training import run_folder

    name = run_folder.task_of(run)
    if name not in TASKS:
        raise ModelError(f"{run / 'model.json'}: task: {unknown_task(name, TASKS)}")
    return TASKS[name], run_folder.read_card(run, TASKS[name].card)
