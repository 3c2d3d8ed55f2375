"""Finished runs for keypoints."""

from __future__ import annotations

from pathlib import Path

from byod.schema.errors import ModelError
from byod.schema.model_card import KeypointsCard
from byod.schema.records import Task
from byod.training import run_folder
from byod.training.protocol import Stage

MODELS = {Stage.POINTS: "model.onnx", Stage.DETECTION: "heads.onnx"}
"""The model file of each stage."""
WEIGHTS = {Stage.POINTS: run_folder.WEIGHTS, Stage.DETECTION: "heads.safetensors"}
"""The trained tensors of each stage, where the trainer kept them."""


def keypoints_card(run: Path) -> KeypointsCard:
    """The card of a run for points.

    Raises:
        ModelError: it is missing or damaged, or it is a run for something else.
    """
    if (task := run_folder.task_of(run)) != Task.KEYPOINTS:
        raise ModelError(f"{run} is a model for {task}, not for points")
    return run_folder.read_card(run, KeypointsCard)
