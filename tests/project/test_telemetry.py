"""The package itself: what holds as soon as any part of byod is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

USES = {
    "the core": "from byod.training import onnx_model; onnx_model.session(model, trained=True).answer(one)",
    "a stranger's": "from byod.training import onnx_model; onnx_model.session(model)",
    "the probe": "import byod_sklearn.features, onnxruntime as o; o.InferenceSession(model).run(None, {'x': one})",
    "a program": "import byod, onnxruntime as o; o.InferenceSession(model).run(None, {'x': one})",
}
MODEL = """
import numpy as np
from onnx import TensorProto, helper
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
one = np.ones(1, np.float32)
"""


@pytest.mark.parametrize(
    "who", ["the core", *(pytest.param(who, marks=pytest.mark.slow) for who in USES if who != "the core")]
)
def test_onnxruntime_leaves_no_file_at_home(tmp_path: Path, who: str):
    """onnxruntime keeps no device id and no queue of events below the user's home when byod imports it."""
    known = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    homes = dict.fromkeys(
        ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path)
    )
    subprocess.run([sys.executable, "-c", MODEL + USES[who]], env={**known, **homes}, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


BEFORE = {
    "onnxruntime first": (
        "import onnxruntime, byod; from byod.training import onnx_model; import byod",
        {},
        1,
    ),
    "byod first": ("import byod, onnxruntime", {}, 0),
    "onnxruntime first, and told": ("import onnxruntime, byod", {"ORT_DISABLE_TELEMETRY": "1"}, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", BEFORE)
def test_who_imported_onnxruntime_before_is_told_once(tmp_path: Path, order: str):
    """A program in which onnxruntime came before byod hears once that its telemetry is on, and what to do."""
    code, more, times = BEFORE[order]
    known = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env = {**known, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), **more}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stderr.count("import byod first, or set ORT_DISABLE_TELEMETRY=1") == times


def test_a_wish_for_telemetry_is_left_alone(tmp_path: Path):
    """Who has set onnxruntime's variable keeps what it says."""
    told = "import os, byod; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for value, want in (("0", "0"), (None, "1")):
        known = {name: said for name, said in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        env = known if value is None else {**known, "ORT_DISABLE_TELEMETRY": value}
        done = subprocess.run(
            [sys.executable, "-c", told], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == want
