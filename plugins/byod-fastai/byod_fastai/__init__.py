"""byod's default trainer: fastai, with nets by their common, torchvision or timm names."""

from __future__ import annotations

import warnings
from typing import ClassVar

from byod_torch import beginning, environment_check
from byod_torch.architectures import TABLE
from pydantic import BaseModel

from byod.plugin import Architecture, Run, Task, Trained, TrainerError, TrainingData, give_way
from byod_fastai.options import CLASSES_ONLY, POINTS_ONLY, Options

__all__ = ["Fastai", "Options"]


class Fastai:
    """Fine-tunes a pretrained body (for classes: frozen, then whole), or trains one from scratch."""

    name: ClassVar[str] = "fastai"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY, Task.KEYPOINTS)
    resumes: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing or do not fit together; reads package metadata only."""
        return environment_check.lines("byod-fastai", (*environment_check.NEEDED, "fastai", "accelerate"))

    def architectures(self) -> tuple[Architecture, ...]:
        """The nets known by their common names."""
        return TABLE

    def beginning(self, options: Options) -> str:
        """The net and the weights that a training begins with."""
        return beginning.words(options)

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
            warnings.simplefilter("ignore")  # fastai and torch warn about each other while they are imported
            if points:
                from byod_fastai.train_keypoints import train
            else:
                from byod_fastai.train import train

        return train(data, options, run)
