"""What happens beside the learning: augmentation, the log, the best epoch, stopping."""

from __future__ import annotations

import math
import time

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import TensorImage
from fastai.vision.augment import aug_transforms
from torch import nn

from byod.trainers import Run


class Augment(Callback):
    """Mirrors, turns, zooms and lights each training batch anew, and brings it from the cache's size to the net's."""

    def __init__(self, size: int, smallest: float) -> None:
        self.steps = aug_transforms(size=size, min_scale=smallest)

    def before_batch(self) -> None:
        """Training batches only; validation pictures come at the right size."""
        if self.training:
            there = self.xb[0].device
            # on Apple's GPUs some of these steps do not exist (pytorch/pytorch#98222)
            image = TensorImage(self.xb[0].cpu() if there.type == "mps" else self.xb[0])
            for step in self.steps:
                image = step(image, split_idx=0)
            self.learn.xb = (image.as_subclass(torch.Tensor).clamp(0, 1).to(there),)


class FrozenNorm(Callback):
    """Keeps the body's batch-norm statistics as they came (right for statistics made by somebody else)."""

    def before_train(self) -> None:
        """fastai has just switched everything to training mode."""
        for module in self.model[1].modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


class Watch(Callback):
    """Logs each epoch, keeps the weights of the best one in memory, and stops when nothing gets better."""

    order = 70  # after the recorder (50) and the weight average (60)

    def __init__(self, run: Run, patience: int, frozen_epochs: int) -> None:
        self.host, self.patience, self.frozen_epochs = run, patience, frozen_epochs
        self.moment = time.perf_counter()
        self.done, self.best_epoch, self.best_loss = 0, -1, math.inf
        self.best: dict[str, torch.Tensor] = {}

    def before_epoch(self) -> None:
        """The seconds of an epoch are those of learning and validating."""
        self.moment = time.perf_counter()

    def after_epoch(self) -> None:
        """Epochs count on from the frozen ones."""
        train_loss, valid_loss, right = (float(value) for value in self.recorder.log[1:4])
        now = time.perf_counter()
        self.host.log(
            {
                "epoch": self.done,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                "accuracy": right,
                "seconds": now - self.moment,
            }
        )
        if valid_loss < self.best_loss:
            self.best_loss, self.best_epoch = valid_loss, self.done
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.done += 1
        if self.host.should_stop():
            raise CancelFitException
        if self.done - 1 - self.best_epoch >= self.patience and self.done > self.frozen_epochs:
            self.host.say(f"no better validation loss for {self.patience} epochs: stopping")
            raise CancelFitException

    def restore(self, model: nn.Module) -> None:
        """Put the best epoch's weights back."""
        model.load_state_dict(self.best)
