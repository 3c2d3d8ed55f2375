"""Pictures unlike those that a classifier learned from: how they are told, inside the graph as beside it."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from byod.schema.errors import ModelError, TrainerError
from byod.schema.model_card import InputRule, Prediction
from byod.schema.model_graph import TypicalityKind
from byod.tasks.classify import predict
from byod.training import finished_model, onnx_model, typicality

RANDOM = np.random.default_rng(3)
SIDE = 8
RULE = InputRule(width=SIDE, height=SIDE)


def trained(folder, width, opset=17, outputs=("logits", "features"), ends=2):
    """A file as a trainer exports it: features are products of the pixels, logits those of the features."""
    weights = {
        "w": RANDOM.normal(size=(3 * SIDE * SIDE, width)).astype(np.float32) / SIDE,
        "v": RANDOM.normal(size=(width, ends)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["features"]),
        helper.make_node("MatMul", ["features", "v"], ["logits"]),
    ]
    widths = {"logits": ends, "features": width, "flat": 3 * SIDE * SIDE}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [info(name, TensorProto.FLOAT, ["n", widths[name]]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    file = folder / "trained.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(file))
    return file, weights


def pictures(count, shift=0.0):
    return (RANDOM.random((count, 3, SIDE, SIDE)) * 0.5 + shift).astype(np.float32)


def features_of(weights, images):
    return images.reshape(len(images), -1) @ weights["w"]


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize("width", [5, 300])
def test_the_graph_says_the_distance_that_python_says(width, opset, tmp_path):
    """With more features than pictures and with fewer, in every opset; what was there before stays as it was."""
    file, weights = trained(tmp_path, width, opset)
    images, labels = pictures(60), np.arange(60) % 2
    images[labels == 1, 0] += 0.4
    like = typicality.likeness(features_of(weights, images), labels)
    finished_model.finish(file, tmp_path / "made.onnx", temperature=2.0, metadata={}, likeness=like)
    opened = onnx_model.session((tmp_path / "made.onnx").read_bytes(), threads=1)
    onnx_model.check(opened, RULE, "probabilities", 2)
    assert [port.name for port in opened.outputs] == ["probabilities", "features", "typicality"]
    asked = np.concatenate([images[:7], pictures(5, 0.5)])
    said = onnx_model.outputs(opened, asked)
    expected = like.typicality(features_of(weights, asked))
    assert said["typicality"] == pytest.approx(expected, rel=1e-3)
    assert said["features"] == pytest.approx(features_of(weights, asked), abs=1e-4)
    logits = features_of(weights, asked) @ weights["v"] / 2
    assert np.log(said["probabilities"][:, 1] / said["probabilities"][:, 0]) == pytest.approx(
        logits[:, 1] - logits[:, 0], abs=1e-2
    )


def test_the_distance_is_the_textbooks():
    """With many pictures and few features it is Mahalanobis' distance to the nearest class mean."""
    labels = np.arange(4000) % 2
    mixing = np.eye(4) + np.diag([0.6, -0.5, 0.4], 1)
    features = (RANDOM.normal(size=(4000, 4)) @ mixing + 9.0 * labels[:, None]).astype(np.float32)
    means = np.stack([features[labels == label].mean(axis=0) for label in (0, 1)]).astype(np.float64)
    around = features - means[labels]
    inverse = np.linalg.inv(around.T @ around / len(around))
    asked = features[:50] + 3
    apart = asked[:, None] - means[None]
    expected = -np.sqrt(np.einsum("ncd,de,nce->nc", apart, inverse, apart).min(axis=1))
    assert typicality.likeness(features, labels).typicality(asked) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("count", [4, 30])
def test_few_pictures_suffice(count):
    """Four pictures, or fewer than features: what lies far away is further than they are, and all are numbers."""
    labels = np.arange(count) % 2
    features = (RANDOM.normal(size=(count, 500)) + 5 * labels[:, None]).astype(np.float32)
    like = typicality.likeness(features, labels)
    near, far = (RANDOM.normal(size=(20, 500)).astype(np.float32) + shift for shift in (0, 20))
    assert np.isfinite(like.typicality(near)).all()
    assert like.typicality(far).max() < like.typicality(near).min()


@pytest.mark.parametrize("kind", ["constant", "not a number"])
def test_features_that_say_nothing_are_left_alone(kind):
    """Features that do not vary, or are no numbers, give no distance: the energy of the logits is taken."""
    features = np.full((20, 6), 0.5 if kind == "constant" else np.nan, np.float32)
    assert typicality.likeness(features, np.arange(20) % 2) is None


