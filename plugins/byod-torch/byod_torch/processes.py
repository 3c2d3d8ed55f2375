"""One training in several processes, one a GPU: who is who, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from byod.plugin import TrainerError


@dataclass(frozen=True)
class Processes:
    """The processes of one training: this one's `rank` from 0, and how many there are (`world`)."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """True if this is the one that evaluates, logs, saves and exports."""
        return self.rank == 0

    def summed(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.world > 1:
            distributed.all_reduce(numbers)
        return numbers

    def told(self, yes: bool, device: torch.device) -> bool:
        """The result of the first process; the others wait for it."""
        if self.world == 1:
            return yes
        word = torch.tensor([yes], dtype=torch.int64, device=device)
        distributed.broadcast(word, 0)
        return bool(word.item())

    def shared(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The net, with gradients averaged over all processes.

        https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
        """
        if self.world == 1:
            return model
        number = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=number)


def place(wanted: torch.device) -> torch.device:
    """This process's own GPU among several; the device itself otherwise."""
    if wanted.type == "cuda" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return wanted


@contextmanager
def together(gpus: int, device: torch.device) -> Iterator[Processes]:
    """Find the other processes (by what the launcher put into the environment), and part from them at the end.

    Raises:
        TrainerError: several GPUs are wanted, and this process was started alone.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        if gpus > 1:
            raise TrainerError(
                f"{gpus} GPUs need {gpus} processes, and this is one alone; start it with byod train --gpus {gpus}"
            )
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
