"""How sure a find must be: asked of a model, of the server, and refused where it makes no sense."""

import keypoint_nets
import numpy as np
import pytest
from page_server import post, served
from web_page import png

from byod.tasks.keypoints.predict import KeypointsPredictor


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two nets made by hand, which find blue spots, the bluer the surer."""
    return keypoint_nets.run_folder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def pixels():
    """Two heads, of which the second is faint."""
    first, _ = keypoint_nets.scene([(110, 120, 70, 0)], size=(400, 300))
    second, _ = keypoint_nets.scene([(290, 120, 70, 0)], size=(400, 300))
    faint = 90 + (second.astype(float) - 90) * 0.35
    return np.where(np.arange(400)[None, :, None] < 200, first, faint.round().astype(np.uint8))


def test_what_is_told_at_a_threshold_is_what_is_surer(run, pixels):
    """Finds at a higher threshold are just those of a lower one that reach it, in the same order."""
    predictor = KeypointsPredictor(run, threads=1)
    every = predictor.find(pixels, 0.01)
    assert len(every) == 2
    between = (every[0].confidence + every[1].confidence) / 2
    assert predictor.find(pixels, between) == every[:1]
    assert predictor.find(pixels, 0.999) == []
    assert predictor.find(pixels) == [each for each in every if each.confidence >= 0.05]  # the card's own


def asked(place, pixels, query):
    """What the server answers to a picture."""
    return post(place, f"/api/predict{query}", png(pixels), "image/png")


def test_a_server_is_asked_for_another_threshold(run, pixels):
    """`threshold` in the address stands for the model's own; what is no number from 0 to 1 is refused in words."""
    with served(run) as place:
        assert len(asked(place, pixels, "?threshold=0.01").json["heads"]) == 2
        assert asked(place, pixels, "?threshold=0.999").json["heads"] == []
        for wrong in ("2", "-1", "nan", "", "1e-3"):
            answer = asked(place, pixels, f"?threshold={wrong}")
            assert answer.status == 400
            assert "threshold must be a number from 0 to 1" in answer.json["error"]
