"""byod's default trainer: fastai, with bodies by their torchvision or timm names."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.modelcard import Resize
from byod.records import Task
from byod.trainers import Run, Trained, TrainingData

__all__ = ["Fastai", "Options"]


class Options(BaseModel):
    """What `--set KEY=VALUE` may change; what is left out, the recipe chooses by the kind of training."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field("resnet18", description="name of the body in torchvision, or else in timm")
    size: int | None = Field(
        None, ge=32, le=1024, description="side of the input in pixels (128; from scratch 96; on a GPU 224)"
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    epochs: int | None = Field(None, ge=1, le=1000, description="epochs of the whole net (4; from scratch 8)")
    frozen_epochs: int = Field(1, ge=0, le=100, description="epochs of the head alone, before")
    batch_size: int | None = Field(None, ge=2, le=4096, description="pictures a step (32; from scratch 16)")
    lr: float | None = Field(
        None, gt=0, le=10, description="highest rate of the one-cycle schedule (0.002; from scratch 0.001)"
    )
    weight_decay: float = Field(0.01, ge=0, le=1)
    patience: int = Field(8, ge=1, description="stop after so many epochs without a better validation loss")
    augment: bool = Field(True, description="mirror, turn, zoom and change the light of training pictures")
    freeze_norm: bool = Field(False, description="leave the statistics of the body's batch norms as they are")
    from_scratch: bool = Field(False, description="random weights instead of pretrained ones")
    weights: Path | None = Field(None, description="pretrained weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for --weights, else known"
    )
    cache_mb: int = Field(
        2048, ge=16, description="pictures are kept decoded in memory up to this; then on disk"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Options:
        if self.from_scratch and self.weights:
            raise ValueError("from_scratch and weights exclude each other")
        return self


class Fastai:
    """Fine-tunes a pretrained body (frozen, then whole), or trains one from scratch."""

    name: ClassVar[str] = "fastai"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing or do not fit together; reads package metadata only."""
        needed = ("torch", "torchvision", "fastai", "timm", "onnx", "onnxscript", "safetensors")
        found = {name: _version(name) for name in needed}
        lines = [
            f"{name} is missing; from a clone of byod: uv pip install -e plugins/byod-fastai"
            for name, there in found.items()
            if there is None
        ]
        if (
            found["torch"]
            and found["torchvision"]
            and (wanted := _torch_wanted()) not in (None, found["torch"])
        ):
            lines.append(
                f"torchvision {found['torchvision']} was built for torch {wanted}, but torch {found['torch']} "
                "is installed: uv pip install --upgrade torch torchvision"
            )
        return lines

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Train on `data.train`, choose the epoch on `data.valid`, and export raw logits.

        Raises:
            TrainerError: the architecture is unknown, or weights do not fit or cannot be had.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai and torch warn about each other while they are imported
            from byod_fastai.recipe import train

        return train(data, options, run)


def _version(name: str) -> str | None:
    """A package's version without its local part ("2.15.0+cu132" is 2.15.0)."""
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return None


def _torch_wanted() -> str | None:
    """The exact version of torch that the installed torchvision names in its metadata."""
    for line in requires("torchvision") or []:
        if line.startswith("torch=="):
            return line.removeprefix("torch==").split(";")[0].strip().split("+")[0]
    return None
