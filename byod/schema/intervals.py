"""An honest interval around a share."""

from __future__ import annotations

import math


def wilson(rate: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of Wilson's score around a share of so many (95 %): lower and upper end, 0..1.

    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
    """
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)
