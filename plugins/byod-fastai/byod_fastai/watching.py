"""What happens beside the learning: seeds, the log, the best epoch, what a killed training needs, stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.learner import get_model
from fastai.torch_core import set_seed
from torch import nn

from byod.errors import TrainerError
from byod.trainers import Run
from byod_fastai.processes import Team


class FrozenNorm(Callback):
    """Keeps the body's batch-norm statistics as they came (right for statistics made by somebody else)."""

    def before_train(self) -> None:
        """fastai has just switched everything to training mode."""
        for module in get_model(self.model)[1].modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


class Sums(Callback):
    """Sums of loss, right answers and pictures over an epoch, kept on the device so that it need not wait."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def before_epoch(self) -> None:
        """Train and validation, three sums each."""
        self.sums = torch.zeros(2, 3, device=self.team.device)

    def after_batch(self) -> None:
        """One batch more."""
        count = len(self.yb[0])
        if count:
            right = (self.pred.detach().argmax(dim=1) == self.yb[0]).sum()
            row = torch.stack([self.loss.detach() * count, right, torch.tensor(count, device=right.device)])
            self.sums[0 if self.training else 1] += row.to(self.sums.dtype)

    def numbers(self) -> dict[str, float]:
        """Means over all pictures of all processes."""
        (loss, right, count), (valid_loss, valid_right, valid_count) = self.team.sum(self.sums).tolist()
        return {
            "train_loss": loss / count,
            "train_accuracy": right / count,
            "valid_loss": valid_loss / valid_count,
            "accuracy": valid_right / valid_count,
        }


class Watch(Sums):
    """Logs and saves each epoch, keeps the weights of the best one in memory, and stops when nothing gets better."""

    order = 70  # after the weight average (60)

    def __init__(self, run: Run, team: Team, patience: int, frozen_epochs: int, epochs: int) -> None:
        super().__init__(team)
        self.host, self.patience, self.frozen_epochs, self.epochs = run, patience, frozen_epochs, epochs
        self.saving: Callable[[Watch], None] = lambda watch: None
        self.done, self.best_epoch, self.best_loss = 0, -1, math.inf
        self.best: dict[str, torch.Tensor] = {}
        self.ended = self.trained = False

    def before_epoch(self) -> None:
        """Every epoch has its own seed, so that one that is taken up again is the same; each process another."""
        super().before_epoch()
        self.moment = time.perf_counter()
        self.trained = False
        set_seed((self.host.seed * 1_000_003 + self.done) * 1_009 + self.team.rank)

    def before_train(self) -> None:
        """Epochs that were done before a kill do not come so far."""
        self.trained = True

    def after_epoch(self) -> None:
        """Epochs count on from the frozen ones."""
        if not self.trained:
            return
        numbers = self.numbers()
        if not all(math.isfinite(number) for number in numbers.values()):
            raise TrainerError(
                "the loss is no finite number any more; train with a lower rate (--set lr=0.0005)"
            )
        self.host.log(
            {
                "epoch": self.done,
                **numbers,
                "lr": float(self.opt.hypers[-1]["lr"]),
                "seconds": time.perf_counter() - self.moment,
            }
        )
        if numbers["valid_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = numbers["valid_loss"], self.done
            state = get_model(self.model).state_dict()
            self.best = {name: value.detach().clone() for name, value in state.items()}
        self.done += 1
        late = self.done - 1 - self.best_epoch >= self.patience and self.done > self.frozen_epochs
        self.ended = late or self.done == self.epochs
        self.saving(self)
        if late and self.done < self.epochs:
            self.host.say(f"no better validation loss for {self.patience} epochs: stopping")
        if self.team.agree(self.host.should_stop()):
            self.ended = True
        if self.ended:
            raise CancelFitException

    def facts(self) -> dict[str, Any]:
        """What a training that is taken up must know; the best weights are tensors."""
        return {"best_epoch": self.best_epoch, "best_loss": self.best_loss, "ended": self.ended}

    def notes(self) -> dict[str, float]:
        """What the model card says of it."""
        return {"epochs": self.done, "best_epoch": self.best_epoch}

    def restore(self, model: nn.Module) -> None:
        """Put the best epoch's weights back."""
        model.load_state_dict(self.best)
