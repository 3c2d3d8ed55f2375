"""A model file that takes pictures of any size: the rule `whole` as nodes before its own, in a process that may fail.

ONNX's Resize is antialiased since opset 18 (https://onnx.ai/onnx/operators/onnx__Resize.html), and onnxruntime
computes it as Pillow does. The file may be a stranger's, and libraries read it: that happens in a process of
its own, which also sees that both files say the same.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from byod.images import resize
from byod.schema import process_limits
from byod.schema.child_process import ChildProcess
from byod.schema.errors import ModelError
from byod.schema.model_card import InputRule, Resize
from byod.schema.names import shown
from byod.training import graph_check, model_runtime
from byod.training.model_runtime import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPSET = 18
PIXELS = "pixels"
"""The name of the input: uint8 [N, height, width, 3], RGB, upright."""
NEAR = 1e-3
"""By how much the two files may differ in a probability."""
SECONDS = 300.0
MEMORY = 3_000_000_000
TRIED = ((397, 261), (260, 700), (900, 300))
"""Width and height of the pictures that both are asked about."""
_LENGTH = struct.Struct(">Q")


def with_resize(content: bytes, rule: InputRule) -> bytes:
    """The file with its resize inside: `pixels` of any size in place of `image`, and the same outputs.

    Raises:
        ModelError: it cannot be made, or says something else.
    """
    given = rule.model_dump_json()
    child = ChildProcess("byod.training.resize_graph", [given, str(MEMORY + 8 * len(content))])
    try:
        with child.deadline(SECONDS):
            child.write(_LENGTH.pack(len(content)), content)
            head = child.read(1 + _LENGTH.size)
            whole = len(head) == 1 + _LENGTH.size
            length = _LENGTH.unpack(head[1:])[0] if whole else 0
            made = child.read(min(length, graph_check.MAX_BYTES))
    finally:
        child.end()
    if not whole or len(made) != length:
        raise ModelError(
            "the resize cannot be written into this model (the process that tries it ends); export it without "
            "--with-resize"
        )
    if head[:1] != b"m":
        raise ModelError(
            f"the resize cannot be written into this model ({shown(made.decode(errors='replace'))})"
        )
    graph_check.check(made)
    return made


def main(arguments: list[str]) -> None:
    """Be that process: read a model, answer with another one, or with a line that says why not."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    content = sys.stdin.buffer.read(_LENGTH.unpack(sys.stdin.buffer.read(_LENGTH.size))[0])
    rule = InputRule.model_validate_json(arguments[0])
    faults: tuple[type[Exception], ...] = (*model_runtime.runtime_errors(), ModelError)
    try:
        import onnx
        import onnx.version_converter

        process_limits.bound(int(arguments[1]), may_write=False)
        kind, made = b"m", _made(onnx, content, rule)
        _compare(content, made, rule)
    except ImportError:
        kind, made = b"r", b"it needs the package onnx: uv pip install onnx"
    except faults as error:
        kind, made = b"r", model_runtime.first_line(error)[:300].encode("utf-8", "replace")
    answers.write(kind + _LENGTH.pack(len(made)) + made)
    answers.flush()


def _made(onnx: Any, content: bytes, rule: InputRule) -> bytes:
    """The file, with the nodes of the resize before its own."""
    model = onnx.load_from_string(content)
    if all(each.version < OPSET for each in model.opset_import if each.domain in ("", "ai.onnx")):
        props = {each.key: each.value for each in model.metadata_props}
        model = onnx.version_converter.convert_version(model, OPSET)
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, props)
    graph = model.graph
    nodes = _Resizing(onnx, rule)
    nodes.write()
    own = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes.made, *own])
    graph.initializer.extend(nodes.constants)
    first = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "pictures"
    del graph.input[:]
    sides = [first, "height", "width", 3]
    graph.input.append(onnx.helper.make_tensor_value_info(PIXELS, onnx.TensorProto.UINT8, sides))
    model.ir_version = max(model.ir_version, 8)
    onnx.checker.check_model(model)
    whole: bytes = model.SerializeToString()
    return whole


