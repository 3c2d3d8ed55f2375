"""Callbacks beside the learning: seeds, the log, the epoch that is kept, what a killed training needs, stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.learner import get_model
from fastai.torch_core import set_seed
from torch import nn

from byod.plugin import Run, TrainerError
from byod_fastai.choice import Choice
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
        """Train and validation, four sums each: losses, right answers, pictures, squared losses (validation only)."""
        self.sums = torch.zeros(2, 4, device=self.team.device)

    def after_batch(self) -> None:
        """One batch more."""
        count = len(self.yb[0])
        if not count:
            return
        right = (self.pred.detach().argmax(dim=1) == self.yb[0]).sum()
        pictures = torch.tensor(count, device=right.device)
        loss, squares = self.loss.detach() * count, torch.zeros_like(right)
        if not self.training:
            with self.learn.loss_not_reduced():
                losses = self.loss_func(self.pred, *self.yb)
            loss, squares = losses.sum(), losses.square().sum()
        self.sums[0 if self.training else 1] += torch.stack([loss, right, pictures, squares])

    def numbers(self) -> tuple[dict[str, float], float]:
        """Means over all pictures of all processes, and the standard error of the validation loss."""
        train, valid = self.team.sum(self.sums).tolist()
        loss, accuracy, _, square = (each / valid[2] for each in valid)
        error = math.sqrt(max(0.0, square - loss * loss) / valid[2])
        means = {"train_loss": train[0] / train[2], "train_accuracy": train[1] / train[2]}
        return {**means, "valid_loss": loss, "accuracy": accuracy}, error


class Watch(Sums):
    """Logs and saves each epoch, keeps the weights of a good one in memory, and stops when nothing gets better."""

    order = 70  # after the weight average (60)

    def __init__(self, run: Run, team: Team, patience: int, frozen_epochs: int, epochs: int) -> None:
        super().__init__(team)
        self.host, self.patience, self.frozen_epochs, self.epochs = run, patience, frozen_epochs, epochs
        self.saving: Callable[[Watch], None] = lambda watch: None
        self.done, self.choice = 0, Choice()
        self.kept: dict[str, torch.Tensor] = {}
        self.ended = self.trained = False
        self.error: Exception | None = None

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
        """Take up the epoch; an error ends the training, and `learn` raises it: fastai would write over its words."""
        if not self.trained:
            return
        try:
            self._take_epoch()
        except (TrainerError, OSError) as error:
            self.error, self.ended = error, True
            raise CancelFitException from error

    def _take_epoch(self) -> None:
        """Log it, keep its weights if they are the best, save it; epochs count on from the frozen ones."""
        numbers, error = self.numbers()
        if not all(math.isfinite(number) for number in numbers.values()):
            raise TrainerError(
                "the loss is not a finite number any more; train with a lower rate (--set lr=0.0005)"
            )
        self.host.log(
            {
                "epoch": self.done,
                **numbers,
                "lr": float(self.opt.hypers[-1]["lr"]),
                "seconds": time.perf_counter() - self.moment,
            }
        )
        if self.choice.take(self.done, numbers.get("valid_loss", 0.0), error):
            state = get_model(self.model).state_dict()
            self.kept = {name: value.detach().clone() for name, value in state.items()}
        self.done += 1
        late = self.done - 1 - self.choice.lowest_epoch >= self.patience and self.done > self.frozen_epochs
        self.ended = late or self.done == self.epochs
        self.saving(self)
        if late and self.done < self.epochs:
            self.host.say(f"no better validation loss for {self.patience} epochs: stopping")
        if self.team.agree(self.host.should_stop()):
            self.ended = True
        if self.ended:
            raise CancelFitException

    def facts(self) -> dict[str, Any]:
        """The facts for a resumed training; the weights kept are tensors."""
        return {"choice": asdict(self.choice), "ended": self.ended}

    def notes(self) -> dict[str, float]:
        """The notes for the model card."""
        return {"epochs": self.done, "best_epoch": self.choice.kept_epoch}

    def restore(self, model: nn.Module) -> None:
        """Put the weights that were kept back."""
        model.load_state_dict(self.kept)
