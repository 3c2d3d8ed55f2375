"""What a report tells: the card of a run, and the pictures and numbers behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.modelcard import ModelCard, Suspect
from byod.records import Record, Yield

Look = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Asks the model: uint8 [N, height, width, 3] at the size of its input to probabilities, float32 [N, classes]."""


class Answer(Record):
    """A picture that was measured on, what it is, and what the model said; `file` is its name in the report.

    `probability` (0..1) is that of `said`, `probability_raw` the same without the temperature, `probabilities` those
    of all classes. `part` names the fold, or "test".
    """

    path: Path
    file: str
    label: str
    said: str
    probability: float
    probability_raw: float
    probabilities: dict[str, float]
    part: str = "test"

    @property
    def right(self) -> bool:
        """Whether the model said what the label says."""
        return self.said == self.label


@dataclass(frozen=True)
class Story:
    """All a report is made from.

    `history` is what the trainer logged, an epoch each. `suspects` are the pictures whose labels are doubted, lowest
    quality first, with where they lie. `look` asks the model of the run's folder; without it there are no occlusion
    maps.
    """

    card: ModelCard
    history: tuple[Mapping[str, float], ...] = ()
    answers: tuple[Answer, ...] = ()
    suspects: tuple[tuple[Suspect, Path], ...] = ()
    yields: tuple[Yield, ...] = ()
    look: Look | None = None
