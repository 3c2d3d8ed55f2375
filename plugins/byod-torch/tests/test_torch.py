"""The torch trainer through byod's own road: it learns, survives a kill, exports faithfully, says what it cannot."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import direct_training as train
import numpy as np
import pytest
import timm
import torch
from byod_torch import Options, Torch, class_weights, environment_check
from PIL import Image

from byod.schema.errors import TrainerError, UsageError
from byod.schema.records import Example, Split
from byod.tasks.classify.predict import Predictor
from byod.training import protocol
from byod.training.protocol import Run

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

TINY = {"arch": "test_resnet", "size": "64", "from_scratch": "true"}
IMAGES = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)


def _train(learning, folder, given, **run):
    options = protocol.options(Torch(), given)
    folder.mkdir(exist_ok=True)
    return Torch().train(learning, options, Run(folder=folder, device="cpu", **run))


@pytest.mark.slow
def test_it_learns_drawn_classes_from_scratch(drawn, tmp_path):
    """A small net from random weights tells circles from squares, through the whole road to a run folder."""
    said, epochs = [], []
    card = train.train(
        drawn,
        ("circle", "square"),
        protocol.load("torch"),
        {"arch": "test_resnet", "size": "64", "epochs": "8", "from_scratch": "true"},
        folder=tmp_path / "run",
        device="cpu",
        say=said.append,
        log=epochs.append,
    )
    assert card.metrics.accuracy >= 0.85
    assert card.parity < 1e-4
    assert (card.arch, card.pretrained) == ("test_resnet", "scratch")
    assert [e["epoch"] for e in epochs] == list(range(8))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert all(0 <= e["train_accuracy"] <= 1 and e["lr"] >= 0 for e in epochs)
    assert any("on cpu" in line for line in said)
    (answer,) = Predictor(tmp_path / "run").predict([drawn[0].path])
    assert answer.label in ("circle", "square")
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.pth"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "size", "most"),
    [
        ("lenet", 64, 8),
        ("alexnet", 64, 8),
        pytest.param("googlenet", 64, 8, marks=pytest.mark.long),
        pytest.param("unet", 32, 2, marks=pytest.mark.long),
    ],
)
def test_the_classic_nets_learn(arch, size, most, small, tmp_path):
    """A few epochs of 80 pictures teach each net, with batch norms or without, and it is judged as it has learned."""
    epochs = []
    given = {"arch": arch, "size": str(size), "from_scratch": "true", "epochs": str(most)}
    _train(small(40), tmp_path / "run", given, log=epochs.append)
    assert min(e["valid_loss"] for e in epochs) < 0.5
    assert max(e["accuracy"] for e in epochs) >= 0.8


def _vegetables(folder, count=200):
    examples = []
    for label in ("brokkoli", "blumenkohl"):
        for number, path in enumerate(sorted((folder / "vegetables" / label).glob("*.jpg"))[:count]):
            split = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)[number // 10 % 5]
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.mark.long
@pytest.mark.data
def test_real_vegetables_with_the_weights_at_hand(real_pictures, tmp_path):
    """With squeezenet weights from a file, broccoli and cauliflower are told apart."""
    card = train.train(
        _vegetables(real_pictures),
        ("brokkoli", "blumenkohl"),
        Torch(),
        {"weights": str(real_pictures / "weights" / "squeezenet1_1.pth"), "epochs": "3"},
        folder=tmp_path / "run",
        device="cpu",
    )
    assert card.arch == "squeezenet1_1"
    assert card.metrics.accuracy >= 0.92


@pytest.mark.long
@pytest.mark.data
def test_real_weights_with_foreign_statistics(real_pictures, tmp_path):
    """Mobilenet weights, whose statistics came from elsewhere, are fine-tuned with them frozen."""
    card = train.train(
        _vegetables(real_pictures, 100),
        ("brokkoli", "blumenkohl"),
        Torch(),
        {"weights": str(real_pictures / "weights" / "mobilenet_v2.pth"), "freeze_norm": "true", "size": "96"},
        folder=tmp_path / "run",
        device="cpu",
    )
    assert card.arch == "mobilenet_v2"
    assert card.metrics.accuracy >= 0.85


def test_the_same_seed_gives_the_same_model(small, tmp_path):
    """Two trainings of the same seed agree to 1e-5; another seed gives another model."""
    given = {**TINY, "epochs": "1"}
    first, again, other = (
        _train(small(), tmp_path / name, given, seed=seed).logits(IMAGES)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert np.abs(first - again).max() < 1e-5
    assert np.abs(first - other).max() > 1e-3


class Killed(BaseException):
    """Stands for the end of a process right after a checkpoint was written."""


class Dying(Run):
    """A run that ends with its `last` epoch, without a word to the trainer."""

    last = 2

    def save(self, epochs, tensors, facts):
        """Write, and die."""
        super().save(epochs, tensors, facts)
        if epochs == self.last:
            raise Killed


@pytest.mark.parametrize("last", [1, 2, 3])
@pytest.mark.parametrize("kind", ["scratch", "fine-tuning"])
def test_a_killed_training_ends_as_if_nothing_had_been(kind, last, small, tmp_path):
    """Whenever it is killed, what follows is the same to the last bit, and each epoch is logged once."""
    given = {**TINY, "epochs": "4", "mixup": "0.2"}
    if kind == "fine-tuning":
        torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "w.pth")
        given = {"weights": str(tmp_path / "w.pth"), "arch": "test_resnet", "normalise": "none", "size": "64"}
        given |= {"frozen_epochs": "2", "epochs": "2"}
    whole, parts = [], []
    expected = _train(small(), tmp_path / "whole", given, log=whole.append)
    folder = tmp_path / "killed"
    folder.mkdir()
    Dying.last = last
    with pytest.raises(Killed):
        Torch().train(
            small(), protocol.options(Torch(), given), Dying(folder=folder, device="cpu", log=parts.append)
        )
    resumed = _train(small(), folder, given, log=parts.append)
    for epoch in whole + parts:
        epoch.pop("seconds")
    assert parts == whole
    assert np.array_equal(expected.logits(IMAGES), resumed.logits(IMAGES))
    assert resumed.notes == expected.notes


def test_a_training_killed_after_its_last_epoch_is_only_exported(small, tmp_path):
    """Nothing is learned again when all epochs are done; early stopping counts as the end, too."""
    epochs = []
    given = {**TINY, "epochs": "2"}
    first = _train(small(), tmp_path / "run", given, log=epochs.append)
    first.onnx.unlink()
    again = _train(small(), tmp_path / "run", given, log=epochs.append)
    assert len(epochs) == 2
    assert again.onnx.is_file()
    assert np.array_equal(first.logits(IMAGES), again.logits(IMAGES))
    stopped = _train(
        small(), tmp_path / "s", {**TINY, "epochs": "9"}, log=epochs.append, should_stop=lambda: True
    )
    assert stopped.notes["epochs"] == 1
    assert _train(small(), tmp_path / "s", {**TINY, "epochs": "9"}).notes["epochs"] == 1


CHILD = """
import json, sys
from pathlib import Path
from byod.training import protocol
from byod.training.protocol import Run, TrainingData

