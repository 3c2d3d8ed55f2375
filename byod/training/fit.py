"""Fit one model: run the trainer, let the task finish the file it exported, and keep the result.

What is finished stays in the unfinished run's folder, so that a killed run goes on where it was.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from byod.images.resize import now
from byod.schema import file_formats, files
from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, LrFinder
from byod.schema.model_graph import Typicality
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.training import finished_model, protocol
from byod.training.protocol import Run, Trained, Trainer, TrainingData

Epoch = Mapping[str, float]
Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Work:
    """The settings that every training of one run shares; `folder` holds what is not finished.

    `typicality`: whether the model that is kept says which pictures are unlike those it learned from.
    """

    trainer: Trainer
    options: BaseModel
    folder: Path
    seed: int
    device: str | None
    gpus: int
    cache: Path | None
    say: Say
    log: Log
    should_stop: Callable[[], bool]
    typicality: bool = True


class Fitted(Record):
    """One finished training: how it came about, and what its file is; the file itself lies beside, `<name>.onnx`."""

    input: InputRule
    arch: str
    device: str
    pretrained: str
    parameters: int
    versions: dict[str, str]
    notes: dict[str, JsonValue]
    lr_finder: LrFinder | None
    sha256: str
    temperature: float
    typicality: Typicality | None = None
    parity: float
    seconds: float
    history: tuple[dict[str, int | float], ...]


@dataclass(frozen=True)
class Model:
    """A finished training with the bytes of its model file, and its weights where the trainer kept them."""

    fitted: Fitted
    content: bytes
    weights: Path | None


Finish = Callable[[Trained, Run, Path], "Finished"]
"""Compares what was trained with its export, and writes the file that is kept."""


class Finished(Record):
    """A finished file: its SHA-256, its temperature, from where on it is unlike, how far it is from the trained net."""

    sha256: str
    temperature: float = 1.0
    typicality: Typicality | None = None
    parity: float


def name_of(part: str) -> str:
    """The name of a part's files."""
    return part.replace(" ", "-").replace("/", "-of-")


def fit(work: Work, data: TrainingData, part: str, name: str, finish: Finish) -> Model:
    """Let the trainer learn, or take what it finished under this name; `finish` makes the file that is kept.

    Raises:
        TrainerError: the trainer cannot train this.
    """
    if (work.folder / f"{name}.json").is_file():
        return _kept(work.folder, name)
    own = work.folder / name
    own.mkdir(parents=True, exist_ok=True)
    history = _history(work, own, part)
    before = sum(epoch.get("seconds", 0.0) for epoch in history)

    def log(epoch: Epoch) -> None:
        # a number that is none (a loss that overflowed) has no place in a curve, nor in JSON
        epoch = {key: value for key, value in epoch.items() if math.isfinite(value)}
        history.append(dict(epoch))
        with files.opened(own) as folder:
            folder.append("history.jsonl", f"{json.dumps(dict(epoch))}\n".encode())
        work.log({**epoch, "part": part})

    run = Run(
        own / "own",
        work.seed,
        work.device,
        work.gpus,
        work.cache,
        say=work.say,
        log=log,
        should_stop=work.should_stop,
    )
    run.folder.mkdir(exist_ok=True)
    started = time.perf_counter()
    trained = work.trainer.train(data, work.options, run)
    trained = replace(trained, input=_rule(trained.input, data))
    seconds = before + time.perf_counter() - started
    try:
        finished_model.fold(trained.onnx, trained.arch)
        finished = finish(trained, run, work.folder / f"{name}.onnx")
    except ModelError as error:
        raise TrainerError(str(error)) from error
    finally:
        trained.release()
    return _keep(work, trained, name, finished, seconds, history)


def _rule(rule: InputRule, data: TrainingData) -> InputRule:
    """A trainer's rule with what byod itself says: which pixels `Run.pixels` made, and what is white in them."""
    rule = (
        now(rule) if data.stage is None else rule
    )  # the nets for points see frames, which have rules of their own
    white = data.train[0].grey_white
    return rule if white is None else rule.model_copy(update={"grey_white": white})


def _history(work: Work, own: Path, part: str) -> list[dict[str, int | float]]:
    """The epochs that a killed training both logged and saved; what it logged beyond will be logged again."""
    lines = own / "history.jsonl"
    saved = protocol.checkpoint(own / "own")
    if saved is None:
        lines.unlink(missing_ok=True)
        return []
    kept = files.read(lines).split(b"\n")[: saved.epochs] if lines.is_file() else []
    history = [_epoch(line, lines) for line in kept if line]
    files.replace(lines, "".join(f"{json.dumps(each)}\n" for each in history).encode())
    work.say(f"going on after {saved.epochs} finished epochs" + (f" ({part})" if part else ""))
    return history


def _epoch(line: bytes, file: Path) -> dict[str, int | float]:
    try:
        return _EPOCH.validate_json(line)
    except ValidationError as error:
        raise _unusable(file, file_formats.fault(error)) from error


_EPOCH = TypeAdapter(dict[str, int | float])


def _keep(
    work: Work, trained: Trained, name: str, finished: Finished, seconds: float, history: Sequence[Epoch]
) -> Model:
    """Write what is known of the finished model beside its file, and throw the trainer's folder away."""
    if trained.weights is not None:
        shutil.copyfile(trained.weights, work.folder / f"{name}.safetensors")
    fitted = Fitted(
        input=trained.input,
        arch=trained.arch,
        device=trained.device,
        pretrained=trained.pretrained,
        parameters=trained.parameters,
        versions=dict(trained.versions),
        notes=dict(trained.notes),
        lr_finder=trained.lr_finder,
        **dict(finished),
        seconds=seconds,
        history=tuple(dict(epoch) for epoch in history),
    )
    # last: a model with this file is taken for finished
    files.replace(work.folder / f"{name}.json", fitted.model_dump_json().encode())
    shutil.rmtree(work.folder / name)
    return _kept(work.folder, name)


def _kept(folder: Path, name: str) -> Model:
    weights, model = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    fitted = _fitted(folder / f"{name}.json")
    if not model.is_file():
        raise _unusable(model, "it is not there")
    return Model(fitted=fitted, content=files.read(model), weights=weights if weights.is_file() else None)


def _fitted(file: Path) -> Fitted:
    """The record of a finished training.

    Raises:
        TrainerError: the file is not what byod wrote.
    """
    try:
        return Fitted.model_validate_json(files.read(file))
    except ValidationError as error:
        raise _unusable(file, file_formats.fault(error)) from error


def _unusable(file: Path, why: str) -> TrainerError:
    return TrainerError(f"{file} is not what byod wrote ({why}); start anew with --fresh")


def arch(folder: Path) -> str:
    """The architecture of the models finished in a folder."""
    return _fitted(sorted(folder.glob("*.json"))[0]).arch
