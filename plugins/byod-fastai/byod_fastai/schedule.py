"""Plan a training: every number of it, and its stages, once the options left open are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from byod_torch import class_weights as balance
from byod_torch import networks
from byod_torch.networks import Net
from byod_torch.schedule import body_share, cached_side, smallest_crop

from byod.plugin import Example, TrainingData
from byod_fastai.options import Options


@dataclass(frozen=True)
class TrainingStage:
    """One cycle of the rate: `epochs` long, on the head alone (`frozen`) or the whole net.

    `lowest` is the rate of the body's first layers, `highest` that of the head. The rate rises to it from a `start`-th
    of it during the first `rise` (0..1) of the steps.
    """

    epochs: int
    frozen: bool
    lowest: float
    highest: float
    rise: float
    start: float

    @property
    def rates(self) -> float | slice:
        """The rates as fastai takes them; a slice spreads them over the groups of parameters by equal factors."""
        if self.frozen:
            return slice(self.highest)
        return self.highest if self.lowest == self.highest else slice(self.lowest, self.highest)


@dataclass(frozen=True)
class Plan:
    """The numbers of a training: sides in pixels, epochs, pictures a step."""

    size: int
    cached: int
    smallest_crop: float
    epochs: int
    frozen_epochs: int
    batch_size: int
    body_rate: float
    test_flips: bool
    ema: bool
    scratch: bool
    class_weights: tuple[float, ...] | None

    @property
    def all_epochs(self) -> int:
        """Epochs of all stages."""
        return self.frozen_epochs + self.epochs

    @property
    def usual_rate(self) -> float:
        """The rate that does well on most sets."""
        return 1e-3 if self.scratch else 2e-3

    @property
    def searched(self) -> bool:
        """True if the rate is searched for where none was asked for."""
        return True

    @property
    def smaller(self) -> str:
        """The options that take less memory."""
        return f"--set batch_size={max(2, self.batch_size // 2)} or --set size={max(32, self.size * 3 // 4)}"

    def notes(self, processes: int) -> dict[str, Any]:
        """The notes for the model card."""
        said: dict[str, Any] = {"batch_size": self.batch_size * processes}
        if self.test_flips:
            said["test_flips"] = True
        if self.class_weights is not None:
            said["class_weights"] = list(self.class_weights)
        return said | ({"processes": processes} if processes > 1 else {})

    def stages(self, rate: float) -> tuple[TrainingStage, ...]:
        """Head first, then everything with lower rates for what is more general (fastai's `fine_tune`); or one cycle.

        A rate above the usual one is the head's alone: the search for it leaves the body as it is.
        https://docs.fast.ai/callback.schedule.html#learner.fine_tune
        """
        if self.scratch:
            return (TrainingStage(self.epochs, False, rate, rate, 0.25, 25),)
        body = min(rate, self.usual_rate) / 2 * self.body_rate**2
        whole = TrainingStage(self.epochs, False, body, rate / 2, 0.3, 5)
        head = TrainingStage(self.frozen_epochs, True, rate, rate, 0.99, 25)
        return (head, whole) if self.frozen_epochs else (whole,)


def labels(data: TrainingData, part: tuple[Example, ...]) -> list[int]:
    """The class number of each example."""
    number = {name: at for at, name in enumerate(data.classes)}
    return [number[example.label] for example in part]


def plan(options: Options, built: Net, device: torch.device, data: TrainingData) -> Plan:
    """Choose what the options leave open.

    Raises:
        TrainerError: the net does not take pictures of this size.
    """
    scratch = options.from_scratch
    size = options.size or built.size or (224 if device.type != "cpu" else 96 if scratch else 128)
    networks.accepts(built, size)
    smallest = smallest_crop(options)
    weighed = balance.class_weights(labels(data, data.train), len(data.classes))
    return Plan(
        size=size,
        cached=cached_side(size, smallest),
        smallest_crop=smallest,
        epochs=options.epochs or (8 if scratch else 6),
        frozen_epochs=0 if scratch else options.frozen_epochs,
        batch_size=options.batch_size or (16 if scratch else 32),
        body_rate=body_share(options, built.model[1]),
        test_flips=options.test_flips,
        ema=options.ema,
        scratch=scratch,
        class_weights=tuple(weighed) if weighed and options.class_weights else None,
    )
