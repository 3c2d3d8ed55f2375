"""byod's Keras trainer: Keras 3 on whichever of torch, jax and tensorflow is installed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from byod.plugin import Run, Task, Trained, TrainingData
from byod_keras import architectures
from byod_keras.backends import missing
from byod_keras.options import Options

__all__ = ["Keras", "Options"]


class Keras:
    """Trains a small net from scratch, or fine-tunes a net of keras.applications (head first, then whole)."""

    name: ClassVar[str] = "keras"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    resumes: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing, and a backend that was asked for and is not there; imports none of them."""
        return missing()

    @staticmethod
    def architectures() -> tuple[architectures.KerasNet, ...]:
        """Every net it can train, from a table; Keras is not imported."""
        return architectures.ALL

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Train on `data.train`, choose the epoch on `data.valid`, and export raw logits.

        Raises:
            TrainerError: no backend, an unknown architecture, or weights that do not fit or cannot be had.
        """
        from byod_keras.train import train

        return train(data, options, run)
