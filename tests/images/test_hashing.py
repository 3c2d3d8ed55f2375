"""Tests of byod.images.hashing: imagehash's own values, without imagehash."""

import io

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from byod.images.decode import Rules, inspect, open_picture
from byod.images.hashing import SPEC, distance, fingerprint

ANYTHING = Rules(min_side=1, max_aspect=1000, refuse_blank=False)


def drawn(width, height, seed=0):
    """A picture with structure at every scale, as photos have: noise, smoothed more and less."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "gray")
    for cells, share in ((3, 0.9), (6, 0.5), (13, 0.4), (40, 0.25)):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image = Image.blend(image, noise.resize((width, height), Image.Resampling.BILINEAR), share)
    return image


def encoded(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 300), st.integers(8, 300), st.integers(0, 2**31))
def test_own_hashes_are_those_of_imagehash(width, height, seed):
    """phash, dhash and the mirrored phash equal imagehash's bit for bit when nothing is reduced."""
    image = drawn(width, height, seed)
    found = fingerprint(image)
    assert found.phash == str(imagehash.phash(image))
    assert found.dhash == str(imagehash.dhash(image))
    assert distance(found.mirror, str(imagehash.phash(ImageOps.mirror(image)))) <= 2


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.integers(257, 1023),
    st.integers(257, 1023),
    st.integers(0, 2**31),
    st.sampled_from(["JPEG", "PNG", "WEBP"]),
)
def test_reduced_decoding_moves_a_hash_by_few_bits_and_only_where_it_hangs_by_a_hair(
    width, height, seed, form
):
    """At odd sizes a bit of the dHash moves only where two neighbours differ by three greys of 255 or less."""
    content = encoded(drawn(width, height, seed), form)
    whole = Image.open(io.BytesIO(content)).convert("RGB")
    found = inspect(content, ANYTHING)[0].fingerprint
    assert distance(found.phash, str(imagehash.phash(whole))) <= 4
    cells = np.asarray(whole.convert("L").resize((9, 8), Image.Resampling.LANCZOS), np.int16)
    moved = imagehash.hex_to_hash(found.dhash).hash != imagehash.dhash(whole).hash
    assert not (moved & (np.abs(np.diff(cells)) > 3)).any()


def test_a_small_png_has_exactly_the_value_of_imagehash():
    """Nothing is reduced below twice 64 pixels, so the value is imagehash's own."""
    image = drawn(127, 90, 5)
    found = inspect(encoded(image, "PNG"), ANYTHING)[0].fingerprint
    assert (found.phash, found.dhash) == (str(imagehash.phash(image)), str(imagehash.dhash(image)))


def test_a_slow_inspection_has_exactly_the_value_of_imagehash():
    """With fast=False every pixel is decoded, and the value is imagehash's own at any size."""
    content = encoded(drawn(801, 603, 6), "JPEG")
    found = inspect(content, ANYTHING, fast=False)[0].fingerprint
    assert found.phash == str(imagehash.phash(Image.open(io.BytesIO(content))))


def test_real_photos_agree_with_imagehash(real_pictures):
    """The stored values of real photos equal imagehash's within two bits, those of whole decodes exactly."""
    files = sorted((real_pictures / "vegetables").glob("*/*"))[::8]
    assert len(files) >= 40
    for file in files:
        content = file.read_bytes()
        whole = open_picture(content)
        assert distance(inspect(content, ANYTHING)[0].fingerprint.phash, str(imagehash.phash(whole))) <= 2
        assert fingerprint(whole).phash == str(imagehash.phash(whole))


def test_edits_of_one_photo_stay_near(real_pictures):
    """Blur, sharpening, contrast, saturation, shrinking and squeezing move the hashes by little."""
    folder = real_pictures / "near-duplicates" / "bridge-mods"
    found = {file.name: inspect(file.read_bytes(), ANYTHING)[0].fingerprint for file in folder.glob("*.jpg")}
    original = found.pop("aaa-orig.jpg")
    assert len(found) == 11
    for name, other in found.items():
        assert distance(original.phash, other.phash) <= 12, name
        assert distance(original.dhash, other.dhash) <= 12, name


@pytest.mark.parametrize("colour", ["white", "black", "#3355aa"])
def test_a_white_or_black_or_coloured_frame_is_looked_behind(colour):
    """A uniform border gives a second pair of hashes, near those of the picture without it."""
    image = drawn(400, 300, 7)
    framed = ImageOps.expand(image, (24, 24, 24, 40), colour)
    plain = fingerprint(image)
    found = inspect(encoded(framed, "JPEG", quality=90), ANYTHING)[0].fingerprint
    assert plain.trim_phash is None
    assert plain.trim_dhash is None
    assert distance(found.trim_phash, plain.phash) <= 8
    assert distance(found.trim_dhash, plain.dhash) <= 10


def test_bars_above_and_below_are_looked_behind():
    """Black bars on two sides only are a border, too."""
    image = drawn(400, 300, 8)
    found = fingerprint(ImageOps.expand(image, (0, 50), "black"))
    assert distance(found.trim_phash, fingerprint(image).phash) <= 4


def test_flat_pictures_are_told_from_others():
    """One colour, a gradient and two halves are flat; a picture with structure is not."""
    gradient = Image.linear_gradient("L").convert("RGB")
    halves = Image.new("RGB", (100, 100), "white")
    halves.paste("black", (50, 0, 100, 100))
    for image in (
        Image.new("RGB", (80, 80), "white"),
        Image.new("RGB", (99, 70), "#123456"),
        gradient,
        halves,
    ):
        assert fingerprint(image).flat
    assert not fingerprint(drawn(200, 150)).flat


def test_what_else_a_fingerprint_says():
    """Thumbnail, spread, commonest colour and white edge are in their units."""
    image = Image.new("RGB", (200, 100), "white")
    image.paste("black", (50, 25, 150, 75))
    found = fingerprint(image)
    assert len(found.rgb) == 192
    assert found.spec == SPEC
    assert found.white_ring == 1.0
    assert found.top_colour == pytest.approx(0.75, abs=0.03)
    assert found.spread == pytest.approx(255 * (0.25 * 0.75) ** 0.5, rel=0.05)


def test_the_box_leaves_out_what_the_decoder_made_up():
    """Pixels outside the box do not count."""
    image = drawn(160, 120, 9)
    larger = Image.new("RGB", (170, 126), "red")
    larger.paste(image)
    assert fingerprint(larger, (0, 0, 160, 120)) == fingerprint(image)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_distance_counts_bits(first, second):
    """The distance of two hashes is the number of their differing bits."""
    assert distance(f"{first:016x}", f"{second:016x}") == bin(first ^ second).count("1")
