"""Augment training pictures: another look in each epoch."""

from __future__ import annotations

import torch
from fastai.callback.core import Callback
from fastai.torch_core import TensorImage
from fastai.vision.augment import aug_transforms


class Augment(Callback):
    """Mirrors, turns, zooms and lights each training batch anew, and brings it from the cache's size to the net's.

    `size` is the side of the net's input in pixels, `smallest` the least share (0..1) of a picture to be seen.
    """

    def __init__(self, size: int, smallest: float) -> None:
        self.steps = aug_transforms(size=size, min_scale=smallest)

    def before_batch(self) -> None:
        """Training batches only; validation pictures come at the right size."""
        if self.training:
            self.learn.xb = (self.changed(self.xb[0]),)

    def changed(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, side, side], 0..1, to [N, 3, size, size], each picture in its own way."""
        # on Apple's GPUs some of these steps do not exist (pytorch/pytorch#98222)
        changed = TensorImage(images.cpu() if images.device.type == "mps" else images)
        for step in self.steps:
            changed = step(changed, split_idx=0)
        return changed.as_subclass(torch.Tensor).clamp(0, 1).to(images.device)
