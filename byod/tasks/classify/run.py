"""Finished runs for classes."""

from __future__ import annotations

from pathlib import Path

from byod.schema.errors import ModelError
from byod.schema.model_card import ModelCard
from byod.schema.records import Task
from byod.training.run_folder import read_card, task_of


def classifier_card(run: Path) -> ModelCard:
    """The card of a run for classes.

    Raises:
        ModelError: it is missing or damaged, or it is a run for something else.
    """
    if (task := task_of(run)) != Task.CLASSIFY:
        raise ModelError(f"{run} is a model for {task}, not for classes")
    return read_card(run, ModelCard)
