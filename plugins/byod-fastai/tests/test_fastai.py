"""The fastai trainer through byod's own road: it learns, exports faithfully, and says in one line what it cannot do."""

import json
import subprocess
import sys

import direct_training as training
import numpy as np
import pytest
import torch
import torchvision
from byod_fastai import Fastai, Options
from byod_fastai.augmentation import Augment
from byod_fastai.schedule import Plan
from PIL import Image
from safetensors import safe_open

from byod.schema.errors import TrainerError, UsageError
from byod.schema.records import Example, Split
from byod.tasks.classify.predict import Predictor
from byod.testing import draw_classes
from byod.training import protocol
from byod.training.protocol import Run, TrainingData

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

TINY = {"arch": "lenet", "size": "32", "from_scratch": "true", "lr": "0.001"}


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


def _data(examples, per_class=8, circles=None):
    """Training and validation pictures; `circles` of one class to train on, if fewer than of the other."""
    some = {
        label: [e for e in examples if e.label == label][: per_class * 2] for label in ("circle", "square")
    }
    train = tuple(e for part in some.values() for e in part[:per_class])
    if circles is not None:
        train = (*train[:circles], *train[per_class:])
    valid = tuple(e for part in some.values() for e in part[per_class:])
    return TrainingData(classes=("circle", "square"), train=train, valid=valid)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A state dict as torchvision saves it, with random numbers in it, and its sidecar."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    file.with_name("own.pth.json").write_text(json.dumps({"arch": "squeezenet1_1", "normalise": "none"}))
    return file


def _train(data, folder, options, **run):
    epochs, said = [], []
    given = Run(folder=folder, device="cpu", log=epochs.append, say=said.append, **run)
    trained = Fastai().train(data, protocol.options(Fastai(), options), given)
    return trained, epochs, said


