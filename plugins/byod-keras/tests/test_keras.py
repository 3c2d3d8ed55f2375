"""The Keras trainer through byod's own road: it learns, survives a kill, exports faithfully, says what it cannot."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import direct_training as train
import numpy as np
import pytest
from byod_keras import Keras
from PIL import Image
from safetensors import safe_open

from byod.schema.errors import TrainerError, UsageError
from byod.schema.records import Example, Split
from byod.tasks.classify.predict import Predictor
from byod.training import protocol
from byod.training.protocol import Run

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

TINY = {"arch": "lenet", "epochs": "2"}
IMAGES = np.random.default_rng(0).random((3, 3, 32, 32), np.float32)


def _train(learning, folder, given, **run):
    options = protocol.options(Keras(), given)
    folder.mkdir(exist_ok=True)
    return Keras().train(learning, options, Run(folder=folder, device="cpu", **run))


@pytest.mark.slow
def test_it_learns_drawn_classes_from_scratch(drawn, tmp_path):
    """Its own small net tells circles from squares, through the whole road to a run folder."""
    said, epochs = [], []
    card = train.train(
        drawn,
        ("circle", "square"),
        protocol.load("keras"),
        {"size": "64", "epochs": "8"},
        folder=tmp_path / "run",
        device="cpu",
        say=said.append,
        log=epochs.append,
    )
    assert card.metrics.accuracy >= 0.85
    assert card.parity < 1e-4
    assert (card.arch, card.pretrained) == ("small", "scratch")
    assert card.notes["backend"] in ("torch", "jax", "tensorflow")
    assert {"keras", card.notes["backend"]} <= set(card.versions)
    assert [e["epoch"] for e in epochs] == list(range(8))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert all(0 <= e["train_accuracy"] <= 1 and e["lr"] >= 0 for e in epochs)
    assert any("Keras on" in line and "random weights" in line for line in said)
    (answer,) = Predictor(tmp_path / "run").predict([drawn[0].path])
    assert answer.label in ("circle", "square")
    assert not [f for f in tmp_path.rglob("*") if f.suffix in (".pkl", ".keras", ".h5", ".pth")]


def _vegetables(folder):
    examples = []
    for label in ("brokkoli", "blumenkohl"):
        for number, path in enumerate(sorted((folder / "vegetables" / label).glob("*.jpg"))):
            split = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)[number // 10 % 5]
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.mark.long
@pytest.mark.data
def test_real_vegetables_from_scratch(real_pictures, tmp_path):
    """Its own small net tells broccoli from cauliflower after twelve epochs."""
    card = train.train(
        _vegetables(real_pictures),
        ("brokkoli", "blumenkohl"),
        Keras(),
        {},
        folder=tmp_path / "run",
        device="cpu",
    )
    assert card.metrics.accuracy >= 0.9


@pytest.mark.long
@pytest.mark.data
def test_real_vegetables_with_torchvisions_weights(real_pictures, tmp_path):
    """Torchvision's squeezenet, as .safetensors with its sidecar, is the same net in Keras and is fine-tuned."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    source = real_pictures / "weights" / "squeezenet1_1.pth"
    save_file(torch.load(source, weights_only=True), tmp_path / "squeezenet.safetensors")
    sidecar = (real_pictures / "weights" / "squeezenet1_1.pth.json").read_bytes()
    (tmp_path / "squeezenet.safetensors.json").write_bytes(sidecar)
    card = train.train(
        _vegetables(real_pictures),
        ("brokkoli", "blumenkohl"),
        Keras(),
        {"weights": str(tmp_path / "squeezenet.safetensors")},
        folder=tmp_path / "run",
        device="cpu",
    )
    assert (card.arch, card.pretrained) == ("squeezenet1_1", "squeezenet.safetensors")
    assert card.metrics.accuracy >= 0.92


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(small, tmp_path):
    """Two trainings of the same seed agree to 1e-5; another seed gives another model."""
    first, again, other = (
        _train(small(), tmp_path / name, TINY, seed=seed).logits(IMAGES)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert np.abs(first - again).max() < 1e-5
    assert np.abs(first - other).max() > 1e-3


KILLED = """
import os, signal, sys
from pathlib import Path
from byod.training import protocol
from byod.training.protocol import Run, TrainingData
from byod_keras import Keras

def log(epoch):
    if epoch["epoch"] == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

data = TrainingData.model_validate_json(Path(sys.argv[1]).read_text())
given = dict(each.split("=") for each in sys.argv[4:])
run = Run(folder=Path(sys.argv[2]), seed=3, device="cpu", log=log)
Keras().train(data, protocol.options(Keras(), given), run)
"""


@pytest.mark.long
@pytest.mark.parametrize("pretrained", [False, True])
def test_a_killed_training_goes_on_to_the_same_model(small, tmp_path, pretrained):
    """Killed with -9 after an epoch was logged: that one follows, and the model is the uninterrupted one."""
    given = {"arch": "small", "size": "32", "epochs": "4"}
    if pretrained:  # a frozen phase, dropout, and a new optimizer in between
        begun = _train(small(), tmp_path / "begun", {**given, "epochs": "1"})
        given = {
            "weights": str(begun.weights),
            "size": "32",
            "frozen_epochs": "2",
            "epochs": "2",
            "batch_size": "8",
        }
    whole, rest = [], []
    expected = _train(small(), tmp_path / "whole", given, seed=3, log=whole.append).logits(IMAGES)
    (tmp_path / "data.json").write_text(small().model_dump_json())
    (tmp_path / "run").mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "data.json", tmp_path / "run", "3"]
        + [f"{key}={value}" for key, value in given.items()],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"TORCHDYNAMO_DISABLE": "1"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    found = _train(small(), tmp_path / "run", given, seed=3, log=rest.append).logits(IMAGES)
    assert [e["epoch"] for e in rest] == [3]
    assert rest[0]["valid_loss"] == pytest.approx(whole[3]["valid_loss"], rel=1e-4)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.slow
