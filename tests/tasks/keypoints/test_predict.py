"""Finding heads and points with nets made by hand that know coloured heads exactly."""

import math

import numpy as np
import pytest
from keypoint_nets import POINTS, SIZE, heads_net, jpeg, points_net, run_folder, scene

from byod.schema.errors import ModelError
from byod.schema.model_card import EyesRule, KeypointsPrediction, Unreadable
from byod.tasks.keypoints.geometry.crops import Frame
from byod.tasks.keypoints.predict import Finder, FindRule, KeypointsPredictor, overlap
from byod.training import onnx_model
from byod.training.model_runtime import Port

RULE = FindRule(POINTS, SIZE, SIZE, 0.05, 1.2)


def finder(rule=RULE, heads=None, points=None):
    return Finder(
        onnx_model.session(heads or heads_net(), threads=1),
        onnx_model.session(points or points_net(), threads=1),
        rule,
    )


def named(head):
    return np.array([head.points[name] for name in POINTS.names])


def test_heads_are_found_where_they_are():
    """Two heads, one of them tilted, give their six points within a pixel and a half, the surest head first."""
    image, truth = scene([(100, 110, 40, 0.0), (290, 180, 48, 0.35)])
    found = finder().find(image)
    assert len(found) == 2
    assert found[0].confidence >= found[1].confidence > 0.05
    for points in truth:
        best = min(found, key=lambda head: np.abs(named(head) - points).max())
        assert np.abs(named(best) - points).max() < 1.5
        x0, y0, x1, y1 = best.box
        assert x0 < points[2, 0] < x1
        assert y0 < points[2, 1] < y1
        assert min(best.point_confidence.values()) > 0.5


def test_nothing_is_found_where_nothing_is():
    """A grey picture has no head; nor has one a threshold that nothing reaches."""
    image, _ = scene([(100, 110, 40, 0.0)])
    assert finder().find(np.full((300, 400, 3), 90, np.uint8)) == []
    assert finder(FindRule(POINTS, SIZE, SIZE, 0.999, 1.2)).find(image) == []


def test_the_second_pass_stands_on_the_eyes():
    """A net that is exact only in upright frames is exact about a tilted head in the second pass, which counts."""
    image, (truth,) = scene([(200, 150, 60, 0.6)])
    opened = finder(FindRule(POINTS, SIZE, SIZE, 0.05, 1.0, refine=1, eyes=EyesRule(side=2.4, down=0.3)))
    asked = []
    real = opened._once

    def once(pixels, frames):
        asked.extend(frames)
        places, sure = real(pixels, frames)
        tilted = np.array([[[0 if frame.angle else 4, 0]] for frame in frames])
        return places + tilted, sure

    opened._once = once
    (found,) = opened.find(image)
    assert np.abs(named(found) - truth).max() < 1
    first, second = asked
    assert first.angle == 0
    assert second.angle == pytest.approx(0.6, abs=0.02)
    assert second.side == pytest.approx(2.4 * 60, rel=0.05)
    eyes = second.to_unit(truth[:2])
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=0.01)
    assert eyes[:, 1] == pytest.approx(0.5 - 0.3 / 2.4, abs=0.02)


def test_eyes_beyond_the_frame_are_not_refined_on():
    """Where the first pass puts the eyes' middle outside its frame there is nothing to stand on: its points stay."""
    opened = finder(FindRule(POINTS, SIZE, SIZE, 0.05, 1.0, refine=2, eyes=EyesRule(side=2.4)))
    calls = []

    def once(pixels, frames):
        calls.append(len(frames))
        return np.stack(
            [frame.to_picture([(1.5, 0.5), (1.7, 0.5), (0.5, 0.5)]) for frame in frames]
        ), np.ones((len(frames), 3))

    opened._once = once
    places, _ = opened.points_in(np.zeros((50, 50, 3), np.uint8), [Frame(25, 25, 20), Frame(20, 20, 20)])
    assert calls == [2]
    assert places[0, 0].tolist() == [45, 25]


def test_a_head_in_profile_keeps_a_frame_of_its_size():
    """Eyes that fall together do not make the second frame collapse: 0.36 of the head's box is the least."""
    opened = finder(FindRule(POINTS, SIZE, SIZE, 0.05, 1.5, refine=1, eyes=EyesRule(side=2.0)))
    frames = []

    def once(pixels, some):
        frames.extend(some)
        return np.stack([f.to_picture([(0.5, 0.5), (0.501, 0.5), (0.5, 0.7)]) for f in some]), np.ones(
            (len(some), 3)
        )

    opened._once = once
    opened.points_in(np.zeros((100, 100, 3), np.uint8), [Frame(50, 50, 60)])
    assert frames[1].side == pytest.approx(2.0 * 0.36 * 60 / 1.5)


def test_overlapping_boxes_are_one_head():
    """Cells beside the bluest one are suppressed: of boxes that overlap by more than 0.4, the best stays."""
    image, _ = scene([(200, 150, 120, 0.0)])
    boxes, scores = finder(heads=heads_net(best=12)).boxes(image, 0.01)
    assert scores == sorted(scores, reverse=True)
    for number, box in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert overlap(np.array(box), np.array(other)) <= 0.4
    assert len(finder(heads=heads_net(best=12)).find(image)) == 1


def test_two_boxes_on_the_same_eyes_are_one_head():
    """Boxes that hardly overlap, but whose points are the same eyes, are one head; the surer box stays."""
    image, _ = scene([(200, 150, 40, 0.0)])
    opened = finder()
    opened.boxes = lambda pixels, threshold: ([(150, 100, 260, 210), (120, 60, 290, 300)], [0.9, 0.8])
    (found,) = opened.find(image)
    assert found.confidence == pytest.approx(0.9, rel=1e-3)
    assert found.box == (150, 100, 260, 210)