@pytest.mark.slow
def test_it_learns_drawn_classes_from_scratch(drawn, tmp_path):
    """A small net from random weights tells circles from squares, through the whole road to a run folder."""
    said, epochs = [], []
    card = training.train(
        drawn,
        ("circle", "square"),
        protocol.load("fastai"),
        {"arch": "lenet", "size": "32", "epochs": "8", "from_scratch": "true"},
        folder=tmp_path / "run",
        device="cpu",
        say=said.append,
        log=epochs.append,
    )
    assert card.metrics.accuracy >= 0.85
    assert card.parity < 1e-4
    assert card.arch == "lenet"
    assert card.pretrained == "scratch"
    assert card.lr_finder is not None
    assert card.notes["lr"] == card.lr_finder.used
    assert [e["epoch"] for e in epochs] == list(range(8))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert any("on cpu" in line for line in said)
    assert any("learning-rate finder" in line for line in said)
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
    card = training.train(
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
        options = {"arch": "squeezenet1_1", "size": "64", "from_scratch": "true", "epochs": "1"}
        return _train(_data(drawn), tmp_path / name, options, seed=seed)[0].logits(images)

    first, again, other = outcome("a", 1), outcome("b", 1), outcome("c", 2)
    assert np.abs(first - again).max() < 1e-5
    assert np.abs(first - other).max() > 1e-3


def test_the_head_learns_before_the_body(drawn, weights, tmp_path):
    """Of pretrained weights only the head changes in the frozen epochs; then everything, the first layers least."""
    options = {"weights": str(weights), "size": "64", "augment": "false", "batch_size": "4"}
    kept = {}
    for name, epochs in (("frozen", {"epochs": "1", "frozen_epochs": "1"}), ("whole", {"epochs": "3"})):
        log = []
        stop = (lambda seen=log: len(seen) >= 1) if name == "frozen" else lambda: False
        run = Run(folder=tmp_path / name, device="cpu", log=log.append, should_stop=stop)
        trained = Fastai().train(_data(drawn), protocol.options(Fastai(), options | epochs), run)
        kept[name] = protocol.checkpoint(tmp_path / name).tensors
        with safe_open(trained.weights, framework="numpy") as opened:
            words = opened.metadata()
        assert words["arch"] == "squeezenet1_1"
        assert words["classes"].split("\n") == ["circle", "square"]
        assert len(log) == (1 if name == "frozen" else 4)
    before = torch.load(weights, weights_only=True)
    first, last = "features.0.weight", "features.12.expand3x3.weight"

    def change(name, key):
        was = before[key].numpy()
        return np.linalg.norm(kept[name][f"weights.1.{key}"] - was) / np.linalg.norm(was)

    assert change("frozen", first) == 0
    assert change("frozen", last) == 0
    assert 0 < change("whole", first) < change("whole", last)


def test_the_kept_weights_are_those_that_were_exported(drawn, tmp_path):
    """The .safetensors file, put into the same net, gives the logits of the trained model."""
    from byod_torch.networks import net

    trained, _, _ = _train(_data(drawn), tmp_path, {**TINY, "epochs": "2"})
    built = net(Options(arch="lenet", from_scratch=True), 2).model.eval()
    with safe_open(trained.weights, framework="pt") as opened:
        built.load_state_dict({key: opened.get_tensor(key) for key in opened.keys()})  # noqa: SIM118
    images = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    with torch.no_grad():
        again = built(torch.from_numpy(images)).numpy()
    assert np.abs(again - trained.logits(images)).max() < 1e-6


@pytest.mark.parametrize("start", ["scratch", "weights"])
def test_the_finder_searches_without_leaving_a_trace(drawn, weights, tmp_path, start):
    """The suggestion is a tenth of the rate with the lowest loss, the one used is sane, the training as if given it."""
    own = {"weights": str(weights)} if start == "weights" else {"from_scratch": "true", "arch": "lenet"}
    options = own | {"size": "64", "epochs": "1"}
    trained, epochs, said = _train(_data(drawn), tmp_path / "found", options)
    found = trained.lr_finder
    assert list(found.rates) == sorted(set(found.rates))
    assert 5 <= len(found.rates) == len(found.losses) <= 100
    assert found.suggested == found.rates[int(np.argmin(found.losses))] / 10
    assert 4e-4 <= found.used <= 5e-3
    assert trained.notes["lr"] == found.used
    assert sum("learning-rate finder" in line for line in said) == 1
    given, others, _ = _train(_data(drawn), tmp_path / "given", options | {"lr": str(found.used)})
    assert given.lr_finder is None
    assert [e["valid_loss"] for e in others] == [e["valid_loss"] for e in epochs]
    assert not list((tmp_path / "found").rglob("*.pth"))


def test_every_epoch_is_logged_with_all_its_numbers(drawn, tmp_path):
    """Losses, accuracies of both parts, the rate and the seconds; plain finite numbers, epochs from 0."""
    _, epochs, _ = _train(_data(drawn), tmp_path, {**TINY, "epochs": "3", "batch_size": "4"})
    names = {"epoch", "train_loss", "valid_loss", "accuracy", "train_accuracy", "lr", "seconds"}
    assert [e["epoch"] for e in epochs] == [0, 1, 2]
    for epoch in epochs:
        assert set(epoch) == names
        assert all(type(value) in (int, float) and np.isfinite(value) for value in epoch.values())
        assert 0 <= epoch["accuracy"] <= 1
        assert 0 <= epoch["train_accuracy"] <= 1
    assert epochs[-1]["lr"] < epochs[0]["lr"]


def test_an_imbalanced_set_is_weighted_and_said(drawn, tmp_path):
    """A class with a quarter of the pictures counts like the other, unless unwanted; a balanced set is left alone."""
    uneven = _data(drawn, circles=2)
    weighed, first, said = _train(uneven, tmp_path / "a", {**TINY, "epochs": "1"})
    plain, second, silent = _train(uneven, tmp_path / "b", {**TINY, "epochs": "1", "class_weights": "false"})
    assert [line for line in said if "circle 2" in line]
    assert not [line for line in silent if "circle 2" in line]
    assert weighed.notes["class_weights"] == [2.5, 0.625]
    assert "class_weights" not in plain.notes
    assert first[0]["train_loss"] != second[0]["train_loss"]
    even, _, said = _train(_data(drawn), tmp_path / "c", {**TINY, "epochs": "1"})
    assert "class_weights" not in even.notes
    assert not [line for line in said if "weighs" in line]


@pytest.mark.parametrize(
    "option",
    ["mixup=0.4", "label_smoothing=0.1", "ema=false", "freeze_norm=true", "augment=false", "min_scale=0.2"],
)
def test_options_of_the_recipe_change_the_training(drawn, tmp_path, option):
    """Each of them is really used: the same seed learns something else with it."""
    key, value = option.split("=")
    usual = {**TINY, "epochs": "2", "batch_size": "4"}
    if key == "freeze_norm":
        usual["arch"] = "test_resnet"
    _, without, _ = _train(_data(drawn), tmp_path / "a", usual)
    trained, epochs, _ = _train(_data(drawn), tmp_path / "b", usual | {key: value})
    assert epochs[1]["valid_loss"] != without[1]["valid_loss"]
    assert np.isfinite(epochs[0]["train_loss"])
    assert trained.onnx.is_file()


def test_a_high_rate_is_the_heads_alone():
    """Of the whole net the body begins at half the usual rate at most, and at half of a rate below it."""
    made = Plan(
        size=64,
        cached=96,
        smallest_crop=0.35,
        epochs=4,
        frozen_epochs=1,
        batch_size=8,
        body_rate=1.0,
        test_flips=False,
        ema=True,
        scratch=False,
        class_weights=None,
    )
    assert [(made.stages(rate)[1].lowest, made.stages(rate)[1].highest) for rate in (1e-3, 5e-3)] == [
        (5e-4, 5e-4),
        (1e-3, 2.5e-3),
    ]
    assert [stage.frozen for stage in made.stages(1e-3)] == [True, False]


def test_each_picture_of_a_batch_is_cropped_in_its_own_way():
    """The same picture eight times in a batch comes out as eight different parts of it, not as one part eight times."""
    torch.manual_seed(0)
    across = torch.linspace(0, 1, 96).expand(8, 3, 96, 96).contiguous()
    shown = Augment(64, 0.35).changed(across)
    assert shown.shape == (8, 3, 64, 64)
    spans = (shown[:, 0, 32, -1] - shown[:, 0, 32, 0]).abs().tolist()
    assert max(spans) - min(spans) > 0.1


def test_flips_at_the_end_make_mirror_images_equal(drawn, weights, tmp_path):
    """With test_flips a picture and its mirror image get the same logits, and the notes say so; else they differ."""
    images = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    mirrored = np.ascontiguousarray(images[..., ::-1])
    options = {"weights": str(weights), "size": "64", "epochs": "1", "lr": "0.001"}
    for flips in ("true", "false"):
        trained, _, _ = _train(_data(drawn), tmp_path / flips, options | {"test_flips": flips})
        apart = np.abs(trained.logits(images) - trained.logits(mirrored)).max()
        assert bool(apart < 1e-6) is (flips == "true")
        assert trained.notes.get("test_flips", False) is (flips == "true")


def test_mixup_blends_pictures_of_one_batch(drawn, tmp_path):
    """With MixUp the training loss of a net that knows the answers stays well above zero: no target is certain."""
    usual = {**TINY, "epochs": "12", "augment": "false", "ema": "false", "batch_size": "4"}
    _, plain, _ = _train(_data(drawn, 4), tmp_path / "a", usual)
    _, mixed, _ = _train(_data(drawn, 4), tmp_path / "b", usual | {"mixup": "10"})
    assert mixed[-1]["train_loss"] > plain[-1]["train_loss"] + 0.1


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
    trained, _, _ = _train(data, tmp_path / "run", {**TINY, "epochs": "1"})
    assert trained.onnx.is_file()


def test_a_picture_that_is_gone_is_named(drawn, tmp_path):
    """The line says which file cannot be opened."""
    data = _data(drawn)
    gone = data.train[0].model_copy(update={"path": tmp_path / "gone.jpg"})
    data = data.model_copy(update={"train": (gone, *data.train[1:])})
    with pytest.raises(TrainerError, match=r"gone\.jpg cannot be opened"):
        _train(data, tmp_path, TINY)


def test_a_fixed_input_is_kept(drawn, tmp_path):
    """A net that takes one size alone gets it, and another size is refused."""
    options = {"arch": "test_vit", "from_scratch": "true", "size": "64"}
    with pytest.raises(TrainerError, match="160 px"):
        _train(_data(drawn), tmp_path, options)


def test_options_that_exclude_each_other_are_refused():
    """From scratch and from a file at once makes no sense."""
    with pytest.raises(UsageError, match="exclude each other"):
        protocol.options(Fastai(), {"from_scratch": "true", "weights": "x.pth"})


def test_every_option_says_what_it_is():
    """What users read of an option is its description."""
    assert all(field.description for field in Options.model_fields.values())


def test_a_device_that_is_not_there_is_said(drawn, tmp_path):
    """The line names what there is."""
    with pytest.raises(TrainerError, match="cpu"):
        Fastai().train(_data(drawn), Options(from_scratch=True), Run(folder=tmp_path, device="tpu"))


def test_a_loss_that_is_no_number_is_said(drawn, weights, tmp_path):
    """It ends in one line that names the remedy, and not in a useless model; the finder before it comes through."""
    state = torch.load(weights, weights_only=True)
    torch.save({name: value * 1e30 for name, value in state.items()}, tmp_path / "huge.pth")
    options = {"arch": "squeezenet1_1", "weights": str(tmp_path / "huge.pth"), "normalise": "none"}
    with pytest.raises(TrainerError, match=r"--set lr="):
        _train(_data(drawn), tmp_path, {**options, "size": "64"})


def test_stopping_from_outside_ends_after_the_epoch(drawn, weights, tmp_path):
    """When the host says stop, no other epoch or stage begins, and the model so far is exported."""
    for name, start, after in (
        ("a", TINY, 2),
        ("b", {"weights": str(weights), "size": "64", "lr": "0.001"}, 1),
    ):
        epochs = []
        run = Run(
            folder=tmp_path / name,
            device="cpu",
            log=epochs.append,
            should_stop=lambda seen=epochs, after=after: len(seen) >= after,
        )
        trained = Fastai().train(_data(drawn), protocol.options(Fastai(), {**start, "epochs": "50"}), run)
        assert len(epochs) == trained.notes["epochs"] == after


def test_early_stopping(drawn, tmp_path):
    """Without a better validation loss for `patience` epochs, training ends with weights of a good one."""
    options = {**TINY, "epochs": "200", "patience": "2", "lr": "0.5", "augment": "false"}
    trained, epochs, said = _train(_data(drawn, 4), tmp_path, options)
    assert len(epochs) < 200
    assert any("no better validation loss" in line for line in said)
    losses = [e["valid_loss"] for e in epochs]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    assert len(losses) - 1 - lowest == 2
    choice = protocol.checkpoint(tmp_path).facts["choice"]
    assert choice["lowest_epoch"] == lowest
    within = [n for n, loss in enumerate(losses) if loss <= losses[lowest] + choice["error"]]
    assert trained.notes["best_epoch"] == choice["kept_epoch"] == max(within)


@pytest.mark.parametrize(
    ("losses", "kept", "lowest"),
    [
        ([0.9, 0.5, 0.3], 2, 2),
        ([0.9, 0.3, 0.35, 0.39], 3, 1),
        ([0.9, 0.3, 0.45, 0.5], 1, 1),
        ([0.9, 0.3, 0.35, 0.2, 0.31, 0.4], 3, 3),
    ],
)
def test_the_latest_of_the_good_epochs_is_kept(losses, kept, lowest):
    """Good is what lies at most a standard error (here 0.1) above the lowest validation loss."""
    from byod_fastai.choice import Choice

    choice = Choice()
    taken = [choice.take(epoch, loss, 0.1) for epoch, loss in enumerate(losses)]
    assert max(n for n, yes in enumerate(taken) if yes) == choice.kept_epoch == kept
    assert choice.lowest_epoch == lowest


def test_looking_at_the_plugin_imports_nothing_heavy():
    """Loading the trainer, its options, its nets, its launcher and its doctor's word costs no torch."""
    code = (
        "import sys; from byod.training import protocol\n"
        "t = protocol.load('fastai'); t.doctor(); protocol.options(t, {'epochs': '2'})\n"
        "t.architectures(); t.launch(2, None)\n"
        "print([m for m in ('torch', 'torchvision', 'fastai', 'timm', 'accelerate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_doctor_names_what_is_missing(monkeypatch):
    """A package that only this trainer needs, and one that all of torch's trainers need, are a line each."""
    from byod_torch import environment_check

    monkeypatch.setattr(
        environment_check, "installed", lambda name: None if name in ("fastai", "timm") else "1.0"
    )
    lines = Fastai().doctor()
    assert any("fastai is missing" in line and "plugins/byod-fastai" in line for line in lines)
    assert any("timm is missing" in line for line in lines)
    assert all("\n" not in line for line in lines)


def test_a_loss_that_is_no_number_is_one_plain_line(drawn, tmp_path):
    """A rate that is far too high ends the training with byod's own words, and nothing of fastai's around them."""
    given = {**TINY, "lr": "10", "weight_decay": "1", "batch_size": "2", "epochs": "3"}
    with pytest.raises(
        TrainerError, match=r"^the loss is not a finite number any more; train with a lower rate"
    ):
        _train(_data(drawn), tmp_path, given)
