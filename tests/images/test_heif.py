"""HEIC, the photos of most phones: opened like any other picture, and stood for by a JPEG."""

import io
import struct
import sys

import numpy as np
import pytest
from made_pictures import heic
from PIL import Image

from byod.images import decode, picture_file
from byod.images.decode import ANY_PICTURE, Rules, inspect, open_picture
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

RED = (220, 20, 20)


def apart(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean())


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 20 for one, other in zip(found, wanted, strict=True))


def refused(content: bytes, rules: Rules = ANY_PICTURE) -> PictureError:
    with pytest.raises(PictureError) as caught:
        inspect(content, rules)
    assert "\n" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize(
    ("name", "size", "box"),
    [
        ("plain", (320, 240), (50, 40)),
        ("burst", (320, 240), (50, 40)),
        ("grid", (300, 220), (50, 40)),
        ("turned", (240, 320), (200, 50)),
        ("grid_turned_profile", (220, 300), (180, 50)),
    ],
)
def test_every_heic_opens_upright(name: str, size: tuple[int, int], box: tuple[int, int]):
    """Tiles are put together, the first of a burst counts, the picture is turned, and its profile applied."""
    opened = open_picture(heic(name))
    assert opened.mode == "RGB"
    assert opened.size == size
    if name == "grid_turned_profile":
        assert near(opened.getpixel(box), (20, 20, 220))
    else:
        assert near(opened.getpixel(box), RED)


def test_a_jpeg_stands_for_it_that_every_library_reads_alike():
    """The JPEG is upright, of quality 95, with profile and EXIF; byod sees it as it sees the HEIC."""
    for name in ("turned", "grid_turned_profile"):
        inspected, jpeg = inspect(heic(name), ANY_PICTURE)
        assert (inspected.format, inspected.suffix, inspected.original) == ("JPEG", ".jpg", ".heic")
        assert (inspected.frames, inspected.orientation) == (1, 1)
        read = Image.open(io.BytesIO(jpeg))
        assert read.format == "JPEG"
        assert read.size == (inspected.width, inspected.height)
        assert apart(open_picture(jpeg), open_picture(heic(name))) < 2
        if name == "turned":
            exif = read.getexif()
            assert (exif[0x0112], exif[0x010F]) == (1, "Phone")
        else:
            assert b"RGB XYZ" in read.info["icc_profile"]


def test_a_smaller_one_is_a_jpeg_of_the_wanted_size():
    """With a longest side the JPEG is that small, and still stands for the HEIC."""
    inspected, jpeg = inspect(heic(), ANY_PICTURE, max_side=100)
    assert Image.open(io.BytesIO(jpeg)).size == (inspected.width, inspected.height) == (100, 75)
    assert inspected.original == ".heic"


def test_the_same_rules_hold():
    """Too small and too narrow are said of the HEIC before its JPEG is made."""
    assert refused(heic(), Rules(min_side=241)).reason is Reason.TOO_SMALL
    assert refused(heic(), Rules(min_side=1, max_aspect=1.2)).reason is Reason.BAD_ASPECT


def test_its_size_is_looked_at_before_it_is_decoded(monkeypatch):
    """A header that claims too many pixels is refused by its number; one that claims too few is found out."""
    size = struct.pack(">II", 320, 240)
    claims = heic().replace(size, struct.pack(">II", 30_000, 30_000))
    monkeypatch.setattr(decode, "decoded", pytest.fail)
    error = refused(claims)
    assert error.reason is Reason.TOO_MANY_PIXELS
    assert "30000 x 30000" in error.detail
    monkeypatch.undo()
    assert refused(heic().replace(size, struct.pack(">II", 32, 24))).reason is Reason.BROKEN


def test_a_cut_one_is_broken_wherever_it_is_cut():
    """At 20 points spread over the file, and a byte before its end, a cut is found out."""
    for content in (heic(), heic("grid")):
        for cut in [*(max(24, len(content) * part // 21) for part in range(1, 21)), len(content) - 1]:
            assert refused(content[:cut]).reason is Reason.BROKEN, cut


def test_without_its_library_it_is_said_what_to_install(monkeypatch):
    """Where pi-heif is missing a HEIC is no broken picture, and the line names the package."""
    picture_file.reader_of.cache_clear()
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    try:
        error = refused(heic())
    finally:
        picture_file.reader_of.cache_clear()
    assert error.reason is Reason.UNSUPPORTED
    assert "pip install pi-heif" in error.detail
