"""byod's plain PyTorch trainer, and what other torch trainers share with it: bodies, batches, export."""

from __future__ import annotations

import warnings
from typing import ClassVar

from pydantic import BaseModel

from byod.plugin import Architecture, Run, Task, Trained, TrainerError, TrainingData, give_way
from byod_torch import beginning, environment_check
from byod_torch.architectures import TABLE
from byod_torch.options import CLASSES_ONLY, POINTS_ONLY, Options

__all__ = ["Architecture", "Options", "Torch"]


class Torch:
    """Fine-tunes a pretrained body, or trains a net from scratch, in a plain loop; for classes or for points."""

    name: ClassVar[str] = "torch"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY, Task.KEYPOINTS)
    resumes: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing or do not fit together; reads package metadata only."""
        return environment_check.lines("byod-torch")

    def architectures(self) -> tuple[Architecture, ...]:
        """The nets with a common name; every other one of torchvision and timm can be named as well."""
        return TABLE

    def beginning(self, options: Options) -> str:
        """The net and the weights that a training begins with."""
        return beginning.words(options)

    def launch(self, gpus: int, device: str | None) -> list[str]:
        """The arguments of python before `-m byod.training.remote`, so that it runs once on each of `gpus` devices.

        https://docs.pytorch.org/docs/stable/elastic/run.html
        """
        return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Train on `data.train`, choose the epoch on `data.valid`, and export raw logits; for points one of its stages.

        Raises:
            TrainerError: the architecture is unknown, weights do not fit or cannot be had, or an option was set that
                belongs to the other task.
        """
        give_way()
        points = data.stage is not None
        wrong = sorted(options.model_fields_set & (CLASSES_ONLY if points else POINTS_ONLY))
        if wrong:
            raise TrainerError(f"{wrong[0]} says nothing for the task {data.task}; remove it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch and timm warn about each other while they are imported
            if points:
                from byod_torch.keypoints.train import train
            else:
                from byod_torch.train import train

        return train(data, options, run)
