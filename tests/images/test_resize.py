"""The rule by which a picture becomes the pixels of a net's input: whole pictures, whole pixels, one resize."""

import io

import numpy as np
import pytest
from PIL import Image

from byod.images import decode, pixel_cache, resize
from byod.images.resize import part_of, resized, size_in
from byod.schema.model_card import InputRule, PixelRule, Resize
from byod.schema.records import Example, Split
from byod.training.protocol import Run

RANDOM = np.random.default_rng(7)
WHOLE = InputRule(width=48, height=32, pixels=PixelRule.WHOLE)


def photo(width: int, height: int) -> Image.Image:
    """Smooth colour with grain."""
    small = RANDOM.integers(0, 256, (height // 20 + 2, width // 20 + 2, 3), dtype=np.uint8)
    smooth = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    grain = RANDOM.integers(-40, 40, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def test_a_picture_is_decoded_whole():
    """The pixels of a JPEG many times the input are those of all its pixels; the older rule decodes it reduced."""
    content = jpeg(photo(900, 700))
    whole = resized(decode.open_picture(content), WHOLE)
    assert np.array_equal(resize.pixels(content, WHOLE), np.asarray(whole))
    reduced = resize.pixels(content, WHOLE.model_copy(update={"pixels": PixelRule.REDUCED}))
    assert not np.array_equal(reduced, np.asarray(whole))


@pytest.mark.slow
def test_a_picture_too_large_to_be_decoded_whole_is_reduced():
    """One of 54 megapixels is halved first, one of 49 is not; both are opened."""
    for side, left in ((7000, 7000), (7360, 3680)):
        opened = decode.open_picture(jpeg(Image.new("RGB", (side, side))), at_least=resize.at_least(WHOLE))
        assert opened.size == (left, left)


def test_parts_are_of_whole_pixels():
    """What is cut lies in the middle and inside; halves are rounded up, and nothing is without a pixel."""
    assert part_of((300, 200), (48, 32)) == (0, 0, 300, 200)
    assert part_of((301, 200), (48, 32)) == (0, 0, 300, 200)
    assert part_of((100, 300), (48, 32)) == (0, 116, 100, 183)
    assert part_of((1, 900), (48, 32)) == (0, 449, 1, 450)
    assert size_in((300, 200), (48, 32)) == (48, 32)
    assert size_in((900, 1), (48, 32)) == (48, 1)
    assert size_in((100, 300), (48, 32)) == (11, 32)


@pytest.mark.parametrize("how", Resize)
@pytest.mark.parametrize("size", [(300, 170), (7, 5), (3, 900), (900, 3), (48, 32), (1, 1)])
def test_every_picture_comes_to_the_size(how, size):
    """Small, wide, high: the size of the rule; `pad` keeps what is outside grey."""
    rule = WHOLE.model_copy(update={"resize": how})
    made = np.asarray(resized(Image.new("RGB", size, (250, 10, 10)), rule))
    assert made.shape == (32, 48, 3)
    across, down = size_in(size, (48, 32))
    red = (made == (250, 10, 10)).all(axis=2)
    assert red.sum() == (across * down if how is Resize.PAD else 48 * 32)
    assert (made[~red] == 127).all()


@pytest.mark.parametrize("how", Resize)
def test_a_model_is_asked_about_fractions(how):
    """What prediction sees are the values before they are rounded to what trainers see."""
    rule = WHOLE.model_copy(update={"resize": how})
    image = photo(211, 97)
    exact = resize.block(image, rule)
    assert exact.dtype == np.float32
    assert (exact != np.rint(exact)).mean() > 0.3
    assert np.array_equal(np.rint(exact), np.asarray(resized(image, rule)))


def test_a_large_picture_is_resized_in_strips_as_in_one():
    """The rows of a picture are taken some at a time, and nobody sees where."""
    image = photo(40, 1111)
    across = image.getchannel(0).convert("F").resize((48, 1111), Image.Resampling.BILINEAR)
    down = np.asarray(across.resize((48, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(resize.block(image, WHOLE)[..., 0], down)


def test_a_trainer_is_given_the_pixels_of_today(tmp_path):
    """`Run.pixels` follows the newer rule whatever a trainer's rule says, and never gives what an older byod kept."""
    path = tmp_path / "one.jpg"
    path.write_bytes(jpeg(photo(900, 700)))
    one = Example(sha256="a" * 64, path=path, label="a", split=Split.TRAIN, group="a")
    rule = InputRule(width=48, height=32)
    old = pixel_cache.PixelCache(tmp_path / "cache").pixels([one], rule).all()[0]
    given = Run(tmp_path, cache=tmp_path / "cache").pixels([one], rule).all()[0]
    assert np.array_equal(old, resize.pixels(path, rule))
    assert np.array_equal(given, resize.pixels(path, WHOLE))
    assert not np.array_equal(old, given)