def _compare(content: bytes, made: bytes, rule: InputRule) -> None:
    """See that both say the same of a few pictures."""
    from PIL import Image

    old, new = (model_runtime.opened(each, 1) for each in (content, made))
    chance = np.random.default_rng(0)
    for width, height in TRIED:
        coarse = Image.fromarray(chance.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        block = resize.block(Image.fromarray(picture), rule)
        expected: Floats = old.run(None, {"image": resize.as_input(block[None])})[0]
        said: Floats = new.run(None, {PIXELS: picture[None]})[0]
        if expected.shape != said.shape or not np.abs(expected - said).max() <= NEAR:
            raise ModelError("with the resize inside it says something else")


class _Resizing:
    """The nodes from `pixels` to `image`, and their constants; every name begins with byod_resize."""

    def __init__(self, onnx: Any, rule: InputRule) -> None:
        self._onnx, self._rule = onnx, rule
        self.made: list[Any] = []
        self.constants: list[Any] = []

    def write(self) -> None:
        """The rule `whole` of `byod.images.resize`."""
        rule = self._rule
        shape = self("Shape", PIXELS)
        count, height, width = (self("Gather", shape, self.whole(at), axis=0) for at in range(3))
        pixels, sides = PIXELS, [self.whole(rule.height), self.whole(rule.width)]
        pads = ""
        if rule.resize is Resize.CROP:
            pixels = self._cropped(width, height)
        elif rule.resize is Resize.PAD:
            sides = [
                self("Min", sides[0], self._nearest(height, rule.width, width)),
                self("Min", sides[1], self._nearest(width, rule.height, height)),
            ]
            pads = self._pads(sides)
        planes = self("Transpose", pixels, perm=[0, 3, 1, 2])
        planes = self("Cast", planes, to=self._onnx.TensorProto.FLOAT)
        size = self("Concat", count, self.whole(3), *sides, axis=0)
        how = {"mode": "linear", "antialias": 1, "exclude_outside": 1}
        planes = self("Resize", planes, "", "", size, coordinate_transformation_mode="half_pixel", **how)
        if pads:
            planes = self("Pad", planes, pads, self.constant(resize.GREY, np.float32))
        share = self("Div", planes, self.constant(255, np.float32))
        known = self.whole(-1, 3, rule.height, rule.width)  # so that what follows knows the sides
        self.made.append(
            self._onnx.helper.make_node("Reshape", [share, known], ["image"], "byod_resize_image")
        )

    def _cropped(self, width: str, height: str) -> str:
        rule = self._rule
        wide = self("Min", width, self._nearest(height, rule.width, self.whole(rule.height)))
        high = self("Min", height, self._nearest(width, rule.height, self.whole(rule.width)))
        left, top = self._half(self("Sub", width, wide)), self._half(self("Sub", height, high))
        begin = self("Concat", top, left, axis=0)
        end = self("Concat", self("Add", top, high), self("Add", left, wide), axis=0)
        return self("Slice", PIXELS, begin, end, self.whole(1, 2))

    def _pads(self, sides: list[str]) -> str:
        whole = (self.whole(self._rule.height), self.whole(self._rule.width))
        spare = [self("Sub", all_of, side) for all_of, side in zip(whole, sides, strict=True)]
        before = [self._half(each) for each in spare]
        after = [self("Sub", each, half) for each, half in zip(spare, before, strict=True)]
        none = self.whole(0, 0)
        return self("Concat", none, *before, none, *after, axis=0)

    def _nearest(self, side: str, times: int, by: str) -> str:
        """`resize._nearest` of side * times / by, in whole numbers."""
        twice = self("Mul", side, self.whole(2 * times))
        found = self("Div", self("Add", twice, by), self("Mul", by, self.whole(2)))
        return self("Max", found, self.whole(1))

    def _half(self, number: str) -> str:
        return self("Div", number, self.whole(2))

    def whole(self, *numbers: int) -> str:
        """A row of whole numbers."""
        return self.constant(numbers, np.int64)

    def constant(self, value: Any, kind: type) -> str:
        """A constant, under a name of its own."""
        name = f"byod_resize_constant_{len(self.constants)}"
        array: NDArray[Any] = np.asarray(value, kind)
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One node; gives the name of its output."""
        name = f"byod_resize_{len(self.made)}"
        self.made.append(
            self._onnx.helper.make_node(operator, list(inputs), [name], f"{name}_node", **attributes)
        )
        return name
