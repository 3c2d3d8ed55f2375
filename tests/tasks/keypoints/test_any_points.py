"""Keypoints are any keypoints: no eyes are needed, and the recipe may say what errors are divided by."""

from html import unescape
from pathlib import Path

import numpy as np
import pytest
from direct_training import compare, evaluate_run, train_keypoints
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from spot_trainer import WHEELS, Spot, wheels

from byod.schema import recipe as recipes
from byod.schema.keypoints import Instance, Keypoint, Keypoints, KeypointSet
from byod.schema.model_card import FoundInstance
from byod.schema.records import Example, Split
from byod.tasks import TASKS, of_run
from byod.tasks.keypoints import served_model
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.geometry.targets import eyes_of, true_instances
from byod.tasks.keypoints.training_set import TrainingSet


def example(number: int) -> Example:
    return Example(sha256=f"{number:064x}", path=Path("a.jpg"), label="bike", split=Split.TEST, group="g")


def marked(points: dict[str, tuple[float, float]], box=None, size=(400, 300)) -> Keypoints:
    known = {name: Keypoint(x=x, y=y) for name, (x, y) in points.items()}
    return Keypoints(width=size[0], height=size[1], heads=(Instance(points=known, box=box),))


def errors(points: KeypointSet, places: dict, said: dict, box=(100, 100, 140, 130)):
    """The errors of one object, found where `said` says."""
    one = example(1)
    heads = true_instances([one], {one.sha256: marked(places, box)}, points)
    found = np.array([[said[name] for name in points.names]], np.float64)
    return metrics.measured(metrics.measurable(heads, points), found, points)


def test_without_a_scale_errors_are_parts_of_the_boxs_diagonal():
    """A box of 40 x 30 pixels has a diagonal of 50: a point that is off by 5 pixels is off by a tenth."""
    places = {"wheel_front": (110, 120), "wheel_back": (130, 120), "saddle": (120, 105)}
    off = errors(WHEELS, places, {**places, "saddle": (120, 110)})
    assert off.points[0].tolist() == pytest.approx([0, 0, 0.1])
    assert off.nme[0] == pytest.approx(0.1 / 3)
    assert (off.glasses, off.worst_eye) == (None, None)
    assert off.achieved.tolist() == [True]


def test_a_named_scale_is_what_errors_are_divided_by():
    """The distance of the two wheels is 20 pixels: five pixels are a quarter of it."""
    named = WHEELS.model_copy(update={"scale": ("wheel_front", "wheel_back")})
    places = {"wheel_front": (110, 120), "wheel_back": (130, 120), "saddle": (120, 105)}
    off = errors(named, places, {**places, "saddle": (120, 110)})
    assert off.points[0].tolist() == pytest.approx([0, 0, 0.25])
    assert off.achieved.tolist() == [True]
    assert errors(named, places, {**places, "saddle": (120, 160)}).achieved.tolist() == [False]


def test_an_object_without_its_scale_is_not_measured():
    """Where one of the two points is not marked there is nothing to divide by; its box is there all the same."""
    one, places = example(1), {"wheel_front": (110.0, 120.0), "saddle": (120.0, 105.0)}
    named = WHEELS.model_copy(update={"scale": ("wheel_front", "wheel_back")})
    for points, count in ((named, 0), (WHEELS, 1)):
        heads = true_instances([one], {one.sha256: marked(places)}, points)
        assert len(metrics.measurable(heads, points)) == count


def test_oks_is_that_of_coco():
    """exp(-d² / (2 s² k²)), k twice the point's sigma, s² the box's area; COCO's own sigmas for its points."""
    points = KeypointSet(names=("nose", "paw"))
    places = {"nose": (110.0, 110.0), "paw": (120.0, 120.0)}
    off = errors(points, places, {"nose": (113, 114), "paw": (120, 120)})
    area = 40 * 30
    expected = (np.exp(-25 / (2 * area * (2 * 0.026) ** 2)) + 1) / 2
    assert off.oks[0] == pytest.approx(expected)
    gone = metrics.measured(
        true_instances([example(1)], {example(1).sha256: marked(places, (100, 100, 140, 130))}, points),
        np.full((1, 2, 2), np.nan),
        points,
    )
    assert (gone.oks[0], gone.nme[0]) == (0, np.inf)


@given(st.floats(0.2, 5), st.floats(-50, 50), st.floats(-50, 50))
def test_errors_do_not_change_with_size_and_place(scale: float, x: float, y: float):
    """An object twice as large, elsewhere, and found twice as far off, has the same errors and the same similarity."""
    places = {"wheel_front": (110, 120), "wheel_back": (130, 120), "saddle": (120, 105)}
    said = {"wheel_front": (112, 119), "wheel_back": (127, 121), "saddle": (120, 108)}

    def moved(points):
        return {
            name: (200 + scale * (a - 120) / 5 + x, 150 + scale * (b - 115) / 5 + y)
            for name, (a, b) in points.items()
        }

    corners = moved({"first": (100, 100), "last": (140, 130)})
    box = (*corners["first"], *corners["last"])
    first, other = errors(WHEELS, places, said), errors(WHEELS, moved(places), moved(said), box)
    assert other.points == pytest.approx(first.points)
    assert other.oks == pytest.approx(first.oks)