def test_a_finished_training_goes_straight_to_the_export(small, tmp_path):
    """Killed after its last epoch, it logs nothing again and gives the same model."""
    first = _train(small(), tmp_path / "run", TINY).logits(IMAGES)
    epochs = []
    again = _train(small(), tmp_path / "run", TINY, log=epochs.append).logits(IMAGES)
    assert not epochs
    assert np.array_equal(first, again)


@pytest.mark.slow
def test_it_stops_when_told_to_and_when_nothing_gets_better(small, tmp_path):
    """One epoch when the host says so; `patience` epochs after the best one otherwise, and that is the one kept."""
    epochs, said = [], []
    _train(small(), tmp_path / "told", TINY, log=epochs.append, should_stop=lambda: True)
    assert len(epochs) == 1
    epochs.clear()
    given = {"arch": "lenet", "epochs": "300", "patience": "2", "lr": "0.02", "augment": "false"}
    trained = _train(small(12), tmp_path / "patient", given, log=epochs.append, say=said.append)
    losses = [e["valid_loss"] for e in epochs]
    assert len(losses) < 300
    assert trained.notes["best_epoch"] == int(np.argmin(losses)) == len(losses) - 3
    assert any("stopping" in line for line in said)


def test_odd_pictures_survive(small, tmp_path):
    """One pixel, CMYK, grey with transparency, and a picture stored on its side are learned from like the others."""
    odd = []
    for number, (mode, size) in enumerate(
        [("RGB", (1, 1)), ("CMYK", (90, 40)), ("LA", (40, 90)), ("RGB", (300, 200))]
    ):
        file = tmp_path / f"{number}.{'png' if mode == 'LA' else 'tif'}"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new(mode, size).save(file, exif=exif)
        sha = f"{900 + number:064x}"
        odd.append(Example(sha256=sha, path=file, label="circle", split=Split.TRAIN, group=sha))
    learning = small()
    learning = learning.model_copy(update={"train": (*learning.train, *odd)})
    said = []
    assert _train(learning, tmp_path / "run", {**TINY, "epochs": "1"}, say=said.append).onnx.is_file()
    assert any("unequal size" in line for line in said)


def test_a_picture_that_is_gone_is_named(small, tmp_path):
    """The line says which file cannot be opened."""
    learning = small()
    gone = learning.train[0].model_copy(update={"path": tmp_path / "gone.jpg"})
    learning = learning.model_copy(update={"train": (gone, *learning.train[1:])})
    with pytest.raises(TrainerError, match=r"gone\.jpg cannot be opened"):
        _train(learning, tmp_path / "run", TINY)


