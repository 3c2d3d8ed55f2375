"""The loop of all trainings: fastai's Learner, its rate, its stages or what a kill left of them, and the outcome."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Generic, Protocol, TypeVar

import fastai.callback.schedule  # noqa: F401 - gives Learner fit_one_cycle
import torch
from byod_torch import devices, onnx_export, weights
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner
from torch import nn

from byod.plugin import InputRule, LrFinder, Run, Trained, TrainerError, TrainingData
from byod_fastai import checkpoints, lr_finder
from byod_fastai.averaging import Average
from byod_fastai.callbacks import FrozenNorm, Watch
from byod_fastai.options import Options
from byod_fastai.processes import Team, Together
from byod_fastai.schedule import TrainingStage


class Course(Protocol):
    """The plan of a training, of whichever task; `byod_fastai.schedule.Plan` explains the names."""

    size: int
    epochs: int
    frozen_epochs: int
    usual_rate: float
    searched: bool
    smaller: str

    def stages(self, rate: float) -> tuple[TrainingStage, ...]:
        """The cycles, one after the other."""
        ...

    def notes(self, processes: int) -> dict[str, Any]:
        """The notes for the model card."""
        ...


class Net(Protocol):
    """A net ready to train, how it was named, and where its weights come from ("scratch", "hub", a file)."""

    model: nn.Sequential
    arch: str
    pretrained: str


Planned = TypeVar("Planned", bound=Course)


@dataclass(frozen=True)
class LearningTask(Generic[Planned]):
    """One training with everything that was chosen for it."""

    data: TrainingData
    options: Options
    run: Run
    team: Team
    built: Net
    plan: Planned


@dataclass(frozen=True)
class Rate:
    """The highest rate, and how it was found (None: it was not searched for)."""

    highest: float
    finder: LrFinder | None = None


@dataclass(frozen=True)
class Form:
    """The form of an export: its input, the names of its outputs, the labels of what it knows.

    `whole` makes of the trained net what is exported.
    """

    input: InputRule
    labels: Sequence[str]
    outputs: tuple[str, ...] = ("logits",)
    whole: Callable[[nn.Module], nn.Module] = field(default=lambda model: model)


def introduction(
    task: LearningTask[Planned], counts: tuple[int, int], *, of: str = "pictures", does: str = ""
) -> str:
    """The line that says what begins; `counts` are those learned from and those that validate."""
    made, built = task.plan, task.built
    epochs = f"{made.frozen_epochs} + {made.epochs}" if made.frozen_epochs else str(made.epochs)
    start = {"scratch": "from random weights", "hub": "pretrained"}.get(
        built.pretrained, f"from {built.pretrained}"
    )
    where = devices.name(task.team.device)
    if task.team.world > 1:
        where = f"{task.team.world} processes, the first on {where}"
    return (
        f"{built.arch} {does}{start}, {made.size} px, {epochs} epochs on {counts[0]} {of} "
        f"({counts[1]} for validation), on {where}"
    )


def learner(
    task: LearningTask[Planned],
    batches: DataLoaders,
    loss: Callable[..., torch.Tensor],
    groups: Callable[[nn.Module], list[list[nn.Parameter]]],
    changes: Sequence[Callback] = (),
) -> Learner:
    """fastai's Learner, without its recorder, which would wait for the device after every step."""
    team = task.team
    found = [TrainEvalCallback(), CastToTensor(), *changes]
    if task.options.freeze_norm:
        found.append(FrozenNorm())
    if team.device.type == "cuda":
        exact = torch.cuda.is_bf16_supported(including_emulation=False)
        found.append(MixedPrecision("bf16" if exact else "fp16"))
    if team.world > 1:
        found.append(Together(team))
    return Learner(
        batches,
        # the layout in which most CPUs and GPUs convolve and pool fastest
        task.built.model.to(team.device, memory_format=torch.channels_last),
        loss_func=loss,
        splitter=groups,
        wd=task.options.weight_decay,
        cbs=found,
        default_cbs=False,
        path=task.run.folder,
    )


def learn(task: LearningTask[Planned], learner: Learner, watch: Watch, average: Average | None) -> Rate:
    """Go through the whole training; the net then has the weights that are kept.

    Raises:
        TrainerError: the device's memory is full, or the loss is not a number any more.
    """
    try:
        rate = _fit(task, learner, watch, average)
    except torch.OutOfMemoryError as error:
        raise TrainerError(f"the memory of the device is full; train with {task.plan.smaller}") from error
    if watch.error is not None:
        raise watch.error
    watch.restore(learner.model)
    return rate


def _fit(task: LearningTask[Planned], learner: Learner, watch: Watch, average: Average | None) -> Rate:
    """All stages, or what is left of them after a kill."""
    saved = checkpoints.agreed(task.run, task.team)
    if saved is None:
        rate = _rate(task, learner)
    else:
        found = saved.facts["finder"]
        rate = Rate(float(saved.facts["lr"]), None if found is None else LrFinder.model_validate(found))
        checkpoints.restore(saved, learner.model, watch, average)
    watch.saving = checkpoints.Saving(task.run, task.team, average, rate.highest, rate.finder)
    first = 0
    for stage in task.plan.stages(rate.highest):
        if not watch.ended and watch.done < first + stage.epochs:
            learner.freeze() if stage.frozen else learner.unfreeze()
            if saved is not None and watch.done > first:
                checkpoints.restore_optimizer(saved, learner)
            learner.fit_one_cycle(
                stage.epochs,
                stage.rates,
                pct_start=stage.rise,
                div=stage.start,
                cbs=[watch] if average is None else [average, watch],
                start_epoch=watch.done - first,
            )
        first += stage.epochs
    return rate


def _rate(task: LearningTask[Planned], learner: Learner) -> Rate:
    """The rate that was asked for, or else the one that a search finds, where there is one."""
    asked, usual = task.options.lr, task.plan.usual_rate
    if asked is not None or not task.plan.searched:
        return Rate(asked or usual)
    found = lr_finder.find(learner, usual, task.team, head=task.plan.frozen_epochs > 0)
    task.run.say(lr_finder.words(found))
    return Rate(found.used, found)


def outcome(
    task: LearningTask[Planned], learner: Learner, form: Form, rate: Rate, notes: dict[str, Any]
) -> tuple[Trained, nn.Module]:
    """The files of the trained net, which the first process writes, what is to be said of it, and itself on the CPU."""
    model = learner.model.float().cpu().to(memory_format=torch.contiguous_format).eval()
    whole = form.whole(model).eval()
    folder, built = task.run.folder, task.built
    onnx, kept = folder / "trained.onnx", folder / "weights.safetensors"
    if task.team.rank == 0:
        onnx_export.write(whole, form.input, onnx, task.run.say, form.outputs)
        weights.keep(model, kept, built.arch, form.labels)
    trained = Trained(
        onnx=onnx,
        input=form.input,
        arch=built.arch,
        device=devices.name(task.team.device),
        pretrained=built.pretrained,
        parameters=sum(p.numel() for p in model.parameters()),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "fastai", "timm")},
        },
        notes=notes | {"lr": rate.highest} | task.plan.notes(task.team.world),
        weights=kept,
        lr_finder=rate.finder,
    )
    return trained, whole
