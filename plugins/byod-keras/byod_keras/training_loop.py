"""Epoch after epoch: learn, validate, log, remember the best, save, and go on where a killed training was."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byod.plugin import Checkpoint, Floats, Run, TrainerError
from byod_keras.backends import load
from byod_keras.batches import Batches, as_floats
from byod_keras.networks import Net
from byod_keras.one_cycle import OneCycle
from byod_keras.options import Options

keras = load()

AT_ONCE = 32  # pictures validated at once

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class Phase:
    """Some epochs under one cycle of the rate: of the `whole` net, or of the head alone."""

    epochs: int
    lr: float
    whole: bool


class Chance(keras.callbacks.Callback):  # type: ignore[misc]
    """Begins the global generators anew at each step: torch draws dropout from its own, and a resumed step must too."""

    def __init__(self, seed: int, epoch: int) -> None:
        super().__init__()
        self.seed, self.epoch = seed, epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Keras calls this just before a step."""
        keras.utils.set_random_seed((self.seed + 1_000_003 * self.epoch + 7919 * batch) % 2**32)


class Lessons:
    """One net learning; `best` are the weights of the epoch with the lowest validation loss, `done` counts epochs."""

    def __init__(
        self, built: Net, train: Batches, valid: tuple[Any, NDArray[np.int64]], options: Options, run: Run
    ) -> None:
        self.net, self.train, self.valid, self.options, self.run = built, train, valid, options, run
        self.done, self.best_epoch, self.best_loss, self.stopped = 0, -1, math.inf, False
        self.best: Arrays = []

    def learn(self, phases: Sequence[Phase]) -> None:
        """Go through all phases, or through what is left of them."""
        checkpoint = self.run.resume()
        if checkpoint is not None:
            self._remember(checkpoint)
        first = 0
        for phase in phases:
            last = first + phase.epochs
            if self.done < last and not self.stopped:
                optimizer = self._prepare(phase)
                if checkpoint is not None and self.done > first:
                    _assign(optimizer.variables, checkpoint.tensors, "optimizer")
                checkpoint = None
                self._epochs(phase, first, optimizer)
            first = last

    def _prepare(self, phase: Phase) -> Any:
        """Choose what learns, and a new optimizer for it."""
        self.net.body.trainable = phase.whole
        rate = OneCycle(phase.lr, phase.epochs * len(self.train))
        optimizer = keras.optimizers.AdamW(rate, weight_decay=self.options.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        optimizer.build(self.net.model.trainable_variables)
        self.net.model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        return optimizer

    def _epochs(self, phase: Phase, first: int, optimizer: Any) -> None:
        while self.done < first + phase.epochs and not self.stopped:
            started = time.perf_counter()
            self.train.set_epoch(self.done)
            chance = Chance(self.run.seed, self.done)
            fitted = self.net.model.fit(
                self.train, epochs=1, shuffle=False, verbose=0, callbacks=[chance]
            ).history
            loss, right = self._validate()
            learned = float(fitted["loss"][0])
            if not (math.isfinite(learned) and math.isfinite(loss)):
                raise TrainerError(
                    f"the loss is not a finite number any more; train with a lower rate (--set lr={phase.lr / 10:g})"
                )
            self.run.log(
                {
                    "epoch": self.done,
                    "train_loss": learned,
                    "valid_loss": loss,
                    "accuracy": right,
                    "train_accuracy": float(fitted["accuracy"][0]),
                    "lr": float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
                    "seconds": time.perf_counter() - started,
                }
            )
            self._note_loss(loss)
            self._save(optimizer)

    def _validate(self) -> tuple[float, float]:
        """Mean loss and accuracy (0..1) on the validation pictures."""
        pixels, labels = self.valid
        parts = [
            logits_of(self.net.model, as_floats(pixels.rows(range(at, min(at + AT_ONCE, len(labels))))))
            for at in range(0, len(labels), AT_ONCE)
        ]
        logits = np.concatenate(parts).astype(np.float64)
        highest = logits.max(axis=1, keepdims=True)
        logs = logits - highest - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
        loss = -logs[np.arange(len(labels)), labels].mean()
        return float(loss), float((logits.argmax(axis=1) == labels).mean())

    def _note_loss(self, loss: float) -> None:
        """Keep the weights when they are the best so far; stop when asked to, or when nothing gets better."""
        if loss < self.best_loss or not self.best:
            self.best_loss = loss
            self.best_epoch = self.done
            self.best = [np.array(value) for value in self.net.model.get_weights()]
        self.done += 1
        if self.run.should_stop():
            self.stopped = True
        elif self.done - 1 - self.best_epoch >= self.options.patience and self.net.body.trainable:
            self.run.say(f"no better validation loss for {self.options.patience} epochs: stopping")
            self.stopped = True

    def _save(self, optimizer: Any) -> None:
        tensors = _arrays(self.net.model.variables, "model") | _arrays(optimizer.variables, "optimizer")
        tensors |= {f"best.{at:04}": array for at, array in enumerate(self.best)}
        facts = {"best_epoch": self.best_epoch, "best_loss": self.best_loss, "stopped": self.stopped}
        self.run.save(self.done, tensors, facts)

    def _remember(self, checkpoint: Checkpoint) -> None:
        _assign(self.net.model.variables, checkpoint.tensors, "model")
        names = sorted(name for name in checkpoint.tensors if name.startswith("best."))
        self.best = [checkpoint.tensors[name] for name in names]
        self.done = checkpoint.epochs
        self.best_epoch, self.best_loss = checkpoint.facts["best_epoch"], checkpoint.facts["best_loss"]
        self.stopped = checkpoint.facts["stopped"]


def logits_of(model: Any, images: Floats) -> Floats:
    """A model's logits for float32 [n, height, width, 3], n up to any number; computed in one shape."""
    count = len(images)
    whole = np.resize(images, (math.ceil(count / AT_ONCE) * AT_ONCE, *images.shape[1:]))
    parts = [model.predict_on_batch(whole[at : at + AT_ONCE]) for at in range(0, count, AT_ONCE)]
    return np.concatenate(parts)[:count].astype(np.float32)


def _arrays(variables: Sequence[Any], name: str) -> dict[str, NDArray[Any]]:
    """Copies of variables as numpy arrays, named by their number."""
    return {
        f"{name}.{at:04}": np.array(keras.ops.convert_to_numpy(variable))
        for at, variable in enumerate(variables)
    }


def _assign(variables: Sequence[Any], tensors: Mapping[str, NDArray[Any]], name: str) -> None:
    for at, variable in enumerate(variables):
        variable.assign(tensors[f"{name}.{at:04}"])
