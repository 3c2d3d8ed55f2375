"""The extractors of byod-torch: exported once, faithful, and used without torch."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from byod_torch import Options, body_extractors, frozen_body, networks, onnx_export, packaged_weights
from byod_torch.body_extractors import BodyOptions, Lite0, Torch
from PIL import Image

from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split
from byod.training import extractors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "side", "halfway"),
    [
        ("resnet18", 64, True),
        ("squeezenet1_1", 64, True),
        ("mobilenetv3_small_100", 64, True),
        ("tf_efficientnet_lite0", 64, True),
        ("vit_tiny_patch16_224", 224, False),
    ],
)
def test_a_body_is_exported_as_it_computes(arch, side, halfway, tmp_path):
    """Graph and torch agree, with a second set of feature maps where a body has some on its way."""
    torch.manual_seed(0)
    built = networks.net(Options(arch=arch, from_scratch=True), 2)
    net = frozen_body.freeze(built, side)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        wanted = net(images).numpy()
        last = built.model[1](built.model[0](images))
    assert (wanted.shape[1] > last.shape[1]) == halfway
    rule = InputRule(width=side, height=side)
    file = onnx_export.write(net, rule, tmp_path / "f.onnx", outputs=("features",))
    said = onnxruntime.InferenceSession(file.read_bytes()).run(None, {"image": images.numpy()})[0]
    np.testing.assert_allclose(said, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))


@pytest.mark.slow
def test_lite0_is_exported_once_and_used_without_torch(tmp_path):
    """What was exported is taken again: another process computes features, and loads neither torch nor onnx."""
    graph = extractors.extractor("lite0")
    assert graph.card.weights == packaged_weights.SHA256
    assert (graph.card.input.width, graph.card.width) == (192, 1280 + 192)
    Image.new("RGB", (50, 40), (20, 120, 20)).save(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path; from byod.schema.records import Example, Split\n"
        "from byod.training import extractors\n"
        "one = Example(sha256='0' * 64, path=Path(sys.argv[1]), label='a', split=Split.TRAIN, group='a')\n"
        "found = extractors.extractor('lite0', {}, print).features([one])\n"
        "print(found.shape, [m for m in ('torch', 'timm', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 1472) []"
    one = Example(sha256="0" * 64, path=tmp_path / "a.png", label="a", split=Split.TRAIN, group="a")
    assert np.isfinite(graph.features([one])).all()


@pytest.mark.slow
def test_any_body_of_timms_by_name_and_weights(weights, tmp_path):
    """A file of weights begins an extractor, is known by its content, and another file makes another graph."""
    given = {"arch": "squeezenet1_1", "weights": str(weights), "normalise": "none", "size": "64"}
    first = extractors.extractor("torch", given)
    assert first.card.arch == "squeezenet1_1 features"
    assert extractors.extractor("torch", given).card == first.card
    other = {**given, "normalise": "imagenet"}
    assert extractors.extractor("torch", other).kind != first.kind
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "own.pth")
    given = {"arch": "test_resnet", "weights": str(tmp_path / "own.pth"), "normalise": "none", "size": "64"}
    assert extractors.extractor("torch", given).card.arch == "test_resnet features"


def test_weights_of_an_extractor_are_known_beforehand(tmp_path):
    """The package's are a constant, a file's are its content, a hub's are not known."""
    file = tmp_path / "own.pth"
    said = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        said.append(Torch().weights(BodyOptions(arch="resnet18", weights=file)))
    assert len({*said, packaged_weights.SHA256, ""}) == 4
    assert Torch().weights(BodyOptions(arch="resnet18")) == ""
    assert Torch().weights(BodyOptions()) == packaged_weights.SHA256
    assert Lite0().weights(Lite0.Options()) == packaged_weights.SHA256
    assert Lite0.Options().size == body_extractors.LITE0_SIZE
