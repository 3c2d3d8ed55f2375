"""Augment training pictures: another look in each epoch."""

from __future__ import annotations

from byod_torch.augmentation import Augmentation
from fastai.callback.core import Callback


class Augment(Callback):
    """Changes each training picture in its own way, and brings it from the cache's size to the net's.

    It is byod-torch's augmentation: fastai's random crop on batches takes the same part of all pictures of a batch.
    `size` is the side of the net's input in pixels, `smallest` the least share (0..1) of a picture to be seen.
    """

    def __init__(self, size: int, smallest: float) -> None:
        self.changed = Augmentation(size, smallest)

    def before_batch(self) -> None:
        """Training batches only; validation pictures come at the right size."""
        if self.training:
            self.learn.xb = (self.changed(self.xb[0]),)
