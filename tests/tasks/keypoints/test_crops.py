"""The geometry of frames and the pixel rule: exact over angle, scale, mirror and border."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from byod.schema.model_card import EyesRule
from byod.tasks.keypoints.geometry.crops import GREY, Frame, cut, of_box, of_eyes, reduced, whole

angles = st.floats(-math.pi, math.pi)
places = st.floats(-500, 1500)
frames = st.builds(Frame, places, places, st.floats(1, 2000), angles, st.booleans())
points = st.lists(st.tuples(places, places), min_size=1, max_size=5)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def spot(size, x, y, spread):
    """A black picture with a soft white spot whose middle lies at (x, y) pixels from the edges."""
    ys, xs = np.mgrid[:size, :size] + 0.5
    light = 255 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * spread**2))
    return np.repeat(light.round().astype(np.uint8)[..., None], 3, axis=2)


def middle(image):
    """The middle of the light in a picture, in pixels from its edges."""
    light = image[..., 0].astype(float)
    ys, xs = np.mgrid[: len(light), : len(light)] + 0.5
    return np.array([(xs * light).sum(), (ys * light).sum()]) / light.sum()


@settings(deadline=None)
@given(frames, points)
def test_to_unit_and_to_picture_invert_each_other(frame, px):
    """A point of the picture comes back from the frame where it was."""
    back = frame.to_picture(frame.to_unit(px))
    assert np.allclose(back, px, atol=1e-6)


@pytest.mark.slow
@settings(deadline=None)
@given(frames)
def test_a_frame_keeps_lengths_and_its_middle(frame):
    """The frame's middle is its centre; its sides are as long as it says; it is turned clockwise by its angle."""
    assert np.allclose(frame.to_picture((0.5, 0.5)), (frame.cx, frame.cy))
    corners = frame.to_picture([(0, 0), (1, 0), (0, 1)])
    across, down = corners[1] - corners[0], corners[2] - corners[0]
    assert math.isclose(np.hypot(*across), frame.side, rel_tol=1e-9)
    assert math.isclose(np.hypot(*down), frame.side, rel_tol=1e-9)
    along = -across if frame.mirrored else across
    assert np.allclose(along, (math.cos(frame.angle) * frame.side, math.sin(frame.angle) * frame.side))
    # y runs down: a frame that is not mirrored has its y axis a quarter turn clockwise of its x axis
    turn = across[0] * down[1] - across[1] * down[0]
    assert turn * (-1 if frame.mirrored else 1) > 0


@settings(deadline=None, max_examples=150)
@given(
    x=st.floats(60, 140),
    y=st.floats(60, 140),
    dx=st.floats(-0.25, 0.25),
    dy=st.floats(-0.25, 0.25),
    side=st.floats(40, 400),
    angle=angles,
    mirrored=st.booleans(),
    size=st.sampled_from([32, 64, 96]),
)
def test_a_marked_pixel_is_where_to_unit_says(x, y, dx, dy, side, angle, mirrored, size):
    """Whatever the angle, the scale and the mirror, a spot in the cut is within half a pixel of its point."""
    frame = Frame(x + dx * side, y + dy * side, side, angle, mirrored)
    picture = spot(200, x, y, max(1.5, 1.5 * side / size))
    # what lies outside the picture is grey, so the light of the spot alone is what is above it
    image = cut(picture, frame, size).astype(int)
    empty = cut(np.zeros_like(picture), frame, size).astype(int)
    assert np.abs(middle(image - empty) - frame.to_unit((x, y)) * size).max() < 0.5


