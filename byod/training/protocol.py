"""The seam between byod and what learns: what a trainer is given, what it gives back, and how it is found.

A trainer is a plugin in its own distribution, found by the entry-point group `byod.trainers` and imported only
once it is chosen. byod owns the split, the test pictures and every metric; a trainer sees training and
validation examples and hands back one ONNX file with raw logits. Where the task is keypoints it is asked twice, once
for each stage (`TrainingData.stage`), and hands back a file each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from byod.images.pixel_cache import MEGABYTES, PixelCache, Pixels
from byod.images.resize import now
from byod.schema import files
from byod.schema.errors import TrainerError, UsageError
from byod.schema.keypoints import Keypoints, KeypointSet
from byod.schema.model_card import InputRule, LrFinder, Stage
from byod.schema.progress import Say, never, silent
from byod.schema.records import Example, Record, Sha256, Task, TaskName
from byod.training import library_homes

__all__ = [
    "GROUP",
    "Architecture",
    "Checkpoint",
    "Floats",
    "Pixels",
    "Run",
    "Stage",
    "Trained",
    "Trainer",
    "TrainingData",
    "give_way",
]

GROUP = "byod.trainers"

Floats = NDArray[np.float32]


class TrainingData(Record):
    """The data of a training: the class names in the order of the logits, and its examples.

    Test pictures are never in here. Pictures are read with `Run.pixels`, so that every trainer sees the same upright
    RGB pixels and each is decoded once.

    For the task keypoints `classes` is empty, `stage` says which of the two nets to train, `points` which points an
    object has, and `keypoints` what is marked in each picture of `train` and `valid` (by its SHA-256; a picture without
    an object has keypoints without any). Pictures are then read with the feeds of `byod.tasks.keypoints.geometry`.

    `labels` are those of a task that byod does not bring along: whatever it says of each picture.
    """

    task: TaskName = Task.CLASSIFY.value
    classes: tuple[str, ...] = ()
    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    stage: Stage | None = None
    points: KeypointSet | None = None
    keypoints: Mapping[Sha256, Keypoints] = {}
    labels: Mapping[Sha256, Any] = {}


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after `epochs` finished epochs: its tensors by name, and facts that JSON can hold."""

    epochs: int
    tensors: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One training as its host sees it: where, with which seed, on which device, and who is told what.

    `folder` is the trainer's to write in and is thrown away afterwards. `device` is what the user asked for
    ("cuda", "mps", "cpu"), None to choose; `gpus` is how many of them. `cache` is where decoded pictures are
    kept (None: in `folder`), up to `cache_mb` megabytes. `say` takes one line for the user; `log` takes one
    epoch's numbers: `epoch` (from 0), `train_loss`, `valid_loss`, `accuracy` (0..1, on validation), `seconds`,
    and where known `train_accuracy` and `lr`. `should_stop` is asked after each epoch.
    """

    folder: Path
    seed: int = 0
    device: str | None = None
    gpus: int = 1
    cache: Path | None = None
    cache_mb: int = MEGABYTES
    say: Say = silent
    log: Callable[[Mapping[str, float]], None] = field(default=lambda epoch: None)
    should_stop: Callable[[], bool] = never

    def pixels(self, examples: Sequence[Example], rule: InputRule) -> Pixels:
        """The pictures of some examples at the size of the rule: uint8 [N, height, width, 3], each decoded once.

        Raises:
            TrainerError: one of them cannot be opened any more.
        """
        cache = PixelCache(self.cache or self.folder / "pixels", megabytes=self.cache_mb, say=self.say)
        return cache.pixels(examples, now(rule))

    def save(self, epochs: int, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Write down where the training stands after `epochs` logged epochs; replaces what was saved before.

        Call it after `log`. Tensors are numpy arrays; facts are what JSON can hold. The file is
        safetensors (https://huggingface.co/docs/safetensors), whole or not there at all.
        """
        from safetensors.numpy import save

        whole = {name: np.asarray(array, order="C") for name, array in tensors.items()}
        metadata = {"epochs": str(epochs), "facts": json.dumps(dict(facts))}
        files.replace(self.folder / CHECKPOINT, save(whole, metadata=metadata))

    def resume(self) -> Checkpoint | None:
        """Load what an earlier, killed training of the same kind saved last; None to begin at the beginning."""
        return checkpoint(self.folder)


