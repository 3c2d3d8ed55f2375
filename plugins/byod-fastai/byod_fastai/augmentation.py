"""What happens to training pictures: another look in each epoch."""

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
            there = self.xb[0].device
            # on Apple's GPUs some of these steps do not exist (pytorch/pytorch#98222)
            image = TensorImage(self.xb[0].cpu() if there.type == "mps" else self.xb[0])
            for step in self.steps:
                image = step(image, split_idx=0)
            self.learn.xb = (image.as_subclass(torch.Tensor).clamp(0, 1).to(there),)
