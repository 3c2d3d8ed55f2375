"""The contents of a report: the card of a run, and the pictures and numbers behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.images.resize import as_input
from byod.schema.model_card import LabelIssue, ModelCard
from byod.schema.records import Record, Yield
from byod.tasks.classify import evaluated_examples
from byod.tasks.classify.evaluated_examples import EvaluatedExample
from byod.training import onnx_model
from byod.training.fit import Model
from byod.training.run_folder import short_path

PredictBatch = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Asks the model: uint8 [N, height, width, 3] at the size of its input to probabilities, float32 [N, classes]."""


class ShownPrediction(Record):
    """A picture that was measured on, what it is, and what the model said; `file` is its name in the report.

    `probability` (0..1) is that of `said`, `probability_raw` the same without the temperature, `probabilities` those
    of all classes. `part` names the fold, or "test".
    """

    path: Path
    file: str
    label: str
    said: str
    probability: float
    probability_raw: float
    probabilities: dict[str, float]
    part: str = "test"

    @property
    def right(self) -> bool:
        """True if the model said what the label says."""
        return self.said == self.label


@dataclass(frozen=True)
class ReportContents:
    """All a report is made from.

    `history` is what the trainer logged, an epoch each. `suspects` are the pictures whose labels look wrong, lowest
    quality first, with where they lie. `look` asks the model of the run's folder; without it there are no occlusion
    maps.
    """

    card: ModelCard
    history: tuple[Mapping[str, float], ...] = ()
    answers: tuple[ShownPrediction, ...] = ()
    suspects: tuple[tuple[LabelIssue, Path], ...] = ()
    yields: tuple[Yield, ...] = ()
    look: PredictBatch | None = None


def build(
    card: ModelCard,
    model: Model | None,
    evaluated: Sequence[EvaluatedExample],
    suspects: Sequence[LabelIssue],
    paths: Mapping[str, Path],
    yields: Sequence[Yield],
) -> ReportContents:
    """Gather the contents of a run's report; `paths` says where the picture of a SHA-256 lies.

    Without a `model` there are no curves of how it learned, and no occlusion maps.
    """
    return ReportContents(
        card=card,
        history=() if model is None else model.fitted.history,
        answers=shown_predictions(evaluated, card.classes),
        suspects=tuple((suspect, paths[suspect.sha256]) for suspect in suspects),
        yields=tuple(yields),
        look=None if model is None else _looking(model.content),
    )


def _looking(content: bytes) -> PredictBatch:
    opened = onnx_model.session(content)

    def look(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return onnx_model.run(opened, as_input(batch))

    return look


def shown_predictions(
    evaluated: Sequence[EvaluatedExample], classes: Sequence[str]
) -> tuple[ShownPrediction, ...]:
    """The predictions as a report shows them."""
    raw = evaluated_examples.uncalibrated(evaluated, classes).max(axis=1)
    return tuple(
        ShownPrediction(
            path=j.example.path,
            file=short_path(j.example.path),
            label=j.example.label,
            said=j.said.label,
            probability=j.said.probability,
            probability_raw=float(before),
            probabilities=j.said.probabilities,
            part=j.part,
        )
        for j, before in zip(evaluated, raw, strict=True)
    )
