"""A real trainer of forty lines for the core's tests: softmax regression on a picture's mean colour."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pydantic import BaseModel, ConfigDict

from byod.images.resize import as_input, pixels
from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split, Task
from byod.training.protocol import Run, Trained, TrainingData


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 16
    epochs: int = 3
    spoil: float = 0.0


class Colour:
    name: ClassVar[str] = "colour"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    resumes: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self) -> None:
        self.seen: list[TrainingData] = []

    def doctor(self) -> list[str]:
        return []

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        self.seen.append(data)
        rule = InputRule(width=options.size, height=options.size)
        x, y = self._features(data.train, data.classes, rule)
        vx, vy = self._features(data.valid, data.classes, rule)
        weights, bias = np.zeros((3, len(data.classes)), np.float32), np.zeros(len(data.classes), np.float32)
        for epoch in range(options.epochs):
            started = time.perf_counter()
            for _ in range(100):
                error = self._softmax(x @ weights + bias) - np.eye(len(data.classes), dtype=np.float32)[y]
                weights -= 2 * x.T @ error / len(x)
                bias -= 2 * error.mean(axis=0)
            losses = [
                -np.log(self._softmax(a @ weights + bias)[range(len(b)), b]).mean()
                for a, b in ((x, y), (vx, vy))
            ]
            right = ((vx @ weights + bias).argmax(axis=1) == vy).mean()
            run.log({"epoch": epoch, "train_loss": float(losses[0]), "valid_loss": float(losses[1]),
                     "accuracy": float(right), "seconds": time.perf_counter() - started})  # fmt: skip
        file = run.folder / "colour.onnx"
        onnx.save(self._graph(weights, bias, rule), str(file))
        return Trained(
            onnx=file, input=rule, arch="mean-colour", device="cpu", pretrained="scratch",
            logits=lambda images: (images.mean(axis=(2, 3)) - 0.5) @ weights + bias + np.float32(options.spoil),
            parameters=weights.size + bias.size, versions={"onnx": onnx.__version__},
            notes={"best_epoch": options.epochs - 1},
        )  # fmt: skip

    @staticmethod
    def _features(examples, classes, rule):
        images = as_input(np.stack([pixels(e.path, rule) for e in examples]))
        return images.mean(axis=(2, 3)) - np.float32(0.5), np.array(
            [classes.index(e.label) for e in examples]
        )

    @staticmethod
    def _softmax(logits):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @staticmethod
    def _graph(weights, bias, rule):
        constants = {"half": np.float32(0.5), "axes": np.array([2, 3]), "weights": weights, "bias": bias}
        nodes = [
            helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "half"], ["centred"]),
            helper.make_node("Gemm", ["centred", "weights", "bias"], ["logits"]),
        ]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, rule.height, rule.width])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(bias)])
        tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "colour", [image], [logits], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def coloured(folder, classes=("red", "green"), per_class=20, *, parts=(0.6, 0.2, 0.2), seed=0, pairs=False):
    """Noisy pictures of a colour and their examples; with `pairs`, two and two are one duplicate group."""
    tones = {"red": (170, 70, 60), "green": (70, 160, 70), "blue": (60, 80, 180)}
    random = np.random.default_rng(seed)
    examples = []
    for label in classes:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            noise = random.normal(0, 45, (40, 48, 3)) + random.normal(0, 12, 3)
            path = folder / label / f"{number:03}.jpg"
            Image.fromarray(np.clip(np.array(tones[label]) + noise, 0, 255).astype(np.uint8)).save(path)
            place = number / per_class
            split = (
                Split.TRAIN
                if place < parts[0]
                else Split.VALID
                if place < parts[0] + parts[1]
                else Split.TEST
            )
            key = f"{label}-{number // 2 if pairs else number}"
            sha = f"{hash_of(label, number):064x}"
            examples.append(Example(sha256=sha, path=path, label=label, split=split, group=key))
    return examples


def hash_of(label, number):
    return int.from_bytes(label.encode(), "big") * 10_000 + number
