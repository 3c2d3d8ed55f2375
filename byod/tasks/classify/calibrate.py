"""Fit one classifier: compare its export with what was trained, and calibrate its probabilities by a temperature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.images.resize import as_input
from byod.schema.errors import TrainerError
from byod.schema.model_graph import Typicality
from byod.schema.records import Example
from byod.schema.version import VERSION
from byod.training import finished_model, onnx_model, statistics, typicality
from byod.training.fit import Finished, Model, Work, name_of
from byod.training.fit import fit as fit_model
from byod.training.model_runtime import OpenedModel
from byod.training.protocol import Floats, Pixels, Run, Trained, TrainingData


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
        opened = onnx_model.session(trained.onnx.read_bytes(), trained=True)
        onnx_model.check(opened, trained.input, "logits", len(classes))
        said, parity = _exported(opened, trained, data, run)
        truth = statistics.class_numbers([e.label for e in valid], classes)
        temperature = known or statistics.temperature(said["logits"], truth, [e.group for e in valid])
        wanted = work.typicality and not part  # the parts of a cross-validation measure, and are not kept
        like = _likeness(opened, trained, data, run) if wanted else None
        metadata = {"byod": VERSION, "classes": "\n".join(classes)}
        sha256 = finished_model.finish(
            trained.onnx, target, temperature=temperature, metadata=metadata, likeness=like
        )
        found = _typicality(said, like) if wanted else None
        return Finished(sha256=sha256, temperature=temperature, typicality=found, parity=parity)

    return fit_model(work, data, part, name_of(part) or "model", finish)


def _exported(
    opened: OpenedModel, trained: Trained, data: TrainingData, run: Run
) -> tuple[dict[str, Floats], float]:
    """The exported file's outputs on all validation pictures; refuses an export that is not the trained model."""
    pictures = run.pixels(data.valid, trained.input)
    exported, worst = [], 0.0
    for images in _batches(pictures, range(len(pictures))):
        exported.append(onnx_model.outputs(opened, images))
        worst = max(worst, onnx_model.difference(trained.logits(images), exported[-1]["logits"]))
    if worst >= onnx_model.PARITY:
        raise TrainerError(
            f"the exported model differs from the trained one by {worst:.1e} (allowed: {onnx_model.PARITY:.0e}); "
            f"{trained.arch} cannot be exported faithfully, choose another architecture"
        )
    return {name: np.concatenate([each[name] for each in exported]) for name in exported[0]}, worst


def _likeness(
    opened: OpenedModel, trained: Trained, data: TrainingData, run: Run
) -> typicality.Likeness | None:
    """The distance to class means of the training pictures' features; None where the file gives none of use."""
    if "features" not in {port.name for port in opened.outputs}:
        return None
    labels = statistics.class_numbers([e.label for e in data.train], data.classes)
    some = typicality.chosen(labels)
    if trained.features is not None:
        return typicality.likeness(trained.features[some], labels[some])
    pictures = run.pixels(data.train, trained.input)
    given = [onnx_model.outputs(opened, images)["features"] for images in _batches(pictures, some)]
    return typicality.likeness(np.concatenate(given), labels[some])


def _typicality(said: Mapping[str, Floats], like: typicality.Likeness | None) -> Typicality:
    """The words of the card on it, by what was said of validation pictures."""
    if like is None:
        return typicality.measured(typicality.energy(said["logits"]), None)
    return typicality.measured(like.typicality(said["features"]), said["features"].shape[1])


def _batches(pictures: Pixels, numbers: Sequence[int] | NDArray[np.int64]) -> Iterator[Floats]:
    """The pictures of these numbers as a graph takes them, a few at a time."""
    for at in range(0, len(numbers), _TOGETHER):
        yield as_input(pictures.rows(numbers[at : at + _TOGETHER]))


_TOGETHER = 32
