"""Every number of a training, and the rate at each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from byod_torch import class_weights as balance
from byod_torch.options import Options

WARM = 0.25
"""The share of the steps in which the rate rises."""


@dataclass(frozen=True)
class Plan:
    """The options of a training, with those left open chosen; `class_weights` are None for a balanced set."""

    size: int
    epochs: int
    frozen_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    mixup: float
    label_smoothing: float
    freeze_norm: bool
    scratch: bool
    average: bool
    class_weights: tuple[float, ...] | None

    @property
    def total(self) -> int:
        """Epochs of the head alone, and of the whole net."""
        return self.frozen_epochs + self.epochs

    def frozen(self, epoch: int) -> bool:
        """True if only the head learns in this epoch (from 0)."""
        return epoch < self.frozen_epochs

    def position(self, epoch: int, step: int, steps: int) -> float:
        """The share of its phase (head alone, whole net; 0..1) at which a step of an epoch of `steps` lies."""
        start, length = (0, self.frozen_epochs) if self.frozen(epoch) else (self.frozen_epochs, self.epochs)
        return ((epoch - start) * steps + step) / (length * steps)


def plan(
    options: Options, labels: Sequence[int], classes: int, *, on_gpu: bool, fixed: int | None = None
) -> Plan:
    """Choose what was left open, by the kind of training.

    `labels` are those of the training pictures, `fixed` is the side in pixels of a net that takes no other.
    """
    scratch = options.from_scratch
    weights = balance.class_weights(labels, classes)
    return Plan(
        size=options.size or fixed or (224 if on_gpu else 96 if scratch else 128),
        epochs=options.epochs or (8 if scratch else 6),
        frozen_epochs=0 if scratch else options.frozen_epochs,
        batch_size=options.batch_size or (16 if scratch else 32),
        lr=options.lr or (1e-3 if scratch else 2e-3),
        weight_decay=options.weight_decay,
        mixup=options.mixup,
        label_smoothing=options.label_smoothing,
        freeze_norm=options.freeze_norm,
        scratch=scratch,
        average=scratch if options.ema is None else options.ema,
        class_weights=tuple(weights) if weights else None,
    )


def one_cycle(position: float) -> float:
    """The share of the highest rate at a place (0..1) of a phase: up from 1/25, then down to nothing, by cosines.

    https://arxiv.org/abs/1803.09820
    """
    if position < WARM:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * position / WARM)) / 2
    return (1 + math.cos(math.pi * (position - WARM) / (1 - WARM))) / 2
