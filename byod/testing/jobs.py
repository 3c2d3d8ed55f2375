"""The job of a process that has a trainer for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from byod.schema.keypoints import Keypoints, KeypointSet
from byod.schema.model_card import Stage
from byod.schema.records import Example, Record, Sha256, Task, TaskName
from byod.training.protocol import Trainer

HEAVY = ("fastai", "jax", "keras", "sklearn", "tensorflow", "timm", "torch", "torchvision")
"""What a doctor must not import: it answers while people wait for `byod doctor`."""


class TrialJob(Record):
    """The trainer's class as `module:qualified name`, and what it is to do; the answer goes to a file.

    A training ends with its process, `when` so many `epochs` were logged or saved (in `stage`, where there are
    several), or at its end at the latest.
    """

    trainer: str
    task: Literal["doctor", "train"]
    answer: Path
    learns: TaskName = Task.CLASSIFY.value
    classes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    keypoints: Mapping[Sha256, Keypoints] = {}
    points: KeypointSet | None = None
    options: dict[str, str] = {}
    folder: Path = Path()
    seed: int = 0
    stage: Stage | None = None
    when: Literal["logged", "saved"] = "logged"
    epochs: int = 1


def place(cls: type[Trainer]) -> str:
    """The import path of a class, for another process."""
    return f"{cls.__module__}:{cls.__qualname__}"


def send(job: TrialJob) -> tuple[str, str]:
    """Do a job in another process, which searches the same folders for modules: its answer, and its last line."""
    file = job.answer.with_suffix(".json")
    file.write_text(job.model_dump_json(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "byod.testing", str(file)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    answer = job.answer.read_text(encoding="utf-8") if job.answer.is_file() else ""
    last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return answer, last
