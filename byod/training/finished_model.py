"""The model file that a run keeps: what a trainer exported as a plain graph, with what byod appends to it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byod.schema import files
from byod.schema.errors import ModelError, TrainerError
from byod.training import graph_check, model_runtime, typicality_graph
from byod.training.model_runtime import first_line
from byod.training.onnx_model import remember
from byod.training.typicality import Likeness

LOOK = "byod_look_"
"""Before the names of the part of a graph that looks at a find a second time."""


def fold(file: Path, arch: str) -> None:
    """Make a plain graph of what a trainer exported: functions are inlined, and an If that is constant is folded.

    A file that is one already stays as it is.

    Raises:
        TrainerError: a branch or a loop is left, whose course depends on the picture.
    """
    onnx = _onnx()
    model = _loaded(file)
    if model.functions:
        from onnx.inliner import inline_local_functions

        with _exported():
            model = inline_local_functions(model)
            onnx.save(model, str(file))
    if not graph_check.control_flow(file.read_bytes()):
        return
    folded = file.with_suffix(".folded.onnx")
    try:
        model_runtime.opened(file, 0, optimized=folded)
    except model_runtime.runtime_errors() as error:
        raise TrainerError(f"the model that was exported cannot be run ({first_line(error)})") from error
    folded.replace(file)
    if left := graph_check.control_flow(file.read_bytes()):
        raise TrainerError(
            f"{arch} is exported as a graph with {' and '.join(left)}, which byod does not run; "
            "choose another architecture"
        )


def finish(
    source: Path,
    target: Path,
    *,
    temperature: float,
    metadata: dict[str, str],
    likeness: Likeness | None = None,
) -> str:
    """Append division by the temperature and a softmax, and the typicality; write one file, and return its SHA-256.

    Without a `likeness` of features the typicality is that of the logits. The graph's operators are those of opset 13
    and later (https://onnx.ai/onnx/operators/onnx__Softmax.html).

    Raises:
        TrainerError: `onnx` is missing, or the file is not what a trainer must write.
    """
    onnx = _onnx()
    model = _loaded(source)
    graph = model.graph
    if [output.name for output in graph.output] not in (["logits"], ["logits", "features"]):
        raise TrainerError(
            "a trainer's ONNX file must have the output `logits`, and may have `features` after it"
        )
    dims = graph.output[0].type.tensor_type.shape.dim
    if len(dims) != 2:
        raise TrainerError(
            f"a trainer's ONNX file must give logits of [N, classes], not of {len(dims)} dimensions"
        )
    pictures, classes = dims
    size: list[Any] = [pictures.dim_param or "pictures", classes.dim_value]
    graph.initializer.append(
        onnx.helper.make_tensor("byod_temperature", onnx.TensorProto.FLOAT, [], [temperature])
    )
    graph.node.extend(
        [
            onnx.helper.make_node("Div", ["logits", "byod_temperature"], ["byod_scaled"], "byod_divide"),
            onnx.helper.make_node("Softmax", ["byod_scaled"], ["probabilities"], "byod_softmax", axis=-1),
        ]
    )
    further = list(graph.output)[1:]
    del graph.output[:]
    with _exported():
        typicality_graph.append(onnx, graph, likeness)
        said = onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, size)
        like = onnx.helper.make_tensor_value_info(typicality_graph.NAME, onnx.TensorProto.FLOAT, size[:1])
    graph.output.extend([said, *further, like])
    return _written(model, target, metadata)


@dataclass(frozen=True)
class Gate:
    """A factor for the output `confidence`, by how like a frame is to what was learned from.

    `features` is a plain graph of the same `image` with the one output `features`; a frame whose typicality lies at
    `edge` keeps half of its confidence, and `width` says how fast it goes from all to none.
    """

    features: bytes
    likeness: Likeness
    edge: float
    width: float


def finish_stage(source: Path, target: Path, *, metadata: dict[str, str], gate: Gate | None = None) -> str:
    """Write what a trainer of points exported as one file that says who made it, and return its SHA-256.

    Raises:
        TrainerError: `onnx` is missing, or the file is too large.
    """
    model = _loaded(source)
    if gate is not None:
        with _exported():
            _verified(model, gate)
    return _written(model, target, metadata)


def _verified(model: Any, gate: Gate) -> None:
    """Let a graph with `image` and `confidence` [N, K] look at the image a second time, in place."""
    onnx = _onnx()
    opset = _opset(model)
    looking = onnx.load_from_string(gate.features)
    if _opset(looking) != opset:
        looking = onnx.version_converter.convert_version(looking, opset)
    looking = onnx.compose.add_prefix(looking, LOOK)
    for node in looking.graph.node:
        node.input[:] = ["image" if name == f"{LOOK}image" else name for name in node.input]
    graph = model.graph
    graph.node.extend(looking.graph.node)
    graph.initializer.extend(looking.graph.initializer)
    factor = typicality_graph.gate(onnx, graph, f"{LOOK}features", gate.likeness, gate.edge, gate.width)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{LOOK}confidence" if name == "confidence" else name for name in names]
    graph.node.append(
        onnx.helper.make_node("Mul", [f"{LOOK}confidence", factor], ["confidence"], f"{LOOK}verified")
    )


def _opset(model: Any) -> int:
    """The version of the standard operators that a graph is written in."""
    return next(int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx"))


@contextlib.contextmanager
def _exported() -> Iterator[None]:
    """Turn what ONNX's library says of a trainer's file into one line."""
    from google.protobuf.message import Error  # type: ignore[import-untyped]

    onnx = _onnx()
    try:
        yield
    except (onnx.checker.ValidationError, Error, RuntimeError, ValueError, TypeError, OSError) as error:
        raise TrainerError(
            f"the model that was exported is not one that ONNX knows ({first_line(error)[:200]}); "
            "choose another architecture"
        ) from error


def _loaded(file: Path) -> Any:
    with _exported():
        return _onnx().load(str(file), load_external_data=True)


def _written(model: Any, target: Path, metadata: dict[str, str]) -> str:
    onnx = _onnx()
    onnx.helper.set_model_props(model, metadata)
    model.producer_name = "byod"
    with _exported():
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
    if len(content) > graph_check.MAX_BYTES:
        raise TrainerError(f"the model has {len(content) / 1e9:.1f} GB; byod keeps models below 1.9 GB")
    try:
        graph_check.check(content)
    except ModelError as error:
        raise TrainerError(f"the exported model is none that byod runs: {error}") from error
    files.replace(target, content)
    sha256 = hashlib.sha256(content).hexdigest()
    remember(sha256)
    return sha256


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise TrainerError(
            "training needs the package onnx; a trainer brings it: uv pip install onnx"
        ) from error
    return onnx