@settings(deadline=None, max_examples=60)
@given(frames, st.integers(8, 40), st.integers(1, 60), st.integers(1, 60))
def test_outside_the_picture_is_grey(frame, size, height, width):
    """Whatever lies more than half a reduced pixel beyond the border is exactly 127, and nothing ever fails."""
    image = cut(np.zeros((height, width, 3), np.uint8), frame, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    centres = (np.arange(size) + 0.5) / size
    px = frame.to_picture(np.stack(np.meshgrid(centres, centres), axis=-1))
    factor = max(1, int(frame.side // size))
    # the last block of a reduced picture may reach beyond it
    limit = -(-np.array((width, height)) // factor) * factor + 0.51 * factor
    outside = ((px < -0.51 * factor) | (px > limit)).any(axis=-1)
    assert (image[outside] == GREY).all()
    inside = ((px >= factor) & (px <= np.array((width, height)) - factor)).all(axis=-1)
    assert (image[inside] == 0).all()


def test_a_frame_of_the_size_of_the_cut_gives_the_pixels_themselves():
    """Nothing is blurred where nothing is moved; a mirrored frame gives them mirrored, a quarter turn turned."""
    picture = noise(40, 40)
    frame = Frame(20, 20, 40)
    assert np.array_equal(cut(picture, frame, 40), picture)
    assert np.array_equal(cut(picture, Frame(20, 20, 40, mirrored=True), 40), picture[:, ::-1])
    assert np.array_equal(cut(picture, Frame(20, 20, 40, math.pi / 2), 40), np.rot90(picture))
    assert np.array_equal(cut(picture, Frame(24, 20, 32), 32), picture[4:36, 8:40])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 20), st.integers(0, 99))
def test_reducing_is_the_stated_sum(height, width, factor, seed):
    """The mean of a block is ((sum + floor(n / 2)) * floor(2^24 / n)) >> 24, for whole and for cut blocks."""
    picture = noise(height, width, seed)
    image = reduced(picture, factor)
    assert image.shape == (-(-height // factor), -(-width // factor), 3)
    for row, column in ((0, 0), (-1, -1), (len(image) // 2, image.shape[1] // 2)):
        at_y, at_x = (row % len(image)) * factor, (column % image.shape[1]) * factor
        block = picture[at_y : at_y + factor, at_x : at_x + factor].astype(int)
        n = block.shape[0] * block.shape[1]
        sums = block.sum(axis=(0, 1))
        assert [((int(s) + n // 2) * (2**24 // n)) >> 24 for s in sums] == image[row, column].tolist()
    if factor > 1:
        assert np.array_equal(image, np.asarray(Image.fromarray(picture).reduce(factor)))


@settings(deadline=None, max_examples=40)
@given(
    st.builds(Frame, st.floats(-20, 120), st.floats(-20, 120), st.floats(5, 300), angles, st.booleans()),
    st.integers(0, 9),
)
def test_the_pixel_rule_as_it_is_stated(frame, seed):
    """Computed pixel by pixel from the words of the rule, a cut has the same bytes."""
    size, picture = 12, noise(70, 90, seed)
    factor = max(1, math.floor(frame.side / size))
    small = reduced(picture, factor).astype(int)
    step = frame.side / size
    ox, oy = frame.to_picture((0.5 / size, 0.5 / size))
    cos, sin = math.cos(frame.angle) * step, math.sin(frame.angle) * step
    ix, iy = (-cos, -sin) if frame.mirrored else (cos, sin)

    def value(x, y):
        inside = 0 <= x < small.shape[1] and 0 <= y < small.shape[0]
        return small[y, x] if inside else np.full(3, 127)

    image = cut(picture, frame, size)
    for j in range(size):
        for i in range(size):
            x = math.floor(((ox / factor - 0.5 + i * (ix / factor)) + j * (-sin / factor)) * 256 + 0.5)
            y = math.floor(((oy / factor - 0.5 + i * (iy / factor)) + j * (cos / factor)) * 256 + 0.5)
            x0, wx, y0, wy = x // 256, x % 256, y // 256, y % 256
            top = value(x0, y0) * (256 - wx) + value(x0 + 1, y0) * wx
            low = value(x0, y0 + 1) * (256 - wx) + value(x0 + 1, y0 + 1) * wx
            assert image[j, i].tolist() == ((top * (256 - wy) + low * wy + 32768) >> 16).tolist()


def test_the_letterbox_holds_the_whole_picture():
    """The square around a picture has its middle and its longer side; above and below a wide one it is grey."""
    frame = whole(100, 60)
    assert frame == Frame(50, 30, 100)
    image = cut(np.full((60, 100, 3), 200, np.uint8), frame, 50)
    assert (image[:9] == GREY).all()
    assert (image[-9:] == GREY).all()
    assert (image[11:39] == 200).all()


def test_the_frame_of_a_box():
    """Around the middle of the box, as wide as the margin times its longer side."""
    assert of_box((10, 20, 50, 40), 1.5) == Frame(30, 30, 60)


@settings(deadline=None)
@given(
    st.tuples(places, places), st.tuples(places, places), st.floats(1, 6), st.floats(-1, 1), st.floats(0, 100)
)
def test_in_the_frame_of_the_eyes_they_are_level(left, right, side, down, at_least):
    """The left eye stands left, both at one height, their middle in the frame's and as far up as the rule says."""
    apart = math.dist(left, right)
    if apart < 1e-3:
        return
    frame = of_eyes(left, right, EyesRule(side=side, down=down), at_least=at_least)
    (x0, y0), (x1, y1) = frame.to_unit([left, right])
    assert math.isclose(y0, y1, abs_tol=1e-6)
    assert x0 < x1
    assert math.isclose((x0 + x1) / 2, 0.5, abs_tol=1e-6)
    assert math.isclose(y0, 0.5 - down / side, abs_tol=1e-6)
    assert math.isclose(frame.side, side * max(apart, at_least), rel_tol=1e-9)


@settings(deadline=None)
@given(frames, points, st.integers(16, 320))
def test_a_frame_within_a_region_means_the_same_points(frame, px, pixels):
    """A point has the same place in a frame, whether it is given in the picture or in what was cut of it."""
    region = Frame(300.0, 200.0, 640.0)
    scaled = region.to_unit(px) * pixels
    assert np.allclose(frame.within(region, pixels).to_unit(scaled), frame.to_unit(px), atol=1e-6)


def test_a_large_picture_is_reduced_where_the_frame_lies():
    """Blocks are counted from the picture's corner, wherever the frame lies: cutting first changes nothing."""
    picture = noise(700, 900)
    frame = Frame(610.3, 402.7, 350, 0.4)
    factor = 350 // 64
    direct = cut(picture, frame, 64)
    small = reduced(picture, factor)
    near = Frame(frame.cx / factor, frame.cy / factor, frame.side / factor, frame.angle)
    again = cut(small, near, 64)
    assert factor > 1
    assert np.abs(direct.astype(int) - again.astype(int)).max() <= 1


@pytest.mark.parametrize("side", [1e-3, 1e7])
def test_absurd_frames_give_a_picture(side):
    """A frame from a net that says nonsense is still cut, and says nothing."""
    assert cut(noise(20, 20), Frame(5, 5, side), 8).shape == (8, 8, 3)
    assert (cut(noise(20, 20), Frame(1e12, -1e12, 50.0), 8) == GREY).all()
