"""The nets of a page without a server: 16 bits where the answers stay the same, else 32, and that is said."""

import gzip
import json
import shutil
from hashlib import sha256

import numpy as np
import pytest
from onnx import TensorProto, helper, load_from_string, numpy_helper
from page_server import trained

from byod.web.static_site import site_folder

pytestmark = pytest.mark.slow
SIZE = 32


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run for classes."""
    return trained(tmp_path_factory.mktemp("colours"))


def with_net(run, place, weights):
    """The run with another net: pixels times weights [3 * SIZE * SIZE, classes], and a softmax."""
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    classes = len(card["classes"])
    tensors = [numpy_helper.from_array(weights(classes).astype(np.float32), "weights")]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    said = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", classes])
    graph = helper.make_graph(nodes, "net", [image], [said], tensors)
    opset = [helper.make_opsetid("", 17)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    changed = shutil.copytree(run, place / "runs" / run.name)
    (changed / "model.onnx").write_bytes(content)
    card["input"] |= {"width": SIZE, "height": SIZE}
    card |= {"typicality": None, "model_sha256": sha256(content).hexdigest()}
    (changed / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return changed


def exported(run, place):
    """What model.json of the page says, the types of the net's tensors, and the lines that were said."""
    lines = []
    folder = site_folder.write(run, place, {}, say=lines.append)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    net = described["nets"]["model"]
    packed, plain = (folder / net["file"]).read_bytes(), (folder / "model.onnx").read_bytes()
    assert gzip.decompress(packed) == plain
    assert (net["bytes"], net["plain"]) == (len(packed), len(plain))
    types = {each.data_type for each in load_from_string(plain).graph.initializer}
    return described["weights"], types, lines


def test_weights_of_a_page_have_16_bits(run, tmp_path):
    """A net whose answers stay the same comes with half the bytes; how far they moved is in model.json."""
    changed = with_net(
        run, tmp_path, lambda n: np.random.default_rng(3).normal(0, 0.01, (3 * SIZE * SIZE, n))
    )
    weights, types, lines = exported(changed, tmp_path / "page")
    assert types == {TensorProto.FLOAT16}
    assert weights["bits"] == 16
    assert 0 < weights["apart"] <= 1
    assert lines == []


def test_weights_that_need_32_bits_keep_them(run, tmp_path):
    """A net that answers otherwise when it is rounded stays as it is, and the export says so."""

    def fine(classes):
        return 3000 + 0.4 * np.arange(classes) * np.ones((3 * SIZE * SIZE, 1))  # float16 knows 3000, 3002, …

    weights, types, lines = exported(with_net(run, tmp_path, fine), tmp_path / "page")
    assert types == {TensorProto.FLOAT}
    assert weights["bits"] == 32
    assert weights["apart"] > 1
    (line,) = lines
    assert "32 bits" in line
