"""Several processes train one net: started as byod starts them, here two on the CPU."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from byod_fastai import Fastai

from byod.schema.errors import TrainerError
from byod.schema.records import Example, Split
from byod.testing import draw_classes
from byod.training import protocol
from byod.training.protocol import Run, TrainingData, checkpoint

CLASSES = ("circle", "square")

MEMBER = """
import json, os, sys
from pathlib import Path
import numpy as np
from byod.training import protocol
from byod.training.protocol import Run, TrainingData
from byod_fastai import Fastai

folder, data, options, stop = Path(sys.argv[1]), *sys.argv[2:]
rank, seen = os.environ["RANK"], []
run = Run(folder=folder, seed=3, device="cpu", gpus=2, log=seen.append, cache=folder / "pixels",
          should_stop=lambda: rank == "0" and len(seen) == int(stop))
trained = Fastai().train(
    TrainingData.model_validate_json(Path(data).read_text()), protocol.options(Fastai(), json.loads(options)), run
)
images = np.random.default_rng(0).random((2, 3, trained.input.height, trained.input.width), np.float32)
np.save(folder / f"logits-{rank}.npy", trained.logits(images))
said = {"epochs": seen, "notes": trained.notes, "there": trained.onnx.is_file() and trained.weights.is_file()}
(folder / f"said-{rank}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    parts = {Split.TRAIN: [], Split.VALID: []}
    for label, paths in draw_classes(tmp_path_factory.mktemp("drawn"), CLASSES, per_class=13).items():
        for number, path in enumerate(paths):
            split = Split.TRAIN if number < 8 else Split.VALID
            sha256 = f"{label == 'square':032x}{number:032x}"
            parts[split].append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    # an odd number to validate, so that one process gets a picture more than the other
    return TrainingData(classes=CLASSES, train=tuple(parts[Split.TRAIN]), valid=tuple(parts[Split.VALID][:9]))


def _together(folder, data, options, stop=0):
    folder.mkdir(exist_ok=True)
    (folder / "data.json").write_text(data.model_dump_json())
    (folder / "member.py").write_text(MEMBER)
    launcher = Fastai().launch(2, "cpu")
    job = [str(folder), str(folder / "data.json"), json.dumps(options), str(stop)]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "member", *job],
        env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = [json.loads((folder / f"said-{rank}.json").read_text()) for rank in (0, 1)]
    return said, [np.load(folder / f"logits-{rank}.npy") for rank in (0, 1)]


@pytest.mark.long
def test_two_processes_learn_what_one_does_with_batches_twice_as_large(data, tmp_path):
    """Losses, accuracies and the trained net agree with those of one process; both processes end with the same net."""
    options = {"arch": "lenet", "size": "32", "from_scratch": "true", "epochs": "3", "augment": "false"}
    options |= {"lr": "0.002"}
    said, logits = _together(tmp_path / "two", data, options | {"batch_size": "4"})
    epochs = []
    run = Run(folder=tmp_path / "one", seed=3, device="cpu", log=epochs.append)
    alone = Fastai().train(data, protocol.options(Fastai(), options | {"batch_size": "8"}), run)
    images = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    assert [e["epoch"] for e in said[0]["epochs"]] == [0, 1, 2]
    for name in ("train_loss", "valid_loss", "accuracy", "train_accuracy"):
        expected = pytest.approx([e[name] for e in epochs], rel=1e-3)
        assert [e[name] for e in said[0]["epochs"]] == expected
        assert [e[name] for e in said[1]["epochs"]] == expected
    assert np.abs(logits[0] - logits[1]).max() == 0
    assert np.abs(logits[0] - alone.logits(images)).max() < 1e-3
    assert said[0]["there"]
    assert said[0]["notes"]["processes"] == 2
    assert said[0]["notes"]["batch_size"] == alone.notes["batch_size"] == 8


@pytest.mark.long
def test_two_processes_find_a_rate_stop_together_and_go_on(data, tmp_path):
    """Finder, batch norm, augmentation and MixUp work in both; the first one stops both, and its checkpoint holds."""
    options = {"arch": "test_resnet", "size": "64", "from_scratch": "true", "epochs": "4"}
    options |= {"batch_size": "4", "mixup": "0.4"}
    first, logits = _together(tmp_path, data, options, stop=2)
    assert [len(said["epochs"]) for said in first] == [2, 2]
    assert np.abs(logits[0] - logits[1]).max() < 1e-4
    saved = checkpoint(tmp_path)
    again, _ = _together(tmp_path, data, options)
    left = list(range(saved.epochs, 4))
    assert [[e["epoch"] for e in said["epochs"]] for said in again] == [left, left]
    assert again[0]["notes"]["lr"] == first[0]["notes"]["lr"]


@pytest.mark.slow
def test_several_processes_need_a_launcher(data, tmp_path, monkeypatch):
    """One process alone that is to be several says how they are started."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    run = Run(folder=tmp_path, device="cpu", gpus=2)
    with pytest.raises(TrainerError, match="byod train --gpus"):
        Fastai().train(data, protocol.options(Fastai(), {"from_scratch": "true"}), run)


def test_the_launchers_are_those_of_accelerate_and_torch():
    """GPUs are left to accelerate, which knows of several machines; what it cannot start, torch does."""
    assert Fastai().launch(4, None) == Fastai().launch(4, "cuda")
    assert Fastai().launch(4, "cuda")[:2] == ["-m", "accelerate.commands.launch"]
    assert "4" in Fastai().launch(4, "cuda")
    assert Fastai().launch(2, "cpu")[:2] == ["-m", "torch.distributed.run"]