learning = TrainingData.model_validate_json(Path(sys.argv[1]).read_bytes())
folder = Path(sys.argv[2])

def log(epoch):
    with (folder / "epochs.jsonl").open("a") as lines:
        lines.write(json.dumps(dict(epoch)) + "\\n")

trainer = protocol.load("torch")
options = protocol.options(trainer, json.loads(sys.argv[3]))
trainer.train(learning, options, Run(folder=folder, device="cpu", log=log))
"""


@pytest.mark.long
def test_kill_9_and_resume(small, tmp_path):
    """A process that is killed at any moment and started again reaches the very loss of the undisturbed one."""
    (tmp_path / "learning.json").write_text(small(20).model_dump_json())
    given = json.dumps({**TINY, "epochs": "6"})

    def start(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arguments = [str(tmp_path / "learning.json"), str(folder), given]
        return folder, subprocess.Popen([sys.executable, "-c", CHILD, *arguments])

    def losses(folder):
        file = folder / "epochs.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return {int(line["epoch"]): line["valid_loss"] for line in lines}

    whole, process = start("whole")
    assert process.wait() == 0
    killed, process = start("killed")
    while len(losses(killed)) < 3 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert process.wait() != 0
    _, process = start("killed")
    assert process.wait() == 0
    assert losses(killed) == losses(whole)
    logged = (killed / "epochs.jsonl").read_text().splitlines()
    assert (
        len(logged) <= 7
    )  # at most the epoch that was logged and not yet saved comes twice; the host drops it


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
        sha256 = f"{900 + number:064x}"
        odd.append(Example(sha256=sha256, path=file, label="circle", split=Split.TRAIN, group=str(number)))
    learning = small()
    learning = learning.model_copy(update={"train": (*learning.train, *odd)})
    assert _train(learning, tmp_path / "run", {**TINY, "epochs": "1"}).onnx.is_file()


def test_a_picture_that_is_gone_is_named(small, tmp_path):
    """The line says which file cannot be opened."""
    learning = small()
    gone = learning.train[0].model_copy(update={"path": tmp_path / "gone.jpg"})
    learning = learning.model_copy(update={"train": (gone, *learning.train[1:])})
    with pytest.raises(TrainerError, match=r"gone\.jpg cannot be opened"):
        _train(learning, tmp_path / "run", TINY)


def test_a_size_that_does_not_suit_is_refused_before_training(small, tmp_path):
    """A net that takes one size alone gets it, and another size is refused."""
    with pytest.raises(TrainerError, match="160 px"):
        _train(small(), tmp_path / "a", {"arch": "test_vit", "from_scratch": "true", "size": "64"})
    trained = _train(small(), tmp_path / "b", {"arch": "test_vit", "from_scratch": "true", "epochs": "1"})
    assert (trained.input.width, trained.input.height) == (160, 160)


def test_options_that_exclude_each_other_are_refused():
    """From scratch and from a file at once makes no sense; an option that does not exist is named."""
    with pytest.raises(UsageError, match="exclude each other"):
        protocol.options(Torch(), {"from_scratch": "true", "weights": "x.pth"})
    with pytest.raises(UsageError, match="no option 'epoch'"):
        protocol.options(Torch(), {"epoch": "3"})


def test_a_device_that_is_not_there_is_said(small, tmp_path):
    """The line names what there is."""
    with pytest.raises(TrainerError, match="cpu"):
        Torch().train(small(), Options(from_scratch=True), Run(folder=tmp_path, device="tpu"))


def test_stopping_from_outside_ends_after_the_epoch(small, tmp_path):
    """When the host says stop, the model so far is exported."""
    epochs = []
    trained = _train(
        small(),
        tmp_path / "run",
        {**TINY, "epochs": "50"},
        log=epochs.append,
        should_stop=lambda: len(epochs) >= 2,
    )
    assert len(epochs) == 2
    assert trained.notes["epochs"] == 2


def test_early_stopping(small, tmp_path):
    """Without a better validation loss for `patience` epochs, training ends with the best one's weights."""
    epochs, said = [], []
    given = {**TINY, "epochs": "200", "patience": "2", "lr": "0.02", "augment": "false"}
    trained = _train(small(4), tmp_path / "run", given, log=epochs.append, say=said.append)
    assert len(epochs) < 200
    assert any("no better validation loss" in line for line in said)
    losses = [e["valid_loss"] for e in epochs]
    assert trained.notes["best_epoch"] == min(range(len(losses)), key=losses.__getitem__)


