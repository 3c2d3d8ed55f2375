"""An average of the weights over the last steps, which does better than the last step itself."""

from __future__ import annotations

import torch
from fastai.callback.core import Callback


class Average(Callback):
    """Validates and ends with an exponential average of weights and batch-norm statistics.

    The average starts short and grows with the steps (decay = min(0.98, (1 + step) / (10 + step))), as in
    https://pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema.
    """

    order = 60

    def __init__(self, decay: float = 0.98) -> None:
        self.decay, self.steps = decay, 0
        self.average: dict[str, torch.Tensor] = {}
        self.own: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def after_batch(self) -> None:
        """One step more."""
        if not self.training:
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, value in self.model.state_dict().items():
            if name not in self.average or not value.is_floating_point():
                self.average[name] = value.detach().clone()
            else:
                self.average[name].lerp_(value, 1 - decay)

    def before_validate(self) -> None:
        """Validation sees the average."""
        self.own = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)

    def before_train(self) -> None:
        """Training goes on with its own weights."""
        if self.own:
            self.model.load_state_dict(self.own)
