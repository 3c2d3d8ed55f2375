"""How good labels are, as a random sample of them tells."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from byod.schema.intervals import wilson
from byod.schema.record import Record


class RightLabels(Record):
    """The number of labels of a random sample that were right when people looked at them."""

    right: int = Field(ge=0)
    number: int = Field(ge=1)

    @model_validator(mode="after")
    def _part(self) -> Self:
        if self.right > self.number:
            raise ValueError("more labels are right than were looked at")
        return self

    @property
    def rate(self) -> float:
        """The share of right labels, 0..1."""
        return self.right / self.number

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of that share for all pictures."""
        return wilson(self.rate, self.number)


class LabelQuality(RightLabels):
    """How good the labels are, by the last random sample of them: over all, and by class folder.

    `draw` is the number of the sample; `undecided` counts the pictures of it about which people differ, which the
    figure leaves out until somebody has decided.
    """

    draw: int
    undecided: int = Field(0, ge=0)
    classes: dict[str, RightLabels] = {}

    @property
    def summary(self) -> str:
        """The figure in one line."""
        low, high = self.interval
        open_ones = f"; people differ about {self.undecided} more, to be decided" if self.undecided else ""
        return (
            f"{self.rate:.0%} of labels right ({low:.0%} to {high:.0%}, by a random sample of {self.number}"
            f"{open_ones})"
        )