def test_a_loss_that_leaves_all_numbers_is_said(small, tmp_path):
    """Far too high a rate ends in one line that names a lower one, not in a model of nothing."""
    given = {**TINY, "arch": "squeezenet", "epochs": "9", "lr": "10", "weight_decay": "1"}
    with pytest.raises(TrainerError, match="--set lr=1"):
        _train(small(), tmp_path / "run", given)


def test_a_frozen_body_does_not_change(small, tmp_path):
    """In the epochs of the head alone, neither weights nor statistics of the body move; after them all does."""
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "own.pth")
    given = {"weights": str(tmp_path / "own.pth"), "arch": "test_resnet", "normalise": "none", "size": "64"}
    frozen = _train(small(), tmp_path / "a", given, should_stop=lambda: True)
    assert _moved(frozen.weights, state) == set()
    given |= {"frozen_epochs": "0", "epochs": "1"}
    both = _train(small(), tmp_path / "b", {**given, "freeze_norm": "false"})
    assert _moved(both.weights, state) == {"weight", "bias", *STATISTICS}
    kept = _train(small(), tmp_path / "c", given)
    assert _moved(kept.weights, state) == {"weight", "bias"}


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(small, tmp_path, odd):
    """A damaged tensor is named before anything is learned from it."""
    state = timm.create_model("test_resnet").state_dict()
    state["conv1.0.weight"].view(-1)[3] = odd
    torch.save(state, tmp_path / "own.pth")
    given = {"weights": str(tmp_path / "own.pth"), "arch": "test_resnet", "normalise": "none", "size": "64"}
    with pytest.raises(TrainerError, match=r"own.pth holds numbers that are none .*first in conv1.0.weight"):
        _train(small(), tmp_path / "run", given)


STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}


