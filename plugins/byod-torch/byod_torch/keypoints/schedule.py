"""Every number of a training for points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from byod.plugin import Stage

Head = Literal["heatmap", "direct"]

OWN = "unet_lite"
"""What learns from random weights, if nothing else is asked for."""
SEEN = 8_000
"""So many pictures, or heads, a pretrained net sees in all."""
LONGER = 2
"""One from random weights sees so many times as many."""
FEW = 1_000
"""With fewer pictures than these, batches are small: steps are what such a training is short of."""
LEAST, MOST = 12, 150
"""Epochs, at least and at most."""


class Choice(Protocol):
    """The part of a trainer's options that this package reads; `byod_torch.beginning.Choice` has the others."""

    arch: str
    from_scratch: bool
    weights: Path | None
    normalise: Literal["none", "imagenet"] | None
    size: int | None
    heads_size: int | None
    epochs: int | None
    batch_size: int | None
    lr: float | None
    weight_decay: float
    augment: bool
    ema: bool
    freeze_norm: bool | None
    head: Head
    mirror: bool

    @property
    def model_fields_set(self) -> set[str]:
        """The options that were set (pydantic's)."""
        ...

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The same with some of them changed (pydantic's)."""
        ...


@dataclass(frozen=True)
class Plan:
    """The options of a training of one stage, with those left open chosen.

    `size` are pixels a side of the input, `finest` those of a cell of the finest map.
    """

    stage: Stage
    size: int
    finest: int
    epochs: int
    batch_size: int
    lr: float
    body: float
    weight_decay: float
    freeze_norm: bool
    scratch: bool
    average: bool
    augment: bool
    direct: bool
    mirror: bool

    def frozen(self, epoch: int) -> bool:
        """Nothing ever is: the body learns from the first step on, more slowly."""
        return False

    def position(self, epoch: int, step: int, steps: int) -> float:
        """The share of the training (0..1) at which a step of an epoch of `steps` lies."""
        return (epoch * steps + step) / (self.epochs * steps)


def plan(options: Choice, stage: Stage, count: int) -> Plan:
    """Choose what was left open; `count` are the heads, or pictures, that one epoch shows."""
    scratch = options.from_scratch
    heads = stage is Stage.DETECTION
    seen = SEEN * (LONGER if scratch else 1)
    return Plan(
        stage=stage,
        size=(options.heads_size if heads else options.size) or (160 if heads else 128),
        finest=8 if heads else 4,
        epochs=options.epochs or min(MOST, max(LEAST, math.ceil(seen / max(count, 1)))),
        batch_size=options.batch_size or (8 if count < FEW else 32),
        lr=options.lr or (3e-3 if scratch else 2e-3),
        body=1.0 if scratch else 0.3,
        weight_decay=options.weight_decay,
        freeze_norm=bool(options.freeze_norm),
        scratch=scratch,
        average=options.ema,
        augment=options.augment,
        direct=options.head == "direct" and not heads,
        # what never learned from mirror images is not asked about them
        mirror=options.mirror and options.augment,
    )
