"""Nets by name and weights from files: what is asked for is built, and what cannot be is said in one line."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import torchvision
from byod_torch import Options, onnx_export
from byod_torch import weights as files
from byod_torch.architectures import TABLE, TIMM, TORCHVISION, resolve
from byod_torch.classics import CLASSICS, LeNet
from byod_torch.networks import accepts, groups, net, torchvision_net

from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule


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


@pytest.mark.parametrize("arch", ["lenet", "squeezenet", "test_resnet"])
def test_kept_weights_begin_another_training(arch, tmp_path):
    """A file that byod kept says its architecture and input itself; its body is taken, its head is not."""
    first = net(Options(arch=arch, from_scratch=True, normalise="none"), 3)
    file = files.keep(first.model, tmp_path / "weights.safetensors", first.arch, ("a", "b", "c"))
    again = net(Options(weights=file), 2)
    assert again.arch == first.arch
    for part in (0, 1):
        one, other = first.model[part].state_dict(), again.model[part].state_dict()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.model(torch.rand(2, 3, 64, 64)).shape == (2, 2)


def test_kept_weights_say_what_they_are(tmp_path):
    """Architecture and class names stand in the metadata; the tensors are those of the whole net."""
    from safetensors import safe_open

    built = net(Options(arch="lenet", from_scratch=True), 2)
    file = files.keep(built.model, tmp_path / "w.safetensors", built.arch, ("Blumenkohl", "Brokkoli"))
    with safe_open(file, framework="numpy") as opened:
        assert opened.metadata()["arch"] == "lenet"
        assert opened.metadata()["classes"].split("\n") == ["Blumenkohl", "Brokkoli"]
        assert set(opened.keys()) == set(built.model.state_dict())


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


def test_weights_that_do_not_fit_are_named(weights, tmp_path):
    """The line says how much is wrong, and that --arch names the architecture."""
    line = _line(arch="resnet18", weights=weights, normalise="none")
    assert "does not fit resnet18" in line
    assert "--arch" in line
    lenet = net(Options(arch="lenet", from_scratch=True), 2)
    kept = files.keep(lenet.model, tmp_path / "kept.safetensors", "lenet", ("a", "b"))
    assert "does not fit unet" in _line(arch="unet", weights=kept)


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
    assert "not a state dict that can be read safely" in _line(
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
    """Without the network the line says --arch, --weights and --from-scratch (torchvision's hub and timm's alike)."""
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    line = _line(arch=arch)
    assert "--arch tf_efficientnet_lite0" in line
    assert "--weights FILE" in line
    assert "--from-scratch" in line


def test_an_unknown_architecture_is_met_with_similar_ones():
    """A typing error gets suggestions."""
    assert "mobilenetv3" in _line(arch="mobilnetv3_small", from_scratch=True)


def test_an_architecture_that_cannot_be_cut_is_said():
    """Torchvision's vision transformers are not sequences of layers; the line names another way."""
    assert "timm" in _line(arch="vit_b_16", from_scratch=True)


@pytest.mark.parametrize("arch", ["LeNet", "U-Net"])
def test_own_nets_have_no_weights_to_begin_with(arch):
    """Nobody publishes weights of LeNet or of a U-Net's half for classes; the line says what to do."""
    assert "--from-scratch" in _line(arch=arch)


@pytest.mark.parametrize("arch", ["squeezenet1_1", "mobilenet_v2", "googlenet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("scratch", [True, False])
def test_bodies_of_all_kinds_give_logits(arch, scratch, tmp_path):
    """Feature maps, pooled features and tokens all end in one number a class, in three groups of parameters."""
    options = Options(arch=arch, from_scratch=True)
    if not scratch:
        whole = timm.create_model(arch) if arch.startswith("test_") else torchvision_net(arch)
        torch.save(whole.state_dict(), tmp_path / "w.pth")
        options = Options(arch=arch, weights=tmp_path / "w.pth", normalise="none")
    built = net(options, 4)
    size = built.size or 96
    built.model.eval()
    assert built.model(torch.zeros(2, 3, size, size)).shape == (2, 4)
    parts = groups(built.model)
    assert all(parts)
    assert sum(p.numel() for part in parts for p in part) == sum(p.numel() for p in built.model.parameters())


@pytest.mark.parametrize(("arch", "size", "word"), [("test_vit", 64, "160 px"), ("lenet", 16, "16 px")])
def test_a_size_that_a_net_cannot_take_is_said(arch, size, word):
    """Too small a picture, or not the only size it takes, is met with a line and not with a traceback."""
    built = net(Options(arch=arch, from_scratch=True), 2)
    with pytest.raises(TrainerError, match=word):
        accepts(built, size)
    accepts(built, built.size or 128)
    assert built.model.training


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("LeNet", "lenet"),
        ("LeNet-5", "lenet"),
        ("AlexNet", "alexnet"),
        ("VGG16", "vgg16"),
        ("GoogLeNet", "googlenet"),
        ("Inception-v4", "inception_v4"),
        ("ResNet50", "resnet50"),
        ("DenseNet-121", "densenet121"),
        ("U-Net", "unet"),
        ("MobileNet", "mobilenetv1_100"),
        ("mobilenet_v3", "mobilenet_v3_small"),
        ("MobileNetV4", "mobilenetv4_conv_small"),
        ("SqueezeNet", "squeezenet1_1"),
        ("tf_efficientnetv2_b0.in1k", "tf_efficientnetv2_b0.in1k"),
        ("no such net", "no such net"),
    ],
)
def test_common_names_are_understood(typed, meant):
    """Every net of the introduction can be named as people write it; other names stay as they are."""
    assert resolve(typed) == meant


