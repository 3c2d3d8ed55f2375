"""Points that cannot be true: found by geometry alone, listed by `byod check`, never corrected."""

import json

from hypothesis import given
from hypothesis import strategies as st
from marked_pictures import cat_files, laid_out
from typer.testing import CliRunner

from byod.cli import app
from byod.schema.keypoints import Instance, Keypoint
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.tasks.keypoints.odd_points import plausible, without_unset

places = (
    st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)) | st.just((0.0, 0.0)) | st.just((-1.0, -1.0))
)


@given(st.lists(st.none() | places, min_size=9, max_size=9))
def test_points_are_only_taken_away(points):
    """Whatever is marked, no point is moved or made up, and a second look finds nothing more to take away."""
    marked = {
        name: None if place is None else Keypoint(x=place[0], y=place[1])
        for name, place in zip(POINTS.names, points, strict=True)
    }
    first, _ = without_unset(Instance(points=marked))
    left, odd = plausible(first, POINTS, 500, 375)
    assert left is not None or odd
    if left is not None:
        assert {name: point for name, point in marked.items() if left.points[name] is not None} == left.marked
        again, more = plausible(left, POINTS, 500, 375)
        assert (again, more) == (left, ())


def test_points_that_cannot_be_true_are_listed_before_any_training(tmp_path, monkeypatch):
    """`byod check` names exchanged, far and coinciding points that somebody wrote, and shows the pictures."""
    monkeypatch.chdir(tmp_path)
    laid_out(tmp_path / "in", cat_files({"CAT_00": 5}))
    assert CliRunner().invoke(app, ["convert", "cats", "in", "--into", "cats"]).exit_code == 0
    assert json.loads(CliRunner().invoke(app, ["check", "cats", "--json"]).stdout)["odd"] == []
    changes = {
        "exchanged": {"eye_image_left": (60, 30), "eye_image_right": (40, 30), "mouth": (50, 50)},
        "far outside": {"mouth": (9999, 50)},
        "one spot": {"eye_image_left": (40, 30), "eye_image_right": (40, 30)},
    }
    wanted = {}
    for file, (why, points) in zip(
        sorted((tmp_path / "cats" / "points").iterdir()), changes.items(), strict=False
    ):
        said = json.loads(file.read_text())
        for name, (x, y) in points.items():
            said["heads"][0]["points"][name] = {"x": x, "y": y}
        file.write_text(json.dumps(said))
        wanted[f"images/cat/{file.stem}.jpg"] = why
    odd = json.loads(CliRunner().invoke(app, ["check", "cats", "--json"]).stdout)["odd"]
    assert {each["file"] for each in odd} == set(wanted)
    assert all(wanted[each["file"]] in each["why"] for each in odd)
    page = (tmp_path / "cats" / "check.html").read_text()
    assert "3 labels cannot be true" in page
    assert all(name.removeprefix("images/cat/") in page for name in wanted)
