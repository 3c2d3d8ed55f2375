"""A run that is opened to answer: pictures as bytes in, records out; from any thread."""

from __future__ import annotations

import base64
from os import cpu_count
from pathlib import Path
from typing import Protocol

import numpy as np

from byod.images import decode, resize
from byod.images.picture_types import TYPES
from byod.schema.keypoints import Box
from byod.schema.model_card import InputRule, KeypointsCard, KeypointsPrediction, ModelCard, Resize
from byod.schema.records import Task
from byod.tasks.classify.predict import Predictor
from byod.tasks.classify.report import saliency
from byod.training.run_folder import read_card
from byod.web.schemas import NO_PATH, About, ClassesSaid, Look, Taken

THREADS = min(4, cpu_count() or 1)
"""How many pictures are answered at one time; the cores are shared out among them."""
UNSURE_BELOW = 0.7
"""A calibrated answer below this is right less than seven times in ten: it counts as "none of these"."""


class ServedModel(Protocol):
    """A model that answers."""

    task: Task

    def about(self, *, bytes: int, reports: bool) -> About:
        """The facts that a page needs about the model."""
        ...

    def answer(self, content: bytes, *, look: bool) -> ClassesSaid | KeypointsPrediction:
        """Predict a picture; with `look`, also where the model looked, if it can say so.

        Raises:
            PictureError: the picture cannot be opened.
        """
        ...


def open_model(run: Path, *, unsure_below: float = UNSURE_BELOW) -> ServedModel:
    """The model of a run, opened and checked.

    Raises:
        ModelError: the run cannot be used.
    """
    threads = max(1, (cpu_count() or 1) // THREADS)
    if read_card(run).task is Task.KEYPOINTS:
        return ServedKeypoints(run, threads)
    return ServedClassifier(run, unsure_below, threads)


class ServedClassifier:
    """A model of classes, which says when it is unsure."""

    task = Task.CLASSIFY

    def __init__(self, run: Path, unsure_below: float, threads: int) -> None:
        self._predictor = Predictor(run, threads=threads)
        self._card, self._unsure_below = self._predictor.card, unsure_below

    def about(self, *, bytes: int, reports: bool) -> About:
        """The facts that a page needs about the model."""
        card, metrics = self._card, self._card.metrics
        return _about(
            card,
            bytes,
            reports,
            classes=card.classes,
            unsure_below=self._unsure_below,
            look=True,
            metrics=metrics.model_dump(
                mode="json", include={"measured_on", "pictures", "accuracy", "interval", "ece"}
            ),
        )

    def answer(self, content: bytes, *, look: bool) -> ClassesSaid:
        """Predict a picture; see `ServedModel`."""
        card = self._card
        block = resize.pixels(content, card.input)
        width, height = upright_size(content)
        row = self._predictor.probabilities(block[None])[0]
        best = int(row.argmax())
        shown = None
        if look:
            seen = saliency.seen(block, self._predictor.probabilities)
            veil = f"data:image/png;base64,{base64.b64encode(seen.veil).decode('ascii')}"
            area = area_of(card.input, width, height)
            shown = Look(
                label=card.classes[seen.which], veil=veil, area=area, least=seen.least, clear=seen.clear
            )
        return ClassesSaid(
            width=width,
            height=height,
            label=card.classes[best],
            probability=float(row[best]),
            probabilities={label: float(p) for label, p in zip(card.classes, row, strict=True)},
            unsure=float(row[best]) < self._unsure_below,
            look=shown,
        )


class ServedKeypoints:
    """A model of points: it finds heads, and the points of each."""

    task = Task.KEYPOINTS

    def __init__(self, run: Path, threads: int) -> None:
        from byod.tasks.keypoints.predict import KeypointsPredictor

        self._predictor = KeypointsPredictor(run, threads=threads)
        self._card = self._predictor.card

    def about(self, *, bytes: int, reports: bool) -> About:
        """The facts that a page needs about the model."""
        card = self._card
        return _about(
            card,
            bytes,
            reports,
            points=card.points,
            look=False,
            metrics={
                "measured_on": card.metrics.measured_on,
                "pictures": card.metrics.pictures,
                "crops": card.metrics.crops.model_dump(mode="json", include=_SCORES),
                "pipeline": card.metrics.pipeline.model_dump(mode="json", include=_SCORES),
            },
        )

    def answer(self, content: bytes, *, look: bool) -> KeypointsPrediction:
        """The heads in a picture; see `Opened`."""
        block = np.asarray(decode.open_picture(content))
        height, width = block.shape[:2]
        heads = tuple(self._predictor.find(block))
        return KeypointsPrediction(path=NO_PATH, width=width, height=height, heads=heads)


_SCORES = {"heads", "found", "median", "interval", "glasses", "glasses_interval"}


def _about(card: ModelCard | KeypointsCard, bytes: int, reports: bool, **more: object) -> About:
    return About.model_validate(
        {
            "run": card.run,
            "task": card.task,
            "arch": card.arch,
            "plugin": card.plugin,
            "created": card.created.isoformat(),
            "input": card.input,
            "reports": reports,
            "takes": Taken(types=tuple(TYPES), bytes=bytes, pixels=decode.Rules().max_pixels),
            **more,
        }
    )


def upright_size(content: bytes) -> tuple[int, int]:
    """Width and height of a picture in pixels, once it stands upright.

    Raises:
        PictureError: it cannot be opened.
    """
    width, height, orientation = decode.stored(content)
    return (height, width) if orientation >= 5 else (width, height)


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
