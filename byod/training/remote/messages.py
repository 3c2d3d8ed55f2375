"""The messages between a host and a trainer in another environment.

The host starts `PYTHON -m byod.training.remote FOLDER` there; the job lies in FOLDER/job.json. What the other side
says are lines on its standard output that begin with MARK (anything else it prints is not ours); what the host answers
are lines on its standard input, whose end makes the other side end as well:

    {"described": …}                    name, version, tasks, doctor's lines, options as a JSON schema
    {"options": {…}}                    the options, checked
    {"beginning": line}                 what it would begin with, as `Trainer.beginning` (empty where it does not say)
    {"say": line}   {"log": epoch}      as `Run.say` and `Run.log`
    {"stop?": true} → {"stop": false}   as `Run.should_stop`
    {"trained": {…}}                    a `Trained` without its functions; from then on:
    ← {"logits": file.npy}   {"logits": file.npy}    what the trained model itself says of these arrays
    ← {"outputs": file.npy}  {"outputs": file.npz}   the same where the task is keypoints: arrays by name
    {"error": line, "wrong": "usage" | "training"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byod.images.pixel_cache import MEGABYTES
from byod.schema.model_card import InputRule, LrFinder
from byod.schema.records import Record, Task
from byod.training import protocol
from byod.training.protocol import TrainingData

MARK = "\x1ebyod "
MAX_LINE = 50_000_000  # characters of one answer
JOB = "job.json"


class TrainingJob(Record):
    """A job for the other side: describe the trainer, check options, say what it begins with, or train (`learning`)."""

    plugin: str
    task: str
    options: dict[str, str] = {}
    learning: TrainingData | None = None
    folder: Path | None = None
    seed: int = 0
    device: str | None = None
    gpus: int = 1
    cache: Path | None = None
    cache_mb: int = MEGABYTES


class Described(Record):
    """A trainer's description of itself; `begins` is True where it says what it begins with."""

    name: str
    version: str
    tasks: tuple[Task, ...]
    resumes: bool
    doctor: tuple[str, ...]
    options: dict[str, Any]
    begins: bool = False


class Reply(Record):
    """A `Trained` that has come over a wire: files by their paths."""

    onnx: Path
    input: InputRule
    arch: str
    device: str
    pretrained: str
    parameters: int
    versions: dict[str, str]
    notes: dict[str, Any]
    weights: Path | None
    lr_finder: LrFinder | None


def described(name: str) -> Described:
    """Describe an installed trainer.

    Raises:
        TrainerError: there is none of that name, or it cannot be imported.
    """
    trainer = protocol.load(name)
    return Described(
        name=trainer.name,
        version=protocol.version(name),
        tasks=trainer.tasks,
        resumes=trainer.resumes,
        doctor=tuple(trainer.doctor()),
        options=trainer.Options.model_json_schema(),
        begins=isinstance(trainer, protocol.Beginning),
    )