def test_no_common_name_hides_a_net():
    """A name that torchvision or timm knows means that very net."""
    known = {*torchvision.models.list_models(module=torchvision.models), *timm.list_models()}
    assert [name for name in known if resolve(name) != name] == []


def _whole(each):
    """The net of a row with its classifier of 1,000 classes, without numbers in it."""
    with torch.device("meta"):
        if each.source == TORCHVISION:
            return torchvision_net(each.resolves_to)
        if each.source == TIMM:
            return timm.create_model(each.resolves_to)
    body = CLASSICS[each.resolves_to]()
    width = body(torch.zeros(1, 3, 32, 32)).shape[1]
    return torch.nn.Sequential(body, torch.nn.Linear(width, 1000))


@pytest.mark.parametrize("each", TABLE, ids=lambda each: each.name)
def test_the_table_says_what_is_true(each):
    """Parameters are those of the real net, and the input size is the one its weights were made for."""
    count = sum(p.numel() for p in _whole(each).parameters()) / 1e6
    assert each.parameters == pytest.approx(count, abs=0.006)
    if each.source == TORCHVISION:
        published = torchvision.models.get_model_weights(each.resolves_to).DEFAULT
        assert each.size == published.transforms().crop_size[0]
    elif each.source == TIMM:
        published = timm.models.get_pretrained_cfg(each.resolves_to)
        assert each.size == published.input_size[-1]
        assert each.licence.lower().startswith(published.license)


def test_lenet_is_the_published_net_at_32_pixels():
    """At 32 px the third convolution sees all of what is left, so the net is LeNet-5, three colours apart."""
    body = LeNet()
    assert body(torch.zeros(1, 3, 32, 32)).shape == (1, 84, 1, 1)
    count = sum(p.numel() for p in body.parameters()) + 84 * 10 + 10
    assert count == 61_706 + 2 * 6 * 25  # the usual count for one colour, and two colours more


QUICK = ("lenet", "squeezenet", "resnet18", "mobilenet", "mobilenet_v3")
DECK = (
    "alexnet",
    "vgg16",
    "googlenet",
    "inception_v3",
    "inception_v4",
    "resnet34",
    "resnet50",
    "densenet121",
    "unet",
    "mobilenet_v2",
    "mobilenet_v4",
    "vit_tiny_patch16_224",
    "swin_t",
    "convnextv2_atto",
    "repvit_m0_9",
)


@pytest.mark.parametrize("arch", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in DECK)])
def test_every_net_is_exported_faithfully(arch, tmp_path):
    """onnxruntime says of any number of pictures what the net itself says, to less than 1e-4 of the logits' scale."""
    torch.manual_seed(0)
    built = net(Options(arch=arch, from_scratch=True), 3)
    size = built.size or 96
    model = built.model.eval()
    file = onnx_export.write(model, InputRule(width=size, height=size), tmp_path / "logits.onnx")
    opened = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).random((3, 3, size, size), np.float32)
    with torch.no_grad():
        trained = model(torch.from_numpy(images)).numpy()
    (said,) = opened.run(None, {"image": images})
    assert said.shape == (3, 3)
    assert np.abs(said - trained).max() / max(1.0, np.abs(trained).max()) < 1e-4


def test_the_table_costs_no_torch():
    """Listing the nets imports nothing heavy."""
    code = (
        "import sys; from byod_torch import Torch\n"
        "assert len(Torch().architectures()) > 20; Torch().doctor()\n"
        "print([m for m in ('torch', 'torchvision', 'timm', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_lists_every_net():
    """README.md shows the table as it is."""
    page = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for each in TABLE:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{each.name}`"))
        assert f"| {each.parameters:.2f} | {each.size} | {each.licence}" in line
        assert each.note in line
