"""fastai's side of the weight average: validation and the end see it, training goes on with its own weights."""

from __future__ import annotations

import torch
from byod_torch.averaging import WeightAverage
from fastai.callback.core import Callback
from fastai.learner import get_model


class Average(Callback):
    """Validates and ends with an exponential average of the weights."""

    order = 60

    def __init__(self, decay: float = 0.98) -> None:
        self.kept = WeightAverage(decay)
        self.own: dict[str, torch.Tensor] = {}

    def after_batch(self) -> None:
        """One step more."""
        if self.training:
            self.kept.update(get_model(self.model))

    def before_validate(self) -> None:
        """Validation sees the average."""
        model = get_model(self.model)
        self.own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.kept.average)

    def before_train(self) -> None:
        """Training goes on with its own weights."""
        if self.own:
            get_model(self.model).load_state_dict(self.own)
