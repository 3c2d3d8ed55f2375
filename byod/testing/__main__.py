"""One trainer in a process of its own: `python -m byod.testing JOB` does what the file JOB says.

It asks for the doctor's word, or trains and dies in the middle of it, without a chance to tidy up.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from byod.testing.drawn_sets import Drawn
from byod.testing.jobs import HEAVY, TrialJob
from byod.testing.spies import Train, surrounded
from byod.testing.trials import to_folder
from byod.training.protocol import Run, Trained, Trainer, TrainingData


def main(job: TrialJob) -> None:
    """Do it."""
    module, name = job.trainer.split(":")
    cls: type[Trainer] = attrgetter(name)(importlib.import_module(module))
    if job.task == "train":
        _train(cls, job)
        return
    lines = cls().doctor()
    heavy = [each for each in HEAVY if each in sys.modules]
    job.answer.write_text(json.dumps({"lines": lines, "heavy": heavy}), encoding="utf-8")


@dataclass(frozen=True)
class Doomed(Run):
    """A run that ends its process when the job says so."""

    job: TrialJob | None = None

    def save(self, epochs: int, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Write, and perhaps die."""
        super().save(epochs, tensors, facts)
        if self.job is not None and self.job.when == "saved" and epochs >= self.job.epochs:
            _die(self.job)


def _train(cls: type[Trainer], job: TrialJob) -> None:
    """Train towards a run folder, and die."""
    drawn = Drawn(job.learns, job.examples, job.classes, job.keypoints, job.points)

    def around(learn: Train, learning: TrainingData, options: Any, run: Run) -> Trained:
        if learning.stage is not job.stage:
            return learn(learning, options, run)
        logged = []

        def log(epoch: Mapping[str, float]) -> None:
            run.log(epoch)
            logged.append(epoch)
            if job.when == "logged" and len(logged) >= job.epochs:
                _die(job)

        trained = learn(learning, options, Doomed(**{**vars(run), "log": log}, job=job))
        if job.when == "logged":
            _die(job)
        return trained

    to_folder(drawn, surrounded(cls, around), job.options, job.folder, job.seed)


def _die(job: TrialJob) -> NoReturn:
    """As after kill -9: nothing is tidied up (on Windows any signal ends a process as abruptly)."""
    job.answer.write_text("killed", encoding="utf-8")
    while True:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


if __name__ == "__main__":
    main(TrialJob.model_validate_json(Path(sys.argv[1]).read_bytes()))
