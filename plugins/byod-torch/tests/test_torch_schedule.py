"""The recipe of byod-torch: what is chosen where nothing was said, the rates of each part, and flips at the end."""

import direct_training as train
import numpy as np
import onnxruntime
import pytest
import torch
from byod_torch import Options, Torch, networks
from byod_torch.processes import Processes
from byod_torch.schedule import cached_side, one_cycle, plan
from byod_torch.training_loop import Learning

from byod.training import protocol
from byod.training.protocol import Run

TINY = {"arch": "test_resnet", "size": "64", "from_scratch": "true"}
OPEN_AND_SET = (Options(), Options(freeze_norm=False), Options(body_rate=0.5))
BODY = torch.nn.Sequential(torch.nn.BatchNorm2d(1))
IMAGES = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)


def test_the_rate_rises_once_and_falls_to_nothing():
    """One cycle: from 1/25 of the highest rate up to it, and down to nothing, in each phase."""
    rates = [one_cycle(step / 100) for step in range(101)]
    top = rates.index(max(rates))
    assert rates[0] == pytest.approx(1 / 25)
    assert (max(rates), rates[-1]) == (pytest.approx(1), pytest.approx(0, abs=1e-9))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    planned = plan(Options(frozen_epochs=2, epochs=3), [0, 1], 2, body=BODY, on_gpu=False)
    places = [planned.position(epoch, step, 4) for epoch in range(5) for step in range(4)]
    assert places == pytest.approx([n / 8 for n in range(8)] + [n / 12 for n in range(12)])


@pytest.mark.slow
def test_flips_at_the_end_stand_in_the_model_file(drawn, small, tmp_path):
    """With test_flips the model file says the same of a picture and its mirror image, and model.json names it."""
    given = {**TINY, "epochs": "1", "test_flips": "true"}
    card = train.train(
        drawn, ("circle", "square"), protocol.load("torch"), given, folder=tmp_path / "run", device="cpu"
    )
    assert card.notes["test_flips"] is True
    assert card.parity < 1e-4
    file = onnxruntime.InferenceSession((tmp_path / "run" / "model.onnx").read_bytes())
    answers = [file.run(None, {"image": each})[0] for each in (IMAGES, IMAGES[..., ::-1].copy())]
    assert np.abs(answers[0] - answers[1]).max() < 1e-5
    options = protocol.options(Torch(), {**TINY, "epochs": "1"})
    (tmp_path / "plain").mkdir()
    plain = Torch().train(small(), options, Run(folder=tmp_path / "plain", device="cpu"))
    assert "test_flips" not in plain.notes
    assert np.abs(plain.logits(IMAGES) - plain.logits(IMAGES[..., ::-1].copy())).max() > 1e-4


def test_the_body_learns_at_its_share_of_the_rate():
    """Pretrained, each half of the body has body_rate of the rate of what stands behind it; the head has half of lr."""
    model = networks.net(Options(arch="test_resnet", from_scratch=True, size=64), 2).model
    planned = plan(Options(lr=0.01, body_rate=0.2, frozen_epochs=0), [0, 1], 2, body=BODY, on_gpu=False)
    learning = Learning(model, planned, torch.device("cpu"), None, Processes())
    learning.begin(0)
    rates = sorted({group["highest"] for group in learning.optimizer.param_groups})
    assert rates == pytest.approx([0.005 * 0.04, 0.005 * 0.2, 0.005])


def test_a_body_whose_batch_norms_do_not_follow_learns_more_slowly():
    """Where batch norms learn too, the body has the head's rate, else 0.3 of it; what is set holds for all."""
    shares = {
        name: [plan(options, [0, 1], 2, body=body, on_gpu=False).body_rate for options in OPEN_AND_SET]
        for name, body in (("with", BODY), ("without", torch.nn.Conv2d(3, 3, 1)))
    }
    assert shares == {"with": [0.3, 1.0, 0.5], "without": [0.3, 0.3, 0.5]}


def test_what_is_left_open_depends_on_the_kind_of_training():
    """Pretrained: crops down to 35 % and smoothed labels; from scratch 70 % and none; what is set holds for both."""
    chosen = {
        kind: plan(Options(from_scratch=kind == "scratch"), [0, 1], 2, body=BODY, on_gpu=False)
        for kind in ("pretrained", "scratch")
    }
    assert {kind: (each.min_scale, each.label_smoothing) for kind, each in chosen.items()} == {
        "pretrained": (0.35, 0.1),
        "scratch": (0.7, 0.0),
    }
    for scratch in (True, False):
        own = Options(from_scratch=scratch, min_scale=0.5, label_smoothing=0.2)
        made = plan(own, [0, 1], 2, body=BODY, on_gpu=False)
        assert (made.min_scale, made.label_smoothing) == (0.5, 0.2)
    still = plan(Options(augment=False), [0, 1], 2, body=BODY, on_gpu=False)
    assert (still.min_scale, still.cached) == (1.0, still.size)


def test_pictures_to_crop_from_are_kept_larger():
    """A crop need not be enlarged: at 64 % of the area the side is 1.25 times the input's, and never more than 1.5."""
    assert [cached_side(128, least) for least in (1.0, 0.64, 0.35)] == [128, 160, 192]
