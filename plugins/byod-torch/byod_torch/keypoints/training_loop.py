"""A net for objects or points as it learns: one epoch of it, and how good it is by now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from byod_torch import batch_norm
from byod_torch.averaging import WeightAverage
from byod_torch.keypoints.feeds import Batch
from byod_torch.keypoints.schedule import Plan
from byod_torch.processes import Processes
from byod_torch.schedule import one_cycle

DECAY = 0.99
"""Of the average of the weights: it reaches back a hundred steps."""

Tensors = dict[str, torch.Tensor]
Loss = Callable[[torch.Tensor, Batch], torch.Tensor]


class Learning:
    """A net (normalisation, encoder, what stands on it), its optimizer, and the average of its weights."""

    def __init__(self, model: nn.Sequential, plan: Plan, device: torch.device, loss: Loss) -> None:
        self.model = model.to(device, memory_format=torch.channels_last)
        self.plan, self.device, self.loss = plan, device, loss
        self.processes = Processes()
        self.average = WeightAverage(DECAY) if plan.average else None
        self.optimizer: torch.optim.Optimizer
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """A fresh optimizer; a pretrained body learns more slowly than what stands on it."""
        parts = (
            (self.model[1].parameters(), self.plan.lr * self.plan.body),
            (self.model[2].parameters(), self.plan.lr),
        )
        kinds = [
            ([p for p in every if (p.ndim > 1) is many], rate, self.plan.weight_decay if many else 0.0)
            for every, rate in ((list(part), rate) for part, rate in parts)
            for many in (True, False)
        ]
        rated: list[dict[str, Any]] = [
            {"params": some, "lr": rate, "highest": rate, "weight_decay": decay}
            for some, rate, decay in kinds
            if some
        ]
        fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(rated, betas=(0.9, 0.99), fused=fused)

    def learn(self, batches: Iterable[Batch], epoch: int, steps: int) -> float:
        """One epoch of so many steps: the mean loss on what was shown."""
        self._wake()
        total, count = torch.zeros((), device=self.device), 0
        for step, batch in enumerate(batches):
            share = one_cycle(self.plan.position(epoch, step, steps))
            for group in self.optimizer.param_groups:
                group["lr"] = group["highest"] * share
            total += self._step(batch) * len(batch.images)
            count += len(batch.images)
        return float(total) / max(count, 1)

    @property
    def lr(self) -> float:
        """The highest rate in the step taken last."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def _wake(self) -> None:
        self.model.train()
        if self.plan.freeze_norm:
            for norm in batch_norm.all_of(self.model[1]):
                norm.eval()

    def _step(self, batch: Batch) -> torch.Tensor:
        with _half(self.device):
            said = self.model(self.images(batch))
        loss = self.loss(said.float(), batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.average:
            self.average.update(self.model)
        return loss.detach()

    def images(self, batch: Batch) -> torch.Tensor:
        """The pictures of a batch as the net takes them: float32 [B, 3, S, S], RGB 0..1."""
        images = torch.from_numpy(batch.images).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        return images.contiguous(memory_format=torch.channels_last)

    def measure_norms(self, batches: Iterable[Batch]) -> None:
        """Measure the statistics of a new net's batch norms anew, for the weights that are kept."""
        if self.plan.scratch:
            batch_norm.measure(self.model, self.state(), (self.images(batch) for batch in batches))

    @torch.no_grad()
    def evaluated(self, batches: Iterable[Batch]) -> float | None:
        """Mean loss on validation pictures, by the average of the weights where there is one; None without any."""
        self.model.eval()
        state, total, count = self.state(), 0.0, 0
        for batch in batches:
            said = functional_call(self.model, state, (self.images(batch),))
            total += float(self.loss(said.float(), batch)) * len(batch.images)
            count += len(batch.images)
        return total / count if count else None

    def state(self) -> Tensors:
        """The weights that are evaluated and kept."""
        return self.average.average if self.average else self.model.state_dict()


def _half(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where a GPU computes in it (https://docs.pytorch.org/docs/stable/amp.html)."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
