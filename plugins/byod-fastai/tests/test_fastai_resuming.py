"""A training that is killed with -9 goes on where it was, and ends as if nothing had been."""

import functools
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from byod_fastai import Fastai

from byod.schema.records import Example, Split
from byod.testing import draw_classes
from byod.training import protocol
from byod.training.protocol import Run, TrainingData, checkpoint

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

CLASSES = ("circle", "square")

KILLED = """
import json, os, signal, sys
from pathlib import Path
from byod.training import protocol
from byod.training.protocol import Run, TrainingData
from byod_fastai import Fastai

folder, data, options, threads, when, epochs = sys.argv[1:]
import torch
torch.set_num_threads(int(threads))
seen = []

def log(epoch):
    seen.append(epoch)
    with open(Path(folder) / "log.jsonl", "a") as lines:
        lines.write(json.dumps(dict(epoch)) + "\\n")
    if when == "before saving" and len(seen) == int(epochs):
        os.kill(os.getpid(), signal.SIGKILL)

def should_stop():
    if when == "after saving" and len(seen) == int(epochs):
        os.kill(os.getpid(), signal.SIGKILL)
    return False

run = Run(folder=Path(folder), seed=3, device="cpu", log=log, should_stop=should_stop)
Fastai().train(
    TrainingData.model_validate_json(data), protocol.options(Fastai(), json.loads(options)), run
)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    parts = {Split.TRAIN: [], Split.VALID: []}
    for label, paths in draw_classes(tmp_path_factory.mktemp("drawn"), CLASSES, per_class=16).items():
        for number, path in enumerate(paths):
            split = Split.TRAIN if number < 10 else Split.VALID
            sha256 = f"{label == 'square':032x}{number:032x}"
            parts[split].append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return TrainingData(classes=CLASSES, train=tuple(parts[Split.TRAIN]), valid=tuple(parts[Split.VALID]))


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """Options of a training from random weights (with an average of them), and of one in two stages."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    file.with_name("own.pth.json").write_text(json.dumps({"arch": "squeezenet1_1", "normalise": "none"}))
    small = {"size": "64", "batch_size": "8"}
    return {
        "scratch": {"arch": "lenet", "from_scratch": "true", "epochs": "5", **small},
        "stages": {"weights": str(file), "frozen_epochs": "2", "epochs": "3", "mixup": "0.4", **small},
    }


def _killed(folder, data, options, when, epochs):
    folder.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-c", KILLED, str(folder), data.model_dump_json(), json.dumps(options)),
            *(str(torch.get_num_threads()), when, str(epochs)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def _train(folder, data, options):
    epochs, said = [], []
    run = Run(folder=folder, seed=3, device="cpu", log=epochs.append, say=said.append)
    trained = Fastai().train(data, protocol.options(Fastai(), options), run)
    images = np.random.default_rng(0).random((2, 3, trained.input.height, trained.input.width), np.float32)
    return trained, epochs, trained.logits(images), said


@pytest.fixture(scope="module")
def in_peace(data, starts, tmp_path_factory):
    """What a training of each start comes to when nothing disturbs it."""
    return functools.cache(lambda start: _train(tmp_path_factory.mktemp("whole"), data, starts[start]))


@pytest.mark.parametrize(
    ("start", "when", "killed_after"),
    [
        pytest.param("scratch", "after saving", 2, marks=pytest.mark.long),
        pytest.param("scratch", "before saving", 3, marks=pytest.mark.long),
        pytest.param("scratch", "after saving", 5, marks=pytest.mark.long),
        pytest.param("stages", "after saving", 1, marks=pytest.mark.long),
        pytest.param("stages", "after saving", 2, marks=pytest.mark.long),
        ("stages", "before saving", 4),
    ],
)
def test_a_killed_training_ends_as_if_nothing_had_been(
    data, starts, in_peace, tmp_path, start, when, killed_after
):
    """Each epoch is logged once, wherever it is taken up, and the outcome is that of a training left in peace."""
    options = starts[start]
    whole, all_epochs, wanted, _ = in_peace(start)
    before = _killed(tmp_path / "killed", data, options, when, killed_after)
    saved = checkpoint(tmp_path / "killed")
    kept = saved.epochs if saved else 0
    assert kept <= killed_after - (when == "before saving")
    again, after, found, said = _train(tmp_path / "killed", data, options)
    assert [e["epoch"] for e in before[:kept]] + [e["epoch"] for e in after] == list(range(5))
    together = [*before[:kept], *after]
    for name in ("train_loss", "valid_loss", "accuracy", "lr"):
        assert [e[name] for e in together] == pytest.approx([e[name] for e in all_epochs], rel=1e-5)
    assert np.abs(found - wanted).max() < 1e-5
    assert again.notes == whole.notes
    assert again.lr_finder == whole.lr_finder
    assert not kept or not any("learning-rate finder" in line for line in said)


def test_a_training_that_had_ended_only_exports(data, starts, tmp_path):
    """After its last epoch (here: stopped early) nothing is learned again."""
    options = starts["scratch"] | {"epochs": "60", "patience": "1", "lr": "0.5", "augment": "false"}
    first, epochs, wanted, _ = _train(tmp_path, data, options)
    assert len(epochs) < 60
    again, none, found, _ = _train(tmp_path, data, options)
    assert none == []
    assert np.array_equal(found, wanted)
    assert again.notes == first.notes


def test_a_checkpoint_holds_arrays_and_plain_facts(data, starts, tmp_path):
    """Weights, their average, the optimizer's averages; nothing in the folder is a pickle."""
    _train(tmp_path, data, starts["scratch"] | {"epochs": "1"})
    saved = checkpoint(tmp_path)
    kinds = {name.split(".")[0] for name in saved.tensors}
    assert {"weights", "average", "optimizer"} <= kinds
    assert saved.epochs == 1
    assert json.loads(json.dumps(saved.facts)) == saved.facts
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".pth", ".pkl", ".pt")]
