"""Errors of heads and points against cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.schema.keypoints import KeypointSet
from byod.schema.model_card import FoundInstance
from byod.schema.records import Example, Split
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.geometry.targets import TrueInstance

POINTS = KeypointSet(
    names=("eye_image_left", "eye_image_right", "mouth"), flips=(("eye_image_left", "eye_image_right"),)
)
MISSED = np.full((3, 2), np.nan)


def head(left=(100, 100), right=(200, 100), mouth=(150, 180), known=(True, True, True), box=None):
    points = np.array([left, right, mouth], float)
    box = box or (
        points[:, 0].min() - 50,
        points[:, 1].min() - 50,
        points[:, 0].max() + 50,
        points[:, 1].max() + 50,
    )
    example = Example(sha256="0" * 64, path="/x.jpg", label="cat", split=Split.TEST, group="0" * 64)
    return TrueInstance(example, 0, box, points, np.array(known), 400, 300)


def said(dx=0.0, dy=0.0, **moved):
    """The points of `head()`, all moved alike, or single ones."""
    places = {"left": (100, 100), "right": (200, 100), "mouth": (150, 180)} | moved
    return np.array(list(places.values()), float) + np.array((dx, dy))


def find(places, confidence=0.9):
    points = dict(zip(POINTS.names, (tuple(map(float, p)) for p in places), strict=True))
    return FoundInstance(confidence=confidence, box=(0, 0, 1, 1), points=points, point_confidence={})


def test_errors_are_distances_of_the_eyes():
    """With the eyes 100 pixels apart, 3 and 4 pixels beside is 5 %; the mean is over points; the worse eye counts."""
    found = np.stack([said(3, 4), said(right=(200, 120), mouth=(150, 220))])
    errors = metrics.measured([head(), head()], found, POINTS)
    assert np.allclose(errors.points, [[0.05, 0.05, 0.05], [0, 0.2, 0.4]])
    assert np.allclose(errors.nme, [0.05, 0.2])
    assert np.allclose(errors.worst_eye, [0.05, 0.2])


def test_what_is_not_known_does_not_count():
    """An unmarked mouth, or one outside the picture, changes nothing, wherever it is said to be."""
    errors = metrics.measured([head(known=(True, True, False))], said(5, 0, mouth=(0, 0))[None], POINTS)
    assert np.isnan(errors.points[0, 2])
    assert errors.nme[0] == pytest.approx(0.05)


def test_a_miss_is_an_infinite_error():
    """A head that was not found fails in everything that counts failures, and has no glasses."""
    errors = metrics.measured([head(), head()], np.stack([said(), MISSED]), POINTS)
    assert errors.nme.tolist() == [0, math.inf]
    assert errors.points[1].tolist() == [math.inf] * 3
    assert errors.worst_eye[1] == math.inf
    assert errors.glasses.tolist() == [True, False]
    score = metrics.score(errors, ["a", "b"], POINTS)
    assert (score.heads, score.found) == (2, 1)
    assert (score.pck, score.fr, score.auc, score.glasses) == (0.5, 0.5, 0.5, 0.5)
    assert score.median is None
    assert score.mean == 0
    assert score.interval[1] is None
    assert score.per_point["mouth"].heads == 2
    assert score.per_point["mouth"].pck == 0.5


def test_the_score_of_five_heads():
    """Median, mean, PCK, failure rate, area and the parts of the points, as they come out by hand."""
    shifts = [0, 2, 4, 8, 20]
    found = np.stack([said(shift, 0) for shift in shifts])
    errors = metrics.measured([head()] * 5, found, POINTS)
    score = metrics.score(errors, list("abcde"), POINTS)
    assert score.median == pytest.approx(0.04)
    assert score.mean == pytest.approx(0.068)
    assert score.pck == pytest.approx(0.8)
    assert score.fr == pytest.approx(0.2)
    # 1 - error / 0.08, not below 0: 1, 0.75, 0.5, 0, 0
    assert score.auc == pytest.approx(0.45)
    assert score.worst_eye == pytest.approx(0.04)
    assert score.glasses == pytest.approx(0.8)
    assert score.interval[0] == pytest.approx(0)
    assert score.interval[1] == pytest.approx(0.2)
    low, high = score.glasses_interval
    assert 0 < low < 0.8 < high <= 1
    assert score.per_point["eye_image_left"].median == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("left", "right", "sits"),
    [
        ((100, 109.9), (200, 109.9), True),
        ((100, 110.1), (200, 110.1), False),
        ((101, 95.7), (199, 104.2), True),  # 4.96 degrees
        ((101, 95.6), (199, 104.3), False),  # 5.07 degrees
        ((107.4, 100), (192.6, 100), True),  # 85.2 %
        ((107.6, 100), (192.4, 100), False),  # 84.8 %
        ((92.6, 100), (207.4, 100), True),
        ((92.4, 100), (207.6, 100), False),
        ((200, 100), (100, 100), False),  # upside down
    ],
)
def test_when_glasses_sit(left, right, sits):
    """Within 0.1 of the eyes' distance, 5 degrees and 15 %, and not beyond."""
    truth, found = np.array([[[100, 100], [200, 100]]], float), np.array([[left, right]], float)
    assert metrics.glasses_sit(truth, found).tolist() == [sits]


