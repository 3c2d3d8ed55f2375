"""A training between two epochs as named arrays and plain facts, from which a killed one goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from byod.plugin import Checkpoint, Run
from byod_torch.averaging import WeightAverage
from byod_torch.processes import Processes

Tensors = dict[str, torch.Tensor]


class Phases(Protocol):
    """The phases of a plan: whether only the head learns in an epoch."""

    def frozen(self, epoch: int) -> bool:
        """See above."""
        ...


class Learns(Protocol):
    """A net as it learns, whatever it learns: all that another epoch depends on."""

    model: nn.Sequential
    device: torch.device
    processes: Processes
    average: WeightAverage | None
    optimizer: torch.optim.Optimizer

    @property
    def plan(self) -> Phases:
        """Its phases."""
        ...

    def begin(self, epoch: int) -> None:
        """Make ready for the phase of an epoch."""
        ...


@dataclass
class Progress:
    """Finished epochs, the best of them (by validation loss, from 0) with its weights, and whether training is over."""

    done: int = 0
    best_epoch: int = -1
    best_loss: float = math.inf
    best: Tensors = field(default_factory=dict)
    over: bool = False

    def take(self, loss: float, state: Tensors) -> None:
        """Keep a copy of the weights of the epoch that has just been evaluated, if there is no better one."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.done
            self.best = {name: value.detach().clone() for name, value in state.items()}

    def keep(self, state: Tensors) -> None:
        """Keep the weights of the epoch that has just been evaluated, in place of all earlier ones."""
        self.best_loss = math.inf
        self.take(0.0, state)


def save(run: Run, progress: Progress, learning: Learns) -> None:
    """Write down everything that the next epoch depends on; no optimizer where the next phase has a new one."""
    parts: dict[str, Mapping[str, torch.Tensor]] = {"best": progress.best, "chance": _chance(learning)}
    facts: dict[str, Any] = {
        "best_epoch": progress.best_epoch,
        "best_loss": progress.best_loss,
        "over": progress.over,
    }
    if not progress.over:
        parts["net"] = learning.model.state_dict()
        if learning.average:
            parts["average"] = learning.average.average
            facts["average_steps"] = learning.average.steps
        if learning.plan.frozen(progress.done - 1) is learning.plan.frozen(progress.done):
            parts["optimizer"] = _flat(learning.optimizer)
    tensors = {
        f"{part}:{name}": value.detach().cpu().numpy()
        for part, some in parts.items()
        for name, value in some.items()
    }
    run.save(progress.done, tensors, facts)


def restore(checkpoint: Checkpoint, learning: Learns) -> Progress:
    """Put everything back where it was after the last saved epoch."""
    facts, parts = checkpoint.facts, _parts(checkpoint.tensors, learning.device)
    progress = Progress(
        done=checkpoint.epochs,
        best_epoch=int(facts["best_epoch"]),
        best_loss=float(facts["best_loss"]),
        best=parts["best"],
        over=bool(facts["over"]),
    )
    if progress.over:
        return progress
    learning.model.load_state_dict(parts["net"])
    if learning.average:
        own = learning.model.state_dict()
        learning.average.average = {name: _like(own[name], value) for name, value in parts["average"].items()}
        learning.average.steps = int(facts["average_steps"])
    learning.begin(progress.done)
    if "optimizer" in parts:
        _unflatten(learning.optimizer, parts["optimizer"])
    _set_chance(parts["chance"], learning, progress.done)
    return progress


def _parts(tensors: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Tensors]:
    parts: dict[str, Tensors] = {}
    for key, array in tensors.items():
        part, _, name = key.partition(":")
        value = torch.from_numpy(np.array(array))
        parts.setdefault(part, {})[name] = value if part == "chance" else value.to(device)
    return parts


def _flat(optimizer: torch.optim.Optimizer) -> Tensors:
    """Adam's memory, each of its tensors named by the number of its parameter."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, own in state.items() for name, value in own.items()}


def _unflatten(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    whole = optimizer.state_dict()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in tensors.items():
        number, name = key.split(".")
        own = parameters[int(number)]
        value = _like(own, value) if value.shape == own.shape else value
        whole["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(whole)


def _like(own: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The same numbers in the memory order of `own`: fused optimizers take all in one order, and files know none."""
    return torch.empty_like(own).copy_(value)


def _chance(learning: Learns) -> Tensors:
    """The state of torch's generators: order and augmentation draw on the CPU, dropout where the net is."""
    states = {"cpu": torch.get_rng_state()}
    if learning.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(learning.device)
    return states


def _set_chance(states: Tensors, learning: Learns, epoch: int) -> None:
    """The first process goes on with its own chance, the others with another one of theirs."""
    if not learning.processes.first:
        torch.manual_seed(torch.initial_seed() + epoch)
        return
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and learning.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], learning.device)
