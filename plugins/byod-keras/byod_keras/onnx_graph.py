"""An ONNX graph in the making: its nodes and constants, in the order they are added.

Keras pictures are [N, height, width, channels], ONNX ones [N, channels, height, width]: every tensor of four
dimensions is kept in ONNX's order here, and everything else as Keras has it. Operators are those of opset 17
(https://onnx.ai/onnx/operators/); byod compares the file with the net in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

TO_ONNX, TO_KERAS = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its ONNX name, and its shape as Keras has it, without the pictures' dimension."""

    name: str
    shape: tuple[int, ...]

    @property
    def picture(self) -> bool:
        """True if it has height, width and channels."""
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
