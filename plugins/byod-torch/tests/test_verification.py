"""The second look at finds: a factor in the confidence of the points' net, by the feature maps of the default body."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from byod_torch import onnx_export

from byod.images.resize import as_input
from byod.plugin import InputRule, TrainerError
from byod.schema.keypoints import KeypointSet
from byod.schema.records import Example, Split, Task
from byod.tasks.keypoints import verification
from byod.tasks.keypoints.geometry.batch_feeds import Jitter, KeypointFeed
from byod.testing import draw_heads
from byod.training import extractors, finished_model, onnx_model
from byod.training.protocol import Stage, TrainingData

SIDE = 128
POINTS = 3


class SureOfAll(torch.nn.Module):
    """A net for points that is sure of everything: what is left of its confidence is the second look's."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = image.mean((2, 3)).clamp(0, 0.5)
        return torch.stack([seen, seen], -1), 0 * seen + 0.8


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The sure net as a trainer exports it."""
    place = tmp_path_factory.mktemp("net")
    rule = InputRule(width=SIDE, height=SIDE)
    names = ("points", "confidence")
    return onnx_export.write(SureOfAll().eval(), rule, place / "points.onnx", outputs=names)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty drawn heads to learn from."""
    drawn = draw_heads(tmp_path_factory.mktemp("heads"), 40, heads=(1,), size=(160, 120))
    examples = tuple(
        Example(sha256=marked.sha256, path=file, label="cat", split=Split.TRAIN, group=marked.sha256)
        for file, marked in drawn
    )
    keypoints = {marked.sha256: marked for _, marked in drawn}
    names = tuple(drawn[0][1].heads[0].points)
    return TrainingData(
        task=Task.KEYPOINTS,
        train=examples[:30],
        valid=examples[30:],
        stage=Stage.POINTS,
        points=KeypointSet(names=names, flips=()),
        keypoints=keypoints,
    )


def a_run(said):
    return SimpleNamespace(say=said.append, cache=None)


@pytest.fixture(scope="module")
def look(data):
    found = verification.learned(data, SIDE, a_run([]))
    assert found is not None
    return found


def kept(look, exported, tmp_path, images):
    """The share of its confidence that the net keeps in each frame."""
    finished_model.finish_stage(exported, tmp_path / "model.onnx", metadata={}, gate=look.gate)
    opened = onnx_model.session((tmp_path / "model.onnx").read_bytes())
    onnx_model.check_stage(opened, InputRule(width=SIDE, height=SIDE), Stage.POINTS, POINTS)
    return onnx_model.outputs(opened, images)["confidence"][:, 0] / 0.8


def test_what_was_learned_from_keeps_its_confidence_and_other_things_lose_it(data, look, exported, tmp_path):
    """Heads that were kept back stay found; noise and plain frames do not."""
    feed = KeypointFeed(data.valid, data.keypoints, data.points, SIDE, jitter=Jitter(mirror=0))
    heads = np.concatenate([as_input(batch.images) for batch in feed.plain(32)])
    noise = np.random.default_rng(0).random((10, 3, SIDE, SIDE), np.float32)
    plain = np.full((1, 3, SIDE, SIDE), 0.5, np.float32)
    said = kept(look, exported, tmp_path, np.concatenate([heads, noise, plain]))
    assert np.median(said[: len(heads)]) > 0.9
    assert said[len(heads) :].max() < 0.2


def test_the_factor_is_the_logistic_function_of_the_typicality(data, look, exported, tmp_path):
    """What the file computes is what `Verification` states: a half at the edge, and so on."""
    feed = KeypointFeed(data.train, data.keypoints, data.points, SIDE, jitter=Jitter(mirror=0))
    images = np.concatenate([as_input(batch.images) for batch in feed.plain(32)])
    typical = look.gate.likeness.typicality(onnx_model.onnx_function(look.gate.features, batch=8)(images))
    middle = replace(look.gate, edge=float(np.median(typical)), width=float(typical.std()))
    said = kept(replace(look, gate=middle), exported, tmp_path, images)
    assert np.allclose(said, 1 / (1 + np.exp(-(typical - middle.edge) / middle.width)), atol=1e-3)
    assert said.min() < 0.5 < said.max()


def test_few_objects_get_none_and_a_line_says_so(data):
    """Where nothing says how much the objects differ, nothing is judged by it."""
    said = []
    assert verification.learned(data.model_copy(update={"train": data.train[:10]}), SIDE, a_run(said)) is None
    assert "10 different objects are too few" in said[0]


def test_without_a_body_a_line_says_what_brings_one(data, monkeypatch, tmp_path):
    """byod-torch brings the body; without it the training goes on, and says what is missing."""
    monkeypatch.setattr(extractors, "entry_points", lambda group: ())
    monkeypatch.setenv("BYOD_CACHE", str(tmp_path))  # and nothing that it once exported
    said = []
    assert verification.learned(data, SIDE, a_run(said)) is None
    assert "byod-torch" in said[0]


def test_a_layer_that_there_is_not_is_refused():
    """The line names the layers that there are."""
    with pytest.raises(TrainerError, match=r"no layer 'nowhere'; it has .*blocks"):
        extractors.extractor("lite0", {"size": str(SIDE), "layer": "nowhere"})
