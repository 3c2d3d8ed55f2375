"""A model of all pictures beside the measured one: `model-all.onnx`, with the settings and epochs that were found.

This is an exception to two rules, by name: the exported file is what is measured, and test pictures are never learned
from. It holds for this file alone, which says `measured: false` and names its measured `twin`; nothing uses it unless
told to (`--refit`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from byod.schema import files
from byod.schema.errors import ModelError
from byod.schema.model_card import Card
from byod.schema.records import Split
from byod.training import run_folder
from byod.training.fit import Fitted, Model, Work
from byod.training.run_folder import WEIGHTS

MODEL, CARD, KEPT_WEIGHTS = "model-all.onnx", "model-all.json", "weights-all.safetensors"
FOUND = ("lr", "batch_size", "C")
"""What a trainer notes as found, and takes as an option of the same name."""


@dataclass
class Epochs:
    """Stops a training once it has as many epochs as another one took to its best weights."""

    work: Work
    wanted: int | None
    done: int = 0

    def log(self, epoch: dict[str, Any]) -> None:
        """Take an epoch's numbers, and pass them on."""
        self.done = int(epoch.get("epoch", self.done)) + 1
        self.work.log(epoch)

    def over(self) -> bool:
        """True if there were enough epochs, or somebody said stop."""
        return (self.wanted is not None and self.done >= self.wanted) or self.work.should_stop()


def work_like(work: Work, measured: Fitted) -> Work:
    """The same work with the settings that a training found, and as many epochs as its best weights took."""
    best = measured.notes.get("best_epoch")
    epochs = Epochs(work, best + 1 if isinstance(best, int) and best >= 0 else None)
    options = work.options
    found = {
        name: measured.notes[name]
        for name in FOUND
        if name in type(options).model_fields and measured.notes.get(name) is not None
    }
    taken = options.model_copy(update={k: v for k, v in found.items() if getattr(options, k) is None})
    return replace(work, options=taken, log=epochs.log, should_stop=epochs.over)


def card_of(card: Card, model: Model, counts: Mapping[str, int]) -> Card:
    """The card of the model of all pictures: the measured one's, but for what differs."""
    fitted = model.fitted
    return card.model_copy(
        update={
            "measured": False,
            "twin": card.model_sha256,
            "model_sha256": fitted.sha256,
            "parity": fitted.parity,
            "seconds": fitted.seconds,
            "notes": fitted.notes,
            "counts": {Split.TRAIN: dict(counts), Split.VALID: {}, Split.TEST: {}},
        }
    )


def write(part: Path, card: Card, model: Model) -> None:
    """Write the model of all pictures with its card and its weights, where the trainer kept them."""
    files.replace(part / MODEL, model.content)
    if model.weights is not None:
        shutil.copyfile(model.weights, part / KEPT_WEIGHTS)
    files.replace(part / CARD, card.model_dump_json(indent=1).encode())


@contextmanager
def as_run(run: Path, kind: type[Card]) -> Iterator[Path]:
    """The model of all pictures as a run folder of its own, for as long as the block takes.

    Raises:
        ModelError: the run has none, or one that does not belong to it.
    """
    if not (run / CARD).is_file():
        raise ModelError(f"{run} has no model of all pictures; train with --refit, or remove --refit here")
    measured = run_folder.read_card(run, kind)
    card = run_folder.read_card(run, kind, CARD)
    if card.measured or card.twin != measured.model_sha256 or measured.twin != card.model_sha256:
        raise ModelError(f"{run / CARD} does not belong to model.json beside it; restore it, or train again")
    with tempfile.TemporaryDirectory(prefix="byod-") as place:
        folder = Path(place) / run.resolve().name
        folder.mkdir()
        for name, shown in ((MODEL, "model.onnx"), (CARD, "model.json"), (KEPT_WEIGHTS, WEIGHTS)):
            if files.is_ordinary(run / name):
                files.copy(run / name, folder / shown)
        yield folder
