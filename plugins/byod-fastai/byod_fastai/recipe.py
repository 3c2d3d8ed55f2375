"""The training itself: device, batches, fastai's Learner, one cycle frozen, one cycle whole."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import fastai.callback.schedule  # noqa: F401 - gives Learner fine_tune and fit_one_cycle
import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import set_seed

from byod.errors import TrainerError
from byod.modelcard import InputRule
from byod.records import Example
from byod.trainers import Floats, Run, Trained, TrainingData
from byod_fastai import Options
from byod_fastai.averaging import Average
from byod_fastai.bodies import Net, groups, net
from byod_fastai.cache import Batches, decoded
from byod_fastai.export import write
from byod_fastai.watching import Augment, FrozenNorm, Watch

CROP = 0.7
"""From scratch, a training picture shows at least this share of its area: a new net needs the variety."""

PRESIZE = 1.2
"""Pictures to crop from are cached this much larger than the input, so that there are pixels to show."""


@dataclass(frozen=True)
class Plan:
    """Every number of a training, once the options left open are chosen."""

    size: int
    epochs: int
    frozen_epochs: int
    batch_size: int
    lr: float


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train, keep the best epoch, and export; see `Fastai.train`."""
    device = _device(run)
    set_seed(run.seed, reproducible=device.type == "cuda")
    built = net(options, len(data.classes))
    plan = _plan(options, built, device)
    run.say(_introduction(built, plan, device, data))
    rule = InputRule(width=plan.size, height=plan.size, resize=options.resize)
    watch = Watch(run, options.patience, plan.frozen_epochs)
    learner = Learner(
        DataLoaders(*_batches(data, options, run, plan, rule, device)),
        built.model.to(device),
        loss_func=CrossEntropyLossFlat(),
        splitter=groups,
        metrics=accuracy,
        wd=options.weight_decay,
        cbs=[watch, *_callbacks(options, plan, device)],
        path=run.folder,
    )
    _fit(learner, plan, options)
    watch.restore(learner.model)
    model = learner.model.float().cpu().eval()
    file = write(model, rule, run.folder / "logits.onnx", run.say)

    @torch.no_grad()
    def logits(images: Floats) -> Floats:
        return np.asarray(model(torch.from_numpy(images)).numpy(), np.float32)

    return Trained(
        onnx=file,
        input=rule,
        logits=logits,
        arch=built.arch,
        device=_name(device),
        pretrained=built.pretrained,
        parameters=sum(p.numel() for p in model.parameters()),
        versions={
            "python": platform.python_version(),
            **{n: version(n) for n in ("torch", "torchvision", "fastai", "timm")},
        },
        notes={
            "epochs": watch.done,
            "best_epoch": watch.best_epoch,
            "lr": plan.lr,
            "batch_size": plan.batch_size,
        },
    )


def _device(run: Run) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = (run.device or next(name for name, found in there.items() if found)).split(":")[0]
    if not there.get(wanted, False):
        found = ", ".join(name for name, yes in there.items() if yes)
        raise TrainerError(f"this machine has no device {wanted!r} that torch can use; it has: {found}")
    return torch.device(run.device or wanted)


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


def _plan(options: Options, built: Net, device: torch.device) -> Plan:
    scratch = options.from_scratch
    on_gpu = device.type != "cpu"
    if built.size and options.size not in (None, built.size):
        raise TrainerError(
            f"{built.arch} takes pictures of {built.size} px alone; leave --set size={options.size} out"
        )
    return Plan(
        size=options.size or built.size or (224 if on_gpu else 96 if scratch else 128),
        epochs=options.epochs or (8 if scratch else 4),
        frozen_epochs=0 if scratch else options.frozen_epochs,
        batch_size=options.batch_size or (16 if scratch else 32),
        lr=options.lr or (1e-3 if scratch else 2e-3),
    )


def _introduction(built: Net, plan: Plan, device: torch.device, data: TrainingData) -> str:
    epochs = f"{plan.frozen_epochs} + {plan.epochs}" if plan.frozen_epochs else str(plan.epochs)
    start = {"scratch": "from random weights", "hub": "pretrained"}.get(
        built.pretrained, f"from {built.pretrained}"
    )
    return (
        f"{built.arch} {start}, {plan.size} px, {epochs} epochs on {len(data.train)} pictures "
        f"({len(data.valid)} for validation), on {_name(device)}"
    )


def _batches(
    data: TrainingData, options: Options, run: Run, plan: Plan, rule: InputRule, device: torch.device
) -> tuple[Batches, Batches]:
    """Training and validation batches, each from pictures decoded once."""
    larger = round(plan.size * PRESIZE) if options.augment and options.from_scratch else plan.size
    presized = InputRule(width=larger, height=larger, resize=options.resize)
    number = {name: at for at, name in enumerate(data.classes)}

    def batches(name: str, part: tuple[Example, ...], shape: InputRule) -> Batches:
        block = decoded(part, shape, megabytes=options.cache_mb, scratch=run.folder / f"{name}.cache")
        labels = [number[example.label] for example in part]
        return Batches(block, labels, plan.batch_size, device, shuffle=name == "train")

    return batches("train", data.train, presized), batches("valid", data.valid, rule)


def _callbacks(options: Options, plan: Plan, device: torch.device) -> list[Callback]:
    wanted = {
        Augment(plan.size, CROP if options.from_scratch else 1.0): options.augment,
        Average(): options.from_scratch,
        FrozenNorm(): options.freeze_norm,
        MixedPrecision(): device.type == "cuda",
    }
    return [callback for callback, on in wanted.items() if on]


def _fit(learner: Learner, plan: Plan, options: Options) -> None:
    try:
        with learner.no_bar(), learner.no_logging():
            if options.from_scratch:
                learner.fit_one_cycle(plan.epochs, plan.lr)
            elif plan.frozen_epochs:
                learner.fine_tune(plan.epochs, plan.lr, freeze_epochs=plan.frozen_epochs)
            else:
                learner.fit_one_cycle(
                    plan.epochs, slice(plan.lr / 200, plan.lr / 2)
                )  # fine_tune's second half
    except torch.OutOfMemoryError as error:
        raise TrainerError(
            f"the memory of the device is full; train with --set batch_size={max(2, plan.batch_size // 2)} "
            f"or --set size={max(32, plan.size * 3 // 4)}"
        ) from error
