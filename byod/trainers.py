"""The seam between byod and what learns: what a trainer is given, what it gives back, and how it is found.

A trainer is a plugin in its own distribution, found by the entry-point group `byod.trainers` and imported only
once it is chosen. byod owns the split, the test pictures and every metric; a trainer sees training and
validation examples and hands back one ONNX file with raw logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from byod.errors import TrainerError, UsageError
from byod.modelcard import InputRule
from byod.records import Example, Record, Task

GROUP = "byod.trainers"

Floats = NDArray[np.float32]


class TrainingData(Record):
    """What a trainer may look at: the class names in the order of the logits, and its examples.

    Test pictures are never in here. An example's picture is opened by `byod.resizing.pixels` (or
    `byod.pictures.open_picture`), so that every trainer sees the same upright RGB pixels.
    """

    task: Task = Task.CLASSIFY
    classes: tuple[str, ...]
    train: tuple[Example, ...]
    valid: tuple[Example, ...]


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Run:
    """One training as its host sees it: where, with which seed, on which device, and who is told what.

    `folder` is the trainer's to write in and is thrown away afterwards. `device` is what the user asked for
    ("cuda", "mps", "cpu"), None to choose. `say` takes one line for the user; `log` takes one epoch's numbers:
    `epoch` (from 0), `train_loss`, `valid_loss`, `accuracy` (0..1, on validation), `seconds`.
    `should_stop` is asked after each epoch.
    """

    folder: Path
    seed: int = 0
    device: str | None = None
    say: Callable[[str], None] = field(default=lambda line: None)
    log: Callable[[Mapping[str, float]], None] = field(default=lambda epoch: None)
    should_stop: Callable[[], bool] = _never


@dataclass(frozen=True)
class Trained:
    """What a trainer gives back.

    `onnx` is a file with input `image` (float32, [N, 3, height, width], RGB, 0..1; N free; normalisation is
    inside the graph) and output `logits` (float32, [N, classes]). `input` is the size and the resize rule it was
    trained with. `logits` is the trained model itself, called with the same arrays: byod compares the two.
    """

    onnx: Path
    input: InputRule
    logits: Callable[[Floats], Floats]
    arch: str
    device: str
    pretrained: str
    parameters: int
    versions: Mapping[str, str]
    notes: Mapping[str, Any] = field(default_factory=dict)


class Trainer(Protocol):
    """What the class behind an entry point offers."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]]
    Options: ClassVar[type[BaseModel]]

    def doctor(self) -> list[str]:
        """What is missing or mismatched, one line each; imports nothing heavy."""
        ...

    def train(self, data: TrainingData, options: Any, run: Run) -> Trained:
        """Learn from `data`; `options` is an instance of `Options`.

        Raises:
            TrainerError: it cannot train this; one line that says what to do.
        """
        ...


def installed() -> tuple[str, ...]:
    """The names of the installed trainers; none of them is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def load(name: str) -> Trainer:
    """Import and make the trainer of that name.

    Raises:
        TrainerError: there is none, or it cannot be imported.
    """
    entry = _entry(name)
    try:
        trainer: Trainer = entry.load()()
    except ImportError as error:
        raise TrainerError(
            f"the trainer {name!r} is installed but cannot be imported ({error}); "
            f"install it again from a clone of byod: uv pip install -e plugins/byod-{name}"
        ) from error
    return trainer


def _entry(name: str) -> EntryPoint:
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return entry
    known = ", ".join(installed())
    there = f"installed: {known}" if known else "none is installed"
    raise TrainerError(
        f"no trainer is called {name!r} ({there}); "
        f"from a clone of byod: uv pip install -e plugins/byod-{name if name.isidentifier() else 'fastai'}"
    )


def options(trainer: Trainer, given: Mapping[str, str]) -> BaseModel:
    """Check the options of one run; values may come as text, as typed after `--set`.

    Raises:
        UsageError: an unknown option, or a value that does not fit.
    """
    known = trainer.Options.model_fields
    unknown = [key for key in given if key not in known]
    if unknown:
        raise UsageError(f"{trainer.name} has no option {unknown[0]!r}; it has: {', '.join(sorted(known))}")
    try:
        return trainer.Options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its options"
        raise UsageError(f"{trainer.name}, {where}: {first['msg']} (given: {first['input']!r})") from error
