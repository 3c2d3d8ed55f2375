"""Points back from a review: what a newer byod noted of them stays."""

import json

from byod.labeling.annotations import ReviewedKeypoint
from byod.labeling.keypoint_annotations import reviewed_keypoints
from byod.schema.keypoints import Keypoints

NAMES = ("left", "right")
MARKS = {
    "format": 1, "sha256": "0" * 64, "width": 200, "height": 100, "camera": {"iso": 100},
    "heads": [{"points": {"left": {"x": 20.0, "y": 10.0, "inside": True, "seen": 0.5},
                          "right": {"x": 60.0, "y": 10.0, "inside": True, "seen": 0.25}},
               "box": [0.0, 0.0, 100.0, 50.0], "species": "cat"}],
}  # fmt: skip


def test_a_review_keeps_what_it_does_not_know():
    """Of the picture, of its heads and of points, whether they were moved or not."""
    before = Keypoints.model_validate(MARKS, extra="allow")
    said = [
        ReviewedKeypoint(name="left", x=10.0, y=10.0, key="h0.left"),
        ReviewedKeypoint(name="right", x=40.0, y=20.0, key="h0.right"),
    ]
    after = json.loads(reviewed_keypoints(said, before, NAMES, "0" * 64, 200, 100).model_dump_json())
    moved = json.loads(json.dumps(MARKS))
    moved["heads"][0]["points"]["right"] |= {"x": 80.0, "y": 20.0}
    assert after == moved


def test_points_that_nobody_moved_are_the_same_marks():
    """With unknown fields, too, nothing counts as changed by a review that changed nothing."""
    before = Keypoints.model_validate(MARKS, extra="allow")
    said = [
        ReviewedKeypoint(name=name, x=point.x / 2, y=point.y, key=f"h0.{name}")
        for name, point in before.heads[0].marked.items()
    ]
    after = reviewed_keypoints(said, before, NAMES, "0" * 64, 200, 100)
    assert after == before
    assert after.digest == before.digest
