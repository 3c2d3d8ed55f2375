"""The training itself: device, batches, fastai's Learner, one cycle frozen, one cycle whole."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import fastai.callback.schedule  # noqa: F401 - gives Learner fit_one_cycle
import numpy as np
import torch
from byod_torch import balance, devices, export, weights
from byod_torch.batches import Batches
from byod_torch.bodies import Net, groups, net
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.mixup import MixUp
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import set_seed

from byod.errors import TrainerError
from byod.modelcard import InputRule, LrFinder
from byod.records import Example
from byod.trainers import Floats, Run, Trained, TrainingData
from byod_fastai import Options, checkpoints, processes, rates
from byod_fastai.augmentation import Augment
from byod_fastai.averaging import Average
from byod_fastai.plan import Plan, labels, plan
from byod_fastai.processes import Team, Together
from byod_fastai.watching import FrozenNorm, Watch


@dataclass(frozen=True)
class Task:
    """One training with everything that was chosen for it."""

    data: TrainingData
    options: Options
    run: Run
    team: Team
    built: Net
    plan: Plan


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train, keep the best epoch, and export; see `Fastai.train`."""
    team = processes.team(run)
    set_seed(run.seed, reproducible=team.device.type == "cuda")
    built = net(options, len(data.classes))
    task = Task(data, options, run, team, built, plan(options, built, team.device, data))
    run.say(_introduction(task))
    rule = InputRule(width=task.plan.size, height=task.plan.size, resize=options.resize)
    learner = _learner(task, rule)
    average = Average() if task.plan.ema else None
    watch = Watch(run, team, options.patience, task.plan.frozen_epochs, task.plan.all_epochs)
    try:
        lr, finder = _fit(task, learner, watch, average)
    except torch.OutOfMemoryError as error:
        raise TrainerError(
            "the memory of the device is full; train with "
            f"--set batch_size={max(2, task.plan.batch_size // 2)} or --set size={max(32, task.plan.size * 3 // 4)}"
        ) from error
    watch.restore(learner.model)
    trained = _trained(task, learner, rule, finder, watch.notes() | {"lr": lr})
    team.end()
    return trained


def _introduction(task: Task) -> str:
    made, built, data = task.plan, task.built, task.data
    epochs = f"{made.frozen_epochs} + {made.epochs}" if made.frozen_epochs else str(made.epochs)
    start = {"scratch": "from random weights", "hub": "pretrained"}.get(
        built.pretrained, f"from {built.pretrained}"
    )
    where = devices.name(task.team.device)
    if task.team.world > 1:
        where = f"{task.team.world} processes, the first on {where}"
    return (
        f"{built.arch} {start}, {made.size} px, {epochs} epochs on {len(data.train)} pictures "
        f"({len(data.valid)} for validation), on {where}"
    )


def _learner(task: Task, rule: InputRule) -> Learner:
    """fastai's Learner, without its recorder, which would wait for the device after every step."""
    options, team = task.options, task.team
    weighed = task.plan.class_weights
    if weighed is not None:
        task.run.say(balance.words(labels(task.data, task.data.train), task.data.classes))
    loss = CrossEntropyLossFlat(
        weight=None if weighed is None else torch.tensor(weighed, device=team.device),
        label_smoothing=options.label_smoothing,
    )
    return Learner(
        DataLoaders(*_batches(task, rule)),
        # the layout in which most CPUs and GPUs convolve and pool fastest
        task.built.model.to(team.device, memory_format=torch.channels_last),
        loss_func=loss,
        splitter=groups,
        wd=options.weight_decay,
        cbs=[TrainEvalCallback(), CastToTensor(), *_callbacks(task)],
        default_cbs=False,
        path=task.run.folder,
    )


def _batches(task: Task, rule: InputRule) -> tuple[Batches, Batches]:
    """Training and validation batches, each from pictures decoded once."""
    side = task.plan.cached
    larger = InputRule(width=side, height=side, resize=rule.resize)
    team = task.team

    def batches(part: tuple[Example, ...], shape: InputRule, shuffle: bool) -> Batches:
        return Batches(
            task.run.pixels(part, shape),
            labels(task.data, part),
            task.plan.batch_size * team.world,
            team.device,
            shuffle=shuffle,
            rank=team.rank,
            world=team.world,
        )

    return batches(task.data.train, larger, True), batches(task.data.valid, rule, False)


def _callbacks(task: Task) -> list[Callback]:
    options, cuda = task.options, task.team.device.type == "cuda"
    found: list[Callback] = []
    if options.augment:
        found.append(Augment(task.plan.size, task.plan.smallest_crop))
    if options.mixup:
        found.append(MixUp(options.mixup))
    if options.freeze_norm:
        found.append(FrozenNorm())
    if cuda:
        exact = torch.cuda.is_bf16_supported(including_emulation=False)
        found.append(MixedPrecision("bf16" if exact else "fp16"))
    if task.team.world > 1:
        found.append(Together(task.team))
    return found


def _fit(
    task: Task, learner: Learner, watch: Watch, average: Average | None
) -> tuple[float, LrFinder | None]:
    """All stages, or what is left of them after a kill; gives the rate, and how it was found."""
    saved = checkpoints.agreed(task.run, task.team)
    if saved is None:
        lr, finder = _rate(task, learner)
    else:
        lr, finder = float(saved.facts["lr"]), saved.facts["finder"]
        finder = None if finder is None else LrFinder.model_validate(finder)
        checkpoints.restore(saved, learner.model, watch, average)
    watch.saving = checkpoints.Saving(task.run, task.team, average, lr, finder)
    first = 0
    for stage in task.plan.stages(lr):
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
    return lr, finder


def _rate(task: Task, learner: Learner) -> tuple[float, LrFinder | None]:
    """The rate that was asked for, or else the one that a search finds."""
    if task.options.lr is not None:
        return task.options.lr, None
    head = task.plan.frozen_epochs > 0
    found = rates.find(learner, task.plan.usual_rate, task.team, head=head)
    task.run.say(rates.words(found))
    return found.used, found


def _trained(
    task: Task, learner: Learner, rule: InputRule, finder: LrFinder | None, notes: dict[str, Any]
) -> Trained:
    """The trained net on the CPU, and its files, which the first process writes."""
    model = learner.model.float().cpu().to(memory_format=torch.contiguous_format).eval()
    folder = task.run.folder
    onnx, kept = folder / "logits.onnx", folder / "weights.safetensors"
    if task.team.rank == 0:
        export.write(model, rule, onnx, task.run.say)
        weights.keep(model, kept, task.built.arch, task.data.classes)

    @torch.no_grad()
    def logits(images: Floats) -> Floats:
        return np.asarray(model(torch.from_numpy(images)).numpy(), np.float32)

    return Trained(
        onnx=onnx,
        input=rule,
        logits=logits,
        arch=task.built.arch,
        device=devices.name(task.team.device),
        pretrained=task.built.pretrained,
        parameters=sum(p.numel() for p in model.parameters()),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "fastai", "timm")},
        },
        notes=notes | task.plan.notes(task.team.world),
        weights=kept,
        lr_finder=finder,
    )
