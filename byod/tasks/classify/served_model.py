"""A served classifier, which says when it is unsure: `byod.schema.serving.Serving` for the task classify."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.images import decode, resize
from byod.images.openers import grey_up_to
from byod.schema.keypoints import Box
from byod.schema.model_card import InputRule, ModelCard, Resize
from byod.schema.serving import ClassesSaid, Look, Truth
from byod.tasks.classify.predict import Predictor
from byod.tasks.classify.report import saliency

_FEW = 8
SAME = 1e-3
"""The difference of two probabilities, and the share of a typicality, up to which answers are the same."""


class ServedClassifier:
    """A model of classes; `byod.schema.serving.ServedModel`."""

    said = ClassesSaid

    def __init__(self, run: Path, unsure_below: float, threads: int) -> None:
        self._predictor = Predictor(run, threads=threads)
        self.card, self._unsure_below = self._predictor.card, unsure_below

    def facts(self) -> Mapping[str, object]:
        """Its classes, and how good it is."""
        shown = {"measured_on", "pictures", "accuracy", "interval", "ece"}
        return {
            "classes": self.card.classes,
            "unsure_below": self._unsure_below,
            "typicality": self.card.typicality,
            "look": True,
            "metrics": self.card.metrics.model_dump(mode="json", include=shown),
        }

    def answer(self, content: bytes, *, look: bool, threshold: float | None = None) -> ClassesSaid:
        """Predict a picture; see `ServedModel`. There is no threshold."""
        card = self.card
        with grey_up_to(card.input.grey_white):
            image, width, height = decode.opened(content, at_least=resize.at_least(card.input))
        found = self._predictor.said(resize.block(image, card.input))
        shown = None
        if look:
            block = np.asarray(resize.resized(image, card.input))
            seen = saliency.seen(block, self._few_at_a_time)
            veil = f"data:image/png;base64,{base64.b64encode(seen.veil).decode('ascii')}"
            area = area_of(card.input, width, height)
            shown = Look(
                label=card.classes[seen.which], veil=veil, area=area, least=seen.least, clear=seen.clear
            )
        return ClassesSaid(
            width=width,
            height=height,
            label=found.label,
            probability=found.probability,
            probabilities=found.probabilities,
            unsure=found.probability < self._unsure_below,
            typicality=found.typicality,
            none_of_these=found.none_of_these,
            look=shown,
        )

    def _few_at_a_time(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probabilities of many pictures; onnxruntime keeps the memory of its largest batch for good."""
        few = range(0, len(batch), _FEW)
        return np.concatenate([self._predictor.probabilities(batch[at : at + _FEW]) for at in few])

    def truth(self, truth: Truth) -> tuple[str | None, None]:
        """The class that a person says it is."""
        if "label" not in truth.model_fields_set or truth.heads is not None:
            raise ValueError("this model is about classes: send label, null for none of them")
        if truth.label is not None and truth.label not in self.card.classes:
            raise ValueError("label is none of the model's classes; send null for none of them")
        return truth.label, None


def opened(run: Path, *, unsure_below: float, threads: int) -> ServedClassifier:
    """The model of a run."""
    return ServedClassifier(run, unsure_below, threads)


def nets(card: ModelCard) -> dict[str, str]:
    """The one net."""
    return {"model": "model.onnx"}


def page_rule(card: ModelCard) -> None:
    """Nothing: classes, input and temperature say it all."""


def apart(card: ModelCard, answers: Sequence[tuple[ClassesSaid, ClassesSaid]]) -> float:
    """The distance of the answers that are furthest apart: 1 is a thousandth of a probability, and of a typicality."""
    most = 0.0
    for one, other in answers:
        most = max(most, *(abs(one.probabilities[name] - other.probabilities[name]) for name in card.classes))
        if one.typicality is not None and other.typicality is not None:
            most = max(most, abs(one.typicality - other.typicality) / max(abs(one.typicality), 1e-9))
    return most / SAME


def area_of(rule: InputRule, width: int, height: int) -> Box:
    """The box of a picture (x0, y0, x1, y1 in its pixels) that the net's input shows; `pad` shows more than it."""
    if rule.resize is Resize.SQUISH:
        return 0.0, 0.0, float(width), float(height)
    across, down = width / rule.width, height / rule.height  # pixels of the picture to one of the input
    scale = min(across, down) if rule.resize is Resize.CROP else max(across, down)
    half_width, half_height = scale * rule.width / 2, scale * rule.height / 2
    return (
        width / 2 - half_width,
        height / 2 - half_height,
        width / 2 + half_width,
        height / 2 + half_height,
    )
