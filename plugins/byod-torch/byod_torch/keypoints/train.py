"""The training of one stage: which net, on which pictures, for how long, and the exported file."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from byod.plugin import (
    DetectionBatch,
    Floats,
    InputRule,
    KeypointSet,
    Run,
    Stage,
    Trained,
    TrainerError,
    TrainingData,
    eyes_of,
)
from byod_torch import checkpoints, devices, networks, onnx_export, weights
from byod_torch.checkpoints import Progress
from byod_torch.keypoints import losses
from byod_torch.keypoints.encoders import Encoder
from byod_torch.keypoints.feeds import Batch, Feed
from byod_torch.keypoints.networks import Decoder, Direct
from byod_torch.keypoints.outputs import DetectionAnswer, PointAnswer
from byod_torch.keypoints.schedule import OWN, Choice, Plan, plan
from byod_torch.keypoints.training_loop import Learning, Loss

BESIDE = 0.5
"""How much points count that are no eyes: glasses hang on the eyes, and the others are marked in fewer pictures."""
OUTPUTS = {Stage.DETECTION: ("boxes", "scores"), Stage.POINTS: ("points", "confidence")}


@dataclass(frozen=True)
class Net:
    """Normalisation, encoder, and what stands on it; how it was named, and where its weights come from."""

    model: nn.Sequential
    arch: str
    pretrained: str


def train(data: TrainingData, options: Choice, run: Run) -> Trained:
    """Train the net of `data.stage` and export it; see `Torch.train`.

    Raises:
        TrainerError: there is nothing to learn from, or the net cannot be built, trained or exported.
    """
    stage, points = _stage(data)
    if options.from_scratch and "arch" not in options.model_fields_set:
        options = options.model_copy(update={"arch": OWN})
    if run.gpus > 1:
        raise TrainerError("a net for points learns on one GPU; remove --gpus")
    device = devices.device(run.device)
    devices.reproducible(run.seed, device)
    planned = plan(options, stage, len(data.train))
    feed = Feed(data, planned, run)
    built = net(options, planned, points)
    _introduce(built, planned, feed, device, run)
    learning = Learning(built.model, planned, device, loss(planned, points, device))
    progress = _learn(feed, learning, run)
    built.model.load_state_dict(progress.best)
    return _trained(built, planned, points, run, progress, devices.name(device))


def _stage(data: TrainingData) -> tuple[Stage, KeypointSet]:
    if data.stage is None or data.points is None:
        raise TrainerError(
            "for points a training needs its stage and the point set; this is byod's own mistake"
        )
    return data.stage, data.points


def net(options: Choice, planned: Plan, points: KeypointSet) -> Net:
    """Build the net of a stage.

    Raises:
        TrainerError: no such architecture, no feature maps in it, or its weights do not fit or cannot be had.
    """
    start = networks.body(options)
    encoder = Encoder(start.module, planned.size, planned.finest)
    count = len(points.names)
    stands: nn.Module
    if planned.direct:
        stands = Direct(encoder, count)
    else:
        outputs = 5 if planned.stage is Stage.DETECTION else count
        stands = Decoder(encoder, outputs)
    if planned.stage is Stage.DETECTION:
        stands.out.bias.data[0] = losses.RARE  # type: ignore[union-attr, operator, index]
    return Net(nn.Sequential(networks.Normalise(start.stats), encoder, stands), start.arch, start.pretrained)


def loss(planned: Plan, points: KeypointSet, device: torch.device) -> Loss:
    """The loss of the stage."""
    eyes = eyes_of(points)
    wanted = range(len(points.names)) if eyes is None else eyes
    share = torch.tensor([1.0 if at in wanted else BESIDE for at in range(len(points.names))], device=device)
    one = losses.of_numbers if planned.direct else losses.of_heatmaps

    def value(said: torch.Tensor, batch: Batch) -> torch.Tensor:
        if isinstance(batch, DetectionBatch):
            return losses.of_instances(said, batch.boxes)
        truth, known, there = (
            torch.from_numpy(each).to(device) for each in (batch.points, batch.known, batch.there)
        )
        # what is nowhere is nowhere for all points, marked or not
        return one(said, truth, torch.maximum(known, 1 - there[:, None]) * share, there)

    return value


def _introduce(built: Net, planned: Plan, feed: Feed, device: torch.device, run: Run) -> None:
    start = {"scratch": "from random weights", "hub": "pretrained"}.get(
        built.pretrained, f"from {built.pretrained}"
    )
    what = "pictures" if planned.stage is Stage.DETECTION else "objects"
    finds = "finds objects" if planned.stage is Stage.DETECTION else "finds points"
    run.say(
        f"{built.arch} {finds}, {start}, {planned.size} px, {planned.epochs} epochs on {len(feed.train)} {what} "
        f"({len(feed.valid)} for validation), on {devices.name(device)}"
    )


def _learn(feed: Feed, learning: Learning, run: Run) -> Progress:
    """All epochs that are still to do, each logged and saved."""
    saved = run.resume()
    progress = checkpoints.restore(saved, learning) if saved else Progress()
    try:
        while not progress.over:
            _epoch(feed, learning, progress, run)
    except torch.OutOfMemoryError as error:
        planned = learning.plan
        raise TrainerError(
            f"the memory of the device is full; train with --set batch_size={max(2, planned.batch_size // 2)}"
        ) from error
    return progress


def _epoch(feed: Feed, learning: Learning, progress: Progress, run: Run) -> None:
    """One epoch more; the last one's weights are kept.

    The rate has fallen to nothing by then, and a few dozen validation objects cannot tell better from luckier.
    """
    epoch, started = progress.done, time.perf_counter()
    trained = learning.learn(feed.epoch(epoch), epoch, feed.steps)
    _finite(trained, learning.plan)
    progress.over = epoch + 1 >= learning.plan.epochs
    if progress.over:
        learning.measure_norms(feed.epoch(epoch))
    evaluated = learning.evaluated(feed.validating())
    numbers = {"epoch": epoch, "train_loss": trained, "lr": learning.lr}
    if evaluated is not None:
        numbers["valid_loss"] = evaluated
    run.log({**numbers, "seconds": time.perf_counter() - started})
    if not progress.over and run.should_stop():
        progress.over = True
        learning.measure_norms(feed.epoch(epoch))
    progress.keep(learning.state())
    progress.done += 1
    checkpoints.save(run, progress, learning)


def _finite(value: float, planned: Plan) -> None:
    if not math.isfinite(value):
        raise TrainerError(
            f"the loss is not a finite number any more; train with a lower rate (--set lr={planned.lr / 10:g})"
        )


def answer(model: nn.Module, planned: Plan, points: KeypointSet) -> nn.Module:
    """The whole net as it is exported: from pictures to points or boxes."""
    if planned.stage is Stage.DETECTION:
        return DetectionAnswer(model, mirror=planned.mirror)
    return PointAnswer(model, points.permutation if planned.mirror else None, direct=planned.direct)


def _trained(
    built: Net, planned: Plan, points: KeypointSet, run: Run, progress: Progress, device: str
) -> Trained:
    """Export the net and keep its weights, and describe it."""
    model = built.model.to("cpu", memory_format=torch.contiguous_format).eval()
    whole = answer(model, planned, points).eval()
    rule = InputRule(width=planned.size, height=planned.size)
    names = ("torch", "torchvision", "timm")
    return Trained(
        onnx=onnx_export.write(whole, rule, run.folder / "points.onnx", run.say, OUTPUTS[planned.stage]),
        input=rule,
        outputs=outputs(whole, OUTPUTS[planned.stage]),
        arch=built.arch,
        device=device,
        pretrained=built.pretrained,
        parameters=sum(p.numel() for p in model.parameters()),
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        notes={
            "epochs": progress.done,
            "lr": planned.lr,
            "batch_size": planned.batch_size,
            "mirror": planned.mirror,
            **({"head": "direct"} if planned.direct else {}),
        },
        weights=weights.keep(model, run.folder / "weights.safetensors", built.arch, points.names),
    )


def outputs(model: nn.Module, names: tuple[str, ...]) -> Callable[[Floats], Mapping[str, Floats]]:
    """The trained model's own outputs by name, for `Trained.outputs`."""

    @torch.no_grad()
    def said_of(images: Floats) -> Mapping[str, Floats]:
        said = model(torch.from_numpy(images))
        return {name: np.asarray(each.numpy(), np.float32) for name, each in zip(names, said, strict=True)}

    return said_of
