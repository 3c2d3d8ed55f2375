"""The options of byod-fastai, each with its range and what it does."""

from __future__ import annotations

from byod_torch import options
from pydantic import Field

CLASSES_ONLY = {*options.CLASSES_ONLY, "class_weights"}
POINTS_ONLY = options.POINTS_ONLY
"""Options that belong to one task alone."""


class Options(options.Options):
    """The options of `--set KEY=VALUE`: byod-torch's, and what this trainer does otherwise."""

    lr: float | None = Field(
        None,
        gt=0,
        le=10,
        description="highest rate of the one-cycle schedule (left out: found before; for points byod-torch's)",
    )
    class_weights: bool = Field(
        True, description="weigh the classes in the loss where one has 1.5 times the pictures of another"
    )
