"""Writers of Keras layers as ONNX: one function a kind of layer (https://keras.io/api/layers/).

Each takes the graph, the layer, its operands (tensors and numbers), and the shape of what it gives (as Keras has it,
without the pictures' dimension), and returns the name of the ONNX tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byod.plugin import TrainerError
from byod_keras.backends import load
from byod_keras.onnx_graph import TO_KERAS, TO_ONNX, Graph, Value

keras = load()

Shape = tuple[int, ...]
Writer = Callable[[Graph, Any, Sequence[Any], Shape], str]


def _array(variable: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


def _same(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    """Nothing happens here once training is over."""
    name: str = operands[0].name
    return name


def _refuse(layer: Any, what: str) -> TrainerError:
    return TrainerError(
        f"the layer {layer.name!r} ({type(layer).__name__}) {what}, which byod-keras cannot write as ONNX; "
        "choose another architecture"
    )


# convolutions and pooling


def _pads(layer: Any, size: Sequence[int], kernel: Sequence[int], spread: Sequence[int]) -> list[int]:
    """Top, left, bottom, right: Keras's "same" puts the odd one at the end."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if layer.padding != "same":
        raise _refuse(layer, f"pads {layer.padding!r}")
    begin, end = [], []
    for side, width, stride, apart in zip(size, kernel, layer.strides, spread, strict=True):
        steps = -(-side // stride)
        whole = max((steps - 1) * stride + (width - 1) * apart + 1 - side, 0)
        begin.append(whole // 2)
        end.append(whole - whole // 2)
    return [*begin, *end]


def _convolved(graph: Graph, layer: Any, image: Value, kernel: NDArray[Any], bias: Any, groups: int) -> str:
    """A convolution with a kernel in ONNX's order, [out, in / groups, height, width]."""
    spread = list(layer.dilation_rate)
    inputs = [image.name, graph.constant(kernel)]
    if bias is not None:
        inputs.append(graph.constant(_array(bias)))
    return graph.add(
        "Conv",
        inputs,
        kernel_shape=list(kernel.shape[2:]),
        strides=list(layer.strides),
        dilations=spread,
        group=groups,
        pads=_pads(layer, image.shape[:2], kernel.shape[2:], spread),
    )


def _conv2d(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    kernel = _array(layer.kernel).transpose(3, 2, 0, 1)
    bias = layer.bias if layer.use_bias else None
    return _activated(graph, layer, _convolved(graph, layer, operands[0], kernel, bias, layer.groups), shape)


def _depthwise_kernel(variable: Any) -> NDArray[Any]:
    """[h, w, channels, multiplier] becomes [channels * multiplier, 1, h, w]."""
    kernel = _array(variable)
    return kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])


def _depthwise(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    bias = layer.bias if layer.use_bias else None
    kernel = _depthwise_kernel(layer.kernel)
    name = _convolved(graph, layer, operands[0], kernel, bias, operands[0].shape[2])
    return _activated(graph, layer, name, shape)


def _separable(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    depthwise = _depthwise_kernel(layer.depthwise_kernel)
    name = _convolved(graph, layer, operands[0], depthwise, None, operands[0].shape[2])
    inputs = [name, graph.constant(_array(layer.pointwise_kernel).transpose(3, 2, 0, 1))]
    if layer.use_bias:
        inputs.append(graph.constant(_array(layer.bias)))
    return _activated(graph, layer, graph.add("Conv", inputs), shape)


def _pool(kind: str) -> Writer:
    def write(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
        window = list(layer.pool_size)
        more = {"count_include_pad": 0} if kind == "AveragePool" else {}
        pads = _pads(layer, operands[0].shape[:2], window, [1, 1])
        return graph.add(
            kind, [operands[0].name], kernel_shape=window, strides=list(layer.strides), pads=pads, **more
        )

    return write


def _global_pool(kind: str) -> Writer:
    def write(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
        name = graph.add(kind, [operands[0].name])
        return name if layer.keepdims else graph.add("Flatten", [name], axis=1)

    return write


# normalisation


def _batch_norm(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    count = operands[0].shape[-1]
    if layer.axis not in (-1, len(operands[0].shape)):
        raise _refuse(layer, f"normalises axis {layer.axis}")
    scale = _array(layer.gamma) if layer.scale else np.ones(count)
    shift = _array(layer.beta) if layer.center else np.zeros(count)
    numbers = [scale, shift, _array(layer.moving_mean), _array(layer.moving_variance)]
    inputs = [operands[0].name, *(graph.constant(each) for each in numbers)]
    return graph.add("BatchNormalization", inputs, epsilon=float(layer.epsilon))


def _layer_norm(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes not in ([-1], [len(shape)]):
        raise _refuse(layer, f"normalises axes {axes}")
    scale = _array(layer.gamma) if layer.scale else np.ones(shape[-1])
    inputs = [_as_keras(graph, operands[0]), graph.constant(scale)]
    if layer.center:
        inputs.append(graph.constant(_array(layer.beta)))
    name = graph.add("LayerNormalization", inputs, axis=-1, epsilon=float(layer.epsilon))
    return _as_onnx(graph, name, shape)


def _normalization(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    mean, variance = _array(layer.mean), _array(layer.variance)
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    inner, outer = ("Mul", "Add") if layer.invert else ("Sub", "Div")
    first, second = (deviation, mean) if layer.invert else (mean, deviation)
    name = graph.add(inner, [operands[0].name, graph.along_channels(first, operands[0])])
    return graph.add(outer, [name, graph.along_channels(second, operands[0])])


def _rescaling(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    scale, offset = (np.asarray(each, np.float32) for each in (layer.scale, layer.offset))
    name = graph.add("Mul", [operands[0].name, graph.along_channels(scale, operands[0])])
    return graph.add("Add", [name, graph.along_channels(offset, operands[0])]) if offset.any() else name


def _layer_scale(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    return graph.add("Mul", [operands[0].name, graph.along_channels(_array(layer.gamma), operands[0])])


# dense layers and shapes


def _as_keras(graph: Graph, value: Value) -> str:
    return graph.transposed(value.name, TO_KERAS) if value.picture else value.name


def _as_onnx(graph: Graph, name: str, shape: Shape) -> str:
    return graph.transposed(name, TO_ONNX) if len(shape) == 3 else name


def _dense(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    name = graph.add("MatMul", [_as_keras(graph, operands[0]), graph.constant(_array(layer.kernel))])
    if layer.use_bias:
        name = graph.add("Add", [name, graph.constant(_array(layer.bias))])
    return _activated(graph, layer, _as_onnx(graph, name, shape), shape)


def _reshape(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    target = graph.constant([-1, *shape], np.int64)
    return _as_onnx(graph, graph.add("Reshape", [_as_keras(graph, operands[0]), target]), shape)


def _zero_padding(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
    return graph.add("Pad", [operands[0].name, pads])


def _cropping(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    (top, _), (left, _) = layer.cropping
    places = ([top, left], [top + shape[0], left + shape[1]], [2, 3])
    return graph.add("Slice", [operands[0].name, *(graph.constant(each, np.int64) for each in places)])


# several operands


def _merge(kind: str) -> Writer:
    """Tensors and numbers one after the other: a + b + c, or a * 0.5."""

    def write(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
        values = [each for each in operands if isinstance(each, Value)]
        if any(len(value.shape) != len(shape) for value in values):
            raise _refuse(layer, "joins tensors of unlike shapes")
        like = Value("", shape)
        names = [
            each.name if isinstance(each, Value) else graph.along_channels(_array(each), like)
            for each in operands
        ]
        name = names[0]
        for other in names[1:]:
            name = graph.add(kind, [name, other])
        return name

    return write


def _average(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    whole = _merge("Add")(graph, layer, operands, shape)
    return graph.add("Div", [whole, graph.constant(len(operands))])


def _concatenate(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    rank = len(shape) + 1
    axis = layer.axis % rank
    place = TO_ONNX.index(axis) if rank == 4 else axis
    return graph.add("Concat", [each.name for each in operands], axis=place)


def _custom_scale(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    """InceptionResNet's own layer: the first operand, plus the second times a number."""
    scaled = graph.add("Mul", [operands[1].name, graph.constant(layer.scale)])
    return graph.add("Add", [operands[0].name, scaled])


# activations


def _softmax(graph: Graph, x: str, shape: Shape) -> str:
    return graph.add("Softmax", [x], axis=1 if len(shape) == 3 else -1)


def _gelu(graph: Graph, x: str, shape: Shape) -> str:
    """x / 2 * (1 + erf(x / sqrt(2)))."""
    error = graph.add("Erf", [graph.add("Div", [x, graph.constant(np.sqrt(2.0))])])
    half = graph.add("Mul", [x, graph.constant(0.5)])
    return graph.add("Mul", [half, graph.add("Add", [error, graph.constant(1.0)])])


def _gate(graph: Graph, x: str, shape: Shape) -> str:
    return graph.add("HardSigmoid", [x], alpha=1 / 6, beta=0.5)


def _plain(kind: str) -> Callable[[Graph, str, Shape], str]:
    return lambda graph, x, shape: graph.add(kind, [x])


def _clip(graph: Graph, x: str, high: float) -> str:
    return graph.add("Clip", [x, graph.constant(0.0), graph.constant(high)])


ACTIVATIONS: dict[str, Callable[[Graph, str, Shape], str]] = {
    "linear": lambda graph, x, shape: x,
    "relu": _plain("Relu"),
    "relu6": lambda graph, x, shape: _clip(graph, x, 6.0),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "selu": _plain("Selu"),
    "elu": _plain("Elu"),
    "softmax": _softmax,
    "gelu": _gelu,
    "hard_sigmoid": _gate,
    "silu": lambda graph, x, shape: graph.add("Mul", [x, graph.add("Sigmoid", [x])]),
    "hard_silu": lambda graph, x, shape: graph.add("Mul", [x, _gate(graph, x, shape)]),
}


def _activated(graph: Graph, layer: Any, name: str, shape: Shape) -> str:
    """The function in a layer's `activation`."""
    kind = getattr(layer.activation, "__name__", str(layer.activation))
    write = ACTIVATIONS.get(kind)
    if write is None:
        raise _refuse(layer, f"has the activation {kind!r}")
    return write(graph, name, shape)


def _activation(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    return _activated(graph, layer, operands[0].name, shape)


def _relu(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    name: str = operands[0].name
    if layer.threshold:
        raise _refuse(layer, f"begins at {layer.threshold}")
    if layer.negative_slope:
        name = graph.add("LeakyRelu", [name], alpha=float(layer.negative_slope))
        return name if layer.max_value is None else graph.add("Min", [name, graph.constant(layer.max_value)])
    return graph.add("Relu", [name]) if layer.max_value is None else _clip(graph, name, layer.max_value)


def _leaky(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    return graph.add("LeakyRelu", [operands[0].name], alpha=float(layer.negative_slope))


def _elu(graph: Graph, layer: Any, operands: Sequence[Any], shape: Shape) -> str:
    return graph.add("Elu", [operands[0].name], alpha=float(layer.alpha))


_ASLEEP = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
    "SpatialDropout2D", "StochasticDepth",
)  # fmt: skip
"""Layers that do something in training alone."""

WRITERS: dict[str, Writer] = {
    **dict.fromkeys(_ASLEEP, _same),
    "Activation": _activation,
    "Add": _merge("Add"),
    "Average": _average,
    "AveragePooling2D": _pool("AveragePool"),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Conv2D": _conv2d,
    "Cropping2D": _cropping,
    "CustomScaleLayer": _custom_scale,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Divide": _merge("Div"),
    "ELU": _elu,
    "Flatten": _reshape,
    "GlobalAveragePooling2D": _global_pool("GlobalAveragePool"),
    "GlobalMaxPooling2D": _global_pool("GlobalMaxPool"),
    "LayerNormalization": _layer_norm,
    "LayerScale": _layer_scale,
    "LeakyReLU": _leaky,
    "Maximum": _merge("Max"),
    "MaxPooling2D": _pool("MaxPool"),
    "Minimum": _merge("Min"),
    "Multiply": _merge("Mul"),
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Subtract": _merge("Sub"),
    "ZeroPadding2D": _zero_padding,
}
