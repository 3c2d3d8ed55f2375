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

from byod.images.resize import Block, as_input, exact
from byod.schema.errors import ModelError, PictureError
from byod.schema.model_card import InputRule, ModelCard, Prediction, Unreadable
from byod.schema.model_graph import Typicality
from byod.schema.names import in_utf8
from byod.schema.serving import NO_PATH
from byod.schema.task_learning import Table
from byod.tasks.classify.exporting import beside as beside
from byod.tasks.classify.run import classifier_card
from byod.training import onnx_model, typicality_graph
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
            check(self._session, self.card.input, self.card.classes, self.card.typicality)

    def said(self, block: Block) -> Prediction:
        """What it says of one picture, 0..255 [height, width, 3] at the size of the card's input."""
        card = self.card
        with named(self._run):
            rows, like = onnx_model.classified(self._session, as_input(block[None]), len(card.classes))
        return prediction(NO_PATH, card.classes, rows[0], _told(like, card.typicality, 0), card.typicality)

    def probabilities(self, batch: Block) -> NDArray[np.float32]:
        """0..255 [N, height, width, 3] at the size of the card's input to float32 [N, classes]."""
        with named(self._run):
            return onnx_model.probabilities(self._session, as_input(batch), len(self.card.classes))

    def predict(self, pictures: Iterable[Path | tuple[str, bytes]]) -> Iterator[Prediction | Unreadable]:
        """Say of each picture what it shows; see `predictions`."""
        with named(self._run):
            card = self.card
            yield from predictions(self._session, card.input, card.classes, pictures, card.typicality)


def check(
    opened: OpenedModel, rule: InputRule, classes: Sequence[str], typicality: Typicality | None
) -> None:
    """See that a model is one for these classes, which says how typical a picture is where its card has a threshold.

    Raises:
        ModelError: it is not.
    """
    onnx_model.check(opened, rule, "probabilities", len(classes))
    if typicality is not None and typicality_graph.NAME not in {port.name for port in opened.outputs}:
        raise ModelError(
            f"model.json has a threshold for `{typicality_graph.NAME}`, which the model does not give; train again, or "
            "restore the file"
        )


def predictions(
    opened: OpenedModel,
    rule: InputRule,
    classes: Sequence[str],
    pictures: Iterable[Path | tuple[str, bytes]],
    typicality: Typicality | None = None,
) -> Iterator[Prediction | Unreadable]:
    """Say of each picture what it shows, in order; a picture that cannot be opened becomes an `Unreadable`.

    A picture is a path, or a name with the bytes themselves. Pictures are decoded on threads, a bounded number
    ahead of the model.
    """
    for some in _decoded(pictures, rule):
        blocks = [found for _, found in some if isinstance(found, np.ndarray)]
        said, like = (
            onnx_model.classified(
                opened, np.concatenate([as_input(each[None]) for each in blocks]), len(classes)
            )
            if blocks
            else (np.empty((0, 0), np.float32), None)
        )
        rows = iter(range(len(said)))
        for name, found in some:
            if isinstance(found, PictureError):
                yield Unreadable(path=name, reason=found.reason, error=found.detail)
            else:
                row = next(rows)
                yield prediction(name, classes, said[row], _told(like, typicality, row), typicality)


def predictor(run: Path) -> Predictor:
    """The model of a run."""
    return Predictor(run)


def files(card: ModelCard) -> list[tuple[str, str]]:
    """Its model file, and that of the weights."""
    return [("model.onnx", WEIGHTS)]


def table(predictions: Sequence[Prediction]) -> Table:
    """A line a picture: the likeliest class, how sure, and where the model tells, how typical it is of its classes."""
    head: tuple[str, ...] = ("picture", "class", "probability", "")
    rows: list[tuple[str, ...]] = [
        (p.path, p.label, f"{p.probability:6.1%}", "█" * round(p.probability * 20)) for p in predictions
    ]
    if all(p.typicality is None for p in predictions):
        return head, rows
    told = [
        "" if p.typicality is None else f"{p.typicality:.1f}{_NONE * bool(p.none_of_these)}"
        for p in predictions
    ]
    return (*head, "typicality"), [(*row, cell) for row, cell in zip(rows, told, strict=True)]


_NONE = ": none of these"


def read_model(run: Path) -> tuple[ModelCard, bytes]:
    """`model.json` of a run folder, and the bytes of the `model.onnx` that it describes.

    Raises:
        ModelError: one is missing, damaged, or they do not belong together; or it is an export for other programs.
    """
    card = classifier_card(run)
    if card.graph_input is not None and card.graph_input.name != "image":
        raise ModelError(
            f"{run} is an export with its resize inside, for other programs; byod uses the run that it was made from"
        )
    return card, model_file(run / "model.onnx", card.model_sha256)


_Found = tuple[str, Block | PictureError]


def _decoded(pictures: Iterable[Path | tuple[str, bytes]], rule: InputRule) -> Iterator[list[_Found]]:
    """Batches of decoded pictures; at most two batches are in flight."""

    def open_one(picture: Path | tuple[str, bytes]) -> _Found:
        name, source = (str(picture), picture) if isinstance(picture, Path) else picture
        name = in_utf8(name)
        try:
            return name, exact(source, rule)
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


def _told(like: NDArray[np.float32] | None, typicality: Typicality | None, row: int) -> float | None:
    """The typicality of one picture; None where the card has no threshold for it."""
    return None if like is None or typicality is None else float(like[row])


def prediction(
    name: str,
    classes: Sequence[str],
    row: NDArray[np.float32],
    like: float | None = None,
    typicality: Typicality | None = None,
) -> Prediction:
    """The prediction of a picture by the probabilities of its classes, float32 [classes], and by its typicality."""
    best = int(row.argmax())
    return Prediction(
        typicality=like,
        none_of_these=None if like is None or typicality is None else like < typicality.threshold,
        path=name,
        label=classes[best],
        probability=float(row[best]),
        probabilities={label: float(p) for label, p in zip(classes, row, strict=True)},
    )
