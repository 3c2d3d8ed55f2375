"""The options of byod-torch, each with its range and what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.plugin import Resize

CLASSES_ONLY = {
    "resize", "frozen_epochs", "patience", "mixup", "label_smoothing", "body_rate", "min_scale", "test_flips"
}  # fmt: skip
POINTS_ONLY = {"head", "heads_size", "mirror"}
"""Options that belong to one task alone."""


class Options(BaseModel):
    """The options of `--set KEY=VALUE`; those left out are chosen by the kind of training."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field(
        "tf_efficientnet_lite0",
        description="name of the net (byod plugins --architectures lists them); from scratch resnet18, "
        "points from scratch unet_lite",
    )
    size: int | None = Field(
        None, ge=32, le=1024, description="side of the input in pixels (128; from scratch 96; on a GPU 224)"
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    epochs: int | None = Field(None, ge=1, le=1000, description="epochs of the whole net (6; from scratch 8)")
    frozen_epochs: int = Field(1, ge=0, le=100, description="epochs of the head alone, before")
    batch_size: int | None = Field(None, ge=2, le=4096, description="pictures a step (32; from scratch 16)")
    lr: float | None = Field(
        None, gt=0, le=10, description="highest rate of the one-cycle schedule (0.002; from scratch 0.001)"
    )
    body_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="pretrained: each half of the body learns at this share of the rate of what stands behind it "
        "(0.3; where batch norms learn as well, 1)",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="how strongly weights are drawn to zero")
    patience: int = Field(8, ge=1, description="stop after so many epochs without a better validation loss")
    augment: bool = Field(True, description="mirror, turn, crop and light training pictures anew")
    min_scale: float | None = Field(
        None,
        ge=0.05,
        le=1,
        description="smallest share of a picture's area that a random crop shows; 1: no crops (0.35; from scratch 0.7)",
    )
    mixup: float = Field(
        0.0, ge=0, le=10, description="alpha of MixUp, which blends pairs of pictures; 0: none"
    )
    label_smoothing: float | None = Field(
        None, ge=0, lt=1, description="share of each label spread over all classes (0.1; from scratch 0)"
    )
    ema: bool = Field(True, description="evaluate and keep an average of the weights of the last steps")
    test_flips: bool = Field(
        False,
        description="answer with the mean of a picture and its mirror image, in the exported graph: twice the time",
    )
    freeze_norm: bool | None = Field(
        None,
        description="leave the statistics of the body's batch norms as they are (pretrained: true; points: false)",
    )
    from_scratch: bool = Field(False, description="random weights instead of pretrained ones")
    weights: Path | None = Field(None, description="pretrained weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for --weights, else known"
    )

    head: Literal["heatmap", "direct"] = Field(
        "heatmap", description="points: read from heatmaps, or as numbers straight from the net"
    )
    heads_size: int | None = Field(
        None,
        ge=64,
        le=1024,
        description="points: side in pixels of the pictures in which objects are found (160)",
    )
    mirror: bool = Field(
        True, description="points: learn from mirror images too, and answer with the mean of both"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Options:
        if self.from_scratch and self.weights:
            raise ValueError("from_scratch and weights exclude each other")
        return self
