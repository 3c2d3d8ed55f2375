"""The training itself: device, pictures, epochs, the best of them, and the exported file."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from byod.plugin import Example, Floats, InputRule, Run, Trained, TrainerError, TrainingData
from byod_torch import checkpoints, class_weights, devices, onnx_export, weights
from byod_torch.augmentation import Augmentation
from byod_torch.batches import Batches
from byod_torch.body_features import OUTPUTS, WithFeatures
from byod_torch.checkpoints import Progress
from byod_torch.networks import Net, accepts, net
from byod_torch.options import Options
from byod_torch.processes import Processes, place, together
from byod_torch.schedule import Plan, plan
from byod_torch.training_loop import Learning


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train, keep the best epoch, and export; see `Torch.train`."""
    device = place(devices.device(run.device))
    with together(run.gpus, device) as processes:
        devices.reproducible(run.seed, device)
        built = net(options, len(data.classes))
        if processes.rank:
            torch.manual_seed(run.seed + 1000 * processes.rank)  # the same net everywhere, other chances
        planned = plan(
            options,
            _labels(data, data.train),
            len(data.classes),
            body=built.model[1],
            on_gpu=device.type != "cpu",
            fixed=built.size,
        )
        accepts(built, planned.size)
        if processes.first:
            _introduce(built, planned, device, processes, data, run)
        rule = InputRule(width=planned.size, height=planned.size, resize=options.resize)
        augment = Augmentation(planned.size, planned.min_scale) if options.augment else None
        learning = Learning(built.model, planned, device, augment, processes)
        progress = _learn(data, run, rule, learning, options.patience)
    built.model.load_state_dict(progress.best)
    return _trained(built, planned, rule, data, run, progress, devices.name(device), processes)


def _labels(data: TrainingData, part: tuple[Example, ...]) -> list[int]:
    number = {name: at for at, name in enumerate(data.classes)}
    return [number[example.label] for example in part]


def _introduce(
    built: Net, planned: Plan, device: torch.device, processes: Processes, data: TrainingData, run: Run
) -> None:
    epochs = f"{planned.frozen_epochs} + {planned.epochs}" if planned.frozen_epochs else str(planned.epochs)
    start = {"scratch": "from random weights", "hub": "pretrained"}.get(
        built.pretrained, f"from {built.pretrained}"
    )
    several = f", in {processes.world} processes" if processes.world > 1 else ""
    run.say(
        f"{built.arch} {start}, {planned.size} px, {epochs} epochs on {len(data.train)} pictures "
        f"({len(data.valid)} for validation), on {devices.name(device)}{several}"
    )
    if planned.class_weights:
        run.say(class_weights.words(_labels(data, data.train), data.classes))


def _batches(data: TrainingData, run: Run, rule: InputRule, learning: Learning) -> tuple[Batches, Batches]:
    """Training and validation batches; the validation pictures are evaluated by the first process alone."""
    planned, processes = learning.plan, learning.processes
    presized = InputRule(width=planned.cached, height=planned.cached, resize=rule.resize)
    size, device = planned.batch_size, learning.device
    return (
        Batches(
            run.pixels(data.train, presized),
            _labels(data, data.train),
            size,
            device,
            shuffle=True,
            rank=processes.rank,
            world=processes.world,
        ),
        Batches(run.pixels(data.valid, rule), _labels(data, data.valid), size, device, shuffle=False),
    )


def _learn(data: TrainingData, run: Run, rule: InputRule, learning: Learning, patience: int) -> Progress:
    """All epochs that are still to do, each logged and saved."""
    saved = run.resume()
    progress = checkpoints.restore(saved, learning) if saved else Progress()
    if progress.over:
        return progress
    train, valid = _batches(data, run, rule, learning)
    try:
        while not progress.over:
            _epoch(train, valid, run, learning, progress, patience)
    except torch.OutOfMemoryError as error:
        batch, size = learning.plan.batch_size, learning.plan.size
        raise TrainerError(
            f"the memory of the device is full; train with --set batch_size={max(2, batch // 2)} "
            f"or --set size={max(32, size * 3 // 4)}"
        ) from error
    return progress


def _epoch(
    train: Batches, valid: Batches, run: Run, learning: Learning, progress: Progress, patience: int
) -> None:
    """One epoch more: learn, evaluate, remember, and see whether it is the last one."""
    epoch, started = progress.done, time.perf_counter()
    if epoch in (0, learning.plan.frozen_epochs):
        learning.begin(epoch)
    train_loss, train_accuracy = learning.learn(train, epoch)
    _finite(train_loss, learning.plan)
    learning.measure_norms(train)
    if learning.processes.first:
        valid_loss, accuracy = learning.evaluated(valid)
        _finite(valid_loss, learning.plan)
        progress.take(valid_loss, learning.state())
        progress.done += 1
        run.log(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                "accuracy": accuracy,
                "train_accuracy": train_accuracy,
                "lr": learning.lr,
                "seconds": time.perf_counter() - started,
            }
        )
        progress.over = _last(run, learning.plan, progress, patience)
        checkpoints.save(run, progress, learning)
    else:
        progress.done += 1
        progress.take(0.0, learning.state())
    progress.over = learning.processes.told(progress.over, learning.device)


def _finite(loss: float, planned: Plan) -> None:
    if not math.isfinite(loss):
        raise TrainerError(
            f"the loss is not a finite number any more; train with a lower rate (--set lr={planned.lr / 10:g})"
        )


def _last(run: Run, planned: Plan, progress: Progress, patience: int) -> bool:
    """True if that was the last epoch: all are done, the host says stop, or nothing has got better for long."""
    if progress.done >= planned.total or run.should_stop():
        return True
    waited = progress.done - 1 - progress.best_epoch
    if waited >= patience and not planned.frozen(progress.done - 1):
        run.say(f"no better validation loss for {patience} epochs: stopping")
        return True
    return False


def _trained(
    built: Net,
    planned: Plan,
    rule: InputRule,
    data: TrainingData,
    run: Run,
    progress: Progress,
    device: str,
    processes: Processes,
) -> Trained:
    """Export the best epoch's net and keep its weights (the first process), and describe it."""
    model = built.model.to("cpu", memory_format=torch.contiguous_format).eval()
    file, kept = run.folder / "logits.onnx", run.folder / "weights.safetensors"
    whole = WithFeatures(model, rule.width, planned.test_flips).eval()
    if processes.first:
        onnx_export.write(whole, rule, file, run.say, OUTPUTS)
        weights.keep(model, kept, built.arch, data.classes)
    names = ("torch", "torchvision", "timm")
    return Trained(
        onnx=file,
        input=rule,
        logits=_logits(whole),
        arch=built.arch,
        device=device,
        pretrained=built.pretrained,
        parameters=sum(p.numel() for p in model.parameters()),
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        notes={
            "epochs": progress.done,
            "best_epoch": progress.best_epoch,
            "lr": planned.lr,
            "batch_size": planned.batch_size,
            **({"test_flips": True} if planned.test_flips else {}),
            **({"class_weights": list(planned.class_weights)} if planned.class_weights else {}),
            **({"processes": processes.world} if processes.world > 1 else {}),
        },
        weights=kept,
    )


def _logits(model: nn.Module) -> Callable[[Floats], Floats]:
    @torch.no_grad()
    def logits(images: Floats) -> Floats:
        return np.asarray(model(torch.from_numpy(images))[0].numpy(), np.float32)

    return logits
