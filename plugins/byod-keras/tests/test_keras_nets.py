"""Nets, their weights, and the ONNX that byod-keras writes: the same numbers as Keras, layer by layer."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from byod_keras import Keras, Options
from byod_keras.architectures import ALL, APPLICATIONS, find
from byod_keras.backends import load, placed
from safetensors.numpy import load_file, save_file

from byod.schema.errors import TrainerError

keras = load()

from byod_keras import networks, onnx_export, weights  # noqa: E402 - they run on the backend just chosen
from byod_keras.batches import Batches, seen_anew  # noqa: E402
from byod_keras.one_cycle import OneCycle  # noqa: E402
from byod_keras.train import _start  # noqa: E402
from byod_keras.training_loop import logits_of  # noqa: E402
from byod_keras.weights import Start  # noqa: E402

pytestmark = pytest.mark.slow  # trainings, small as they are, add up

L = keras.layers
RANDOM = np.random.default_rng(0)


def _stirred(model):
    """Random numbers in every variable, positive where a variance needs it."""
    model.set_weights([np.abs(RANDOM.normal(0.3, 0.3, value.shape)) for value in model.get_weights()])
    return model


def _nudged(model):
    """Kernels as they are, and random numbers about the others: a deep net's logits stay finite."""
    values = model.get_weights()
    model.set_weights([v if v.ndim > 1 else np.abs(v + RANDOM.normal(0, 0.1, v.shape)) for v in values])
    return model


def _difference(model, file):
    """How far the written file is from the net, relative to its largest logit."""
    _, height, width, channels = model.inputs[0].shape
    images = RANDOM.random((3, channels, height, width), np.float32)
    expected = logits_of(model, images.transpose(0, 2, 3, 1))
    found = onnxruntime.InferenceSession(onnx_export.write(model, file).read_bytes()).run(
        None, {"image": images}
    )[0]
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / max(1, np.abs(expected).max())


def _two(join):
    return lambda x: join([L.Conv2D(4, 1)(x), L.Conv2D(4, 3, padding="same")(x)])


LAYERS = {
    "strided": L.Conv2D(4, 3, strides=2, padding="same"),
    "even kernel": L.Conv2D(4, (4, 2), padding="same"),
    "dilated groups": L.Conv2D(6, 3, dilation_rate=2, groups=3, padding="same", use_bias=False),
    "depthwise": L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same", activation="relu6"),
    "separable": L.SeparableConv2D(5, 3, depth_multiplier=2, activation="silu"),
    "max pool": L.MaxPooling2D(3, 2, padding="same"),
    "average pool": L.AveragePooling2D(3, 1, padding="same"),
    "global max": L.GlobalMaxPooling2D(keepdims=True),
    "batch norm": L.BatchNormalization(),
    "bare batch norm": L.BatchNormalization(center=False, scale=False),
    "layer norm": L.LayerNormalization(),
    "normalization": L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 2.0]),
    "inverse normalization": L.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 2.0], invert=True),
    "rescaling": L.Rescaling([1.0, 2.0, 3.0], offset=-0.5),
    "padding": L.ZeroPadding2D(((1, 2), (3, 0))),
    "cropping": L.Cropping2D(((1, 2), (3, 0))),
    "dense on pictures": L.Dense(5, activation="gelu"),
    "reshape": L.Reshape((6, 9, 6)),
    "leaky": L.LeakyReLU(0.2),
    "bounded": L.ReLU(max_value=0.5, negative_slope=0.1),
    "elu": L.ELU(0.7),
    "asleep": L.Dropout(0.5),
    "add": _two(L.Add()),
    "subtract": _two(L.Subtract()),
    "multiply": _two(L.Multiply()),
    "average": _two(L.Average()),
    "maximum": _two(L.Maximum()),
    "minimum": _two(L.Minimum()),
    "concatenate": _two(L.Concatenate()),
    "arithmetic": lambda x: (x + 3.0) * (1.0 / 6.0) - 0.5,
    "squeeze and excite": lambda x: L.Multiply()(
        [x, L.Dense(3, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))]
    ),
    "sequential": keras.Sequential([L.Conv2D(4, 3), L.ReLU()]),
    **{name: L.Conv2D(4, 3, activation=name) for name in ("elu", "selu", "softmax", "hard_silu", "softsign")},
}


