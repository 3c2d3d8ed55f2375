"""Weights in 16 bits: half as long a file, the same answers, and what must stay as it is stays."""

import numpy as np
import pytest
from onnx import TensorProto, checker, helper, load_from_string, numpy_helper

from byod.schema.errors import ModelError
from byod.training.half_weights import halved
from byod.training.model_runtime import opened

RANDOM = np.random.default_rng(7)


def net(weight, *, raw=True, given=False):
    """A convolution of 16 channels, a table that is added, and a matrix at the end."""
    values = {
        "weight": weight,
        "table": RANDOM.random((1, 16, 8, 8)).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
        "matrix": RANDOM.normal(size=(1024, 5)).astype(np.float32),
    }
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    if not raw:
        tensors[0] = helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel().tolist())
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])]
    if given:
        inputs.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, weight.shape))
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "table"], ["b"]),
        helper.make_node("Reshape", ["b", "flat"], ["c"]),
        helper.make_node("MatMul", ["c", "matrix"], ["said"]),
    ]
    said = [helper.make_tensor_value_info("said", TensorProto.FLOAT, ["n", 5])]
    graph = helper.make_graph(nodes, "g", inputs, said, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="kept", value="yes")
    return model.SerializeToString()


def types(content):
    return {each.name: each.data_type for each in load_from_string(content).graph.initializer}


def answers(content, images):
    return opened(content, 1).run(None, {"image": images})[0]


@pytest.fixture
def weight():
    return RANDOM.normal(size=(16, 3, 3, 3)).astype(np.float32)


@pytest.mark.parametrize("raw", [True, False])
def test_factors_are_halved_and_answers_stay(weight, raw):
    """Weights and matrices become float16, a table that is added does not; answers move by rounding alone."""
    content = net(weight, raw=raw)
    small = halved(content)
    checker.check_model(load_from_string(small), full_check=True)
    half, whole = TensorProto.FLOAT16, TensorProto.FLOAT
    assert types(small) == {
        "weight/float16": half,
        "matrix/float16": half,
        "table": whole,
        "flat": TensorProto.INT64,
    }
    assert len(small) < 0.65 * len(content)
    images = RANDOM.random((4, 3, 8, 8)).astype(np.float32)
    before, after = answers(content, images), answers(small, images)
    assert 0 < np.abs(before - after).max() < 2e-3 * np.abs(before).max()
    assert load_from_string(small).metadata_props[0].value == "yes"


def test_what_16_bits_cannot_hold_stays_in_32(weight):
    """One weight beyond 65,504, or one that is no number, keeps its tensor as it is."""
    for odd in (70_000, np.inf, np.nan):
        weight[0, 0, 0, 0] = odd
        assert types(halved(net(weight)))["weight"] == TensorProto.FLOAT


def test_small_and_given_weights_stay(weight):
    """A tensor of a few numbers, and one that a caller may give instead, stay as they are."""
    assert "weight" in types(halved(net(weight[:, :, :1, :1].copy())))
    assert types(halved(net(weight, given=True)))["weight"] == TensorProto.FLOAT


def test_what_is_no_model_is_said():
    """Bytes that are no protobuf message are refused in byod's words."""
    with pytest.raises(ModelError, match="not a model file"):
        halved(b"\xff" * 40)
