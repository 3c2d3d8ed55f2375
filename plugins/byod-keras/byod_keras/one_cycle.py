"""The one-cycle schedule as Keras reads it: the rate of a step, on whichever backend.

Leslie N. Smith and Nicholay Topin, 2017, https://arxiv.org/abs/1708.07120
"""

from __future__ import annotations

import math
from typing import Any

from byod_keras.backends import load

keras = load()

RISE = 0.25  # share of the steps on which the rate rises
START, END = 25.0, 1e4  # it begins at highest / START, and ends at highest / END


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises to `highest` along a cosine, then falls to nearly nothing, over `steps` steps."""

    def __init__(self, highest: float, steps: int) -> None:
        super().__init__()
        self.highest, self.steps = highest, max(2, steps)

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        ops = keras.ops
        share = ops.cast(step, "float32") / (self.steps - 1)
        up = ops.minimum(share / RISE, 1.0)
        down = ops.clip((share - RISE) / (1 - RISE), 0.0, 1.0)
        low, high, end = self.highest / START, self.highest, self.highest / END
        rising = low + (high - low) * (1 - ops.cos(math.pi * up)) / 2
        falling = end + (high - end) * (1 + ops.cos(math.pi * down)) / 2
        return ops.where(share < RISE, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The configuration, which Keras requires of every schedule."""
        return {"highest": self.highest, "steps": self.steps}
