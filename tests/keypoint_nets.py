"""Two nets made by hand, and the heads they know: red left eye, green right eye, blue mouth, on anything grey.

The first finds blue spots and lays a box around each; the second gives the middle of each colour, exactly.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZE, CELLS = 96, 24
HEAD = 0.3
"""The side of the box around each find, as a share of the picture."""


def _model(nodes, constants, outputs, size):
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def _colours(rows):
    """A 1 x 1 convolution that is 0 for grey and positive for its colour."""
    return np.array(rows, np.float32).reshape(len(rows), 3, 1, 1)


def heads_net(best=6, size=SIZE, side=HEAD):
    """`boxes` [N, best, 4] and `scores` [N, best]: boxes of one size around the bluest cells."""
    cell = size // CELLS
    constants = {
        "colour": _colours([[-1, -1, 2]]),
        "flat": np.array([0, CELLS * CELLS], np.int64),
        "best": np.array([best], np.int64),
        "cells": np.array(CELLS, np.int64),
        "half": np.array(0.5, np.float32),
        "count": np.array(CELLS, np.float32),
        "last": np.array([-1], np.int64),
        "to_corners": np.array([-side / 2, -0.75 * side, side / 2, 0.25 * side], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "colour"], ["blue"]),
        helper.make_node("Relu", ["blue"], ["lit"]),
        helper.make_node("AveragePool", ["lit"], ["pooled"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Reshape", ["pooled", "flat"], ["row"]),
        helper.make_node("TopK", ["row", "best"], ["top", "index"], axis=1),
        helper.make_node("Tanh", ["top"], ["scores"]),
        helper.make_node("Div", ["index", "cells"], ["y"]),
        helper.make_node("Mod", ["index", "cells"], ["x"]),
    ]
    for axis in "xy":
        nodes += [
            helper.make_node("Cast", [axis], [f"{axis}f"], to=TensorProto.FLOAT),
            helper.make_node("Add", [f"{axis}f", "half"], [f"{axis}m"]),
            helper.make_node("Div", [f"{axis}m", "count"], [f"{axis}u"]),
            helper.make_node("Unsqueeze", [f"{axis}u", "last"], [f"{axis}c"]),
        ]
    nodes += [
        helper.make_node("Concat", ["xc", "yc", "xc", "yc"], ["centres"], axis=2),
        helper.make_node("Add", ["centres", "to_corners"], ["boxes"]),
    ]
    return _model(nodes, constants, {"boxes": ["n", best, 4], "scores": ["n", best]}, size)


def points_net(size=SIZE):
    """`points` [N, 3, 2]: the middle of what is red, green and blue; `confidence` [N, 3]: how much there is of it."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    constants = {
        "colour": _colours([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
        "across": np.tile(at, (size, 1))[None, None],
        "down": np.tile(at[:, None], (1, size))[None, None],
        "axes": np.array([2, 3], np.int64),
        "last": np.array([-1], np.int64),
        "least": np.array(1e-6, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "colour"], ["coloured"]),
        helper.make_node("Relu", ["coloured"], ["lit"]),
        helper.make_node("ReduceSum", ["lit", "axes"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "least"], ["total"]),
        helper.make_node("Tanh", ["sum"], ["confidence"]),
    ]
    for axis, grid in (("x", "across"), ("y", "down")):
        nodes += [
            helper.make_node("Mul", ["lit", grid], [f"{axis}w"]),
            helper.make_node("ReduceSum", [f"{axis}w", "axes"], [f"{axis}s"], keepdims=0),
            helper.make_node("Div", [f"{axis}s", "total"], [f"{axis}m"]),
            helper.make_node("Unsqueeze", [f"{axis}m", "last"], [f"{axis}c"]),
        ]
    nodes.append(helper.make_node("Concat", ["xc", "yc"], ["points"], axis=2))
    return _model(nodes, constants, {"points": ["n", 3, 2], "confidence": ["n", 3]}, size)


def scene(heads, size=(400, 300), background=90):
    """A grey picture with heads (x, y, distance of the eyes, angle) drawn in: pixels, and each head's three points."""
    ys, xs = np.mgrid[: size[1], : size[0]] + 0.5
    image = np.full((size[1], size[0], 3), background, np.float64)
    truth = []
    for x, y, apart, angle in heads:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = np.array([[-0.5, 0], [0.5, 0], [0, 0.8]]) * apart @ turn.T + (x, y)
        for number, (px, py) in enumerate(points):
            light = np.exp(-((xs - px) ** 2 + (ys - py) ** 2) / (2 * (apart * 0.08) ** 2))[..., None]
            image = image * (1 - light) + light * 255 * np.eye(3)[number]
        truth.append(points)
    return image.round().astype(np.uint8), truth
