"""Using a model: pictures in, probabilities out, by onnxruntime alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from os import cpu_count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.images.resize import as_input, pixels
from byod.schema.errors import PictureError
from byod.schema.model_card import InputRule, ModelCard, Prediction, Unreadable
from byod.schema.names import in_utf8
from byod.schema.task_learning import Table
from byod.tasks.classify.run import classifier_card
from byod.training import onnx_model
from byod.training.model_runtime import OpenedModel
from byod.training.run_folder import WEIGHTS, model_file, named

BATCH = 32


class Predictor:
    """The model of one run folder: `model.onnx` beside `model.json`."""

    def __init__(self, run: Path, *, threads: int = 0) -> None:
        """Open and check both files.

        Raises:
            ModelError: one is missing, damaged, or they do not belong together.
        """
        self.card, content = read_model(run)
        self._run = run
        with named(run):
            self._session = onnx_model.session(content, threads=threads)
            onnx_model.check(self._session, self.card.input, "probabilities", len(self.card.classes))

    def probabilities(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, height, width, 3] at the size of the card's input to float32 [N, classes]."""
        with named(self._run):
            return onnx_model.probabilities(self._session, as_input(batch), len(self.card.classes))

    def predict(self, pictures: Iterable[Path | tuple[str, bytes]]) -> Iterator[Prediction | Unreadable]:
        """Say of each picture what it shows; see `predictions`."""
        with named(self._run):
            yield from predictions(self._session, self.card.input, self.card.classes, pictures)


def predictions(
    opened: OpenedModel,
    rule: InputRule,
    classes: Sequence[str],
    pictures: Iterable[Path | tuple[str, bytes]],
) -> Iterator[Prediction | Unreadable]:
    """Say of each picture what it shows, in order; a picture that cannot be opened becomes an `Unreadable`.

    A picture is a path, or a name with the bytes themselves. Pictures are decoded on threads, a bounded number
    ahead of the model.
    """
    for some in _decoded(pictures, rule):
        blocks = [found for _, found in some if isinstance(found, np.ndarray)]
        rows = iter(
            onnx_model.probabilities(opened, as_input(np.stack(blocks)), len(classes))
            if blocks
            else np.empty((0, 0), np.float32)
        )
        for name, found in some:
            if isinstance(found, PictureError):
                yield Unreadable(path=name, reason=found.reason, error=found.detail)
            else:
                yield prediction(name, classes, next(rows))


def predictor(run: Path) -> Predictor:
    """The model of a run."""
    return Predictor(run)


def files(card: ModelCard) -> list[tuple[str, str]]:
    """Its model file, and that of the weights."""
    return [("model.onnx", WEIGHTS)]


def table(predictions: Sequence[Prediction]) -> Table:
    """A line a picture: the likeliest class, and how sure."""
    rows = [(p.path, p.label, f"{p.probability:6.1%}", "█" * round(p.probability * 20)) for p in predictions]
    return ("picture", "class", "probability", ""), rows


def read_model(run: Path) -> tuple[ModelCard, bytes]:
    """`model.json` of a run folder, and the bytes of the `model.onnx` that it describes.

    Raises:
        ModelError: one is missing, damaged, or they do not belong together.
    """
    card = classifier_card(run)
    return card, model_file(run / "model.onnx", card.model_sha256)


_Found = tuple[str, "NDArray[np.uint8] | PictureError"]


def _decoded(pictures: Iterable[Path | tuple[str, bytes]], rule: InputRule) -> Iterator[list[_Found]]:
    """Batches of decoded pictures; at most two batches are in flight."""

    def open_one(picture: Path | tuple[str, bytes]) -> _Found:
        name, source = (str(picture), picture) if isinstance(picture, Path) else picture
        name = in_utf8(name)
        try:
            return name, pixels(source, rule)
        except PictureError as error:
            return name, error

    waiting: deque[Future[_Found]] = deque()
    some: list[_Found] = []
    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        for picture in pictures:
            waiting.append(threads.submit(copy_context().run, open_one, picture))
            if len(waiting) >= 2 * BATCH:
                some.append(waiting.popleft().result())
            if len(some) == BATCH:
                yield some
                some = []
        some.extend(future.result() for future in waiting)
    for at in range(0, len(some), BATCH):
        yield some[at : at + BATCH]


def prediction(name: str, classes: Sequence[str], row: NDArray[np.float32]) -> Prediction:
    """The prediction of a picture by the probabilities of its classes, float32 [classes]."""
    best = int(row.argmax())
    return Prediction(
        path=name,
        label=classes[best],
        probability=float(row[best]),
        probabilities={label: float(p) for label, p in zip(classes, row, strict=True)},
    )
