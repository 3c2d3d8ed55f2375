"""The hand-made descriptor as an extractor; nothing heavy is imported before it is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from byod.plugin import ExportedGraph, InputRule, Resize

NAME = "hand-made descriptor (colour, gradients, thumbnail)"


class DescriptorOptions(BaseModel):
    """The options of `descriptor`."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(128, ge=32, le=1024, description="side of the input in pixels")
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")


class Descriptor:
    """The hand-made descriptor as an extractor: it learned from nothing, and has no weights."""

    name: ClassVar[str] = "descriptor"
    version: ClassVar[str] = "1"
    Options: ClassVar[type[BaseModel]] = DescriptorOptions

    def weights(self, options: DescriptorOptions) -> str:
        """See `byod.plugin.Extractor`."""
        return "none"

    def export(self, options: DescriptorOptions, folder: Path, say: Callable[[str], None]) -> ExportedGraph:
        """See `byod.plugin.Extractor`."""
        from byod_sklearn import descriptor

        rule = InputRule(width=options.size, height=options.size, resize=options.resize)
        file = folder / "descriptor.onnx"
        file.write_bytes(descriptor.graph(rule))
        return ExportedGraph(file, rule, NAME, "none", "none", 0, {})
