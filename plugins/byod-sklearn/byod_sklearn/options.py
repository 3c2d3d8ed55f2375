"""The options of byod-sklearn, each with its range and what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.plugin import Resize

BODY = "tf_efficientnet_lite0"
"""The default body, whose weights are installed with byod-torch."""


class Options(BaseModel):
    """The options of `--set KEY=VALUE`; names and meanings are those of the other trainers where they have them."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field(BODY, description="name of the body in torchvision, or else in timm")
    features: Literal["auto", "body", "descriptor"] = Field(
        "auto",
        description="what stands before the regression: a frozen body, the hand-made descriptor, or (auto) "
        "the body where byod-torch is installed, or once exported it",
    )
    size: int | None = Field(
        None,
        ge=32,
        le=1024,
        description="side of the input in pixels (192; other bodies 160, the descriptor 128)",
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    C: float | None = Field(
        None, gt=0, le=1e6, description="inverse strength of the regularisation; left out, it is chosen"
    )
    from_scratch: bool = Field(False, description="no pretrained body: the hand-made descriptor")
    weights: Path | None = Field(None, description="the body's weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for --weights, else known"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Options:
        if self.weights and (self.from_scratch or self.features == "descriptor"):
            raise ValueError("weights belong to a body; from_scratch and features=descriptor use none")
        if self.from_scratch and self.features == "body":
            raise ValueError(
                "a body from scratch has learned nothing yet; remove from_scratch or features=body"
            )
        return self