CHECKPOINT = "checkpoint.safetensors"


def checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a training's folder.

    Raises:
        TrainerError: there is one, and it cannot be read.
    """
    file = folder / CHECKPOINT
    if not file.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            words = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        return Checkpoint(int(words["epochs"]), tensors, json.loads(words["facts"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise TrainerError(
            f"{file} is no checkpoint that can be read ({why}); start anew with --fresh"
        ) from error


def _no_logits(images: Floats) -> Floats:
    raise TrainerError("the trainer gives back no logits")


def _no_outputs(images: Floats) -> Mapping[str, Floats]:
    raise TrainerError("the trainer gives back no points")


@dataclass(frozen=True)
class Trained:
    """The result of a trainer.

    `onnx` is a file with input `image` (float32, [N, 3, height, width], RGB, 0..1; N free; normalisation is
    inside the graph) and output `logits` (float32, [N, classes]). It may have a second output `features` (float32,
    [N, D]): the numbers before the classifier, by which byod tells pictures unlike all classes; of `data.train` the
    trainer may hand them over as `features`, in its order, or else byod computes them. `input` is the size and the
    resize rule it was trained with. `logits` is the model itself, called with the same arrays: byod compares both.

    For the task keypoints the input is a square and the file has two outputs, float32, all coordinates in
    0..1 of the input. Detection: `boxes` [N, Q, 4] (x0, y0, x1, y1) and `scores` [N, Q] in 0..1, the best first, with
    peaks picked inside the graph. Points: `points` [N, K, 2] (x, y) and `confidence` [N, K] in 0..1. In place of
    `logits` the trained model is `outputs`: the same arrays by name.

    `weights` are the trained tensors by name as .safetensors, where the trainer keeps them. `lr_finder` is the
    curve the rate was read from. `release` is called when byod needs `logits` no more.
    """

    onnx: Path
    input: InputRule
    logits: Callable[[Floats], Floats] = field(default=_no_logits)
    _: KW_ONLY
    outputs: Callable[[Floats], Mapping[str, Floats]] = field(default=_no_outputs)
    arch: str
    device: str
    pretrained: str
    parameters: int
    versions: Mapping[str, str]
    notes: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    lr_finder: LrFinder | None = None
    features: Floats | None = None
    release: Callable[[], None] = field(default=lambda: None)


class Trainer(Protocol):
    """The class behind an entry point.

    `resumes` says whether a killed training goes on from its last epoch (`Run.save`, `Run.resume`), or starts again
    because it takes seconds. `Options` is a pydantic model that forbids extras; descriptions of its fields are what
    users read.
    """

    @property
    def name(self) -> str:
        """The trainer's name on the command line (a class variable will do, here and below)."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it trains for."""
        ...

    @property
    def resumes(self) -> bool:
        """True if a killed training goes on."""
        ...

    @property
    def Options(self) -> type[BaseModel]:  # noqa: N802 - it is a class
        """Its options."""
        ...

    def doctor(self) -> list[str]:
        """List what is missing or mismatched, one line each; imports nothing heavy."""
        ...

    def train(self, data: TrainingData, options: Any, run: Run) -> Trained:
        """Learn from `data`; `options` is an instance of `Options`.

        Raises:
            TrainerError: it cannot train this; one line that says what to do.
        """
        ...


