"""The output `typicality` of a model file: nodes that are appended to what a trainer exported.

The operators are those that opset 13 and every later one have alike (https://onnx.ai/onnx/operators/), so that it does
not matter which one the trainer took.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from byod.training.typicality import Likeness

NAME = "typicality"


def append(onnx: Any, graph: Any, likeness: Likeness | None) -> None:
    """Let a graph with `logits`, and with a `likeness` also `features`, compute `typicality` [N]."""
    nodes = _Nodes(onnx, graph)
    if likeness is None:
        most = nodes("TopK", "logits", nodes.constant([1], np.int64), outputs=2, axis=1)
        above = nodes("Exp", nodes("Sub", "logits", most))
        found = nodes("Add", most, nodes("Log", nodes.sum(above)))
    else:
        found = nodes("Neg", _distance(nodes, likeness, "features"))
    whole = nodes.constant([-1], np.int64)
    graph.node.append(onnx.helper.make_node("Reshape", [found, whole], [NAME], "byod_typicality"))


def gate(onnx: Any, graph: Any, features: str, likeness: Likeness, edge: float, width: float) -> str:
    """Append a factor [N, 1] between 0 and 1 by the typicality of some `features`, and return its name.

    It is the logistic function of (typicality - edge) / width: a half at the edge.
    """
    nodes = _Nodes(onnx, graph)
    beyond = nodes("Add", _distance(nodes, likeness, features), nodes.constant(edge))
    return nodes("Sigmoid", nodes("Mul", beyond, nodes.constant(-1 / width)))


def _distance(nodes: _Nodes, likeness: Likeness, features: str) -> str:
    """The distance to the nearest class mean, [N, 1]; see `Likeness`."""
    centred = nodes("Sub", features, nodes.constant(likeness.middle))
    z = nodes("Mul", centred, nodes.constant(likeness.scale))
    along = nodes("MatMul", z, nodes.constant(likeness.directions))
    lengths = nodes("Mul", nodes.sum(nodes("Mul", z, z)), nodes.constant(likeness.least))
    whole = nodes("Sub", lengths, nodes.sum(nodes("Mul", along, along)))
    linear = nodes(
        "Add", nodes("MatMul", z, nodes.constant(likeness.slopes)), nodes.constant(likeness.offsets)
    )
    squares = nodes("Add", whole, linear)
    nearest = nodes("TopK", squares, nodes.constant([1], np.int64), outputs=2, axis=1, largest=0)
    return nodes("Sqrt", nodes("Relu", nearest))


class _Nodes:
    """Nodes and constants added to a graph, under names that no trainer uses; each call gives a tensor's name."""

    def __init__(self, onnx: Any, graph: Any) -> None:
        self._onnx, self._graph, self._count = onnx, graph, 0

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """One node; of several outputs the first."""
        names = [self._name() for _ in range(outputs)]
        self._graph.node.append(
            self._onnx.helper.make_node(operator, list(inputs), names, f"{names[0]}_node", **attributes)
        )
        return names[0]

    def constant(self, value: Any, kind: type = np.float32) -> str:
        """A constant of the graph."""
        name = self._name()
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def sum(self, tensor: str) -> str:
        """The sum of each row, [N, 1]."""
        return self("ReduceSum", tensor, self.constant([1], np.int64), keepdims=1)

    def _name(self) -> str:
        self._count += 1
        return f"byod_typicality_{self._count}"
