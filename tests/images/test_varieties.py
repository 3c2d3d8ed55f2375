"""Types and varieties that people have: opened where browsers open them, and never called broken when they are not."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hostile_contents import photo, saved
from made_pictures import camera_raw, psd
from PIL import Image

from byod.images import raw, resize
from byod.images.decode import ANY_PICTURE, inspect, open_picture
from byod.images.decoder_pool import DecoderPool
from byod.images.grey import white_of_set
from byod.images.openers import PixelLimits, opened_by
from byod.schema.errors import PictureError
from byod.schema.model_card import InputRule
from byod.schema.reasons import Reason


def apart(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean())


def refused(content: bytes) -> PictureError:
    with pytest.raises(PictureError) as caught:
        inspect(content, ANY_PICTURE)
    assert "\n" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize("kind", ["1", "L", "RGB", "I;16"])
def test_netpbm_of_every_kind_opens(kind: str):
    """Bits, grey, colour and deep grey in PNM look as they do in a PNG."""
    image = photo(1)
    if kind == "I;16":
        deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        content = b"P5\n# a remark\n400 300\n65535\n" + np.asarray(deep).astype(">u2").tobytes()
        assert apart(open_picture(content), image.convert("L").convert("RGB")) < 1
        return
    there = image.convert(kind)
    content = saved(there, "PPM")
    assert inspect(content, ANY_PICTURE)[0].suffix == ".ppm"
    assert apart(open_picture(content), there.convert("RGB")) == 0


def test_plain_text_netpbm_opens():
    """Numbers written as text are a picture, words that begin like one are not."""
    assert open_picture(b"P2\n3 2\n255\n0 128 255\n255 128 0\n").getpixel((2, 0)) == (255, 255, 255)
    assert refused(b"P5 is the name of a cart").reason is Reason.NOT_A_PICTURE


@pytest.mark.parametrize("alpha", [0, 255])
def test_an_unused_fourth_byte_is_no_transparency(alpha: int):
    """BMP and Targa of four bytes a pixel whose fourth is 0 all over are no white sheets."""
    image = photo(2)
    pixels = np.dstack([np.asarray(image), np.full((300, 400), alpha, np.uint8)])
    targa = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 400, 300, 32, 0x28)
    assert apart(open_picture(targa + pixels[..., [2, 1, 0, 3]].tobytes()), image) == 0
    head = struct.pack("<IiiHHIIiiII", 108, 400, -300, 1, 32, 3, 400 * 300 * 4, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    bmp = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 108) + head + masks
    assert apart(open_picture(bmp + pixels[..., [2, 1, 0, 3]].tobytes()), image) == 0


def test_the_largest_picture_of_an_icon_counts():
    """Of the sizes in an icon the largest is opened; one that hides a huge picture is refused by its size."""
    icon = saved(photo(3, (256, 256)), "ICO", sizes=[(16, 16), (256, 256), (32, 32)])
    assert open_picture(icon).size == (256, 256)
    old = saved(photo(3, (64, 64)), "ICO", sizes=[(64, 64)], bitmap_format="bmp")
    assert open_picture(old).size == (64, 64)
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    png = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10) + b"IDAT" + bytes(14)
    bomb = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png
    assert refused(bomb).reason is Reason.TOO_MANY_PIXELS


def test_the_composite_of_a_photoshop_file_is_the_picture():
    """One without a composite, or of more bits, is unsupported, and the line says what to do."""
    image = photo(4)
    assert apart(open_picture(psd(image)), image) == 0
    assert inspect(psd(image), ANY_PICTURE)[0].frames == 1
    for other in (psd(image, composite=False), psd(image, bits=16)):
        assert refused(other).reason is Reason.UNSUPPORTED
    assert "Maximize Compatibility" in refused(psd(image, composite=False)).detail


def test_what_decoders_do_not_read_is_unsupported_and_not_broken():
    """A JPEG of 12 bits, a lossless one, and a TIFF of floats in colour are good pictures of a rare kind."""
    jpeg = saved(photo(5), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    twelve = jpeg[: at + 4] + b"\x0c" + jpeg[at + 5 :]
    lossless = jpeg[: at + 1] + b"\xc3" + jpeg[at + 2 :]
    for content, word in ((twelve, "12 bits"), (lossless, "lossless")):
        assert refused(content).reason is Reason.UNSUPPORTED
        assert word in refused(content).detail
    assert refused(float_tiff()).reason is Reason.UNSUPPORTED


def float_tiff() -> bytes:
    """An RGB TIFF of 32-bit floats."""
    pixels = np.asarray(photo(6, (30, 20)), np.float32).tobytes()
    tags = [
        (256, 3, 1, 30), (257, 3, 1, 20), (258, 3, 3, 200), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 300),
        (277, 3, 1, 3), (278, 3, 1, 20), (279, 4, 1, len(pixels)), (339, 3, 3, 206),
    ]  # fmt: skip
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    head = (b"II*\0" + struct.pack("<I", 8) + table).ljust(200, b"\0")
    return (head + struct.pack("<HHHHHH", 32, 32, 32, 3, 3, 3)).ljust(300, b"\0") + pixels


def test_what_browsers_open_is_opened():
    """A GIF without a trailer or with stray zeros, a PNG without its end or with a bad checksum of a remark."""
    image = photo(7).quantize(64)
    gif, png = saved(image, "GIF"), saved(photo(7), "PNG", dpi=(72, 72))
    end = png.index(b"IEND") - 4
    dots = png.index(b"pHYs")
    wrong = png[: dots + 5] + bytes([png[dots + 5] ^ 1]) + png[dots + 6 :]
    for content in (gif[:-1], gif[:-1] + bytes(6), gif[:-1] + bytes(3) + b";"):
        assert apart(open_picture(content), image.convert("RGB")) == 0
        inspect(content, ANY_PICTURE)
    for content in (png[:end], png[: end + 9], wrong):
        assert apart(open_picture(content), photo(7)) == 0
        assert inspect(content, ANY_PICTURE)[1] is content


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_grey_is_seen_in_all_its_levels(bits: int):
    """Grey of 10, 12 or 14 bits in 16 is as bright as the same in 8: no dark sheet with a few levels."""
    grey = np.tile(np.linspace(0, 1, 256), (200, 1))
    deep = Image.fromarray(np.rint(grey * (2**bits - 1)).astype(np.uint16))
    for form in ("PNG", "TIFF"):
        opened = np.asarray(open_picture(saved(deep, form)))[..., 0]
        assert len(np.unique(opened)) == 256
        assert abs(int(opened.max()) - 255) <= 1


def test_one_white_holds_for_a_whole_set(tmp_path: Path):
    """The lightest picture says the depth of all, and a dark one stays dark, also where another process opens it."""
    dark, light = np.full((40, 50), 900, np.uint16), np.full((40, 50), 4000, np.uint16)
    for name, values in (("dark.png", dark), ("light.png", light)):
        (tmp_path / name).write_bytes(saved(Image.fromarray(values), "PNG"))
    (tmp_path / "plain.png").write_bytes(saved(photo(1), "PNG"))
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    white = white_of_set(sorted(tmp_path.iterdir()))
    assert white == 4095
    assert white_of_set([tmp_path / "plain.png"]) is None
    rule = InputRule(width=32, height=32, grey_white=white)
    assert resize.pixels(tmp_path / "dark.png", rule).max() == round(900 / 4095 * 255)
    pool = DecoderPool(1, PixelLimits(1_000_000, 1_000_000))
    with contextlib.closing(pool), opened_by(pool.opener(heavy=True)):
        assert resize.pixels(tmp_path / "dark.png", rule).max() == round(900 / 4095 * 255)


def test_what_is_no_number_hides_no_other_value():
    """A float TIFF with NaN and infinity shows the rest as ever."""
    values = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (200, 1))
    values[0, :3] = np.nan, np.inf, -np.inf
    opened = np.asarray(open_picture(saved(Image.fromarray(values), "TIFF")))[..., 0]
    assert len(np.unique(opened[1:])) == 256
    assert (opened[0, 0], opened[0, 1], opened[0, 2]) == (0, 255, 0)


def test_transparent_deep_grey_lies_on_white():
    """The value that a 16-bit grey PNG calls transparent is white, as in every other kind of PNG."""
    values = np.full((40, 40), 30_000, np.uint16)
    values[:20] = 5_000
    content = saved(Image.fromarray(values), "PNG", transparency=5_000)
    opened = open_picture(content)
    assert opened.getpixel((5, 5)) == (255, 255, 255)
    assert opened.getpixel((5, 30))[0] < 250


@pytest.mark.parametrize(
    ("kind", "make", "how"),
    [
        ("DNG", b"Google", {"dng": True}),
        ("NEF", b"NIKON CORPORATION", {}),
        ("ARW", b"SONY", {}),
        ("CR2", b"Canon", {"cr2": True}),
    ],
)
def test_the_full_preview_of_a_raw_file_is_the_photo(kind: str, make: bytes, how: dict[str, bool]):
    """The largest preview is opened, turned as the camera was held, and a JPEG stands for the file."""
    large, small = photo(8, (1200, 800)), photo(8, (160, 120))
    content = camera_raw(make, [saved(small, "JPEG"), saved(large, "JPEG", quality=95)], orientation=6, **how)
    assert raw.kind_of(content) == kind
    inspected, jpeg = inspect(content, ANY_PICTURE)
    assert (inspected.original, inspected.format) == (f".{kind.lower()}", "JPEG")
    assert Image.open(io.BytesIO(jpeg)).size == (800, 1200)
    assert apart(open_picture(content), large.transpose(Image.Transpose.ROTATE_270)) < 4


def test_a_raw_file_with_a_thumbnail_alone_is_refused():
    """The thumbnail of 160 x 120 never stands for a photo; the line says what to do."""
    content = camera_raw(b"SONY", [saved(photo(9, (160, 120)), "JPEG")])
    error = refused(content)
    assert error.reason is Reason.UNSUPPORTED
    assert "no full preview" in error.detail


def test_a_plain_tiff_of_a_camera_is_a_tiff():
    """A TIFF that names a camera's maker, as its own software writes it, is no raw file."""
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[271] = "NIKON CORPORATION"
    content = saved(photo(10), "TIFF", tiffinfo=tags)
    assert inspect(content, ANY_PICTURE)[0].format == "TIFF"
