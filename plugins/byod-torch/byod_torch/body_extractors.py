"""The extractors of byod-torch: the default body, and any net it knows; nothing heavy is imported before an export."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from byod.plugin import ExportedGraph, Resize, give_way
from byod_torch import beginning, packaged_weights

LITE0_SIZE = 192
"""Of 128, 160, 192 and 224 px this told the vegetables apart best."""


class Lite0Options(BaseModel):
    """The options of `lite0`."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(LITE0_SIZE, ge=32, le=1024, description="side of the input in pixels")
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    layer: str | None = Field(
        None, description="the part of the net whose feature maps are averaged, and no others"
    )


class BodyOptions(BaseModel):
    """The options of `torch`."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field(packaged_weights.ARCH, description="name of the net in torchvision or timm")
    size: int | None = Field(None, ge=32, le=1024, description="side of the input in pixels (160)")
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    layer: str | None = Field(
        None, description="the part of the net whose feature maps are averaged, and no others"
    )
    weights: Path | None = Field(None, description="the body's weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for weights of a file, else known"
    )

    @property
    def from_scratch(self) -> bool:
        """Nothing is learned from: a body from random weights has nothing to say."""
        return False


class Torch:
    """Any net of torchvision or timm by its name, with its pretrained weights or those of a file."""

    name: ClassVar[str] = "torch"
    version: ClassVar[str] = "1"
    Options: ClassVar[type[BaseModel]] = BodyOptions

    def weights(self, options: BodyOptions) -> str:
        """See `byod.plugin.Extractor`."""
        return beginning.weights_sha256(options)

    def export(self, options: BodyOptions, folder: Path, say: Callable[[str], None]) -> ExportedGraph:
        """See `byod.plugin.Extractor`."""
        give_way()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch and timm warn about each other while they are imported
            from byod_torch import frozen_body
        return frozen_body.export(options, options.size, options.resize, folder, say, options.layer)


class Lite0:
    """The default body with its installed weights: what byod itself asks where nothing else is said."""

    name: ClassVar[str] = "lite0"
    version: ClassVar[str] = "1"
    Options: ClassVar[type[BaseModel]] = Lite0Options

    def weights(self, options: Lite0Options) -> str:
        """See `byod.plugin.Extractor`."""
        return packaged_weights.SHA256

    def export(self, options: Lite0Options, folder: Path, say: Callable[[str], None]) -> ExportedGraph:
        """See `byod.plugin.Extractor`."""
        own = BodyOptions(
            arch=packaged_weights.ARCH, size=options.size, resize=options.resize, layer=options.layer
        )
        return Torch().export(own, folder, say)
