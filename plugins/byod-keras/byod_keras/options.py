"""The options of byod-keras, each with its range and what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.plugin import Resize


class Options(BaseModel):
    """The options of `--set KEY=VALUE`; those left out are chosen by the kind of training."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field("small", description="small, lenet, squeezenet1_1, or a net of keras.applications")
    size: int | None = Field(
        None,
        ge=16,
        le=1024,
        description="side of the input in pixels (small 96, lenet 32, others 128; GPU 224)",
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    epochs: int | None = Field(
        None, ge=1, le=1000, description="epochs of the whole net (4; from scratch 12)"
    )
    frozen_epochs: int = Field(
        2, ge=0, le=100, description="epochs of the head alone, before (pretrained only)"
    )
    batch_size: int | None = Field(None, ge=2, le=4096, description="pictures a step (32; from scratch 16)")
    lr: float | None = Field(
        None,
        gt=0,
        le=10,
        description="highest rate of the cycle (0.002; pretrained 0.005, the whole net a tenth)",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="how strongly weights are drawn to zero")
    patience: int = Field(8, ge=1, description="stop after so many epochs without a better validation loss")
    augment: bool = Field(True, description="mirror, turn, zoom and change the light of training pictures")
    from_scratch: bool = Field(False, description="random weights (small and lenet have no others)")
    weights: Path | None = Field(
        None,
        description="weights of the body: .safetensors, .weights.h5, or .h5 as keras.applications has them",
    )
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what squeezenet1_1's weights expect at their input; other nets bring their own"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Options:
        if self.from_scratch and self.weights:
            raise ValueError("from_scratch and weights exclude each other")
        return self
