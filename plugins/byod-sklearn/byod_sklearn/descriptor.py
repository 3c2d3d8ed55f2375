"""The hand-made descriptor, as an ONNX graph: colours, gradients and a thumbnail of a picture.

What it holds, for a picture of any size (float32 RGB 0..1, all bins soft, so that a small change stays small):

- colour: shares of 12 hues x 4 saturations, and of 8 brightnesses, over the whole picture and over each quarter of it,
- gradients: for each of 8 x 8 cells the strength of edges in 9 directions, each cell scaled to its neighbourhood
  (after Dalal and Triggs 2005, https://doi.org/10.1109/CVPR.2005.177),
- thumbnail: 8 x 8 mean colours.

Shares and strengths enter by their square roots, which is what makes histograms comparable by a straight line.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from byod.plugin import InputRule

OPSET = 17
HUES, SATURATIONS, BRIGHTNESSES = 12, 4, 8
DIRECTIONS, CELLS, QUARTERS = 9, 8, 2
TINY = 1e-4


class _Graph:
    """ONNX nodes in the order of their computation; each method gives the name of a tensor."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def __call__(self, operator: str, *inputs: str | float, **attributes: object) -> str:
        """One node; a number among the inputs becomes a constant."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return name

    def cells(self, tensor: str, rule: InputRule, count: int) -> str:
        """Means over count x count cells; pixels that are left over on the right and below belong to none."""
        kernel = [rule.height // count, rule.width // count]
        pooled = self("AveragePool", tensor, kernel_shape=kernel, strides=kernel)
        ends = [self.constant(numbers, np.int64) for numbers in ([0, 0], [count, count], [2, 3])]
        return self("Slice", pooled, *ends)

    def flat(self, tensor: str, *shape: int) -> str:
        """[N, ...] to [N, *shape], in which one -1 may stand."""
        return self("Reshape", tensor, self.constant([0, *shape], np.int64))


def graph(rule: InputRule) -> bytes:
    """An ONNX model from `image` (float32 [N, 3, height, width], RGB 0..1) to `features` (float32 [N, F])."""
    g = _Graph()
    parts = [*_colours(g, rule), _gradients(g, rule), _thumbnail(g, rule)]
    g.nodes.append(helper.make_node("Concat", parts, ["features"], axis=1))
    body = helper.make_graph(
        g.nodes,
        "descriptor",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["pictures", 3, rule.height, rule.width])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["pictures", None])],
        g.constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _colours(g: _Graph, rule: InputRule) -> list[str]:
    """Hue and saturation together, brightness alone: over the picture, and over each quarter."""
    red, green, blue = (g("Gather", "image", g.constant([channel], np.int64), axis=1) for channel in range(3))
    bright = g("Max", red, green, blue)
    chroma = g("Sub", bright, g("Min", red, green, blue))
    saturation = g("Div", chroma, g("Add", bright, TINY))
    hues = _hues(g, red, green, blue, chroma)
    pairs = [g("Mul", hues, weight) for weight in _bins(g, saturation, SATURATIONS)]
    joint = g("Concat", *pairs, *_bins(g, bright, BRIGHTNESSES), axis=1)
    quarters = g.cells(joint, rule, QUARTERS)
    whole = g("ReduceMean", joint, axes=[2, 3], keepdims=0)
    return [g("Sqrt", g("Add", each, TINY)) for each in (whole, g.flat(quarters, -1))]


def _hues(g: _Graph, red: str, green: str, blue: str, chroma: str) -> str:
    """[N, HUES, height, width]: how near each pixel's colour lies to each hue; all alike for grey."""
    along = g("Sub", red, g("Mul", g("Add", green, blue), 0.5))
    across = g("Mul", g("Sub", green, blue), math.sqrt(3) / 2)
    length = g("Add", g("Sqrt", g("Add", g("Mul", along, along), g("Mul", across, across))), TINY)
    angles = 2 * math.pi * np.arange(HUES) / HUES
    turned = g(
        "Add",
        g("Mul", g("Div", along, length), _column(g, np.cos(angles))),
        g("Mul", g("Div", across, length), _column(g, np.sin(angles))),
    )
    near = g("Pow", g("Relu", turned), 8.0)
    return g("Div", near, g("Add", g("ReduceSum", near, g.constant([1], np.int64), keepdims=1), TINY))


def _bins(g: _Graph, values: str, count: int) -> list[str]:
    """Soft bins over 0..1: for each a [N, 1, height, width] that is 1 at its centre and 0 at its neighbours'."""
    return [
        g("Relu", g("Sub", 1.0, g("Abs", g("Sub", g("Mul", values, count - 1.0), float(at)))))
        for at in range(count)
    ]


def _gradients(g: _Graph, rule: InputRule) -> str:
    """Edge strength by direction in each cell, scaled to the cell's neighbourhood."""
    grey = g("Conv", "image", g.constant(np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)))
    smooth = np.outer([1, 2, 1], [-1, 0, 1]) / 8
    slopes = g.constant(np.stack([smooth, smooth.T])[:, None])
    padded = g("Pad", grey, g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="edge")
    slope = g("Conv", padded, slopes)
    angles = math.pi * np.arange(DIRECTIONS) / DIRECTIONS
    turns = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, :, None, None]
    along = g("Conv", slope, g.constant(turns))
    square = g("ReduceSum", g("Mul", slope, slope), g.constant([1], np.int64), keepdims=1)
    near = g("Pow", g("Div", g("Mul", along, along), g("Add", square, TINY**2)), 8.0)
    strength = g("Mul", near, g("Sqrt", g("Add", square, TINY**2)))
    cells = g.cells(strength, rule, CELLS)
    energy = g("ReduceSum", cells, g.constant([1], np.int64), keepdims=1)
    around = g("AveragePool", energy, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return g.flat(g("Sqrt", g("Div", cells, g("Add", around, 1e-3))), -1)


def _thumbnail(g: _Graph, rule: InputRule) -> str:
    """The mean colour of each cell."""
    return g.flat(g.cells("image", rule, CELLS), -1)


def _column(g: _Graph, values: NDArray[np.float64]) -> str:
    return g.constant(values.reshape(1, -1, 1, 1))
