"""The records that say of a model file what goes in and what its output `typicality` is."""

from __future__ import annotations

from pydantic import Field

from byod.schema.open_enum import OpenEnum
from byod.schema.records import Record


class GraphInput(Record):
    """What a model file is given, in plain words: its input's name, type and sides, and what the numbers mean.

    `range` holds the least and the greatest value; `orientation` says how the picture stands.
    """

    name: str = "image"
    type: str = "float32"
    shape: tuple[int | str, ...]
    layout: str = "NCHW"
    channels: str = "RGB"
    range: tuple[float, float] = (0, 1)
    orientation: str = "upright, turned as its EXIF says"


class TypicalityKind(OpenEnum):
    """The way to tell whether a picture is like those that a model learned from."""

    MAHALANOBIS = "mahalanobis"
    ENERGY = "energy"


class Typicality(Record):
    """The output `typicality` of a model file: the lower, the less a picture is like those the model learned from.

    `kind`: "mahalanobis" is minus the distance of the net's features (there are `features`) to the nearest class mean,
    "energy" minus the energy of its logits. What lies below `threshold` counts as none of the classes; of pictures of
    the classes the share `false_alarms` (0..1) does so at the most, by `pictures` validation pictures.
    """

    kind: TypicalityKind
    threshold: float = Field(allow_inf_nan=False)
    false_alarms: float = Field(ge=0, le=1)
    pictures: int
    features: int = 0