def test_the_weights_kept_are_those_of_the_exported_net(small, tmp_path):
    """The file names tensors by layer, says which net they belong to, and holds as many numbers as are reported."""
    trained = _train(small(), tmp_path / "run", {**TINY, "epochs": "1"})
    with safe_open(trained.weights, framework="numpy") as opened:
        words = opened.metadata()
        shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    assert (words["arch"], words["classes"]) == ("lenet", "circle\nsquare")
    assert shapes["c1/kernel"] == [5, 5, 3, 6]
    assert sum(math.prod(shape) for shape in shapes.values()) == trained.parameters


def test_options_that_do_not_exist_or_exclude_each_other_are_refused():
    """A typing error and a contradiction are one line each."""
    with pytest.raises(UsageError, match="it has: arch"):
        protocol.options(Keras(), {"epoch": "3"})
    with pytest.raises(UsageError, match="exclude each other"):
        protocol.options(Keras(), {"from_scratch": "true", "weights": "x.safetensors"})


def test_a_device_that_is_not_there_is_said(small, tmp_path):
    """The line names what there is."""
    with pytest.raises(TrainerError, match=r"no device 'tpu' here; it has: .*cpu"):
        Keras().train(small(), protocol.options(Keras(), TINY), Run(folder=tmp_path, device="tpu"))


def test_choosing_it_imports_nothing_heavy():
    """The class, its options, its doctor and its table of nets are there without Keras or a backend."""
    program = (
        "import sys, byod_keras; k = byod_keras.Keras(); assert k.doctor() == []; assert len(k.architectures()) > 30;"
        "k.Options.model_json_schema();"
        "print(*sorted({'keras', 'torch', 'jax', 'tensorflow', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


BACKEND = """
import sys
from pathlib import Path
import numpy as np, onnxruntime
from byod.training import protocol
from byod.training.protocol import Run, TrainingData
from byod_keras import Keras

data = TrainingData.model_validate_json(Path(sys.argv[1]).read_text())
given = {"arch": "small", "size": "32", "epochs": "6", "batch_size": "8"}
epochs = []
run = Run(folder=Path(sys.argv[2]), device="cpu", log=epochs.append)
trained = Keras().train(data, protocol.options(Keras(), given), run)
x = np.random.default_rng(0).random((3, 3, 32, 32), np.float32)
found = onnxruntime.InferenceSession(str(trained.onnx)).run(None, {"image": x})[0]
expected = trained.logits(x)
assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max()), (found, expected)
assert epochs[-1]["train_loss"] < epochs[0]["train_loss"], epochs
print(trained.notes["backend"], "torch" in sys.modules)
"""


@pytest.mark.long
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_it_runs_on_the_backend_asked_for(backend, small, tmp_path):
    """KERAS_BACKEND chooses; on jax, torch is never imported, and net and export agree all the same."""
    pytest.importorskip(backend)
    (tmp_path / "data.json").write_text(small(16).model_dump_json())
    (tmp_path / "run").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BACKEND, tmp_path / "data.json", tmp_path / "run"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, str(backend == "torch")]


@pytest.mark.parametrize(
    ("asked", "line"), [("numpy", "none that can train"), ("nosuch", "none that can train")]
)
def test_a_backend_that_cannot_train_is_refused(monkeypatch, asked, line):
    """The doctor says what KERAS_BACKEND may be."""
    monkeypatch.setenv("KERAS_BACKEND", asked)
    (found,) = Keras().doctor()
    assert line in found
    assert "torch, jax, tensorflow" in found


@pytest.mark.parametrize("asked", ["jax", None])
def test_a_backend_that_is_missing_is_named_with_how_to_install_it(monkeypatch, asked):
    """Whether one was asked for or not, the line says what to type."""
    monkeypatch.setattr("byod_keras.backends.find_spec", lambda name: None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if asked:
        monkeypatch.setenv("KERAS_BACKEND", asked)
    (found,) = Keras().doctor()
    assert (asked or "none is installed") in found
    assert "plugins/byod-keras[" in found
    with pytest.raises(TrainerError, match="plugins/byod-keras"):
        Keras().train(None, None, Run(folder=Path()))


def test_a_loss_that_is_no_number_ends_the_training(small, tmp_path):
    """A rate that is far too high is said after the first epoch that it spoils, and nothing of that is logged."""
    epochs = []
    given = {"size": "32", "lr": "10", "weight_decay": "1", "batch_size": "2", "epochs": "8"}
    with pytest.raises(TrainerError, match=r"^the loss is not a finite number any more; .*--set lr=1\)"):
        _train(small(), tmp_path / "run", given, log=epochs.append)
    assert all(math.isfinite(value) for epoch in epochs for value in epoch.values())
    assert len(epochs) < 8
