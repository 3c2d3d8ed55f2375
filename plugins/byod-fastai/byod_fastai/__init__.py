"""byod's default trainer: fastai, with nets by their common, torchvision or timm names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar, Literal

from byod_torch import doctoring, threads
from byod_torch.architectures import TABLE, Architecture
from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.modelcard import Resize
from byod.records import Task
from byod.trainers import Run, Trained, TrainingData

__all__ = ["Fastai", "Options"]


class Options(BaseModel):
    """What `--set KEY=VALUE` may change; what is left out, the recipe chooses by the kind of training."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field("resnet18", description="the net, by its common name or that of torchvision or timm")
    size: int | None = Field(
        None, ge=32, le=1024, description="side of the input in pixels (128; from scratch 96; on a GPU 224)"
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    epochs: int | None = Field(None, ge=1, le=1000, description="epochs of the whole net (6; from scratch 8)")
    frozen_epochs: int = Field(1, ge=0, le=100, description="epochs of the head alone, before")
    batch_size: int | None = Field(None, ge=2, le=4096, description="pictures a step (32; from scratch 16)")
    lr: float | None = Field(
        None, gt=0, le=10, description="highest rate of the one-cycle schedule (left out: found before)"
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="how strongly weights are pulled to zero")
    patience: int = Field(8, ge=1, description="stop after so many epochs without a lower validation loss")
    augment: bool = Field(True, description="mirror, turn, zoom and change the light of training pictures")
    mixup: float = Field(
        0.0,
        ge=0,
        le=10,
        description="blend pairs of training pictures, so strongly (0: not at all; usual: 0.4)",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="how far the answers aimed at are from certain (usual: 0.1)"
    )
    class_weights: bool = Field(
        True, description="weigh the classes in the loss where one has 1.5 times the pictures of another"
    )
    ema: bool = Field(True, description="validate and keep an average of the weights of the last steps")
    freeze_norm: bool = Field(False, description="leave the statistics of the body's batch norms as they are")
    from_scratch: bool = Field(False, description="random weights instead of pretrained ones")
    weights: Path | None = Field(None, description="pretrained weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for --weights, else known"
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
    resumes: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing or do not fit together; reads package metadata only."""
        return doctoring.lines("byod-fastai", (*doctoring.NEEDED, "fastai", "accelerate"))

    def architectures(self) -> tuple[Architecture, ...]:
        """The nets known by their common names."""
        return TABLE

    def launch(self, gpus: int, device: str | None) -> list[str]:
        """Arguments for python, before `-m MODULE`, that start it once for each of `gpus` processes.

        GPUs go through accelerate, which takes the number of machines and the first one's address from its own
        `accelerate config` (https://huggingface.co/docs/accelerate/package_reference/cli#accelerate-launch). On CPUs it
        starts no processes without MPI, so torch's launcher does (https://docs.pytorch.org/docs/stable/elastic/run.html).
        """
        if device == "cpu":
            return ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(gpus)]
        return ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus)]

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Train on `data.train`, choose the epoch on `data.valid`, and export raw logits.

        Raises:
            TrainerError: the architecture is unknown, or weights do not fit or cannot be had.
        """
        threads.give_way()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai and torch warn about each other while they are imported
            from byod_fastai.recipe import train

        return train(data, options, run)
