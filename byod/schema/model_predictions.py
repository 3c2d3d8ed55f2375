"""The records of what a model says of pictures."""

from __future__ import annotations

from byod.schema.reasons import Reason
from byod.schema.records import Record


class Prediction(Record):
    """A prediction of one picture: the likeliest class, and the probability (0..1) of every class.

    `none_of_these`: its `typicality` is too low for any class to be named; both are None where the model does not say.
    """

    path: str
    label: str
    probability: float
    probabilities: dict[str, float]
    typicality: float | None = None
    none_of_these: bool | None = None

    def top(self, count: int) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, the likeliest first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]


class Unreadable(Record):
    """A picture that could not be opened for predicting, and why."""

    path: str
    reason: Reason
    error: str


class FoundInstance(Record):
    """One object that was found: all in pixels of the upright picture, confidences in 0..1.

    `confidence` is the score of the box times the mean confidence of the two eyes. `box` is x0, y0, x1, y1; a point may
    lie outside the frame.
    """

    confidence: float
    box: tuple[float, float, float, float]
    points: dict[str, tuple[float, float]]
    point_confidence: dict[str, float]


class KeypointsPrediction(Record):
    """The objects found in one picture of `width` x `height` pixels (upright), the surest first."""

    path: str
    width: int
    height: int
    heads: tuple[FoundInstance, ...]
