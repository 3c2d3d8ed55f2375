"""A check of a model file before onnxruntime sees it: its graph must be a plain one, and must not reach outside.

The file is a protobuf message; of its fields only those are read that name operators and tensors. A forbidden word is
refused wherever it stands, so it does not matter which of several copies of a field another reader would believe.

Sources: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from byod.schema.errors import ModelError
from byod.schema.names import shown

CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""The operators that hold graphs of their own: what they do and how long is not to be seen from the file."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Whose operators are run: those of ONNX itself, under both its names, and of its part for classic learning."""
MOST_NODES = 100_000
MAX_BYTES = 1_900_000_000  # a protobuf ends at 2 GiB, and byod keeps a model in one file

# numbers of fields in onnx.proto
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE = frozenset({22, 23})
_TENSOR_OUTSIDE = frozenset({13, 14})
VARINT, _EIGHT_BYTES, BYTES, _FOUR_BYTES = 0, 1, 2, 5


def check(content: bytes) -> None:
    """See that a model is one plain graph of ONNX's own operators, with all its numbers in the file.

    Raises:
        ModelError: it is damaged, too large, branches or loops, brings functions or operators of its own, or names
            other files.
    """
    if len(content) > MAX_BYTES:
        raise ModelError(f"the model has {len(content) / 1e9:.1f} GB; byod takes models below 1.9 GB")
    nodes = 0
    for number, part in _parts(memoryview(content)):
        if number == _MODEL_FUNCTIONS:
            raise ModelError("the model brings functions of its own; export it with its functions inlined")
        if number == _MODEL_TRAINING:
            raise ModelError("the model brings graphs to train it with; export it without")
        if number == _MODEL_GRAPH:
            nodes = _check_graph(part, nodes)


def control_flow(content: bytes) -> list[str]:
    """The kinds of operators with graphs of their own that stand in a model's graph, sorted.

    Raises:
        ModelError: it is damaged.
    """
    graphs = [part for number, part in _parts(memoryview(content)) if number == _MODEL_GRAPH]
    kinds = {
        bytes(value).decode("utf-8", "replace")
        for graph in graphs
        for number, node in _parts(graph)
        if number == _GRAPH_NODE
        for field, value in _parts(node)
        if field == _NODE_KIND
    }
    return sorted(kinds & CONTROL_FLOW)


def _check_graph(graph: memoryview, nodes: int) -> int:
    """Check a graph; `nodes` were counted before, returns how many there are now."""
    for number, part in _parts(graph):
        if number == _GRAPH_NODE:
            nodes += 1
            if nodes > MOST_NODES:
                raise ModelError(
                    f"the model has more than {MOST_NODES:,} operators; byod takes no larger ones"
                )
            _check_node(part)
        elif number == _GRAPH_TENSOR:
            _check_tensor(part)
        elif number == _GRAPH_SPARSE:
            raise ModelError(_SPARSE)
    return nodes


_SPARSE = "the model holds sparse tensors; export it with dense ones"


def _check_node(node: memoryview) -> None:
    for number, part in _parts(node):
        if number == _NODE_KIND and (kind := _text(part)) in CONTROL_FLOW:
            raise ModelError(f"the model has the operator {kind}, a graph in the graph; {_PLAIN}")
        if number == _NODE_DOMAIN and (domain := _text(part)) not in DOMAINS:
            raise ModelError(f"the model has operators that are not ONNX's own ({domain}); {_PLAIN}")
        if number == _NODE_ATTRIBUTE:
            _check_attribute(part)


_PLAIN = "byod runs plain graphs alone: export it without, or train it anew"


def _check_attribute(attribute: memoryview) -> None:
    for number, part in _parts(attribute):
        if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            raise ModelError(f"the model has a graph in the graph; {_PLAIN}")
        if number in _ATTRIBUTE_SPARSE:
            raise ModelError(_SPARSE)
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    for number, part in _parts(tensor, numbers=True):
        if number in _TENSOR_OUTSIDE and (len(part) != 1 or part[0] != 0):
            raise ModelError("the model keeps numbers in other files; byod takes a model that is one file")


def _text(part: memoryview) -> str:
    return shown(bytes(part[:60]).decode("utf-8", "replace"))


class Field(NamedTuple):
    """A field of a protobuf message: its number, its wire type, all of its bytes, and those of its value alone."""

    number: int
    kind: int
    whole: memoryview
    value: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises:
        ModelError: it is no protobuf message.
    """
    at, end = 0, len(message)
    while at < end:
        start = at
        key, at = _whole_number(message, at)
        kind, number = key & 7, key >> 3
        begin = at
        if kind == VARINT:
            _, at = _whole_number(message, at)
        elif kind == BYTES:
            length, begin = _whole_number(message, at)
            at = begin + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ModelError(_DAMAGED)
        if at > end or number == 0:
            raise ModelError(_DAMAGED)
        yield Field(number, kind, message[start:at], message[begin:at])


def _parts(message: memoryview, *, numbers: bool = False) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that are messages, texts or bytes; with `numbers` its whole numbers, as they are coded.

    Raises:
        ModelError: it is no protobuf message.
    """
    for field in fields(message):
        if field.kind == BYTES or (numbers and field.kind == VARINT):
            yield field.number, field.value


_DAMAGED = "this is not a model file (ONNX), or a damaged one; restore it, or train again"


def _whole_number(message: memoryview, at: int) -> tuple[int, int]:
    """The whole number (varint) at a place, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ModelError(_DAMAGED)
