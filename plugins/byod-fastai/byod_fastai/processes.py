"""Several processes that train one net together: accelerate starts them up and spreads the net over them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from byod_torch import devices
from fastai.callback.core import Callback
from fastai.learner import get_model

from byod.plugin import Run, TrainerError

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Team:
    """The processes of one training; alone, this one is all of them. `rank` counts from 0, the first one reports."""

    device: torch.device
    rank: int = 0
    world: int = 1
    accelerator: Accelerator | None = None

    def sum(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sums of these numbers (float32, any shape) over all processes, the same in each."""
        if self.accelerator is None:
            return numbers
        summed: torch.Tensor = self.accelerator.reduce(numbers.to(self.device), "sum")
        return summed

    def agree(self, answer: bool) -> bool:
        """The result of the first process."""
        if self.accelerator is None:
            return answer
        said = torch.tensor([float(answer and self.rank == 0)])
        return bool(self.sum(said).item() > 0)

    def end(self) -> None:
        """Part, once all have come to the end."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
            self.accelerator.end_training()


def team(run: Run) -> Team:
    """This process with the others of its training, as the launcher's environment names them (RANK, WORLD_SIZE).

    Raises:
        TrainerError: no launcher started them, or this machine has fewer devices.
    """
    device = devices.device(run.device)
    if run.gpus == 1:
        return Team(device)
    if int(os.environ.get("WORLD_SIZE", "1")) != run.gpus:
        raise TrainerError(
            f"{run.gpus} processes were asked for, and {os.environ.get('WORLD_SIZE', '1')} started; "
            "train with byod train --gpus, which starts them"
        )
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda" and local >= torch.cuda.device_count():
        raise TrainerError(f"this machine has {torch.cuda.device_count()} GPUs; train with --gpus so many")
    if device.type == "mps":
        raise TrainerError("several processes cannot share Apple's GPU; train without --gpus")
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
    return Team(accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator)


class Together(Callback):
    """Lets all processes take each step with the mean of their gradients (DistributedDataParallel).

    fastai's own callback for it (https://docs.fast.ai/distributed.html) takes only fastai's data loaders and GPUs.
    """

    order = 11  # after fastai has moved the net to its device

    def __init__(self, team: Team) -> None:
        self.team = team

    def before_fit(self) -> None:
        """All begin with the weights of the first process."""
        assert self.team.accelerator is not None
        self.learn.model = self.team.accelerator.prepare_model(self.model)

    def after_fit(self) -> None:
        """The net itself again."""
        self.learn.model = get_model(self.model)
