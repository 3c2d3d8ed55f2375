"""A trainer of points for the core's tests, without any net: discs of one colour are heads, spots of others points.

Its graphs are made by hand; all it learns is how far the spots lie, on average, from where they are marked.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from byod.schema.keypoints import Head, Marks, Point, PointSet
from byod.schema.model_card import InputRule, Resize, Stage
from byod.schema.records import Example, Split, Task
from byod.tasks.keypoints.geometry.batch_feeds import HeadFeed, PointFeed
from byod.training import onnx_model
from byod.training.protocol import Run, Trained, TrainingData

POINTS = PointSet(
    names=("eye_image_left", "eye_image_right", "mouth"), flips=(("eye_image_left", "eye_image_right"),)
)
SPOTS = {"eye_image_left": (-0.5, 0.0), "eye_image_right": (0.5, 0.0), "mouth": (0.0, 0.7)}
COLOURS = {"eye_image_left": (40, 40, 240), "eye_image_right": (40, 220, 40), "mouth": (240, 40, 40)}
SHADES = {"eye_image_left": (-0.5, -0.5, 1), "eye_image_right": (-0.5, 1, -0.5), "mouth": (1, -0.5, -0.5)}
HEAD = (200, 60, 200)
BESIDE = (0.08, -0.06)
"""Spots are drawn beside their points by so many distances of the eyes where a trainer is to learn something."""


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 64
    epochs: int = 3
    spoil: float = 0.0
    blind: bool = False


class Spot:
    name: ClassVar[str] = "spot"
    tasks: ClassVar[tuple[Task, ...]] = (Task.KEYPOINTS,)
    resumes: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self) -> None:
        self.seen: list[TrainingData] = []

    def doctor(self) -> list[str]:
        return []

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        self.seen.append(data)
        learn = _heads if data.stage is Stage.HEADS else _points
        model, tensors = learn(data, options, run)
        file = run.folder / "spot.onnx"
        onnx.save(model, str(file))
        session = onnx_model.session(file.read_bytes(), threads=1)
        spoil = np.float32(options.spoil if data.stage is Stage.POINTS else 0)

        def outputs(images):
            found = onnx_model.outputs(session, images)
            first = next(iter(found))
            return {**found, first: found[first] + spoil}

        return Trained(
            onnx=file, input=InputRule(width=options.size, height=options.size, resize=Resize.PAD),
            outputs=outputs, arch="spots", device="cpu", pretrained="scratch", parameters=tensors,
            versions={"onnx": onnx.__version__}, notes={"best_epoch": options.epochs - 1},
        )  # fmt: skip


def _points(data, options, run):
    """Where the spots are, and how far they lie from where they are marked: half of that goes in each epoch."""
    names = data.points.names
    saved = run.resume()
    offset = saved.tensors["offset"] if saved else np.zeros((len(names), 2), np.float32)
    train, valid = (
        PointFeed(side, data.marks, data.points, size=options.size, seed=run.seed, cache=run.cache)
        for side in (data.train, data.valid)
    )
    for epoch in range(saved.epochs if saved else 0, options.epochs):
        started = time.perf_counter()
        session = onnx_model.session(
            _points_graph(names, offset, options.size).SerializeToString(), threads=1
        )
        losses = []
        for feed in (train, valid):
            off, known = [np.zeros((0, len(names), 2))], [np.zeros((0, len(names)))]
            for batch in feed.plain(16):
                said = onnx_model.outputs(session, images_of(batch))["points"]
                off.append((batch.points - said) * batch.known[..., None])
                known.append(batch.known)
            off, known = np.concatenate(off), np.concatenate(known)
            losses.append(float(np.abs(off).sum() / max(1, known.sum())))
            if feed is train:
                step = off.sum(axis=0) / np.maximum(1, known.sum(axis=0))[:, None]
        offset = (offset + step / 2).astype(np.float32)
        run.log({"epoch": epoch, "train_loss": losses[0], "valid_loss": losses[1],
                 "seconds": time.perf_counter() - started})  # fmt: skip
        run.save(epoch + 1, {"offset": offset}, {})
    return _points_graph(names, offset, options.size), offset.size


def images_of(batch):
    return np.ascontiguousarray(batch.images.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)


def _points_graph(names, offset, size):
    shades = np.array([SHADES[name] for name in names], np.float32).reshape(-1, 3, 1, 1)
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    tensors = {
        "shades": shades, "bias": np.full(len(names), -0.3, np.float32), "offset": offset, "grid": grid,
        "flat": np.array([0, len(names), -1]), "last": np.array([2]), "little": np.float32(1e-6),
        "share": np.float32(400 / size**2),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["image", "shades", "bias"], ["mixed"]),
        helper.make_node("Relu", ["mixed"], ["seen"]),
        helper.make_node("Reshape", ["seen", "flat"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "last"], ["mass"], keepdims=1),
        helper.make_node("Add", ["mass", "little"], ["some"]),
        helper.make_node("Div", ["rows", "some"], ["heat"]),
        helper.make_node("MatMul", ["heat", "grid"], ["middle"]),
        helper.make_node("Add", ["middle", "offset"], ["points"]),
        helper.make_node("Squeeze", ["mass", "last"], ["amount"]),
        helper.make_node("Mul", ["amount", "share"], ["much"]),
        helper.make_node("Tanh", ["much"], ["confidence"]),
    ]
    return _model(nodes, tensors, size, {"points": ["n", len(names), 2], "confidence": ["n", len(names)]})


def _heads(data, options, run):
    """Nothing to learn: where the head's colour is thickest, and how much of it there is."""
    feed = HeadFeed(data.train, data.marks, size=options.size, seed=run.seed, cache=run.cache)
    pictures = sum(len(batch.images) for batch in feed.plain(16))
    for epoch in range(options.epochs):
        run.log({"epoch": epoch, "train_loss": 1 / (pictures + epoch), "valid_loss": 0.1, "seconds": 0.0})
    return _heads_graph(options.size, options.blind), 4