@pytest.mark.parametrize("kind", LAYERS)
def test_each_layer_is_written_as_keras_computes_it(kind, tmp_path):
    """A net around one layer, on pictures that are not square, gives the same logits in onnxruntime."""
    image = keras.Input((12, 9, 3))
    logits = L.Dense(3)(L.Flatten()(LAYERS[kind](image)))
    assert _difference(_stirred(keras.Model(image, logits)), tmp_path / "net.onnx") < 1e-5


def test_a_layer_that_cannot_be_written_is_named(tmp_path):
    """One line says which layer it is, and what to do."""
    image = keras.Input((8, 8, 3))
    logits = L.Dense(2)(L.Flatten()(L.UpSampling2D(name="bigger")(image)))
    with pytest.raises(TrainerError, match=r"'bigger' \(UpSampling2D\).*another architecture"):
        onnx_export.write(keras.Model(image, logits), tmp_path / "net.onnx")


def _net(name, size, tmp_path, **start):
    built = networks.net(Start(name, **start), size, 3)
    assert _difference(_nudged(built.model), tmp_path / "net.onnx") < 1e-4
    return built


@pytest.mark.parametrize(("name", "size"), [("small", 64), ("lenet", 32), ("squeezenet1_1", 64)])
def test_own_nets_are_as_large_as_the_table_says(name, size, tmp_path):
    """Each builds, its export agrees, and its parameters with a thousand classes are those of the table."""
    _net(name, size, tmp_path)
    whole = networks.net(Start(name), size, 1000).model.count_params() / 1e6
    assert find(name).parameters == pytest.approx(whole, abs=0.006)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV2",
        "EfficientNetB0",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("MobileNetV3Small", "ResNet50", "EfficientNetV2S", "ConvNeXtTiny", "InceptionV3")
        ),
    ],
)
def test_keras_own_nets_are_exported_faithfully(name, tmp_path):
    """Each family with layers of its own: the export agrees, and body and classifier are as large as the table says."""
    size = 75 if name == "InceptionV3" else 64
    built = _net(name, size, tmp_path)
    features = built.body.output_shape[-1]
    whole = (built.body.count_params() + features * 1000 + 1000) / 1e6
    # MobileNet v3 has one more layer before its classifier
    assert find(name).parameters == pytest.approx(whole + 1.03 * (name == "MobileNetV3Small"), abs=0.006)


@pytest.mark.parametrize("scaling", ["signed", "255", "imagenet", "caffe"])
def test_normalisation_is_a_part_of_the_net(scaling, tmp_path):
    """What each family's weights expect is computed from RGB 0..1 inside the graph, as Keras's own function does it."""
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, L.Reshape((48,))(networks._normalised(image, scaling)))
    assert _difference(model, tmp_path / "net.onnx") < 1e-6
    pictures = RANDOM.random((2, 4, 4, 3), np.float32)
    modes = {"signed": "tf", "imagenet": "torch", "caffe": "caffe"}
    expected = pictures * 255
    if scaling in modes:
        expected = keras.src.applications.imagenet_utils.preprocess_input(
            pictures * 255, data_format="channels_last", mode=modes[scaling]
        )
    assert np.abs(logits_of(model, pictures) - expected.reshape(2, 48)).max() < 1e-3


def test_the_table_names_nets_that_exist():
    """Every name of the table is one of keras.applications, and every net there is in the table."""
    there = {
        n for n in dir(keras.applications) if n[0].isupper() and callable(getattr(keras.applications, n))
    }
    assert {each.name for each in ALL if each.source == APPLICATIONS} == there
    assert "scaling" not in Keras.architectures()[0].model_dump()


