"""The thin, true path through the command line: train with fastai, predict by onnxruntime alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import byod

from byod.testing import draw_classes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """A folder with a dataset of drawn classes and one run, and what `train --json` said."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOD_CONFIG", str(folder / "none.toml"))
        draw_classes(folder / "own", classes=("circle", "square"), per_class=75, size=(260, 220))
        byod("add", "own", "--into", "datasets/shapes", folder=folder)
        done = byod(
            "train",
            "--plugin",
            "fastai",
            "--from-scratch",
            "--arch",
            "lenet",
            "--size",
            "32",
            "--epochs",
            "5",
            "--json",
            folder=folder,
        )
    return folder, json.loads(done.stdout)


def test_train_says_what_it_reached_on_unseen_pictures(trained):
    """The card names the run, the test pictures, an interval, and a model that learned the drawn classes."""
    folder, card = trained
    run = Path(card["run"])
    for name in ("model.onnx", "model.json", "report.html", "history.csv", "predictions.csv"):
        assert (run / name).is_file(), name
    assert run.parent == folder / "datasets" / "shapes" / "runs"
    metrics = card["metrics"]
    assert metrics["measured_on"] == "test"
    assert metrics["pictures"] >= 20
    assert metrics["interval"][0] <= metrics["accuracy"] <= metrics["interval"][1]
    assert metrics["accuracy"] > 0.8
    assert card["parity"] < 1e-4


def test_predict_gives_the_promised_json_without_torch(trained):
    """A picture, a folder and stdin are predicted, and neither torch nor fastai is loaded for it."""
    folder, card = trained
    square = sorted((folder / "own" / "square").iterdir())[0]
    for arguments in ([str(square)], [str(square.parent)], ["--run", card["run"], str(square), str(square)]):
        found = json.loads(byod("predict", *arguments, "--json", folder=folder).stdout)
        for one in found:
            told = {"typicality", "none_of_these"}
            assert set(one) == {"path", "label", "probability", "probabilities", *told}
            assert one["none_of_these"] in (True, False)
            assert abs(sum(one["probabilities"].values()) - 1) < 1e-5
            assert one["probabilities"][one["label"]] == pytest.approx(one["probability"])
    assert len(found) == 2
    code = (
        "import sys; from byod.cli import app\n"
        "try:\n app(['predict', '-', '--json'])\n"
        "finally:\n assert not {'torch', 'fastai', 'byod_fastai'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input=square.read_bytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["path"] == "-"


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_predicted(trained, tmp_path):
    """One broken file costs its own line and exit code 1, nothing else."""
    folder, _ = trained
    (tmp_path / "broken.jpg").write_bytes(b"<html>")
    square = sorted((folder / "own" / "square").iterdir())[0]
    done = byod("predict", str(tmp_path / "broken.jpg"), str(square), "--json", folder=folder, check=1)
    assert len(json.loads(done.stdout)) == 1
    assert "broken.jpg" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_trained_is_said_in_one_line(trained, tmp_path):
    """One class, a wrong option, an unknown trainer and no way to the hub each get a line that says what to do."""
    folder, _ = trained
    draw_classes(tmp_path / "own", classes=("circle", "square"), per_class=3, size=(260, 220))
    byod("add", "own/circle", "--label", "circle", "--into", "datasets/one", folder=tmp_path)
    for arguments, says in (
        (["train", "datasets/one"], "class"),
        (["train", "--plugin", "nosuch", "datasets/one"], "plugins/byod-nosuch"),
    ):
        done = byod(*arguments, folder=tmp_path, check=1)
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    wrong = byod("train", "--plugin", "sklearn", "--set", "lrr=3", folder=folder, check=2)
    assert "lrr" in wrong.stderr
    home = {"TORCH_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "https_proxy": "http://127.0.0.1:9"}
    offline = byod("train", "--arch", "resnet18", "--epochs", "1", folder=folder, check=1, **home)
    assert "--arch tf_efficientnet_lite0" in offline.stderr
    assert "--from-scratch" in offline.stderr
    assert "Traceback" not in offline.stderr
