"""Choose the device to train on: the one asked for, or the best there is, and its name."""

from __future__ import annotations

import torch

from byod.plugin import TrainerError


def device(wanted: str | None) -> torch.device:
    """The device of that name ("cuda", "cuda:1", "mps", "cpu"); None takes the best this machine has.

    Raises:
        TrainerError: this machine has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = (wanted or next(name for name, found in there.items() if found)).split(":")[0]
    if not there.get(kind, False):
        found = ", ".join(name for name, yes in there.items() if yes)
        raise TrainerError(f"this machine has no device {kind!r} that torch can use; it has: {found}")
    return torch.device(wanted or kind)


def reproducible(seed: int, on: torch.device) -> None:
    """Seed torch, and have CUDA take only algorithms that give the same numbers twice.

    https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    torch.manual_seed(seed)
    if on.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def name(of: torch.device) -> str:
    """The name of a device in the model card."""
    if of.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(of)})"
    return f"cpu ({torch.get_num_threads()} threads)" if of.type == "cpu" else of.type
