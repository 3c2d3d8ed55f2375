"""The files of a run for points."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from byod.schema import files
from byod.schema.model_card import KeypointsCard
from byod.schema.records import Example
from byod.tasks.keypoints import evaluate
from byod.tasks.keypoints.evaluate import EvaluatedExample
from byod.tasks.keypoints.label_errors import KeypointIssue
from byod.tasks.keypoints.stages import StageModels
from byod.training import run_folder
from byod.training.protocol import Stage

MODELS = {Stage.POINTS: "model.onnx", Stage.HEADS: "heads.onnx"}
"""The model file of each stage."""
WEIGHTS = {Stage.POINTS: run_folder.WEIGHTS, Stage.HEADS: "heads.safetensors"}
"""The trained tensors of each stage, where the trainer kept them."""


def write(
    part: Path,
    card: KeypointsCard,
    pair: StageModels,
    report: str,
    sides: Sequence[tuple[str, Sequence[Example]]],
    evaluated: Sequence[EvaluatedExample],
    suspects: Sequence[KeypointIssue],
) -> None:
    """Write a run's files into `part`: both models, card and report, and tables for other programs."""
    for stage, model in pair.parts:
        files.replace(part / MODELS[stage], model.content)
        if model.weights is not None:
            shutil.copyfile(model.weights, part / WEIGHTS[stage])
    _history(part / "history.csv", pair)
    evaluate.write_predictions(part / "predictions.csv", evaluated, card.points)
    run_folder.write_examples(part, sides)
    run_folder.write_issues(part / "suspects.csv", KeypointIssue, suspects)
    files.replace(part / "report.html", report.encode())
    # last, since a folder with a card is taken for a run
    files.replace(part / "model.json", card.model_dump_json(indent=1).encode())


def _history(file: Path, pair: StageModels) -> None:
    """The epochs of both stages; a column for all that was logged."""
    epochs = [(stage, epoch) for stage, model in pair.parts for epoch in model.fitted.history]
    head = list(dict.fromkeys(["epoch", "train_loss", "valid_loss", *(key for _, e in epochs for key in e)]))
    rows = [[stage, *(epoch.get(key, "") for key in head)] for stage, epoch in epochs]
    run_folder.write_table(file, ("stage", *head), rows)
