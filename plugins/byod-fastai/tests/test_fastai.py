"""The fastai trainer through byod's own road: it learns, exports faithfully, and says in one line what it cannot do."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from byod_fastai import Fastai, Options
from byod_fastai.bodies import _torchvision_net, groups, net
from byod_fastai.cache import Batches, decoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from byod import trainers, training
from byod.errors import TrainerError, UsageError
from byod.modelcard import InputRule
from byod.predictor import Predictor
from byod.records import Example, Split
from byod.testing import draw_classes
from byod.trainers import Run, TrainingData

TINY = {"arch": "squeezenet1_1", "size": "64", "from_scratch": "true"}


def _examples(folder, per_class, parts=(0.5, 0.25, 0.25)):
    examples = []
    for label, paths in draw_classes(folder, ("circle", "square"), per_class=per_class).items():
        for number, path in enumerate(paths):
            place = number / per_class
            split = (
                Split.TRAIN
                if place < parts[0]
                else Split.VALID
                if place < parts[0] + parts[1]
                else Split.TEST
            )
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return _examples(tmp_path_factory.mktemp("drawn"), 80)


def _data(examples, per_class=8):
    some = {
        label: [e for e in examples if e.label == label][: per_class * 2] for label in ("circle", "square")
    }
    train = tuple(e for part in some.values() for e in part[:per_class])
    valid = tuple(e for part in some.values() for e in part[per_class:])
    return TrainingData(classes=("circle", "square"), train=train, valid=valid)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A state dict as torchvision saves it, with random numbers in it."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    return file


@pytest.mark.slow
def test_it_learns_drawn_classes_from_scratch(drawn, tmp_path):
    """A small net from random weights tells circles from squares, through the whole road to a run folder."""
    said, epochs = [], []
    card = training.train_run(
        drawn,
        ("circle", "square"),
        trainers.load("fastai"),
        {"arch": "resnet18", "size": "64", "epochs": "8", "from_scratch": "true"},
        folder=tmp_path / "run",
        device="cpu",
        say=said.append,
        log=epochs.append,
    )
    assert card.metrics.accuracy >= 0.85
    assert card.parity < 1e-4
    assert card.arch == "resnet18"
    assert card.pretrained == "scratch"
    assert [e["epoch"] for e in epochs] == list(range(8))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert any("on cpu" in line for line in said)
    (answer,) = Predictor(tmp_path / "run").predict([drawn[0].path])
    assert answer.label in ("circle", "square")
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.pth"))


@pytest.mark.slow
@pytest.mark.data
def test_real_vegetables_with_the_weights_at_hand(real_pictures, tmp_path):
    """With squeezenet weights from a file, broccoli and cauliflower are told apart (the five folds are a benchmark)."""
    examples = []
    for label in ("brokkoli", "blumenkohl"):
        for number, path in enumerate(sorted((real_pictures / "vegetables" / label).glob("*.jpg"))):
            split = (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)[number // 10 % 5]
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    card = training.train_run(
        examples,
        ("brokkoli", "blumenkohl"),
        Fastai(),
        {"weights": str(real_pictures / "weights" / "squeezenet1_1.pth"), "epochs": "3"},
        folder=tmp_path / "run",
    )
    assert card.arch == "squeezenet1_1"
    assert card.metrics.accuracy >= 0.92


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(drawn, tmp_path):
    """Two trainings of the same seed agree to 1e-5; another seed gives another model."""
    images = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)

    def outcome(name, seed):
        options = trainers.options(Fastai(), {**TINY, "epochs": "1"})
        return (
            Fastai()
            .train(_data(drawn), options, Run(folder=tmp_path / name, seed=seed, device="cpu"))
            .logits(images)
        )

    first, again, other = outcome("a", 1), outcome("b", 1), outcome("c", 2)
    assert np.abs(first - again).max() < 1e-5
    assert np.abs(first - other).max() > 1e-3


def test_odd_pictures_survive(drawn, tmp_path):
    """One pixel, CMYK, grey with transparency, and a picture stored on its side are learned from like the others."""
    odd = []
    for number, (mode, size) in enumerate(
        [("RGB", (1, 1)), ("CMYK", (90, 40)), ("LA", (40, 90)), ("RGB", (300, 200))]
    ):
        file = tmp_path / f"{number}.{'png' if mode == 'LA' else 'tif'}"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new(mode, size).save(file, exif=exif)
        odd.append(
            Example(
                sha256=f"{900 + number:064x}", path=file, label="circle", split=Split.TRAIN, group=str(number)
            )
        )
    data = _data(drawn)
    data = data.model_copy(update={"train": (*data.train, *odd)})
    options = trainers.options(Fastai(), {**TINY, "epochs": "1"})
    trained = Fastai().train(data, options, Run(folder=tmp_path / "run", device="cpu"))
    assert trained.onnx.is_file()


def test_a_picture_that_is_gone_is_named(drawn, tmp_path):
    """The line says which file cannot be opened."""
    data = _data(drawn)
    gone = data.train[0].model_copy(update={"path": tmp_path / "gone.jpg"})
    data = data.model_copy(update={"train": (gone, *data.train[1:])})
    with pytest.raises(TrainerError, match=r"gone\.jpg cannot be opened"):
        Fastai().train(data, trainers.options(Fastai(), TINY), Run(folder=tmp_path, device="cpu"))


def test_weights_with_a_sidecar_need_nothing_else(weights, tmp_path):
    """Architecture and normalisation come from FILE.json, and the numbers in the file reach the body."""
    file = tmp_path / "body.pth"
    file.write_bytes(weights.read_bytes())
    (tmp_path / "body.pth.json").write_text(json.dumps({"arch": "squeezenet1_1", "normalise": "none"}))
    built = net(Options(weights=file), 3)
    assert (built.arch, built.pretrained) == ("squeezenet1_1", "body.pth")
    assert built.model[0].std.flatten().tolist() == [1, 1, 1]
    state = torch.load(weights, weights_only=True)
    assert torch.equal(built.model[1].state_dict()["features.0.weight"], state["features.0.weight"])


def test_safetensors_are_read(weights, tmp_path):
    """The same tensors in the other format give the same body."""
    from safetensors.torch import save_file

    file = tmp_path / "body.safetensors"
    save_file(torch.load(weights, weights_only=True), file)
    one = net(Options(arch="squeezenet1_1", weights=file, normalise="imagenet"), 2).model[1].state_dict()
    other = net(Options(arch="squeezenet1_1", weights=weights, normalise="imagenet"), 2).model[1].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_weights_of_another_size_of_classifier_fit(tmp_path):
    """Only the body has to fit: weights of a net with five classes, or without its classifier, can be used."""
    state = torchvision.models.squeezenet1_1(weights=None, num_classes=5).state_dict()
    torch.save({k: v for k, v in state.items() if k != "classifier.1.bias"}, tmp_path / "five.pth")
    net(Options(arch="squeezenet1_1", weights=tmp_path / "five.pth", normalise="none"), 2)


def _line(**options):
    with pytest.raises(TrainerError) as caught:
        net(Options(**options), 2)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_that_do_not_fit_are_named(weights):
    """The line says how much is wrong, and that --arch names the architecture."""
    line = _line(arch="resnet18", weights=weights, normalise="none")
    assert "does not fit resnet18" in line
    assert "--arch" in line


def test_weights_without_a_word_on_their_input_are_refused(weights):
    """Whether RGB is normalised is not guessed."""
    assert "normalise=imagenet" in _line(arch="squeezenet1_1", weights=weights)


class _Payload:
    def __reduce__(self):
        return (Path.touch, (Path(__file__).with_name("executed"),))


def test_a_pickle_is_not_executed(tmp_path):
    """A weights file that would run code when unpickled is refused, and nothing has run."""
    file = tmp_path / "evil.pth"
    torch.save({"features.0.weight": _Payload()}, file)
    assert "no state dict that can be read safely" in _line(
        arch="squeezenet1_1", weights=file, normalise="none"
    )
    (tmp_path / "old.pth").write_bytes(pickle.dumps(_Payload()))
    _line(arch="squeezenet1_1", weights=tmp_path / "old.pth", normalise="none")
    assert not Path(__file__).with_name("executed").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"PK\x03\x04" + b"\0" * 50, b"\x10\0\0\0\0\0\0\0{not json}......"]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_holds_no_weights_is_said(tmp_path, content, suffix):
    """Whatever it is instead, one line."""
    file = tmp_path / f"w{suffix}"
    file.write_bytes(content)
    _line(arch="squeezenet1_1", weights=file, normalise="none")


def test_a_missing_file_is_said(tmp_path):
    """The line names the file."""
    assert "nowhere.pth" in _line(arch="squeezenet1_1", weights=tmp_path / "nowhere.pth", normalise="none")


@pytest.mark.parametrize(
    "sidecar", ["{", "[]", '{"arch": 3}', '{"arch": "squeezenet1_1", "normalise": "always"}']
)
def test_a_sidecar_that_says_nothing_useful_is_refused(weights, tmp_path, sidecar):
    """A sidecar is checked like anything else that comes from a file."""
    file = tmp_path / "body.pth"
    file.write_bytes(weights.read_bytes())
    (tmp_path / "body.pth.json").write_text(sidecar)
    assert "body.pth.json" in _line(weights=file)


@pytest.mark.parametrize("arch", ["resnet18", "test_resnet"])
def test_an_unreachable_hub_names_the_ways_out(arch, tmp_path, monkeypatch):
    """Without the network the line says --weights FILE and --from-scratch (torchvision's hub and timm's alike)."""
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    line = _line(arch=arch)
    assert "--weights FILE" in line
    assert "--from-scratch" in line


def test_an_unknown_architecture_is_met_with_similar_ones():
    """A typing error gets suggestions."""
    assert "mobilenetv3" in _line(arch="mobilnetv3_small", from_scratch=True)


def test_an_architecture_that_cannot_be_cut_is_said():
    """Torchvision's vision transformers are not sequences of layers; the line names another way."""
    assert "timm" in _line(arch="vit_b_16", from_scratch=True)


