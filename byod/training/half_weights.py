"""A model file with its large weights in 16 bits: half as long, and computed with as before.

Each weight is kept as float16, and an operator `Cast` makes it float32 again, once, when the model is opened. Only
factors of Conv, ConvTranspose, Gemm and MatMul are rounded: they are nearly all of a file, and an error of 0.05 % in
one of them is lost among the others, which is not so in a table of places.

Sources: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, https://onnx.ai/onnx/operators/onnx__Cast.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from byod.training.graph_check import BYTES, VARINT, fields

LEAST = 256
"""Weights of fewer numbers stay as they are."""
FACTORS = {"Conv": (1,), "ConvTranspose": (1,), "Gemm": (1,), "MatMul": (0, 1)}
"""Which inputs of which operators are rounded."""

# numbers of fields in onnx.proto, and of its types
_GRAPH, _NODE, _TENSOR, _INPUT = 7, 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_DIMS, _TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE, _INT = 1, 3, 20, 2
_FLOAT32, _FLOAT16 = 1, 10


def halved(content: bytes) -> bytes:
    """A model with its large weights as float16; itself where there are none.

    Raises:
        ModelError: it is no protobuf message.
    """
    parts = []
    for field in fields(memoryview(content)):
        is_graph = field.number == _GRAPH and field.kind == BYTES
        parts.append(_field(_GRAPH, _halved_graph(field.value)) if is_graph else bytes(field.whole))
    return b"".join(parts)


def _halved_graph(graph: memoryview) -> bytes:
    wanted = _factors(graph)
    casts, rest = [], []
    for field in fields(graph):
        name = _text(field.value, _NAME) if field.number == _TENSOR else ""
        half = _halved_tensor(field.value, name) if name in wanted else None
        if half is None:
            rest.append(bytes(field.whole))
        else:
            rest.append(_field(_TENSOR, half))
            casts.append(_field(_NODE, _cast(_half_name(name), name)))
    return b"".join((*casts, *rest))  # operators stand in the order in which they are computed


def _factors(graph: memoryview) -> set[str]:
    """The names of what is multiplied with, but for inputs of the graph, which a caller may give."""
    found: set[str] = set()
    given: set[str] = set()
    for field in fields(graph):
        if field.number == _INPUT:
            given.add(_text(field.value, 1))
        elif field.number == _NODE and not _text(field.value, _NODE_DOMAIN):
            inputs = [str(part.value, "utf-8") for part in fields(field.value) if part.number == _NODE_INPUT]
            places = FACTORS.get(_text(field.value, _NODE_KIND), ())
            found.update(inputs[place] for place in places if place < len(inputs))
    return found - given


def _halved_tensor(tensor: memoryview, name: str) -> bytes | None:
    """A tensor as float16 under another name; None where it is small, of another type, or beyond float16."""
    numbers = _numbers(tensor)
    if numbers is None or numbers.size < LEAST:
        return None
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > np.finfo(np.float16).max:
        return None
    dims = b"".join(bytes(field.whole) for field in fields(tensor) if field.number == _DIMS)
    parts = (
        dims,
        _number(_TYPE, _FLOAT16),
        _field(_NAME, _half_name(name).encode()),
        _field(_RAW, numbers.astype("<f2").tobytes()),
    )
    return b"".join(parts)


def _numbers(tensor: memoryview) -> NDArray[np.float32] | None:
    """The values of a tensor of float32 that stand in one piece; None of others."""
    kind, values = None, None
    for field in fields(tensor):
        if field.number == _TYPE and field.kind == VARINT:
            kind = field.value[0]
        elif field.number in (_RAW, _FLOATS) and field.kind == BYTES:
            values = field.value
    if kind != _FLOAT32 or values is None or len(values) % 4:
        return None
    return np.frombuffer(values, "<f4")


def _cast(source: str, target: str) -> bytes:
    to = _field(_ATTRIBUTE_NAME, b"to") + _number(_ATTRIBUTE_INT, _FLOAT32) + _number(_ATTRIBUTE_TYPE, _INT)
    parts = (
        _field(_NODE_INPUT, source.encode()),
        _field(_NODE_OUTPUT, target.encode()),
        _field(_NODE_KIND, b"Cast"),
        _field(_NODE_ATTRIBUTE, to),
    )
    return b"".join(parts)


def _half_name(name: str) -> str:
    return f"{name}/float16"


def _text(message: memoryview, number: int) -> str:
    """The text in a field of a message, or nothing."""
    return next((str(field.value, "utf-8") for field in fields(message) if field.number == number), "")


def _field(number: int, value: bytes) -> bytes:
    """A field that holds bytes, as protobuf writes it."""
    return b"".join((_coded(number << 3 | BYTES), _coded(len(value)), value))


def _number(number: int, value: int) -> bytes:
    """A field that holds a whole number."""
    return _coded(number << 3 | VARINT) + _coded(value)


def _coded(value: int) -> bytes:
    return bytes(_sevens(value))


def _sevens(value: int) -> Iterator[int]:
    """A whole number in sevens of bits, the lowest first (varint)."""
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
