"""Fit one classifier: compare its export with what was trained, and calibrate its probabilities by a temperature."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from byod.images.resize import as_input
from byod.schema.errors import TrainerError
from byod.schema.records import Example
from byod.schema.version import VERSION
from byod.training import onnx_model, statistics
from byod.training.fit import Finished, Model, Work, name_of
from byod.training.fit import fit as fit_model
from byod.training.protocol import Floats, Run, Trained, TrainingData


def fit(
    work: Work,
    classes: tuple[str, ...],
    train: tuple[Example, ...],
    valid: tuple[Example, ...],
    part: str,
    known: float | None = None,
) -> Model:
    """Train one model, or take the one that an earlier, killed run finished for this part ("fold 2/5"; "": the whole).

    `known` is a temperature that was fitted before, on pictures that were not learned from.

    Raises:
        TrainerError: the trainer cannot train this, or what it exports is not what it trained.
    """
    data = TrainingData(classes=classes, train=train, valid=valid)

    def finish(trained: Trained, run: Run, target: Path) -> Finished:
        logits, parity = _exported_logits(trained, data, run)
        truth = statistics.class_numbers([e.label for e in valid], classes)
        temperature = known or statistics.temperature(logits, truth, [e.group for e in valid])
        metadata = {"byod": VERSION, "classes": "\n".join(classes)}
        sha256 = onnx_model.finish(trained.onnx, target, temperature=temperature, metadata=metadata)
        return Finished(sha256=sha256, temperature=temperature, parity=parity)

    return fit_model(work, data, part, name_of(part) or "model", finish)


def _exported_logits(trained: Trained, data: TrainingData, run: Run) -> tuple[Floats, float]:
    """The exported file's logits on all validation pictures; refuses an export that is not the trained model."""
    opened = onnx_model.session(trained.onnx.read_bytes(), trained=True)
    onnx_model.check(opened, trained.input, "logits", len(data.classes))
    pictures = run.pixels(data.valid, trained.input)
    exported, worst = [], 0.0
    for at in range(0, len(pictures), 32):
        images = as_input(pictures.rows(range(at, min(at + 32, len(pictures)))))
        exported.append(onnx_model.run(opened, images))
        worst = max(worst, onnx_model.difference(trained.logits(images), exported[-1]))
    if worst >= onnx_model.PARITY:
        raise TrainerError(
            f"the exported model differs from the trained one by {worst:.1e} (allowed: {onnx_model.PARITY:.0e}); "
            f"{trained.arch} cannot be exported faithfully, choose another architecture"
        )
    return np.concatenate(exported), worst
