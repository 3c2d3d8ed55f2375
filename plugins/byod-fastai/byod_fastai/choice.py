"""Choose the epoch to keep: few validation pictures cannot tell good epochs apart, so the latest good one is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Choice:
    """The latest epoch whose validation loss is at most one standard error above the lowest one.

    The last epochs of a cycle are the best annealed ones, and the lowest loss on some forty pictures is chance. After
    the one-standard-error rule of Breiman et al., Classification and Regression Trees (1984). Epochs count from 0.
    """

    lowest: float = math.inf
    error: float = 0.0
    lowest_epoch: int = -1
    kept_epoch: int = -1

    def take(self, epoch: int, loss: float, error: float) -> bool:
        """True if the weights of this epoch are to be kept; `error` is the standard error of its loss."""
        if loss < self.lowest:
            self.lowest, self.error, self.lowest_epoch = loss, error, epoch
        if loss > self.lowest + self.error:
            return False
        self.kept_epoch = epoch
        return True