@pytest.mark.parametrize("arch", ["squeezenet1_1", "mobilenet_v2", "googlenet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("scratch", [True, False])
def test_bodies_of_all_kinds_give_logits(arch, scratch, tmp_path):
    """Feature maps, pooled features and tokens all end in one number a class, in three groups of parameters."""
    options = Options(arch=arch, from_scratch=True)
    if not scratch:
        whole = timm.create_model(arch) if arch.startswith("test_") else _torchvision_net(arch, None)
        torch.save(whole.state_dict(), tmp_path / "w.pth")
        options = Options(arch=arch, weights=tmp_path / "w.pth", normalise="none")
    built = net(options, 4)
    size = built.size or 96
    built.model.eval()
    assert built.model(torch.zeros(2, 3, size, size)).shape == (2, 4)
    parts = groups(built.model)
    assert all(parts)
    assert sum(p.numel() for part in parts for p in part) == sum(p.numel() for p in built.model.parameters())


def test_a_fixed_input_is_kept(drawn, tmp_path):
    """A net that takes one size alone gets it, and another size is refused."""
    options = Options(arch="test_vit", from_scratch=True, size=64)
    with pytest.raises(TrainerError, match="160 px"):
        Fastai().train(_data(drawn), options, Run(folder=tmp_path, device="cpu"))


def test_options_that_exclude_each_other_are_refused():
    """From scratch and from a file at once makes no sense."""
    with pytest.raises(UsageError, match="exclude each other"):
        trainers.options(Fastai(), {"from_scratch": "true", "weights": "x.pth"})


def test_a_device_that_is_not_there_is_said(drawn, tmp_path):
    """The line names what there is."""
    with pytest.raises(TrainerError, match="cpu"):
        Fastai().train(_data(drawn), Options(from_scratch=True), Run(folder=tmp_path, device="tpu"))


def test_stopping_from_outside_ends_after_the_epoch(drawn, tmp_path):
    """When the host says stop, the model so far is exported."""
    epochs = []
    run = Run(folder=tmp_path, device="cpu", log=epochs.append, should_stop=lambda: len(epochs) >= 2)
    options = trainers.options(Fastai(), {**TINY, "epochs": "50"})
    trained = Fastai().train(_data(drawn), options, run)
    assert len(epochs) == 2
    assert trained.notes["epochs"] == 2


def test_early_stopping(drawn, tmp_path):
    """Without a better validation loss for `patience` epochs, training ends with the best one's weights."""
    epochs, said = [], []
    run = Run(folder=tmp_path, device="cpu", log=epochs.append, say=said.append)
    options = trainers.options(
        Fastai(), {**TINY, "epochs": "200", "patience": "2", "lr": "0.5", "augment": "false"}
    )
    trained = Fastai().train(_data(drawn, 4), options, run)
    assert len(epochs) < 200
    assert any("no better validation loss" in line for line in said)
    losses = [e["valid_loss"] for e in epochs]
    assert trained.notes["best_epoch"] == min(range(len(losses)), key=losses.__getitem__)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(2, 9))
def test_batches_show_every_picture_once(count, size):
    """Validation shows all in order; training all in another order, but for a rest of one."""
    block = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1).repeat(3, axis=3)
    labels = list(range(count))
    for shuffle in (False, True):
        batches = Batches(block, labels, size, torch.device("cpu"), shuffle=shuffle)
        shown = list(batches)
        pairs = [pair for images, numbers in shown for pair in zip(images, numbers, strict=True)]
        seen = [(round(float(image[0, 0, 0]) * 255), int(number)) for image, number in pairs]
        assert len(batches) == len(shown)
        assert all(pixel == label for pixel, label in seen)
        if shuffle:
            assert len(set(seen)) == len(seen) >= count - 1
            assert all(len(numbers) > 1 for _, numbers in shown)
        else:
            assert [n for _, n in seen] == labels