def test_a_feature_that_never_varied_does_not_blow_up():
    """One that was 0 in all pictures learned from and is not later counts, and drowns nothing else."""
    labels = np.arange(100) % 2
    features = RANDOM.normal(size=(100, 8)).astype(np.float32)
    features[:, 0] = 0
    like = typicality.likeness(features, labels)
    one = features[:1].copy()
    one[:, 0] = 1
    assert like.typicality(features[:1]) - 30 < like.typicality(one) < like.typicality(features[:1])


def test_without_features_it_is_the_energy_of_the_logits(tmp_path):
    """Minus the free energy of the raw logits, for many classes, and the file gives nothing else besides."""
    file, weights = trained(tmp_path, 20, outputs=("logits",), ends=7)
    finished_model.finish(file, tmp_path / "made.onnx", temperature=3.0, metadata={})
    session = onnxruntime.InferenceSession((tmp_path / "made.onnx").read_bytes())
    images = pictures(9)
    probabilities, like = session.run(None, {"image": images})
    logits = features_of(weights, images) @ weights["v"]
    assert like == pytest.approx(np.log(np.exp(logits).sum(axis=1)), abs=1e-4)
    assert typicality.energy(logits) == pytest.approx(like, abs=1e-4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-5)


def test_outputs_of_other_names_are_refused(tmp_path):
    """What a trainer or a stranger adds under another name, or in another order, is one line."""
    file, _ = trained(tmp_path, 6, outputs=("logits", "flat"))
    with pytest.raises(TrainerError, match="may have `features` after it"):
        finished_model.finish(file, tmp_path / "made.onnx", temperature=1.0, metadata={})
    for outputs in (("logits", "flat"), ("logits", "features", "flat"), ("features", "logits")):
        file, _ = trained(tmp_path, 6, outputs=outputs)
        with pytest.raises(ModelError, match=r"the model (must|may) give"):
            onnx_model.check(onnx_model.session(file.read_bytes(), trained=True), RULE, "logits", 2)


@pytest.mark.parametrize("count", [20, 63, 400, 5000])
def test_the_threshold_costs_one_in_twenty(count):
    """Of as many new pictures at most 5 % lie below it on the mean, and with many hardly fewer."""
    chance, alarms = np.random.default_rng(count), []
    for _ in range(40 if count > 1000 else 400):
        found = typicality.measured(chance.normal(size=count), 12)
        alarms.append((chance.normal(size=2000) < found.threshold).mean())
    assert np.mean(alarms) <= 0.052
    assert np.mean(alarms) >= 0.05 * (0.97 - 18 / count)
    assert (found.kind, found.pictures, found.features) == (TypicalityKind.MAHALANOBIS, count, 12)


def test_with_a_handful_of_validation_pictures_it_is_careful():
    """With five pictures there is no twentieth: the spread of them says where the edge is."""
    alarms = []
    for _ in range(2000):
        found = typicality.measured(RANDOM.normal(size=5), None)
        alarms.append((RANDOM.normal(size=200) < found.threshold).mean())
    assert np.mean(alarms) < 0.1
    assert found.kind is TypicalityKind.ENERGY
    assert typicality.measured(np.array([-3.0]), 4).threshold < -3


def test_of_very_many_pictures_each_class_gives_some():
    """No more than a few thousand pictures are asked, and a rare class is among them."""
    labels = np.array([0] * 30_000 + [1] * 5)
    some = typicality.chosen(labels)
    assert len(some) <= typicality.MOST_PICTURES + 2
    assert set(labels[some]) == {0, 1}
    assert np.array_equal(typicality.chosen(labels[:100]), np.arange(100))


def test_the_table_has_a_column_only_where_a_model_says_it():
    """`byod predict` shows how typical a picture is and says "none of these"; a model without it has four columns."""
    plain = Prediction(path="a.jpg", label="a", probability=0.9, probabilities={"a": 0.9, "b": 0.1})
    head, rows = predict.table([plain])
    assert head == ("picture", "class", "probability", "")
    told = [plain.model_copy(update={"typicality": -t, "none_of_these": t > 30}) for t in (20.04, 41.2)]
    head, rows = predict.table(told)
    assert head[-1] == "typicality"
    assert [row[-1] for row in rows] == ["-20.0", "-41.2: none of these"]
