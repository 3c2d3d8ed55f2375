"""An honest interval around a share, and the quantile it takes where there is little to go by."""

from __future__ import annotations

import math
from itertools import pairwise


def wilson(rate: float, count: float, z: float = 1.959964) -> tuple[float, float]:
    """The interval of Wilson's score around a share of so many (95 %): lower and upper end, 0..1.

    https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
    """
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half))


def student_t(freedom: float) -> float:
    """The 97.5 % quantile of Student's t distribution with so many degrees of freedom (1 at least).

    The expansion in 1 / freedom of Abramowitz and Stegun (26.7.5, https://personal.math.ubc.ca/~cbm/aands/page_949.htm);
    below 4 degrees it is read between exact values.
    """
    freedom = max(1.0, freedom)
    if freedom < EXACT[-1][0]:
        (low, first), (high, second) = next(pair for pair in pairwise(EXACT) if pair[1][0] >= freedom)
        share = (1 / low - 1 / freedom) / (1 / low - 1 / high)
        return first + (second - first) * share
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


EXACT = ((1.0, 12.7062), (1.2, 8.6488), (1.5, 6.0167), (2.0, 4.3027), (3.0, 3.1824), (4.0, 2.7764))
"""Degrees of freedom with their quantiles."""
