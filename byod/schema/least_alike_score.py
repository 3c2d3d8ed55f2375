"""The records of how a model does on the test pictures least like anything learned from, and of a split at random."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from byod.schema.records import Record

Share = Annotated[float, Field(ge=0, le=1)]


class LeastAlike(Record):
    """The fifth of the tested pictures that is least like the nearest one learned from, by the features of `extractor`.

    `accuracy` is that of the model on these `pictures`, `interval` its 95 % interval by groups. `likeness` is the
    cosine below which they lie, and `others` the accuracy on the rest.
    """

    extractor: str
    pictures: int = Field(ge=1)
    accuracy: Share
    interval: tuple[Share, Share]
    likeness: float
    others: Share


class RandomSplit(Record):
    """What a split at random would have promised: the probe, cross-validated twice on the same `pictures`.

    `grouped` is its accuracy where pictures that belong together are kept on one side, as byod splits, `random` where
    every picture stands alone. `together` counts the pictures that belong with another one.
    """

    probe: str
    pictures: int = Field(ge=1)
    together: int = Field(ge=0)
    grouped: Share
    random: Share
