"""An average of the weights over the last steps, which does better than the last step itself."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """An exponential average of weights and batch-norm statistics.

    It starts short and grows with the steps (decay = min(0.98, (1 + step) / (10 + step))), as in
    https://pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema. `average` (by name) and `steps` are
    all of its state.
    """

    def __init__(self, decay: float = 0.98) -> None:
        self.decay, self.steps = decay, 0
        self.average: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """One step more."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, value in model.state_dict().items():
            if name not in self.average or not value.is_floating_point():
                self.average[name] = value.detach().clone()
            else:
                self.average[name].lerp_(value, 1 - decay)
