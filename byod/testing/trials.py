"""One training under supervision, from drawn pictures to a run folder, and what came out of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from byod.images.resize import as_input
from byod.schema.model_card import Stage
from byod.schema.records import Split
from byod.testing.drawn_sets import Drawn
from byod.testing.spies import Broken, Rule, Train, guarded, opened, surrounded
from byod.training import onnx_model
from byod.training.protocol import Floats, Run, Trained, Trainer, TrainingData


@dataclass(frozen=True)
class Bench:
    """A trainer's class, what it is given, and the pictures."""

    cls: type[Trainer]
    name: str
    options: Mapping[str, str]
    drawn: Drawn
    folder: Path
    seed: int

    @property
    def test(self) -> list[Path]:
        """The pictures that no trainer may open."""
        return [example.path for example in self.drawn.part(Split.TEST)]

    def rule(self, broken: str) -> Rule:
        """A block in which this trainer may break a rule."""
        return Rule(self.name, broken)


@dataclass(frozen=True)
class TrialModel:
    """The result of a training: the exported files' tensors, and their outputs for drawn and random pictures.

    `accuracy` is the share (0..1) of test pictures that are right, or of points that are within 0.1 of the distance of
    the eyes on true crops; `found` that of heads found in whole pictures (1 for classes).
    """

    tensors: list[Floats]
    said: list[Floats]
    parity: float
    accuracy: float = 0.0
    found: float = 1.0
    history: tuple[Mapping[str, str], ...] = ()

    @property
    def epochs(self) -> list[str]:
        """The epochs that were logged, with their stage where there are several."""
        return [f"{row.get('stage', '')} {row['epoch']}".strip() for row in self.history]

    def epochs_of(self, stage: Stage | None) -> int:
        """Count the epochs of a stage."""
        return sum(stage is None or row["stage"] == stage for row in self.history)

    @property
    def valid_loss(self) -> float | None:
        """The validation loss of the last epoch."""
        said = self.history[-1]["valid_loss"] if self.history else ""
        return float(said) if said else None


def trained(bench: Bench, name: str) -> TrialModel:
    """One training to a run folder, watched; the trainer may go on with one that was killed under this name."""
    parts: list[TrialModel] = []

    def around(learn: Train, learning: TrainingData, options: Any, run: Run) -> Trained:
        with bench.rule(f"cannot train on drawn {bench.drawn.things}"):
            trained = watched(bench, learn, learning, options, run)
        with bench.rule("exports what byod cannot use"):
            parts.append(_examined(bench, trained, learning, run))
        return trained

    folder = bench.folder / name / "run"
    with bench.rule("cannot be trained to a run folder"):
        accuracy, found = to_folder(
            bench.drawn, surrounded(bench.cls, around), bench.options, folder, bench.seed
        )
    with (folder / "history.csv").open(encoding="utf-8", newline="") as lines:
        history = tuple(csv.DictReader(lines))
    return TrialModel(
        tensors=[tensor for part in parts for tensor in part.tensors],
        said=[said for part in parts for said in part.said],
        parity=max(part.parity for part in parts),
        accuracy=accuracy,
        found=found,
        history=history,
    )


def to_folder(
    drawn: Drawn, trainer: Trainer, options: Mapping[str, str], folder: Path, seed: int
) -> tuple[float, float]:
    """Train as `byod train` would; the accuracy and the share of heads found, as in `Model`."""
    from byod.tasks import TASKS  # with reports and all; drawing needs none of it
    from byod.training.run_training import train

    card: Any = train(
        TASKS[drawn.task].learning,
        drawn.labelled,
        trainer,
        options,
        folder=folder,
        seed=seed,
        device="cpu",
    )
    if drawn.points is None:
        return card.metrics.accuracy, 1.0
    pipeline = card.metrics.pipeline
    return card.metrics.crops.pck, pipeline.found / pipeline.heads


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


def _examined(bench: Bench, trained: Trained, learning: TrainingData, run: Run) -> TrialModel:
    """Compare the exported file with the trained model, on noise and on pictures, one and several at a time."""
    opened_file = onnx_model.session(trained.onnx.read_bytes(), threads=1, trained=True)
    shape = (6, 3, trained.input.height, trained.input.width)
    noise = np.random.default_rng(bench.seed).random(shape, np.float32)
    both = _Both(opened_file, trained, learning)
    pictures = both.pictures(run)
    parity = 0.0
    for what, images in (("random arrays", noise), ("one random array", noise[:1]), ("pictures", pictures)):
        difference = both.difference(images)
        if difference >= onnx_model.PARITY:
            words = "logits" if learning.stage is None else f"{learning.stage} outputs"
            raise Broken(
                f"{bench.name} exports another model than the trained one: on {what} their {words} differ by "
                f"{difference:.1e}, and {onnx_model.PARITY:.0e} is allowed"
            )
        parity = max(parity, difference)
    return TrialModel(_tensors(trained.onnx), both.said(np.concatenate([noise, pictures])), parity)


@dataclass(frozen=True)
class _Both:
    """A trained model and its export, of either task."""

    file: Any
    trained: Trained
    learning: TrainingData

    def __post_init__(self) -> None:
        learning, rule = self.learning, self.trained.input
        if learning.stage is None:
            onnx_model.check(self.file, rule, "logits", len(learning.classes))
        else:
            onnx_model.check_stage(
                self.file, rule, learning.stage, len(learning.points.names if learning.points else ())
            )

    def pictures(self, run: Run) -> Floats:
        """Some validation pictures as the net sees them."""
        from byod.tasks.keypoints import stages

        if self.learning.stage is None:
            valid = run.pixels(self.learning.valid, self.trained.input)
            return as_input(valid.rows(range(0, len(valid), 3)))
        batches: Iterator[Floats] = stages.valid_images(self.learning, self.trained.input.width, run)
        return next(batches)[::3]

    def difference(self, images: Floats) -> float:
        """The largest difference of the two on some arrays."""
        from byod.tasks.keypoints import stages

        if self.learning.stage is None:
            return onnx_model.difference(self.trained.logits(images), onnx_model.run(self.file, images))
        said = self.trained.outputs(images)
        return stages.difference(self.learning.stage, said, onnx_model.outputs(self.file, images))

    def said(self, images: Floats) -> list[Floats]:
        """All that the export says."""
        if self.learning.stage is None:
            return [onnx_model.run(self.file, images)]
        return list(onnx_model.outputs(self.file, images).values())


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
