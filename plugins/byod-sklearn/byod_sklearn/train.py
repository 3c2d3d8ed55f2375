"""The training itself: features, logistic regression, and both written as one graph."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from byod.plugin import Example, FeatureGraph, Floats, Run, Trained, TrainingData
from byod_sklearn import features
from byod_sklearn.logistic_regression import Regression, fit, log_loss
from byod_sklearn.options import Options

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]


def answer(data: TrainingData, options: Options, run: Run, pictures: Sequence[Example]) -> tuple[Floats, str]:
    """Fit, and say of other pictures what the regression makes of their features; see `Sklearn.answer`."""
    extractor = features.graph(options, run)
    seen, asked = (extractor.features(some, run.say) for some in (data.train, pictures))
    labels = _numbers(data.train, data.classes)
    groups = [each.group for each in data.train]
    regression = fit(seen.astype(np.float64), labels, groups, len(data.classes), options.C, run.seed)
    return regression.logits(asked.astype(np.float64)).astype(np.float32), _name(extractor)


def train(data: TrainingData, options: Options, run: Run) -> Trained:
    """Compute the features, fit, and export; see `Sklearn.train`."""
    started = time.perf_counter()
    if run.device not in (None, "cpu"):
        run.say(f"scikit-learn computes on the CPU, not on {run.device}")
    extractor = features.graph(options, run)
    card = extractor.card
    seen = extractor.features(data.train, run.say).astype(np.float64)
    unseen = extractor.features(data.valid, run.say).astype(np.float64)
    labels = _numbers(data.train, data.classes)
    regression = fit(seen, labels, [e.group for e in data.train], len(data.classes), options.C, run.seed)
    run.say(
        f"{_name(extractor)}: {len(data.train)} pictures, {seen.shape[1]} features, "
        f"C = {regression.strength:g}" + (", classes weighted" if regression.weighted else "")
    )
    _log(run, regression, (seen, labels), (unseen, _numbers(data.valid, data.classes)), started)
    file = _write(extractor, regression, run.folder / "logits.onnx")

    def logits(images: Floats) -> Floats:
        return regression.logits(extractor.compute(images).astype(np.float64)).astype(np.float32)

    return Trained(
        onnx=file,
        input=card.input,
        logits=logits,
        features=seen.astype(np.float32),
        arch=_name(extractor),
        device=f"cpu ({os.cpu_count()} threads)",
        pretrained=card.pretrained,
        parameters=card.parameters + regression.weight.size + regression.bias.size,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in ("scikit-learn", "onnx")},
            **card.versions,
        },
        notes={"C": regression.strength, "features": seen.shape[1], "classes_weighted": regression.weighted},
    )


def _name(extractor: FeatureGraph) -> str:
    return f"{extractor.card.arch} + logistic regression"


def _numbers(examples: tuple[Example, ...], classes: tuple[str, ...]) -> Labels:
    return np.array([classes.index(e.label) for e in examples], np.int64)


def _log(
    run: Run,
    regression: Regression,
    seen: tuple[Numbers, Labels],
    unseen: tuple[Numbers, Labels],
    started: float,
) -> None:
    """One line of history: there are no epochs, the regression is fitted to its end at once."""
    (train_loss, train_accuracy), (valid_loss, accuracy) = (
        _measured(regression.logits(features), labels) for features, labels in (seen, unseen)
    )
    run.log(
        {
            "epoch": 0,
            "train_loss": train_loss,
            "valid_loss": valid_loss,
            "accuracy": accuracy,
            "train_accuracy": train_accuracy,
            "seconds": time.perf_counter() - started,
        }
    )


def _measured(logits: Numbers, labels: Labels) -> tuple[float, float]:
    """Mean log loss and accuracy."""
    return float(log_loss(logits, labels).mean()), float((logits.argmax(axis=1) == labels).mean())


def _write(extractor: FeatureGraph, regression: Regression, file: Path) -> Path:
    """The extractor's graph with one matrix product at its end."""
    model = onnx.load_from_string(extractor.content)
    graph = model.graph
    pictures = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph.initializer.extend(
        [
            numpy_helper.from_array(regression.weight.astype(np.float32), "regression_weight"),
            numpy_helper.from_array(regression.bias.astype(np.float32), "regression_bias"),
        ]
    )
    inputs = ["features", "regression_weight", "regression_bias"]
    graph.node.append(helper.make_node("Gemm", inputs, ["logits"], "regression", transB=1))
    del graph.output[:]
    widths = {"logits": len(regression.bias), "features": regression.weight.shape[1]}
    for name, width in widths.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [pictures, width]))
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
    return file
