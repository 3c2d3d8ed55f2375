"""The executable contract for trainers of points, and the heads it draws for them."""

import numpy as np
import pytest
import spot_trainer
from PIL import Image
from spot_trainer import BESIDE, Spot, spotted

from byod.schema.errors import UsageError
from byod.schema.records import Task
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.testing import check_trainer, draw_heads, drawn_sets
from byod.testing.drawn_sets import Drawn


class Unseeded(Spot):
    """Trains longer each time."""

    times = 0

    def train(self, data, options, run):
        Unseeded.times += 1
        return super().train(data, options.model_copy(update={"epochs": 3 + Unseeded.times}), run)


@pytest.fixture
def discs(monkeypatch):
    """The contract draws discs with spots instead of cats, which Spot can learn."""

    def drawn(folder, names, per_class, size, seed):
        examples, keypoints = spotted(folder, 75, parts=(0.4, 0.3, 0.3), seed=seed, beside=BESIDE)
        return Drawn(Task.KEYPOINTS, tuple(examples), keypoints=keypoints, points=spot_trainer.POINTS)

    monkeypatch.setitem(drawn_sets.OF_TASK, Task.KEYPOINTS.value, drawn)


@pytest.mark.long
def test_a_trainer_of_points_that_resumes_passes(discs):
    """Both stages learn, export, repeat and survive their kills."""
    found = check_trainer(Spot, task=Task.KEYPOINTS)
    assert found.accuracy > 0.9
    assert found.found > 0.9
    assert found.parity < 1e-4
    assert found.repeated == 0
    assert len(found.resumed) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainer", "options", "sentence"),
    [
        (Spot, {"spoil": "0.01"}, "on random arrays their points outputs differ by"),
        (Spot, {"blind": "true"}, "spot does not learn to find drawn heads: 0%"),
        (Unseeded, {}, "spot trains to another model each time"),
        (Spot, {"epochs": "2"}, "spot resumes and logs 2 epochs"),
    ],
)
def test_what_a_training_of_points_shows(discs, trainer, options, sentence):
    """A broken rule is named in one sentence."""
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_trainer(trainer, options)
    assert "\n" not in str(caught.value)


def test_a_task_that_a_trainer_does_not_learn_is_refused():
    """Asking for classes of a trainer of points is wrong usage."""
    with pytest.raises(UsageError, match="spot does not learn classify; its tasks are keypoints"):
        check_trainer(Spot, task=Task.CLASSIFY)


def test_too_few_pictures_of_heads_are_refused():
    """With fewer than 60 pictures there would be no test."""
    with pytest.raises(UsageError, match="needs at least 60 pictures with heads, not 20"):
        check_trainer(Spot, per_class=10)


def test_drawn_heads_are_where_their_marks_say(tmp_path):
    """The pupils are dark at the eyes' points, the points lie within the picture, and pairs are on their sides."""
    drawn = draw_heads(tmp_path, 24, size=(260, 200), seed=3)
    assert [len(keypoints.heads) for _, keypoints in drawn[:8]] == [1, 1, 1, 2, 0, 1, 3, 1]
    for path, keypoints in drawn:
        pixels = np.asarray(Image.open(path).convert("L"), np.float64)
        assert pixels.shape == (keypoints.height, keypoints.width) == (200, 260)
        for head in keypoints.heads:
            assert set(head.points) == set(POINTS.names)
            left, right = head.points["eye_image_left"], head.points["eye_image_right"]
            assert left.x < right.x
            for eye in (left, right):
                assert eye.inside
                assert pixels[int(eye.y), int(eye.x)] < 110
            assert head.points["mouth"].y > (left.y + right.y) / 2


def test_the_same_arguments_draw_the_same_heads(tmp_path):
    """Pictures and marks repeat byte by byte; another seed draws others."""
    one, two = (draw_heads(tmp_path / name, 4, seed=1) for name in ("a", "b"))
    assert [p.read_bytes() for p, _ in one] == [p.read_bytes() for p, _ in two]
    assert [m for _, m in one] == [m for _, m in two]
    assert draw_heads(tmp_path / "c", 4, seed=2)[0][1] != one[0][1]


@pytest.mark.parametrize("wrong", [{"size": (20, 20)}, {"heads": ()}, {"heads": (4,)}, {"seed": -1}])
def test_what_cannot_be_drawn_is_refused(tmp_path, wrong):
    """A tiny picture, no number of heads, four heads, a negative seed: wrong usage."""
    with pytest.raises(UsageError, match="draw_heads needs"):
        draw_heads(tmp_path, 2, **wrong)
