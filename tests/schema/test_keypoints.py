"""Points: the set of them, their files, where they lie in an upright picture, and boxes around them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked_pictures import jpeg
from PIL import Image, ImageOps
from pydantic import ValidationError

from byod.images import decode
from byod.schema import files
from byod.schema.errors import DatasetError
from byod.schema.keypoints import (
    Instance,
    Keypoint,
    Keypoints,
    KeypointSet,
    box_of,
    is_inside,
    mirrored_pairs,
    read_keypoints,
    upright,
)
from byod.tasks.keypoints import storage
from byod.tasks.keypoints.importers.cat_file import POINTS

coordinates = st.floats(-2000, 2000, allow_nan=False).map(lambda x: round(x, 3))
heads = st.builds(
    Instance,
    points=st.dictionaries(
        st.sampled_from(POINTS.names),
        st.none() | st.builds(Keypoint, x=coordinates, y=coordinates, inside=st.booleans()),
    ),
)


@given(st.lists(heads, max_size=4), st.integers(1, 5000), st.integers(1, 5000))
def test_marks_read_back_are_those_written(tmp_path_factory, some, width, height):
    """Whatever is marked, its file gives the same marks back."""
    folder = tmp_path_factory.mktemp("set")
    file = folder / "points" / "a.json"
    keypoints = Keypoints(sha256="0" * 64, width=width, height=height, heads=tuple(some))
    with files.opened(folder) as within:
        within.make("points")
        within.replace("points/a.json", storage.content(keypoints))
    assert read_keypoints(file) == keypoints
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"width": 3}', '{"width": 3, "height": 3, "heads": [{"points": {"a": {"x": 1}}}]}'],
)
def test_a_damaged_file_is_said_in_one_line(tmp_path, text):
    """A file that holds no marks is refused in one line that names it."""
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=r"a\.json") as raised:
        read_keypoints(file)
    assert "\n" not in str(raised.value)
    assert read_keypoints(tmp_path / "b.json") is None


def test_the_mirror_image_of_a_cat_exchanges_its_sides():
    """The nine points' permutation is its own inverse, and is that of ears that run across the picture."""
    assert POINTS.permutation == (1, 0, 2, 8, 7, 6, 5, 4, 3)
    assert mirrored_pairs(POINTS.names) == POINTS.flips
    assert POINTS.unpaired == ()


@given(st.permutations(list(POINTS.names)))
def test_a_permutation_undoes_itself(names):
    """Mirroring twice gives every point its own name back, whatever their order."""
    permutation = KeypointSet(names=tuple(names), flips=POINTS.flips).permutation
    assert [permutation[n] for n in permutation] == list(range(len(names)))


@pytest.mark.parametrize(
    ("names", "flips"),
    [
        ((), ()),
        (("a", "a"), ()),
        (("a", "b"), (("a", "c"),)),
        (("a", "b", "c"), (("a", "b"), ("b", "c"))),
        (("a/b",), ()),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(names, flips):
    """No point is named twice, and flips pair points that exist, each once."""
    with pytest.raises(ValidationError):
        KeypointSet(names=names, flips=flips)


def test_sided_points_without_a_pair_are_known():
    """Points that speak of a side and have no partner would be mislabelled by a mirror image."""
    assert KeypointSet(names=("left_eye", "nose"), flips=()).unpaired == ("left_eye",)
    assert mirrored_pairs(("left_eye", "right_eye", "nose", "cleft", "cright")) == (
        ("left_eye", "right_eye"),
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_turn_with_their_picture(orientation):
    """A marked pixel is where `upright` says once Pillow has turned the picture as its EXIF orientation asks."""
    stored = Image.new("L", (40, 30))
    stored.putpixel((7, 4), 255)
    stored.getexif()[0x0112] = orientation
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = io.BytesIO()
    stored.save(body, "PNG", exif=exif)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(body.getvalue())))
    x, y = upright(7.5, 4.5, 40, 30, orientation)
    assert turned.getpixel((int(x), int(y))) == 255
    assert decode.stored(body.getvalue()) == (40, 30, orientation)
    assert decode.stored(jpeg(1, (64, 48), orientation)) == (64, 48, orientation)


@given(heads, st.integers(1, 800), st.integers(1, 800))
def test_boxes_hold_their_points_and_stay_in_the_frame(head, width, height):
    """A derived box lies within the frame and holds every point that does."""
    box = box_of(head, width, height)
    if box is None:
        return
    assert 0 <= box[0] < box[2] <= width
    assert 0 <= box[1] < box[3] <= height
    for point in head.marked.values():
        if is_inside(point.x, point.y, width, height):
            assert box[0] <= point.x <= box[2]
            assert box[1] <= point.y <= box[3]


def test_a_drawn_box_goes_before_a_derived_one():
    """The box that somebody drew is the head's box; without points and box there is none."""
    drawn = Instance(points={"a": Keypoint(x=5, y=5)}, box=(1, 2, 30, 40))
    assert box_of(drawn, 100, 100) == (1, 2, 30, 40)
    assert box_of(Instance(points={"a": None}), 100, 100) is None
