"""One training under supervision, from drawn pictures to a run folder, and what came out of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from byod import onnxfile
from byod.records import Example, Split
from byod.resizing import as_input
from byod.testing.watching import Broken, Rule, Train, guarded, opened, surrounded
from byod.trainers import Floats, Run, Trained, Trainer, TrainingData


@dataclass(frozen=True)
class Bench:
    """A trainer's class, what it is given, and the pictures."""

    cls: type[Trainer]
    name: str
    options: Mapping[str, str]
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    folder: Path
    seed: int

    @property
    def test(self) -> list[Path]:
        """The pictures that no trainer may open."""
        return [example.path for example in self.examples if example.split is Split.TEST]

    def rule(self, broken: str) -> Rule:
        """A block in which this trainer may break a rule."""
        return Rule(self.name, broken)


@dataclass(frozen=True)
class Model:
    """What a training led to; the exported file's tensors, and its logits for drawn and random pictures."""

    tensors: list[Floats]
    logits: Floats
    parity: float
    accuracy: float = 0.0
    history: tuple[Mapping[str, str], ...] = ()

    @property
    def valid_loss(self) -> float | None:
        """That of the last epoch."""
        said = self.history[-1]["valid_loss"] if self.history else ""
        return float(said) if said else None


def trained(bench: Bench, name: str) -> Model:
    """One training to a run folder, watched; the trainer may go on with one that was killed under this name."""
    from byod import training  # with reports and all; drawing needs none of it

    found: list[Model] = []

    def around(learn: Train, learning: TrainingData, options: Any, run: Run) -> Trained:
        with bench.rule("cannot train on drawn classes"):
            trained = watched(bench, learn, learning, options, run)
        with bench.rule("exports what byod cannot use"):
            found.append(_examined(bench, trained, learning, run))
        return trained

    folder = bench.folder / name / "run"
    with bench.rule("cannot be trained to a run folder"):
        card = training.train_run(
            bench.examples,
            bench.classes,
            surrounded(bench.cls, around),
            bench.options,
            folder=folder,
            seed=bench.seed,
            device="cpu",
        )
    with (folder / "history.csv").open(encoding="utf-8", newline="") as lines:
        history = tuple(csv.DictReader(lines))
    return replace(found[0], accuracy=card.metrics.accuracy, history=history)


def watched(bench: Bench, learn: Train, learning: TrainingData, options: Any, run: Run) -> Trained:
    """Let it learn, and see that it looks at nothing else.

    Its cache is new and its own, so there is no test picture in it that was not opened in here.
    """
    with opened(bench.test) as seen:
        trained = learn(learning, options, guarded(run, bench.name, learning))
    if seen:
        raise Broken(
            f"{bench.name} opens test pictures while it trains ({sorted(seen)[0].name}); it may open those of "
            "data.train and data.valid alone"
        )
    return trained


def _examined(bench: Bench, trained: Trained, learning: TrainingData, run: Run) -> Model:
    """Compare the exported file with the trained model, on noise and on pictures, one and several at a time."""
    opened_file = onnxfile.session(trained.onnx.read_bytes(), threads=1)
    onnxfile.check(opened_file, trained.input, "logits", len(learning.classes))
    shape = (6, 3, trained.input.height, trained.input.width)
    noise = np.random.default_rng(bench.seed).random(shape, np.float32)
    valid = run.pixels(learning.valid, trained.input)
    pictures = as_input(valid.rows(range(0, len(valid), 3)))
    parity = 0.0
    for what, images in (("random arrays", noise), ("one random array", noise[:1]), ("pictures", pictures)):
        difference = onnxfile.difference(trained.logits(images), onnxfile.run(opened_file, images))
        if difference >= onnxfile.PARITY:
            raise Broken(
                f"{bench.name} exports another model than the trained one: on {what} their logits differ by "
                f"{difference:.1e}, and {onnxfile.PARITY:.0e} is allowed"
            )
        parity = max(parity, difference)
    logits = onnxfile.run(opened_file, np.concatenate([noise, pictures]))
    return Model(_tensors(trained.onnx), logits, parity)


def _tensors(file: Path) -> list[Floats]:
    """The float tensors of a model file, in its order."""
    import onnx

    model = onnx.load(str(file))
    constants = [
        a.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for a in node.attribute
        if a.name == "value"
    ]
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
    return [
        onnx.numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in (*model.graph.initializer, *constants)
        if tensor.data_type in kinds
    ]