def test_names_are_found_however_they_are_written():
    """Case, hyphens and underscores do not matter; a typing error gets suggestions."""
    assert find("mobilenet_v2").name == "MobileNetV2"
    assert find("efficientnet-b0").name == "EfficientNetB0"
    with pytest.raises(TrainerError, match=r"similar: .*MobileNetV2"):
        find("mobilnetv2")


def test_a_net_that_cannot_take_this_size_is_said():
    """Keras's own limit, in one line."""
    with pytest.raises(TrainerError, match="Xception at 40 px") as caught:
        networks.net(Start("Xception"), 40, 2)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def torchvision_like(tmp_path_factory):
    """Tensors as torchvision names and orders them for squeezenet1_1, with random numbers."""
    body = networks.net(Start("squeezenet1_1", normalise="none"), 64, 2).body
    state = {"classifier.1.weight": np.zeros((1000, 512, 1, 1), np.float32)}
    for name, variable in weights._named(body):
        layer, kind = name.split("/")
        values = RANDOM.normal(0, 0.1, variable.shape).astype(np.float32)
        turned = values.transpose(3, 2, 0, 1) if kind == "kernel" else values
        state[f"{layer.replace('_', '.')}.{'weight' if kind == 'kernel' else kind}"] = np.ascontiguousarray(
            turned
        )
    file = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(state, file)
    return file


@pytest.mark.slow
def test_torchvisions_tensors_are_the_same_net(torchvision_like):
    """With torchvision's tensors the body gives what torchvision's body gives."""
    torch = pytest.importorskip("torch")
    vision = pytest.importorskip("torchvision")
    built = networks.net(Start("squeezenet1_1", file=torchvision_like, normalise="none"), 65, 2)
    twin = vision.models.squeezenet1_1(weights=None).eval()
    state = {
        k: torch.from_numpy(v) for k, v in load_file(torchvision_like).items() if k.startswith("features")
    }
    twin.features.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    for size in (64, 65, 67, 96, 128):
        body = networks.net(Start("squeezenet1_1", file=torchvision_like, normalise="none"), size, 2).body
        images = RANDOM.random((2, 3, size, size), np.float32)
        with torch.no_grad():
            expected = twin.features(torch.from_numpy(images)).numpy()
        found = logits_of(body, images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        assert found.shape == expected.shape, size
        assert np.abs(found - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    assert built.pretrained == "squeezenet.safetensors"


def _line(**options):
    with pytest.raises(TrainerError) as caught:
        networks.net(_start(Options(**options)), 64, 2)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_without_a_word_on_their_input_are_refused(torchvision_like, tmp_path):
    """Whether RGB is normalised is not guessed; a sidecar or the option says it."""
    assert "normalise=imagenet" in _line(arch="squeezenet1_1", weights=torchvision_like)
    assert "--from-scratch" in _line(arch="squeezenet1_1")
    file = tmp_path / "w.safetensors"
    file.write_bytes(torchvision_like.read_bytes())
    (tmp_path / "w.safetensors.json").write_text('{"arch": "squeezenet1_1", "normalise": "none"}')
    assert _start(Options(weights=file)) == Start("squeezenet1_1", False, file, "none")


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(torchvision_like, tmp_path, odd):
    """A damaged tensor is named before anything is learned from it."""
    tensors = load_file(torchvision_like)
    tensors["features.0.weight"].flat[3] = odd
    file = tmp_path / "w.safetensors"
    save_file(tensors, file)
    line = _line(arch="squeezenet1_1", weights=file, normalise="none")
    assert "w.safetensors holds numbers that are none (NaN or infinite, first in features_0/kernel)" in line


@pytest.mark.parametrize(
    "sidecar",
    ["{", "[]", '{"arch": 3}', '{"arch": "squeezenet1_1", "normalise": "always"}', '{"arch": "nosuch"}'],
)
def test_a_sidecar_that_says_nothing_useful_is_refused(torchvision_like, tmp_path, sidecar):
    """A sidecar is checked like anything else that comes from a file."""
    file = tmp_path / "w.safetensors"
    file.write_bytes(torchvision_like.read_bytes())
    (tmp_path / "w.safetensors.json").write_text(sidecar)
    assert "w.safetensors.json" in _line(weights=file) or "nosuch" in _line(weights=file)


def test_weights_of_another_net_are_named(torchvision_like):
    """The line says how much is wrong, and that --arch names the architecture."""
    line = _line(arch="small", weights=torchvision_like)
    assert "does not fit small" in line
    assert "--arch" in line


class _Payload:
    def __reduce__(self):
        return (Path.touch, (Path(__file__).with_name("executed"),))


@pytest.mark.parametrize("name", ["w.pth", "w.pkl", "w.keras", "w.safetensors", "w.h5", "w.weights.h5"])
@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps(_Payload())])
def test_a_file_that_holds_no_weights_is_said_and_never_executed(tmp_path, name, content):
    """Whatever it is instead, one line, and nothing has run."""
    (tmp_path / name).write_bytes(content)
    assert name in _line(arch="small", weights=tmp_path / name)
    assert not Path(__file__).with_name("executed").exists()