@runtime_checkable
class Answering(Protocol):
    """A trainer that says of pictures what it learned without writing a file: how a probe is asked fold after fold."""

    def answer(
        self, data: TrainingData, options: Any, run: Run, pictures: Sequence[Example]
    ) -> tuple[Floats, str]:
        """Learn from `data.train`; the logits of some pictures, float32 [N, classes], and the name of what learned.

        Raises:
            TrainerError: it cannot train this, or a picture cannot be opened.
        """
        ...


@runtime_checkable
class Checking(Protocol):
    """A trainer that checks its options itself, because its `Options` live in another environment."""

    def check(self, given: Mapping[str, str]) -> BaseModel:
        """As `options` below."""
        ...


@runtime_checkable
class Launching(Protocol):
    """A trainer that can use several GPUs: it says how its processes are started."""

    def launch(self, gpus: int, device: str | None) -> list[str]:
        """Arguments for Python, to stand before `-m byod.training.remote FOLDER`."""
        ...


@runtime_checkable
class Beginning(Protocol):
    """A trainer that says beforehand what it begins with, so that an unfinished run is resumed with nothing else."""

    def beginning(self, options: Any) -> str:
        """The net and its weights in one line that changes when either does; imports nothing heavy."""
        ...


class Architecture(Record):
    """One net that people ask for by name.

    `name` is what one types, `resolves_to` the name in its `source`. `parameters` are millions, counted with a
    classifier of 1,000 classes and without side classifiers that serve training alone. `size` is the side in pixels
    its weights were made for (a trainer's own nets: were published for). `licence` is that of its pretrained weights,
    or "no weights"; `weights` says where they come from: the host that is asked, a package, or "none".
    """

    name: str
    resolves_to: str
    parameters: float
    size: int
    licence: str
    source: str
    year: int
    note: str
    weights: str = ""


@runtime_checkable
class Listing(Protocol):
    """A trainer with a choice of nets."""

    def architectures(self) -> Sequence[Architecture]:
        """The nets that people ask for by name; imports nothing heavy."""
        ...


def installed() -> tuple[str, ...]:
    """The names of the installed trainers; none of them is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def version(name: str) -> str:
    """The version of the distribution that offers a trainer; "?" when its metadata do not say."""
    found = _entry(name).dist
    return "?" if found is None else found.version


def load(name: str) -> Trainer:
    """Import and make the trainer of that name.

    Raises:
        TrainerError: there is none, or it cannot be imported.
    """
    entry = _entry(name)
    give_way()
    try:
        library_homes.keep_in_cache()
        trainer: Trainer = entry.load()()
    except ImportError as error:
        raise TrainerError(
            f"the trainer {name!r} is installed but cannot be imported ({error}); "
            f"install it again from a clone of byod: uv pip install -e plugins/byod-{name}"
        ) from error
    return trainer


def give_way() -> None:
    """Have waiting threads sleep instead of spinning, unless the user has set `OMP_WAIT_POLICY` otherwise.

    To be said before a trainer imports its libraries. On a machine that other programs use as well, spinning threads
    keep the cores from the very threads they wait for: on two busy cores a small net trained 20 to 40 times slower.
    https://gcc.gnu.org/onlinedocs/libgomp/OMP_005fWAIT_005fPOLICY.html
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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


def check_task(trainer: Trainer, task: str) -> None:
    """Refuse a trainer that does not train for a task.

    Raises:
        TrainerError: it does not.
    """
    if task not in trainer.tasks:
        raise TrainerError(
            f"the trainer {trainer.name} does not train for the task {task}; byod plugins lists those that do"
        )


def beginning(trainer: Trainer, options: BaseModel) -> str:
    """What a trainer says it begins with; empty where it does not say."""
    return trainer.beginning(options) if isinstance(trainer, Beginning) else ""


def options(trainer: Trainer, given: Mapping[str, str]) -> BaseModel:
    """Check the options of one run; values may come as text, as typed after `--set`.

    Raises:
        UsageError: an unknown option, or a value that does not fit.
    """
    if isinstance(trainer, Checking):
        return trainer.check(given)
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