@settings(deadline=None)
@given(st.floats(-math.pi, math.pi), st.floats(0.2, 5), st.floats(-300, 300), st.integers(0, 99))
def test_errors_do_not_depend_on_how_the_picture_lies(angle, scale, shift, seed):
    """Turned, enlarged or moved together, truth and finds have the same errors, and glasses sit or not as before."""
    found = said() + np.random.default_rng(seed).normal(0, 6, (3, 2))
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = head().points @ turn.T + shift
    first = metrics.measured([head()], found[None], POINTS)
    other = metrics.measured([head(*moved)], (found @ turn.T + shift)[None], POINTS)
    assert np.allclose(first.points, other.points)
    assert np.allclose(first.worst_eye, other.worst_eye)
    middle = np.hypot(*(found[:2].mean(0) - (150, 100)))
    if abs(middle - 10) > 1e-3:
        assert first.glasses.tolist() == other.glasses.tolist()


def test_the_interval_of_a_median_is_over_groups():
    """Many copies in one group make the interval no narrower; the same seed gives the same one."""
    values = np.random.default_rng(3).random(40)
    names = [str(n) for n in range(40)]
    low, high = metrics.median_interval(values, names)
    assert low < np.median(values) < high
    assert (low, high) == metrics.median_interval(values, names)
    # each group ten times over: the median of the sample is as uncertain as before
    wide = metrics.median_interval(np.repeat(values, 10), np.repeat(names, 10).tolist())
    assert wide == pytest.approx((low, high), abs=0.05)
    narrow = metrics.median_interval(np.repeat(values, 10), [str(n) for n in range(400)])
    assert narrow[1] - narrow[0] < 0.6 * (high - low)


def test_measurable_heads_have_two_eyes():
    """A head with an eye unmarked, or with both eyes in one place, has no size to measure by."""
    heads = [head(), head(known=(True, False, True)), head(left=(200, 100.2))]
    assert metrics.measurable(heads, POINTS) == (heads[0],)


def test_the_mean_face_knows_only_the_frames():
    """Heads alike but for their size and place are found exactly by the mean face; a tilted one is not."""
    heads = [
        head(),
        head((10, 20), (60, 20), (35, 60), box=(-15, -5, 85, 85)),
        head((100, 100), (200, 140), known=(True, True, False)),
    ]
    alike = heads[:2]
    mean = metrics.mean_face(alike, POINTS, 1.2)
    errors = metrics.measured(alike, metrics.mean_faces(alike, mean, 1.2), POINTS)
    assert errors.nme.max() < 1e-9
    other = metrics.measured(heads[2:], metrics.mean_faces(heads[2:], mean, 1.2), POINTS)
    assert other.nme[0] > 0.1


def test_the_mean_face_is_over_known_points():
    """A point that is masked in one head is the mean of the others; one that nobody marked lies in the middle."""
    heads = [head(known=(True, True, False)), head(mouth=(150, 180), known=(True, False, False))]
    heads[1].points[1] = np.nan
    mean = metrics.mean_face(heads, POINTS, 1.0)
    assert np.isfinite(mean).all()
    assert mean[2].tolist() == [0.5, 0.5]


def test_finds_are_given_to_the_nearest_head():
    """Nearest pairs first; what is left over is extra, and a head without a near find is missed."""
    heads = [head(), head((300, 100), (380, 100), (340, 160)), head((100, 400), (200, 400), (150, 480))]
    finds = [
        find(said(200 + 6, 0)),  # near the second head
        find(said(4, 0)),  # nearest to the first
        find(said(20, 0)),  # also at the first: extra
        find(said(900, 900)),  # of no head
    ]
    matched = metrics.matched(heads, finds, POINTS)
    assert matched.numbers == (1, 0, None)
    assert matched.extra == (2, 3)
    places = np.stack([metrics.places(None if n is None else finds[n], POINTS) for n in matched.numbers])
    errors = metrics.measured(heads, places, POINTS)
    assert errors.nme[0] == pytest.approx(0.04)
    assert errors.nme[2] == math.inf


def test_a_head_without_eyes_takes_its_find():
    """Where the true eyes are not known the box says where the head is: a find on it is not a false one."""
    heads = [head(known=(False, True, True), box=(50, 40, 250, 160))]
    matched = metrics.matched(heads, [find(said(5, 5))], POINTS)
    assert matched.numbers == (0,)
    assert metrics.matched([], [find(said())], POINTS).extra == (0,)
