"""Save where a training stands after an epoch, as arrays and facts; and put a learner back to there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner, get_model
from numpy.typing import NDArray
from torch import nn

from byod.plugin import Checkpoint, LrFinder, Run, TrainerError
from byod_fastai.averaging import Average
from byod_fastai.callbacks import Watch
from byod_fastai.choice import Choice
from byod_fastai.processes import Team

SHARE = 0.05
"""Saving may take this share of the time; where it would take more, some epochs are not saved."""

QUICK = 0.5
"""Seconds that saving may take in any case."""

Arrays = Mapping[str, NDArray[Any]]


class Saving:
    """Saves an epoch as soon as it is logged; the first process does it for all."""

    def __init__(
        self, run: Run, team: Team, average: Average | None, lr: float, finder: LrFinder | None
    ) -> None:
        self.run, self.team, self.average = run, team, average
        self.facts = {"lr": lr, "finder": None if finder is None else finder.model_dump(mode="json")}
        self.last, self.cost = time.perf_counter(), 0.0

    def __call__(self, watch: Watch) -> None:
        """The weights, their average, those kept, and the optimizer's averages."""
        now = time.perf_counter()
        worth = watch.ended or self.cost <= max(QUICK, SHARE * (now - self.last))
        if self.team.rank or not worth:
            return
        learner, average = watch.learn, self.average
        own = average.own if average else get_model(learner.model).state_dict()
        states = {"weights": own}
        if average:
            states["average"] = average.kept.average
        if watch.choice.kept_epoch < watch.done - 1:  # else it is what has just been validated
            states["kept"] = watch.kept
        tensors = {f"{kind}.{name}": value for kind, state in states.items() for name, value in state.items()}
        moments, steps = _optimizer(learner)
        arrays = {name: value.detach().cpu().numpy() for name, value in (tensors | moments).items()}
        averaged = average.kept.steps if average else 0
        facts = {**self.facts, **watch.facts(), "steps": steps, "averaged": averaged}
        self.run.save(watch.done, arrays, facts)
        self.last = time.perf_counter()
        self.cost = self.last - now


def _optimizer(learner: Learner) -> tuple[dict[str, torch.Tensor], list[int]]:
    """The running averages of fastai's Adam by parameter number, and how many steps each parameter has taken."""
    states = [state for _, _, state, _ in learner.opt.all_params()]
    moments = {
        f"optimizer.{number}.{name}": value
        for number, state in enumerate(states)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    return moments, [int(state.get("step", 0)) for state in states]


def agreed(run: Run, team: Team) -> Checkpoint | None:
    """The checkpoint saved last, if any.

    Raises:
        TrainerError: another process of this training sees another state.
    """
    found = run.resume()
    epochs = 0 if found is None else found.epochs
    if team.sum(torch.tensor([float(epochs)])).item() != epochs * team.world:
        raise TrainerError(
            "the processes do not see the same checkpoint; all machines must share the dataset's folder"
        )
    return found


def restore(checkpoint: Checkpoint, model: nn.Module, watch: Watch, average: Average | None) -> None:
    """Weights, averages and counters as they were."""
    facts, arrays = checkpoint.facts, checkpoint.tensors
    like = model.state_dict()
    model.load_state_dict(_state(arrays, "weights", like))
    watch.done, watch.choice = checkpoint.epochs, Choice(**facts["choice"])
    just = watch.choice.kept_epoch == watch.done - 1
    watch.kept = _state(arrays, "kept" if not just else "average" if average else "weights", like)
    watch.ended = bool(facts["ended"])
    if average:
        average.kept.average = _state(arrays, "average", like)
        average.kept.steps = int(facts["averaged"])


def restore_optimizer(checkpoint: Checkpoint, learner: Learner) -> None:
    """The running averages of each parameter as they were; its groups must be frozen or not as they were."""
    for number, (parameter, _, state, _) in enumerate(learner.opt.all_params()):
        prefix = f"optimizer.{number}."
        mine = {n.removeprefix(prefix): a for n, a in checkpoint.tensors.items() if n.startswith(prefix)}
        if mine:
            state.update({name: _tensor(array, parameter) for name, array in mine.items()})
            state["step"] = checkpoint.facts["steps"][number]


def _state(arrays: Arrays, kind: str, like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: _tensor(arrays[f"{kind}.{name}"], value) for name, value in like.items()}


def _tensor(array: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    """A copy with shape, device and memory layout of another tensor: sums must be taken in the same order."""
    copy = torch.empty_like(like)
    return copy.copy_(torch.from_numpy(np.asarray(array)).reshape(like.shape))