def test_a_missing_file_is_said(tmp_path):
    """The line names the file."""
    assert "nowhere.h5" in _line(arch="small", weights=tmp_path / "nowhere.h5")


def test_keras_own_files_are_read(tmp_path):
    """A .weights.h5 of the same net is taken; one of another net, or of a part of it, is refused."""
    body = _stirred(networks.net(Start("small"), 64, 2).body)
    body.save_weights(tmp_path / "small.weights.h5")
    found = networks.net(Start("small", file=tmp_path / "small.weights.h5"), 64, 2).body
    assert all(np.array_equal(a, b) for a, b in zip(body.get_weights(), found.get_weights(), strict=True))
    assert "does not fit lenet" in _line(arch="lenet", weights=tmp_path / "small.weights.h5")
    body.save(
        tmp_path / "older.h5"
    )  # tensors by the order of layers, as in the files that Keras offers for download
    found = networks.net(Start("small", file=tmp_path / "older.h5"), 64, 2).body
    assert all(np.array_equal(a, b) for a, b in zip(body.get_weights(), found.get_weights(), strict=True))
    assert "does not fit squeezenet1_1" in _line(
        arch="squeezenet1_1", weights=tmp_path / "older.h5", normalise="none"
    )
    part = keras.Model(body.inputs, body.get_layer("f64_in_relu").output)
    part.save_weights(tmp_path / "part.weights.h5")
    assert "does not fit small" in _line(arch="small", weights=tmp_path / "part.weights.h5")


UNREACHABLE = """
from byod.schema.errors import TrainerError
from byod_keras import Options
from byod_keras.networks import net
from byod_keras.train import _start
try:
    net(_start(Options(arch="MobileNetV2")), 96, 2)
except TrainerError as error:
    print(error)
"""


@pytest.mark.long
def test_unreachable_weights_name_the_ways_out(tmp_path):
    """Without the network the line says --weights FILE and --from-scratch."""
    environment = os.environ | {"KERAS_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, check=True, env=environment
    )
    line = done.stdout.splitlines()[-1]
    assert "MobileNetV2" in line
    assert "--weights FILE" in line
    assert "--from-scratch" in line


class _Pictures:
    """Pixels as byod gives them, from memory."""

    def __init__(self, count, size=12):
        self.array = RANDOM.integers(0, 256, (count, size, size, 3), np.uint8)

    def rows(self, numbers):
        return self.array[np.asarray(numbers)]


