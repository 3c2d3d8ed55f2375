"""The demo as people run it: the whole road, offline, with its training."""

import json
from pathlib import Path

import pytest
from command import byod

pytestmark = pytest.mark.long


def test_the_demo_collects_trains_and_predicts(tmp_path: Path):
    """All that was planted is found, the net tells the drawn plants apart, and a second demo collects nothing anew."""
    shown = json.loads(byod("demo", "--json", folder=tmp_path).stdout)
    assert [line for line in shown["collected"]["lines"] if line["planted"] != line["found"]] == []
    learned = shown["learned"]
    run = tmp_path / learned["run"]
    for name in ("model.onnx", "model.json", "report.html"):
        assert (run / name).is_file(), name
    metrics = learned["card"]["metrics"]
    assert metrics["measured_on"] == "test"
    assert metrics["pictures"] >= 20
    assert metrics["accuracy"] > 0.8
    assert learned["card"]["probe"]["metrics"]["pictures"] == metrics["pictures"]
    assert len(learned["shown"]) >= 6
    right = sum(prediction["label"] == truth for truth, prediction in learned["shown"])
    assert right > len(learned["shown"]) / 2
    again = byod("demo", "--only", "collect", folder=tmp_path)
    assert "collected before" in again.stderr