def _heads_graph(size, blind):
    wide = size // 4 + 1 - (size // 4) % 2
    near = np.exp(-(np.linspace(-2.5, 2.5, wide) ** 2) / 2)
    near = np.outer(near, near)
    area = 2 * (size // 5) + 1
    tensors = {
        "shade": np.array([0.5, -1, 0.5], np.float32).reshape(1, 3, 1, 1), "bias": np.array([-0.2], np.float32),
        "near": (near / near.sum()).astype(np.float32).reshape(1, 1, wide, wide),
        "whole": np.ones((1, 1, area, area), np.float32), "flat": np.array([0, -1]), "five": np.array([5]),
        "size": np.array(size), "side": np.float32(size), "half": np.float32(0.5), "last": np.array([2]),
        "steep": np.float32(0 if blind else 4), "full": np.float32(0.35), "disc": np.float32(4 / math.pi / 0.35),
        "pair": np.array([-1], np.int64),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "shade", "bias"], ["mixed"]),
        node("Relu", ["mixed"], ["seen"]),
        node("Min", ["seen", "full"], ["mask"]),
        node("Conv", ["mask", "near"], ["heat"], pads=[wide // 2] * 4),
        node("Conv", ["mask", "whole"], ["sum"], pads=[area // 2] * 4),
        node("MaxPool", ["heat"], ["high"], kernel_shape=[9, 9], pads=[4] * 4),
        node("Equal", ["heat", "high"], ["peak"]),
        node("Cast", ["peak"], ["one"], to=TensorProto.FLOAT),
        node("Mul", ["heat", "one"], ["peaks"]),
        node("Flatten", ["peaks"], ["rows"]),
        node("TopK", ["rows", "five"], ["top", "at"]),
        node("Mul", ["top", "steep"], ["strong"]),
        node("Tanh", ["strong"], ["scores"]),
        node("Flatten", ["sum"], ["sums"]),
        node("GatherElements", ["sums", "at"], ["amount"], axis=1),
        node("Mul", ["amount", "disc"], ["squared"]),
        node("Sqrt", ["squared"], ["across"]),
        node("Mul", ["across", "half"], ["reach"]),
        node("Mod", ["at", "size"], ["column"]),
        node("Div", ["at", "size"], ["row"]),
        *(
            step
            for name, place in (("x", "column"), ("y", "row"))
            for step in (
                node("Cast", [place], [f"{name}0"], to=TensorProto.FLOAT),
                node("Add", [f"{name}0", "half"], [name]),
                node("Sub", [name, "reach"], [f"{name}_low"]),
                node("Add", [name, "reach"], [f"{name}_high"]),
                node("Unsqueeze", [f"{name}_low", "pair"], [f"{name}_from"]),
                node("Unsqueeze", [f"{name}_high", "pair"], [f"{name}_to"]),
            )
        ),
        node("Concat", ["x_from", "y_from", "x_to", "y_to"], ["pixels"], axis=-1),
        node("Div", ["pixels", "side"], ["boxes"]),
    ]
    return _model(nodes, tensors, size, {"boxes": ["n", 5, 4], "scores": ["n", 5]})


def _model(nodes, tensors, size, outputs):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "spots", [image], given, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def spotted(folder: Path, number=60, *, heads=(1, 1, 1, 2, 0), parts=(0.5, 0.2, 0.3), seed=0, only=None,
            beside=(0.0, 0.0)):  # fmt: skip
    """Noisy pictures of spotted discs: their examples (the label is "cat") and marks by SHA-256.

    `only` names the points that are marked, for every second picture (the others have all).
    """
    folder.mkdir(parents=True, exist_ok=True)
    examples, marks = [], {}
    for at in range(number):
        rng = np.random.default_rng([seed, at])
        size = (int(rng.integers(180, 260)), int(rng.integers(180, 260)))
        noise = rng.normal(128, 12, (size[1], size[0], 1)) + rng.normal(0, 4, (size[1], size[0], 3))
        picture = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
        named = only if only is not None and at % 2 else POINTS.names
        found = tuple(
            _disc(picture, place, rng, named, beside) for place in _places(size, heads[at % len(heads)], rng)
        )
        path = folder / f"{seed}-{at:03}.png"
        picture.save(path)
        place = (at // len(heads)) / (number / len(heads))
        split = (
            Split.TRAIN if place < parts[0] else Split.VALID if place < parts[0] + parts[1] else Split.TEST
        )
        sha256 = f"{seed * 100_000 + at:064x}"
        examples.append(Example(sha256=sha256, path=path, label="cat", split=split, group=f"{seed}-{at}"))
        marks[sha256] = Marks(sha256=sha256, width=size[0], height=size[1], heads=found)
    return examples, marks


def _places(size, count, rng):
    """Middle and radius of each disc; they keep their distance."""
    placed = []
    while len(placed) < count:
        radius = float(rng.uniform(20, 26))
        x, y = (float(rng.uniform(radius, side - radius)) for side in size)
        if all(math.hypot(x - u, y - v) > 3.6 * max(radius, r) for u, v, r in placed):
            placed.append((x, y, radius))
    return placed


def _disc(picture, place, rng, named, beside):
    x, y, radius = place
    pen = ImageDraw.Draw(picture)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=HEAD)
    turn, apart = float(rng.uniform(-0.6, 0.6)), radius * 0.9
    cos, sin = math.cos(turn), math.sin(turn)
    points = {}
    for name, (u, v) in SPOTS.items():
        across, down = apart * u, apart * (v - 0.2)
        px, py = x + across * cos - down * sin, y + across * sin + down * cos
        dot = (px + beside[0] * apart, py + beside[1] * apart)
        pen.ellipse((dot[0] - 4, dot[1] - 4, dot[0] + 4, dot[1] + 4), fill=COLOURS[name])
        points[name] = Point(x=px + 0.5, y=py + 0.5) if name in named else None
    return Head(points=points, box=(x - radius, y - radius, x + radius, y + radius))
