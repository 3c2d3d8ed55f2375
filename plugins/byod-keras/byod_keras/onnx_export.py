"""Export a Keras model as ONNX, call by call, whatever Keras computes with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnx import ModelProto, TensorProto, checker, helper, save

from byod.plugin import TrainerError
from byod_keras.backends import load
from byod_keras.onnx_graph import Graph, Value
from byod_keras.onnx_layers import WRITERS

keras = load()

OPSET = 17
IR = 8  # what onnxruntime 1.14 and later read


def write(model: Any, file: Path) -> Path:
    """Write a model with one picture input and one output of logits; `image` becomes [N, 3, height, width].

    What goes into the head, once it is a row of numbers, is a second output, `features`.

    Raises:
        TrainerError: a layer of it cannot be written.
    """
    graph = Graph()
    height, width, channels = model.inputs[0].shape[1:]
    features = features_of(model)
    both = model if features is None else keras.Model(model.inputs, [*model.outputs, features])
    outputs = walk(graph, both, [Value("image", (height, width, channels))])
    given = dict(zip(("logits", "features"), outputs, strict=False))
    for name, value in given.items():
        graph.nodes.append(helper.make_node("Identity", [value.name], [name], name))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["pictures", channels, height, width])
    said = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["pictures", *value.shape])
        for name, value in given.items()
    ]
    whole = helper.make_graph(graph.nodes, "net", [image], said, graph.constants)
    written: ModelProto = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="byod-keras"
    )
    checker.check_model(written)
    file.parent.mkdir(parents=True, exist_ok=True)
    save(written, str(file))
    return file


def features_of(model: Any) -> Any:
    """The tensor of a net of byod's that stands for a picture: [N, D], before the head's own layers.

    None of a net with other layers.
    """
    names = [layer.name for layer in model.layers]
    for name in ("head_norm", "logits"):
        if name in names:
            return model.get_layer(name).input
    return None


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
    """Write one call of a layer."""
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