def test_both_nets_have_to_see_a_head():
    """A find is as sure as its box times its eyes; whose eyes nobody sees is none; the sure eyes come first."""
    image, _ = scene([(100, 110, 40, 0.0), (290, 180, 48, 0.0)])
    opened = finder(FindRule(POINTS, SIZE, SIZE, 0.3, 1.2))
    opened.boxes = lambda pixels, threshold: ([(70, 70, 130, 160), (250, 130, 340, 240)], [0.9, 0.8])
    sure = np.array([[0.2, 0.4, 1.0], [1.0, 0.5, 0.0]])
    real = opened.points_in
    opened.points_in = lambda pixels, frames: (real(pixels, frames)[0], sure)
    (found,) = opened.find(image)
    assert found.confidence == pytest.approx(0.8 * 0.75)
    assert found.box == (250, 130, 340, 240)
    sure[0] = (0.6, 0.6, 0.0)
    first, second = opened.find(image)
    assert (first.confidence, second.confidence) == (pytest.approx(0.6), pytest.approx(0.54))


def test_boxes_end_at_the_border():
    """A head at the picture's edge has a box within the picture."""
    image, _ = scene([(25, 40, 40, 0.0)])
    (found,) = finder().find(image)
    x0, y0, x1, y1 = found.box
    assert 0 == x0 < x1 <= 400
    assert 0 <= y0 < y1 <= 300


def test_overlap_of_boxes():
    """Intersection over union: one third for squares that share a half, 0 for strangers and for boxes without area."""
    a, b = np.array((0.0, 0, 10, 10)), np.array((5.0, 0, 15, 10))
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a, a) == 1
    assert overlap(a, np.array((20.0, 20, 30, 30))) == 0
    assert overlap(np.zeros(4), np.zeros(4)) == 0


def test_numbers_that_are_none_are_one_clear_error():
    """A net that says nan is refused with what to do, rather than taken for one that finds nothing."""
    opened = finder()

    class Broken:
        batch = 0
        outputs = (
            Port("boxes", "tensor(float)", ("n", "q", 4)),
            Port("scores", "tensor(float)", ("n", "q")),
        )

        def answer(self, images):
            return [np.full((1, 3, 4), np.nan, np.float32), np.full((1, 3), np.nan, np.float32)]

    opened._heads = Broken()
    with pytest.raises(ModelError, match=r"NaN or infinite, in `boxes`.*another run"):
        opened.find(np.zeros((40, 40, 3), np.uint8))


def test_nets_that_are_not_what_the_rule_says_are_refused():
    """Exchanged nets, or another size, are one line each."""
    with pytest.raises(ModelError, match="boxes"):
        finder(heads=points_net())
    with pytest.raises(ModelError, match="image"):
        finder(FindRule(POINTS, SIZE, SIZE // 2, 0.05, 1.2))


def test_a_run_predicts_pictures(tmp_path):
    """From a folder with both nets and the card: paths and bytes, in order; a broken picture says why."""
    image, truth = scene([(100, 110, 40, 0.0), (290, 180, 48, 0.35)])
    path = tmp_path / "two.jpg"
    path.write_bytes(jpeg(image))
    empty = jpeg(np.full((200, 100, 3), 80, np.uint8))
    predictor = KeypointsPredictor(run_folder(tmp_path), threads=1)
    said = list(
        predictor.predict([path, ("empty", empty), ("broken", b"<html>"), *[("again", jpeg(image))] * 6])
    )
    first, none, broken, *rest = said
    assert isinstance(first, KeypointsPrediction)
    assert (first.path, first.width, first.height, len(first.heads)) == (str(path), 400, 300, 2)
    for points in truth:
        assert min(np.abs(named(head) - points).max() for head in first.heads) < 1.5
    assert none == KeypointsPrediction(path="empty", width=100, height=200, heads=())
    assert isinstance(broken, Unreadable)
    assert all(other.heads == first.heads for other in rest)
    places, sure = predictor.points_in(image, Frame(290, 190, 130))
    assert np.abs(places - truth[1]).max() < 1
    assert sure.shape == (3,)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_file_gives_points_of_the_upright_picture(tmp_path, orientation):
    """Points are pixels of the picture as its EXIF orientation stands it up."""
    image, (truth,) = scene([(150, 140, 50, 0.1)])
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    stored = np.ascontiguousarray(np.rot90(image, turns))
    (said,) = KeypointsPredictor(run_folder(tmp_path), threads=1).predict(
        [("turned", jpeg(stored, orientation))]
    )
    assert (said.width, said.height) == (400, 300)
    assert np.abs(named(said.heads[0]) - truth).max() < 1.5


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    """Another heads.onnx than the card names is refused; so is a missing one."""
    run = run_folder(tmp_path)
    (run / "heads.onnx").write_bytes(heads_net(best=5))
    with pytest.raises(ModelError, match=r"heads\.onnx is not the file"):
        KeypointsPredictor(run)
    (run / "heads.onnx").unlink()
    with pytest.raises(ModelError, match=r"no heads\.onnx"):
        KeypointsPredictor(run)


def test_heads_turn_with_their_picture():
    """Whatever the head's tilt up to 60 degrees, its points stay within three hundredths of the eyes' distance."""
    opened = finder(FindRule(POINTS, SIZE, SIZE, 0.05, 1.2, refine=2, eyes=EyesRule(side=2.6, down=0.3)))
    for angle in np.linspace(-math.pi / 3, math.pi / 3, 9):
        image, (truth,) = scene([(200, 150, 44, angle)])
        (found,) = opened.find(image)
        assert np.abs(named(found) - truth).max() < 0.03 * 44
