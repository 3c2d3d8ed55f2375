"""Pictures that take much memory: reduced or opened elsewhere, and refused with the number they need."""

import struct
import zlib

import pytest
from hostile_contents import photo, saved
from PIL import Image

from byod.images import decode, heavy
from byod.images.decode import ANY_PICTURE, Rules, inspect, open_picture
from byod.images.decoding import needed_bytes
from byod.images.picture_file import open_file
from byod.schema.errors import ByodError, PictureError
from byod.schema.reasons import Reason


def flat(side: int, colour: tuple[int, int, int]) -> bytes:
    """A PNG of one colour, of any size, in few bytes."""
    row = b"\0" + bytes(colour) * side
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.slow
def test_a_heavy_picture_is_opened_in_another_process(monkeypatch):
    """A PNG of 81 megapixels is checked and opened, and nothing of it is decoded in this process."""
    content = flat(9000, (200, 30, 40))
    monkeypatch.setattr(decode, "decoded", pytest.fail)
    inspected, _ = inspect(content, ANY_PICTURE)
    assert (inspected.width, inspected.height) == (9000, 9000)
    opened = open_picture(content, at_least=100)
    assert 100 <= opened.width < 200
    assert opened.getpixel((50, 50)) == (200, 30, 40)


@pytest.mark.slow
def test_one_that_needs_more_memory_than_allowed_is_refused_by_the_number(monkeypatch):
    """The line names the size, what it takes, what is allowed, and what to set; before anything is decoded."""
    content = flat(9000, (200, 30, 40))
    monkeypatch.setenv(heavy.MEMORY, "310MB")
    monkeypatch.setattr(heavy, "_pool", pytest.fail)
    with pytest.raises(PictureError) as refused:
        inspect(content, ANY_PICTURE)
    assert refused.value.reason is Reason.TOO_MANY_PIXELS
    assert "9000 x 9000 pixels of a PNG take 0.4 GB" in refused.value.detail
    assert "BYOD_PICTURE_MEMORY=0.4GB" in refused.value.detail


@pytest.mark.parametrize("size", ["much", "", "-1", "0", "1e9", "nan"])
def test_a_bound_that_is_no_size_is_said(monkeypatch, size: str):
    """A slip in BYOD_PICTURE_MEMORY is one line, and an empty value is none at all."""
    monkeypatch.setenv(heavy.MEMORY, size)
    if not size:
        assert heavy.allowed() == heavy.DEFAULT
        return
    with pytest.raises(ByodError, match="such as 2GB"):
        heavy.allowed()


@pytest.mark.parametrize(
    ("told", "size"), [("2GB", 2_000_000_000), ("1.5 g", 1_500_000_000), ("800MB", 800_000_000)]
)
def test_a_bound_is_said_in_words(monkeypatch, told: str, size: int):
    """Sizes are read as people write them."""
    monkeypatch.setenv(heavy.MEMORY, told)
    assert heavy.allowed() == size


def test_a_reduced_jpeg_takes_little_however_large(monkeypatch):
    """A JPEG takes as much memory as what is made of it; a progressive one, all of its coefficients."""
    plain = open_file(saved(photo(1, (4000, 3000)), "JPEG"), ANY_PICTURE.limits)
    progressive = open_file(saved(photo(1, (4000, 3000)), "JPEG", progressive=True), ANY_PICTURE.limits)
    assert needed_bytes(plain, shorter=64) < 4_000_000
    assert needed_bytes(plain, shorter=None) > 100_000_000
    assert 30_000_000 < needed_bytes(progressive, shorter=64) < 50_000_000


def test_the_number_of_pixels_has_a_limit_of_its_own():
    """What has more pixels than the rules say is refused, however little memory it would take."""
    content = saved(Image.new("1", (2000, 1500)), "PNG")
    with pytest.raises(PictureError, match="2000 x 1500 pixels"):
        inspect(content, Rules(max_pixels=2_999_999))