def _moved(file, state):
    """The last parts of the names of the body's tensors that are not what they were."""
    from safetensors.torch import load_file

    return {
        name.rpartition(".")[2]
        for name, value in load_file(file).items()
        if name.startswith("1.") and not torch.equal(value, state[name.removeprefix("1.")])
    }


def test_kept_weights_are_those_of_the_export(small, tmp_path):
    """The .safetensors file holds the very net that was exported, and begins another training by itself."""
    from byod_torch.networks import net
    from safetensors.torch import load_file

    trained = _train(small(), tmp_path / "run", {**TINY, "epochs": "2"})
    built = net(Options(arch="test_resnet", from_scratch=True), 2)
    built.model.load_state_dict(load_file(trained.weights))
    with torch.no_grad():
        said = built.model.eval()(torch.from_numpy(IMAGES)).numpy()
    assert np.array_equal(said, trained.logits(IMAGES))
    again = _train(
        small(), tmp_path / "again", {"weights": str(trained.weights), "epochs": "1", "size": "64"}
    )
    assert (again.arch, again.pretrained) == ("test_resnet", "weights.safetensors")


def test_few_pictures_of_a_class_weigh_more(small, tmp_path):
    """With 12 circles and 4 squares a square counts three times as much, and the user is told."""
    said = []
    trained = _train(small(12, 4), tmp_path / "run", {**TINY, "epochs": "1"}, say=said.append)
    light, heavy = trained.notes["class_weights"]
    assert heavy == pytest.approx(3 * light)
    assert any("circle has 12" in line and "square 4" in line for line in said)
    assert "class_weights" not in _train(small(), tmp_path / "even", {**TINY, "epochs": "1"}).notes


def test_class_weights():
    """All classes count alike, the mean over the pictures is 1, and a balanced set needs none."""
    labels = [0] * 60 + [1] * 30 + [2] * 10
    weights = class_weights.class_weights(labels, 4)
    assert sum(weights[label] for label in labels) == pytest.approx(100)
    assert [weights[n] * count for n, count in enumerate((60, 30, 10))] == pytest.approx([100 / 3] * 3)
    assert weights[3] == 0
    assert class_weights.class_weights([0] * 14 + [1] * 10, 2) is None


def test_label_smoothing_and_mixup_learn(small, tmp_path):
    """Blended pictures and smoothed labels train like the others, and blending raises the training loss."""
    plain, mixed = [], []
    _train(small(), tmp_path / "a", {**TINY, "epochs": "3"}, log=plain.append)
    given = {**TINY, "epochs": "3", "mixup": "1", "label_smoothing": "0.1"}
    _train(small(), tmp_path / "b", given, log=mixed.append)
    assert all(math.isfinite(e["train_loss"]) for e in mixed)
    assert [e["train_loss"] for e in mixed] != [e["train_loss"] for e in plain]


def test_several_gpus_need_several_processes(small, tmp_path):
    """Called for two GPUs in one process, the trainer says how it is started."""
    with pytest.raises(TrainerError, match="--gpus 2"):
        _train(small(), tmp_path / "run", TINY, gpus=2)


def test_looking_at_the_plugin_imports_nothing_heavy():
    """Loading the trainer, its options, its nets and its doctor's word costs no torch."""
    code = (
        "import sys; from byod.training import protocol\n"
        "t = protocol.load('torch'); t.doctor(); protocol.options(t, {'epochs': '2'}); t.architectures()\n"
        "print([m for m in ('torch', 'torchvision', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_threads_wait_without_spinning():
    """Beside other programs torch's threads give the cores away while they wait; what the user has set stays."""
    code = (
        "import os, sys, byod_torch; from byod.training import protocol\n"
        "protocol.give_way(); print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for environment, word in (
        (plain, "PASSIVE False"),
        ({**plain, "OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE False"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == word


def test_doctor_names_a_mismatch(monkeypatch):
    """A torchvision made for another torch, and a missing package, are a line each."""
    versions = {"torch": "2.7.0", "torchvision": "0.21.0", "timm": None}
    monkeypatch.setattr(environment_check, "installed", lambda name: versions.get(name, "1.0"))
    monkeypatch.setattr(environment_check, "requires", lambda name: ["numpy", "torch==2.6.0"])
    lines = Torch().doctor()
    assert any("timm is missing" in line for line in lines)
    assert any("built for torch 2.6.0" in line for line in lines)
    assert all("\n" not in line for line in lines)


def test_every_option_is_described_on_the_page():
    """README.md names each option, and each is described for --set."""
    page = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for name, field in Options.model_fields.items():
        assert f"`{name}`" in page, name
        assert field.description, name