def test_the_cache_on_disk_holds_the_same(drawn, tmp_path):
    """Past the limit pictures are mapped from a file, pixel for pixel the same."""
    rule = InputRule(width=64, height=64)
    some = drawn[:20]
    in_memory = decoded(some, rule, megabytes=100, scratch=tmp_path / "x")
    on_disk = decoded(some, rule, megabytes=0, scratch=tmp_path / "y")
    assert isinstance(on_disk, np.memmap)
    assert not (tmp_path / "x").exists()
    assert np.array_equal(in_memory, on_disk)


def test_looking_at_the_plugin_imports_nothing_heavy():
    """Loading the trainer, its options and its doctor's word costs no torch."""
    code = (
        "import sys; from byod import trainers\n"
        "t = trainers.load('fastai'); t.doctor(); trainers.options(t, {'epochs': '2'})\n"
        "print([m for m in ('torch', 'torchvision', 'fastai', 'timm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_doctor_names_a_mismatch(monkeypatch):
    """A torchvision made for another torch, and a missing package, are a line each."""
    import byod_fastai

    versions = {"torch": "2.7.0", "torchvision": "0.21.0", "fastai": None}
    monkeypatch.setattr(byod_fastai, "_version", lambda name: versions.get(name, "1.0"))
    monkeypatch.setattr(byod_fastai, "requires", lambda name: ["numpy", "torch==2.6.0"])
    lines = Fastai().doctor()
    assert any("fastai is missing" in line for line in lines)
    assert any("built for torch 2.6.0" in line for line in lines)
    assert all("\n" not in line for line in lines)
