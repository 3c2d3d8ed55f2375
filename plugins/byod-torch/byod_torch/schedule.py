"""Every number of a training, and the rate at each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from byod_torch import batch_norm
from byod_torch import class_weights as balance
from byod_torch.options import Options

WARM = 0.25
"""The share of the steps in which the rate rises."""

LARGEST = 1.5
"""Pictures to crop from are cached at most so many times larger than the input: whole ones are sampled down."""


@dataclass(frozen=True)
class Plan:
    """The options of a training, with those left open chosen; `class_weights` are None for a balanced set."""

    size: int
    epochs: int
    frozen_epochs: int
    batch_size: int
    lr: float
    body_rate: float
    weight_decay: float
    mixup: float
    label_smoothing: float
    freeze_norm: bool
    scratch: bool
    average: bool
    min_scale: float
    test_flips: bool
    class_weights: tuple[float, ...] | None

    @property
    def total(self) -> int:
        """Epochs of the head alone, and of the whole net."""
        return self.frozen_epochs + self.epochs

    @property
    def cached(self) -> int:
        """The side in pixels at which training pictures are kept."""
        return cached_side(self.size, self.min_scale)

    def frozen(self, epoch: int) -> bool:
        """True if only the head learns in this epoch (from 0)."""
        return epoch < self.frozen_epochs

    def position(self, epoch: int, step: int, steps: int) -> float:
        """The share of its phase (head alone, whole net; 0..1) at which a step of an epoch of `steps` lies."""
        start, length = (0, self.frozen_epochs) if self.frozen(epoch) else (self.frozen_epochs, self.epochs)
        return ((epoch - start) * steps + step) / (length * steps)


def smallest_crop(options: Options) -> float:
    """The smallest share of a picture's area that is shown in training; 1.0: all of it, always."""
    if not options.augment:
        return 1.0
    return options.min_scale or (0.7 if options.from_scratch else 0.35)


def body_share(options: Options, body: nn.Module) -> float:
    """The share of the rate of what stands behind it at which each half of the body learns.

    Where batch norms follow, they keep the feature maps in their range at a full rate; where none do, the body soon
    forgets what it knew.
    """
    follow = not norms_kept(options) and batch_norm.all_of(body)
    return options.body_rate or (1.0 if follow else 0.3)


def norms_kept(options: Options) -> bool:
    """True if the batch norms of the body keep the statistics they came with.

    The head has learned on what they give, and a fine-tuning is too short for running averages to follow a body that
    changes: pictures would be evaluated with other statistics than they are learned with.
    """
    return not options.from_scratch if options.freeze_norm is None else options.freeze_norm


def smoothing(options: Options) -> float:
    """The share of each label that is spread over all classes."""
    if options.label_smoothing is None:
        return 0.0 if options.from_scratch else 0.1
    return options.label_smoothing


def cached_side(size: int, min_scale: float) -> int:
    """The side in pixels at which pictures are kept, so that a crop of them need not be enlarged to `size`."""
    return round(size * min(LARGEST, 1 / math.sqrt(min_scale)))


def plan(
    options: Options,
    labels: Sequence[int],
    classes: int,
    *,
    body: nn.Module,
    on_gpu: bool,
    fixed: int | None = None,
) -> Plan:
    """Choose what was left open, by the kind of training.

    `labels` are those of the training pictures, `body` is what learns below the head, `fixed` is the side in pixels of
    a net that takes no other.
    """
    scratch = options.from_scratch
    weights = balance.class_weights(labels, classes)
    return Plan(
        size=options.size or fixed or (224 if on_gpu else 96 if scratch else 128),
        epochs=options.epochs or (8 if scratch else 6),
        frozen_epochs=0 if scratch else options.frozen_epochs,
        batch_size=options.batch_size or (16 if scratch else 32),
        lr=options.lr or (1e-3 if scratch else 2e-3),
        body_rate=body_share(options, body),
        weight_decay=options.weight_decay,
        mixup=options.mixup,
        label_smoothing=smoothing(options),
        freeze_norm=norms_kept(options),
        scratch=scratch,
        average=options.ema,
        min_scale=smallest_crop(options),
        test_flips=options.test_flips,
        class_weights=tuple(weights) if weights else None,
    )


def one_cycle(position: float) -> float:
    """The share of the highest rate at a place (0..1) of a phase: up from 1/25, then down to nothing, by cosines.

    https://arxiv.org/abs/1803.09820
    """
    if position < WARM:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * position / WARM)) / 2
    return (1 + math.cos(math.pi * (position - WARM) / (1 - WARM))) / 2
