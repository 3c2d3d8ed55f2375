"""The training itself: what to start from, one cycle for the head, one cycle for the whole, and the export."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from byod.plugin import Floats, InputRule, Run, Trained, TrainerError, TrainingData
from byod_keras import backends, onnx_export, weights
from byod_keras.architectures import OWN, find
from byod_keras.batches import Batches, imbalanced
from byod_keras.networks import Net, net
from byod_keras.options import Options
from byod_keras.training_loop import Lessons, Phase, logits_of
from byod_keras.weights import Start

keras = backends.load()

CROP = {"scratch": 0.6, "pretrained": 0.75}
"""A training picture shows at least this share of its area: a new net needs more variety."""

PRESIZE = 1.2
"""Pictures to crop from are cached this much larger than the input, so that there are pixels to show."""

WHOLE = 0.1
"""The highest rate of the whole pretrained net, as a share of the head's."""


@dataclass(frozen=True)
class Plan:
    """Every number of a training, once the options left open are chosen."""

    size: int
    batch_size: int
    lr: float
    phases: tuple[Phase, ...]


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Train, keep the best epoch, and export; see `Keras.train`."""
    where = backends.device(run.device)
    start = _start(options)
    plan = _plan(options, start, on_gpu=where != "cpu")
    rule = InputRule(width=plan.size, height=plan.size, resize=options.resize)
    with backends.placed(where, half=where.startswith("cuda")):
        keras.utils.set_random_seed(run.seed % 2**32)
        built = net(start, plan.size, len(data.classes))
        run.say(_introduction(built, plan, where, data))
        lessons = Lessons(built, *_batches(data, options, run, plan, rule), options, run)
        _learn(lessons, plan)
    return _given_back(data, start, plan, rule, lessons, run, where)


def _start(options: Options) -> Start:
    """Choose what to begin with, from the options and from what a file of weights says of itself."""
    said = weights.said_by(options.weights) if options.weights else {}
    name = options.arch if "arch" in options.model_fields_set else said.get("arch", options.arch)
    arch = find(name)
    normalise = options.normalise or said.get("normalise")
    if arch.name == "squeezenet1_1" and not options.from_scratch:
        if options.weights is None:
            raise TrainerError(
                "Keras has no weights for squeezenet1_1; give a file with --weights FILE, or train --from-scratch"
            )
        if normalise is None:
            raise TrainerError(
                f"whether {options.weights.name} expects normalised pictures is not known; pass --set "
                "normalise=imagenet or normalise=none"
            )
    imagenet = arch.source != OWN and not options.from_scratch and options.weights is None
    return Start(arch.name, imagenet, options.weights, normalise)


def _plan(options: Options, start: Start, *, on_gpu: bool) -> Plan:
    arch = find(start.arch)
    size = options.size or (
        arch.size if arch.source == OWN else arch.size if on_gpu else max(128, arch.size // 2)
    )
    if start.pretrained:
        lr, frozen = options.lr or 5e-3, options.frozen_epochs
        head = (Phase(frozen, lr, whole=False),) if frozen else ()
        phases = (*head, Phase(options.epochs or 4, lr * WHOLE, whole=True))
    else:
        lr = options.lr or 2e-3
        phases = (Phase(options.epochs or 12, lr, whole=True),)
    return Plan(size, options.batch_size or (32 if start.pretrained else 16), lr, phases)


def _introduction(built: Net, plan: Plan, where: str, data: TrainingData) -> str:
    start = {"scratch": "from random weights", "imagenet": "pretrained on ImageNet"}
    epochs = " + ".join(str(phase.epochs) for phase in plan.phases)
    origin = start.get(built.pretrained, f"from {built.pretrained}")
    return (
        f"{built.arch.name} {origin}, {plan.size} px, {epochs} epochs on {len(data.train)} pictures "
        f"({len(data.valid)} for validation), Keras on {backends.backend()}, {where}"
    )


def _batches(
    data: TrainingData, options: Options, run: Run, plan: Plan, rule: InputRule
) -> tuple[Batches, tuple[Any, Any]]:
    """Training batches, and the validation pictures with their class numbers; each picture is decoded once."""
    number = {name: at for at, name in enumerate(data.classes)}
    train, valid = ([number[e.label] for e in part] for part in (data.train, data.valid))
    scratch = len(plan.phases) == 1 and plan.phases[0].whole and options.weights is None
    larger = round(plan.size * PRESIZE) if options.augment and scratch else plan.size
    presized = InputRule(width=larger, height=larger, resize=options.resize)
    if imbalanced(train):
        run.say("the classes are of unequal size: the loss weighs them so that all count alike")
    batches = Batches(
        run.pixels(data.train, presized),
        train,
        plan.size,
        plan.batch_size,
        run.seed,
        CROP["scratch" if scratch else "pretrained"] if options.augment else None,
    )
    return batches, (run.pixels(data.valid, rule), np.array(valid, np.int64))


def _learn(lessons: Lessons, plan: Plan) -> None:
    """Learn, and say in one line when the device's memory is too small for it."""
    try:
        lessons.learn(plan.phases)
    except RuntimeError as error:
        # torch and jax have no exception in common for this; both are RuntimeErrors that say so
        if not any(words in str(error) for words in ("out of memory", "RESOURCE_EXHAUSTED")):
            raise
        raise TrainerError(
            f"the memory of the device is full; train with --set batch_size={max(2, plan.batch_size // 2)} "
            f"or --set size={max(32, plan.size * 3 // 4)}"
        ) from error


def _given_back(
    data: TrainingData, start: Start, plan: Plan, rule: InputRule, lessons: Lessons, run: Run, where: str
) -> Trained:
    """The best epoch's net again on the CPU in float32, its export, and its tensors by name."""
    with backends.placed("cpu"):
        twin = net(start, plan.size, len(data.classes), filled=False)
        twin.model.set_weights(lessons.best)
        file = onnx_export.write(twin.model, run.folder / "logits.onnx")

    def logits(images: Floats) -> Floats:
        with backends.on("cpu"):
            return logits_of(twin.model, images.transpose(0, 2, 3, 1))

    kept = run.folder / "weights.safetensors"
    words = {
        "arch": twin.arch.name,
        "normalise": start.normalise or twin.arch.scaling,
        "classes": "\n".join(data.classes),
    }
    save_file(weights.tensors(twin.model), kept, metadata=words)
    return Trained(
        onnx=file,
        input=rule,
        logits=logits,
        arch=twin.arch.name,
        device=f"{where} (Keras on {backends.backend()})",
        pretrained=start.file.name if start.file else "imagenet" if start.imagenet else "scratch",
        parameters=int(twin.model.count_params()),
        versions={"python": platform.python_version(), **backends.versions()},
        notes={
            "backend": backends.backend(),
            "epochs": lessons.done,
            "best_epoch": lessons.best_epoch,
            "lr": plan.lr,
            "batch_size": plan.batch_size,
        },
        weights=kept,
    )
