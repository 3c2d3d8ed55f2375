"""A Keras graph written as ONNX, layer by layer, whatever Keras computes with.

Keras pictures are [N, height, width, channels], ONNX ones [N, channels, height, width]: every tensor of four
dimensions is kept in ONNX's order here, and everything else as Keras has it. Operators are those of opset 17
(https://onnx.ai/onnx/operators/); byod compares the file with the net in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, save

from byod.errors import TrainerError

OPSET = 17
IR = 8  # what onnxruntime 1.14 and later read

TO_ONNX, TO_KERAS = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its ONNX name, and its shape as Keras has it, without the pictures' dimension."""

    name: str
    shape: tuple[int, ...]

    @property
    def picture(self) -> bool:
        """Whether it has height, width and channels."""
        return len(self.shape) == 3


class Graph:
    """Nodes and constants in the order they are added; every name is given once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: ArrayLike, kind: type = np.float32) -> str:
        """Add a constant, and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def transposed(self, name: str, order: Sequence[int]) -> str:
        """Its dimensions in another order."""
        return self.add("Transpose", [name], perm=list(order))

    def along_channels(self, value: NDArray[Any], of: Value) -> str:
        """A constant that Keras broadcasts against a tensor, in ONNX's order: [], [channels] or [1, 1, 1, channels]."""
        array = np.asarray(value, np.float32)
        if not of.picture or array.ndim == 0:
            return self.constant(array)
        whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
        return self.constant(whole.transpose(TO_ONNX))


def write(model: Any, file: Path) -> Path:
    """Write a model with one picture input and one output of logits; `image` becomes [N, 3, height, width].

    Raises:
        TrainerError: a layer of it cannot be written.
    """
    graph = Graph()
    height, width, channels = model.inputs[0].shape[1:]
    outputs = walk(graph, model, [Value("image", (height, width, channels))])
    graph.nodes.append(helper.make_node("Identity", [outputs[0].name], ["logits"], "logits"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["pictures", channels, height, width])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["pictures", *outputs[0].shape])
    whole = helper.make_graph(graph.nodes, "net", [image], [logits], graph.constants)
    written: ModelProto = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="byod-keras"
    )
    checker.check_model(written)
    file.parent.mkdir(parents=True, exist_ok=True)
    save(written, str(file))
    return file


def walk(graph: Graph, model: Any, inputs: Sequence[Value]) -> list[Value]:
    """Write every call of a functional model, in order; a model within it is walked in the same way."""
    known = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
    # Keras runs its own graphs in this order (keras.Function)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments, named = node.arguments.fill_in(known)
            for tensor, value in zip(node.outputs, _called(graph, node, arguments, named), strict=True):
                known[id(tensor)] = value
    return [known[id(tensor)] for tensor in model.outputs]


def _called(graph: Graph, node: Any, arguments: Any, named: dict[str, Any]) -> list[Value]:
    """What one call of a layer gives."""
    from byod_keras.onnxlayers import WRITERS

    layer = node.operation
    operands = _flat(
        [*arguments, *(value for key, value in named.items() if key not in ("training", "mask"))]
    )
    if hasattr(layer, "layers"):
        inner = getattr(layer, "_functional", None) or layer  # a Sequential keeps its graph there
        return walk(graph, inner, [value for value in operands if isinstance(value, Value)])
    kind = type(layer).__name__
    writer = WRITERS.get(kind)
    if writer is None:
        raise TrainerError(
            f"the layer {layer.name!r} ({kind}) cannot be written as ONNX by byod-keras; choose another architecture"
        )
    if len(node.outputs) != 1:
        raise TrainerError(
            f"the layer {layer.name!r} ({kind}) has several outputs; choose another architecture"
        )
    shape = tuple(int(side) for side in node.outputs[0].shape[1:])
    return [Value(writer(graph, layer, operands, shape), shape)]


def _flat(values: Sequence[Any]) -> list[Any]:
    """Operands in a row, however they are nested."""
    return [
        each
        for value in values
        for each in (_flat(value) if isinstance(value, list | tuple) else [value])
        if each is not None
    ]