def test_finds_belong_to_the_nearest_box_where_there_are_no_eyes():
    """The middle of the box stands for an object without eyes."""
    one = example(1)
    two = Keypoints(
        width=400,
        height=300,
        heads=(Instance(points={}, box=(10, 10, 60, 60)), Instance(points={}, box=(200, 100, 280, 180))),
    )
    heads = true_instances([one], {one.sha256: two}, WHEELS)
    places = dict.fromkeys(WHEELS.names, (0.0, 0.0))
    finds = [
        FoundInstance(confidence=0.9, box=box, points=places, point_confidence=dict.fromkeys(places, 1.0))
        for box in ((205, 105, 285, 185), (300, 10, 340, 40), (12, 8, 62, 58))
    ]
    found = metrics.matched(heads, finds, WHEELS)
    assert (found.numbers, found.extra) == ((2, 0), (1,))


def test_a_scale_names_two_points_of_the_set(tmp_path):
    """Anything else is a line about byod.toml; what is right is written and read again."""
    for scale in (("wheel_front", "wheel_front"), ("wheel_front", "bell")):
        with pytest.raises(ValidationError, match="scale names two different points"):
            KeypointSet(names=WHEELS.names, scale=scale)
    wanted = WHEELS.model_copy(update={"scale": ("wheel_front", "wheel_back")})
    recipes.write(tmp_path, recipes.Recipe(task="keypoints", points=wanted).with_class("bike"))
    assert recipes.read(tmp_path).points == wanted
    assert 'scale = ["wheel_front", "wheel_back"]' in (tmp_path / recipes.FILE).read_text("utf-8")


@pytest.fixture(scope="module")
def bikes(tmp_path_factory):
    """Pictures with spots that are called wheels, and a run on them."""
    folder = tmp_path_factory.mktemp("bikes")
    examples, keypoints = wheels(folder / "images" / "bike", 90)
    run = folder / "runs" / "wheels"
    card = train_keypoints(examples, keypoints, WHEELS, Spot(), {"epochs": "3"}, folder=run)
    return run, card, TrainingSet(tuple(examples), keypoints, WHEELS)


@pytest.mark.slow
def test_a_set_without_eyes_goes_the_whole_road(bikes, tmp_path):
    """It is trained, measured by the box, reported without a word on glasses, compared and predicted."""
    run, card, _ = bikes
    assert eyes_of(card.points) is None
    assert (card.eyes, card.metrics.pipeline.glasses, card.metrics.pipeline.worst_eye) == (None, None, None)
    assert card.metrics.crops.median < 0.1
    assert card.metrics.pipeline.within > 0.8
    assert 0.5 < card.metrics.crops.oks <= 1
    page = (run / "report.html").read_text("utf-8")
    assert "diagonals of the object's box" in unescape(page)
    for word in ("glasses", "Brille", "eye", "Auge", " head", "Kopf", "Köpf"):
        assert word not in page.split("<body>")[1], word
    twin = run.with_name("twin")
    train_keypoints(bikes[2].examples, bikes[2].keypoints, WHEELS, Spot(), {"epochs": "1"}, folder=twin)
    found = compare([run, twin])
    page = TASKS["keypoints"].comparing.page(found)
    assert "whose points are found within 0.1" in page
    assert "glasses" not in page
    picture = next(e.path for e in bikes[2].examples if bikes[2].keypoints[e.sha256].heads)
    (said,) = TASKS["keypoints"].predicting.predictor(run).predict([picture])
    assert set(said.heads[0].points) == set(WHEELS.names)


@pytest.mark.slow
def test_what_is_measured_elsewhere_is_what_the_card_says(bikes):
    """The same pictures measured again by the run's own file give the card's numbers."""
    run, card, labelled = bikes
    test = labelled.of(e for e in labelled.examples if e.split is Split.TEST)
    found, _ = evaluate_run(run, test, "elsewhere")
    assert found.metrics.crops == card.metrics.crops
    assert found.metrics.pipeline == card.metrics.pipeline


@pytest.mark.slow
def test_the_page_in_the_browser_is_told_that_there_are_no_eyes(bikes):
    """The rule for JavaScript has no pair; a set of cats has one."""
    run, _, _ = bikes
    _, card = of_run(run)
    assert served_model.page_rule(card)["pair"] is None
