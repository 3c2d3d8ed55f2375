"""Precision and recall of calling a class, at each threshold: one class against all others.

Throughout, `there` is bool [N] (the picture is of the class), `given` float [N] (the probability given to it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve of one class: at each threshold (falling), the shares (0..1) found and right when called."""

    thresholds: Numbers
    recall: Numbers
    precision: Numbers

    @property
    def average(self) -> float:
        """The average precision: the precision at each threshold, weighted by what is found there and not before.

        https://en.wikipedia.org/wiki/Evaluation_measures_(information_retrieval)#Average_precision
        """
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    @property
    def best(self) -> int:
        """The place on the curve with the highest F1; of several, that of the highest threshold."""
        whole = np.maximum(self.precision + self.recall, 1e-12)
        return int((2 * self.precision * self.recall / whole).argmax())


def curve(there: NDArray[np.bool_], given: Numbers) -> PrecisionRecall | None:
    """The curve of one class; None where no picture is of it, or every one."""
    if not there.any() or there.all():
        return None
    order = np.argsort(-given, kind="stable")
    hits, falling = there[order].cumsum(), given[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    found = hits[last].astype(np.float64)
    return PrecisionRecall(falling[last], found / hits[-1], found / (last + 1))