def test_batches_depend_on_seed_epoch_and_step_alone():
    """The same step is the same whenever it is asked for; another epoch sees other pictures, in another order."""
    batches = Batches(_Pictures(10), [0, 1] * 5, 8, 4, seed=1, smallest=0.7)
    batches.set_epoch(3)
    first = [batches[at] for at in range(len(batches))]
    batches.set_epoch(4)
    other = batches[0]
    batches.set_epoch(3)
    assert all(
        np.array_equal(a, b) for at, some in enumerate(first) for a, b in zip(batches[at], some, strict=True)
    )
    assert not np.array_equal(first[0][0], other[0])
    assert {some[0].shape for some in first} == {(4, 8, 8, 3)}
    assert first[0][0].dtype == np.float32
    assert first[0][0].min() >= 0
    assert first[0][0].max() <= 1


def test_an_epoch_shows_every_picture():
    """The last batch is filled up with the first pictures, so that all are shown and all batches are of one size."""
    batches = Batches(_Pictures(10), list(range(10)), 12, 4, seed=0, smallest=None)
    shown = np.concatenate([batches[at][1] for at in range(len(batches))])
    assert set(shown) == set(range(10))
    assert len(shown) == 12


def test_rare_classes_count_as_much_as_frequent_ones():
    """With 9 pictures of one class and 3 of another, both weigh 6 in all; even classes weigh 1 each."""
    uneven = Batches(_Pictures(12), [0] * 9 + [1] * 3, 12, 12, seed=0, smallest=None)
    _, labels, share = uneven[0]
    assert share[labels == 0].sum() == pytest.approx(6)
    assert share[labels == 1].sum() == pytest.approx(6)
    even = Batches(_Pictures(12), [0] * 7 + [1] * 5, 12, 12, seed=0, smallest=None)
    assert set(even[0][2]) == {1.0}


def test_augmentation_keeps_what_the_picture_shows():
    """A picture that is white on the left and black on the right stays so, or is mirrored; its mean stays near."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = 255
    seen = [seen_anew(image, 32, 0.7, np.random.default_rng(seed)).astype(float) for seed in range(40)]
    assert all(each.shape == (32, 32, 3) for each in seen)
    left = np.array([each[12:20, :8].mean() > each[12:20, -8:].mean() for each in seen])
    assert 8 < left.sum() < 32
    assert all(60 < each.mean() < 200 for each in seen)


def test_the_rate_rises_and_falls():
    """It begins at a twenty-fifth, reaches the highest after a quarter, and ends at nearly nothing."""
    cycle = OneCycle(0.01, 101)
    rates = [float(keras.ops.convert_to_numpy(cycle(step))) for step in range(101)]
    assert rates[0] == pytest.approx(0.0004)
    assert max(rates) == pytest.approx(0.01) == rates[25]
    assert rates[-1] == pytest.approx(1e-6, rel=1e-2)
    assert json.loads(json.dumps(cycle.get_config())) == {"highest": 0.01, "steps": 101}


def test_computing_in_halves_leaves_the_weights_whole():
    """As on a GPU: layers compute in bfloat16, while logits and weights are float32, and a step changes them."""
    with placed("cpu", half=True):
        built = networks.net(Start("small"), 32, 2)
        assert {layer.compute_dtype for layer in built.body.layers[1:]} == {"bfloat16"}
        before = built.model.get_weights()
        built.model.compile(
            optimizer=keras.optimizers.AdamW(OneCycle(0.01, 4)),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        images = RANDOM.random((4, 32, 32, 3), np.float32)
        assert np.isfinite(built.model.train_on_batch(images, np.array([0, 1, 0, 1])))
        assert logits_of(built.model, images).dtype == np.float32
    after = built.model.get_weights()
    assert {value.dtype for value in after} == {np.dtype(np.float32)}
    assert not np.array_equal(before[0], after[0])
    assert keras.config.dtype_policy().name == "float32"


def test_a_net_is_made_on_the_device_asked_for():
    """Everything made inside lies there, a second net has the names of the first, and outside nothing has changed."""
    with placed("cpu"):
        first = [layer.name for layer in networks.net(Start("small"), 32, 2).body.layers]
        if keras.config.backend() == "torch":
            assert keras.src.backend.torch.core.get_device() == "cpu"
    with placed("cpu"):
        assert [layer.name for layer in networks.net(Start("small"), 32, 2).body.layers] == first
