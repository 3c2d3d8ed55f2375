"""Tests of byod.images.decode: every kind of picture comes out upright RGB, or is refused with a reason."""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from functools import lru_cache

import imagehash
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from byod.images.decode import Rules, inspect, open_picture
from byod.images.hashing import distance
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

ANYTHING = Rules(min_side=1, max_aspect=1000, refuse_blank=False)
WIDTH, HEIGHT = 260, 210


def drawn(width=WIDTH, height=HEIGHT, seed=1):
    """A picture with coarse and fine structure, no two corners alike."""
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


def apart(first, second):
    """The mean difference of two pictures, 0..255."""
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean())


def refusal(content, rules=ANYTHING, **options):
    with pytest.raises(PictureError) as caught:
        inspect(content, rules, **options)
    assert len(caught.value.detail) < 200
    assert "\n" not in caught.value.detail
    return caught.value.reason


@lru_cache
def all_types(width=WIDTH, height=HEIGHT, seed=1):
    """One file of every type and the main ways of storing each."""
    image = drawn(width, height, seed)
    grey = image.convert("L")
    return {
        "jpeg": encoded(image, "JPEG", quality=90),
        "jpeg progressive": encoded(image, "JPEG", quality=90, progressive=True),
        "jpeg grey": encoded(grey, "JPEG", quality=90),
        "jpeg cmyk": encoded(image.convert("CMYK"), "JPEG", quality=90),
        "png": encoded(image, "PNG"),
        "png palette": encoded(image.quantize(200), "PNG"),
        "png grey and alpha": encoded(grey.convert("LA"), "PNG"),
        "png 16 bits": encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        "webp": encoded(image, "WEBP", quality=95),
        "webp lossless": encoded(image, "WEBP", lossless=True),
        "webp animated": encoded(
            image, "WEBP", save_all=True, append_images=[ImageOps.flip(image)], quality=95
        ),
        "gif": encoded(image, "GIF"),
        "gif animated": encoded(image, "GIF", save_all=True, append_images=[ImageOps.flip(image), image]),
        "bmp": encoded(image, "BMP"),
        "bmp palette": encoded(image.quantize(256), "BMP"),
        "tiff": encoded(image, "TIFF"),
        "tiff lzw": encoded(image, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encoded(image, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encoded(image, "TIFF", compression="jpeg"),
        "avif": encoded(image, "AVIF", quality=95),
        "jpeg2000": encoded(image, "JPEG2000"),
        "jpeg2000 codestream": encoded(image, "JPEG2000", no_jp2=True),
        "ppm": encoded(image, "PPM"),
        "ppm grey": encoded(grey, "PPM"),
        "tga": encoded(image, "TGA"),
        "tga packed": encoded(image, "TGA", compression="tga_rle"),
    }


NAMES = sorted(all_types(90, 70, 4))


@pytest.mark.parametrize("name", NAMES)
def test_every_type_opens_as_what_it_shows(name):
    """Each type and way of storing gives the same upright RGB picture, its type told by content alone."""
    image = drawn()
    content = all_types()[name]
    inspected, kept = inspect(content, ANYTHING)
    assert kept is content
    assert (inspected.width, inspected.height) == image.size
    assert inspected.format.lower() == name.split()[0]
    suffixes = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2"}
    assert inspected.suffix == suffixes.get(inspected.format, f".{inspected.format.lower()}")
    assert inspected.frames == {"webp animated": 2, "gif animated": 3}.get(name, 1)
    opened = open_picture(content)
    assert opened.mode == "RGB"
    expected = image.convert("L") if "grey" in name or "16" in name else image
    assert apart(opened, expected.convert("RGB")) < 8
    assert distance(inspected.fingerprint.phash, str(imagehash.phash(opened))) <= 2


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "avif" else name for name in NAMES]
)
def test_a_cut_file_is_broken_wherever_it_is_cut(name):
    """At 20 points spread over the file, and a few bytes before its end, a cut is found out."""
    content = all_types(seed=3)[name]
    points = [max(24, len(content) * part // 21) for part in range(1, 21)]
    behind_the_pixels = {"png": 12, "gif": 1, "tga": 26}.get(name.split()[0], 0)  # as browsers see it
    ends = [end for end in (32, 16, 4, 2, 1) if end > behind_the_pixels]
    for cut in [*points, *(len(content) - end for end in ends)]:
        assert refusal(content[:cut]) is Reason.BROKEN, cut
        assert refusal(content[:cut], max_side=100) is Reason.BROKEN, cut


@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes_never_crash(name):
    """Whatever is overwritten in a file, it opens or is refused with a reason."""
    content = all_types(90, 70, 4)[name]
    rng = np.random.default_rng(len(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own, of damaged EXIF
        for _ in range(60):
            damaged = bytearray(content)
            for _ in range(int(rng.integers(1, 8))):
                damaged[int(rng.integers(2, min(len(content), 900)))] = int(rng.integers(0, 256))
            with contextlib.suppress(PictureError):
                assert inspect(bytes(damaged), ANYTHING)[0].width > 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"RIFF\x40\0\0\0WEBPVP8 ",
            b"BM",
            b"II*\0",
            b"P6\n",
            b"\0\0\0\x20ftypavif",
            b"<svg",
            b"8BPS",
            b"\0\0\1\0",
        ]
    ),
    st.binary(max_size=400),
)
def test_any_bytes_are_refused_with_a_reason(start, rest):
    """Random bytes behind any file's first ones end as a PictureError and nothing else."""
    with pytest.raises(PictureError) as caught:
        inspect(start + rest, ANYTHING)
    assert caught.value.reason in {
        Reason.NOT_A_PICTURE, Reason.UNSUPPORTED, Reason.BROKEN, Reason.TOO_MANY_PIXELS
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason", "word"),
    [
        (b"", Reason.NOT_A_PICTURE, "empty"),
        (b"\r\n<!DOCTYPE html><title>Not found</title>", Reason.NOT_A_PICTURE, "HTML"),
        (b"\xef\xbb\xbf<html><body>gone</body>", Reason.NOT_A_PICTURE, "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.NOT_A_PICTURE, "SVG"),
        (b"<?xml version='1.0'?>\n<!-- x --><svg/>", Reason.NOT_A_PICTURE, "SVG"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Reason.NOT_A_PICTURE, "XML"),
        (b'{"error": "not found"}', Reason.NOT_A_PICTURE, "JSON"),
        (b"No such file", Reason.NOT_A_PICTURE, "text"),
        (b"BMW makes cars, and this is text about them", Reason.NOT_A_PICTURE, "text"),
        (b"%PDF-1.7 ...", Reason.NOT_A_PICTURE, "PDF"),
        (b"PK\x03\x04" + bytes(30), Reason.NOT_A_PICTURE, "ZIP"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", Reason.NOT_A_PICTURE, "video"),
        (b"RIFF\x24\0\0\0WAVEfmt ", Reason.NOT_A_PICTURE, "WAV"),
        (bytes(range(1, 60)) + bytes(60), Reason.NOT_A_PICTURE, "01 02 03 04"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.BROKEN, "HEIF"),
        (b"8BPS\0\1" + bytes(30), Reason.UNSUPPORTED, "Photoshop"),
        (b"\0\0\1\0\1\0" + bytes(30), Reason.BROKEN, "ICO"),
        (b"\xff\x0a" + bytes(30), Reason.UNSUPPORTED, "pillow-jxl-plugin"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30), Reason.BROKEN, "JPEG2000"),
        (b"P6\n2 2\n255\n" + bytes(11), Reason.BROKEN, "PPM"),
        (b"P7\nWIDTH 2\n" + bytes(12), Reason.UNSUPPORTED, "PAM"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(30), Reason.UNSUPPORTED, "raw"),
    ],
)
def test_what_is_no_picture_is_named(content, reason, word):
    """Pages, documents and pictures of types not taken are refused by what they are."""
    with pytest.raises(PictureError) as caught:
        inspect(content, ANYTHING)
    assert caught.value.reason is reason
    assert word in caught.value.detail


def test_types_that_pillow_knows_and_byod_does_not_take_are_refused():
    """A real PCX is refused, though Pillow could open it."""
    assert refusal(encoded(drawn(64, 64), "PCX")) is Reason.NOT_A_PICTURE


def test_bytes_after_the_end_marker_do_no_harm():
    """Cameras append things to JPEGs (and anybody to PNGs and GIFs); the picture is whole all the same."""
    for form in ("JPEG", "PNG", "GIF", "WEBP"):
        assert inspect(encoded(drawn(), form) + b"maker's note " * 50, ANYTHING)[0].format == form


def test_real_odd_pictures_open_or_are_refused(real_pictures):
    """One picture in many modes looks the same in all of them; the tiny ones open as well."""
    folder = real_pictures / "near-duplicates" / "misc-images"
    looks = {
        file.name: inspect(file.read_bytes(), ANYTHING, max_side=500)[0].fingerprint
        for file in (folder / "modes").iterdir()
        if file.suffix != ".md"
    }
    assert len(looks) == 14
    for name, look in looks.items():
        assert distance(look.phash, looks["original.jpg"].phash) <= 4, name
    for name in ("wee.jpg", "small.jpg", "c.png"):
        assert inspect((folder / name).read_bytes(), ANYTHING)[0].frames == 1


def test_real_photos_all_open(real_pictures):
    """All real cats and vegetables pass the usual rules, bytes after the end marker or not."""
    for file in [*(real_pictures / "cats").rglob("*.jpg"), *(real_pictures / "vegetables").rglob("*.jpg")]:
        inspected, _ = inspect(file.read_bytes(), Rules())
        assert not inspected.fingerprint.flat


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied_once(orientation, form):
    """Each of the eight orientations comes out upright, whole and reduced, with one and the same hash."""
    upright = drawn(400, 260, seed=6)
    back = {2: 0, 3: 1, 4: 5, 5: 6, 6: 2, 7: 3, 8: 4}  # the inverse of each turn, by Pillow's name
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    assert len(back) == 7
    stored = upright if inverse is None else upright.transpose(inverse)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(stored, form, exif=exif, quality=95)
    inspected, _ = inspect(content, ANYTHING)
    assert (inspected.width, inspected.height) == (400, 260)
    assert inspected.orientation == (1 if form == "TIFF" else orientation)
    assert distance(inspected.fingerprint.phash, str(imagehash.phash(upright))) <= 2
    assert apart(open_picture(content), upright) < 6
    small, kept = inspect(content, ANYTHING, max_side=200)
    assert (small.width, small.height, small.orientation) == (200, 130, 1)
    assert apart(open_picture(kept), upright.resize((200, 130), Image.Resampling.LANCZOS)) < 6
    assert not Image.open(io.BytesIO(kept)).getexif()


def test_damaged_exif_is_no_reason_to_refuse():
    """A picture whose EXIF block is garbage opens as it lies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for garbage in (
            b"Exif\0\0garbage",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        ):
            inspected, _ = inspect(encoded(drawn(), "JPEG", exif=garbage), ANYTHING)
            assert inspected.orientation == 1


def test_transparent_pixels_lie_on_white():
    """Alpha, a transparent palette colour and a colour key show white where there is nothing."""
    image = drawn()
    mask = Image.new("L", image.size, 255)
    mask.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    rgba = image.convert("RGBA")
    rgba.putalpha(mask)
    expected = image.copy()
    expected.paste("white", (0, 0, WIDTH // 2, HEIGHT))
    palette = Image.new("P", image.size, 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.paste(1, (WIDTH // 2, 0, WIDTH, HEIGHT))
    keyed = Image.new("RGB", image.size, (1, 2, 3))
    keyed.paste((200, 0, 0), (WIDTH // 2, 0, WIDTH, HEIGHT))
    red = Image.new("RGB", image.size, (200, 0, 0))
    red.paste("white", (0, 0, WIDTH // 2, HEIGHT))
    for content, wanted in (
        (encoded(rgba, "PNG"), expected),
        (encoded(rgba, "WEBP", lossless=True), expected),
        (encoded(palette, "PNG", transparency=0), red),
        (encoded(palette, "PNG", transparency=b"\0\xff"), red),
        (encoded(keyed, "PNG", transparency=(1, 2, 3)), red),
    ):
        assert apart(open_picture(content), wanted) < 0.5
        look = inspect(content, ANYTHING)[0].fingerprint
        assert distance(look.phash, str(imagehash.phash(wanted))) <= 2
    clear = encoded(Image.new("RGBA", (300, 300), (0, 0, 0, 0)), "PNG")
    assert refusal(clear, Rules()) is Reason.BLANK


def test_deep_greys_are_scaled_and_not_clipped():
    """16-bit greys, 32-bit integers and floats of 0..1 come out over the whole range, in order."""
    ramp = np.tile(np.linspace(0, 1, 256), (200, 1))
    for content in (
        encoded(Image.fromarray((ramp * 65535).astype(np.uint16)), "PNG"),
        encoded(Image.fromarray((ramp * 65535).astype(np.uint16)), "TIFF"),
        encoded(Image.fromarray((ramp * 65535).astype(np.int32)), "TIFF"),
        encoded(Image.fromarray(ramp.astype(np.float32)), "TIFF"),
        encoded(Image.fromarray((ramp * 255).astype(np.float32)), "TIFF"),
        encoded(Image.fromarray((ramp * 9e6 - 4e6).astype(np.float32)), "TIFF"),
    ):
        row = np.asarray(open_picture(content))[100, :, 0].astype(int)
        assert np.abs(row - np.arange(256)).max() <= 1
    odd = ramp.astype(np.float32)
    odd[:50] = np.nan
    assert open_picture(encoded(Image.fromarray(odd), "TIFF")).size == (256, 200)


def test_cmyk_is_not_inverted():
    """An Adobe CMYK JPEG (stored inverted) and a YCCK one show their colours, a CMYK TIFF as well."""
    red = Image.new("CMYK", (256, 256), (0, 255, 255, 0))
    red.paste((255, 0, 0, 0), (0, 0, 128, 256))
    for content in (encoded(red, "JPEG", quality=95), encoded(red, "TIFF")):
        pixels = np.asarray(open_picture(content)).astype(int)
        assert np.abs(pixels[128, 200] - [255, 0, 0]).max() < 12
        assert np.abs(pixels[128, 60] - [0, 255, 255]).max() < 12


def test_a_lab_tiff_opens():
    """Pillow itself cannot convert CIELAB; a picture stored so opens in its colours."""
    lab = ImageCms.applyTransform(
        drawn(),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert apart(open_picture(encoded(lab, "TIFF")), drawn()) < 4


def wide_gamut_profile():
    """An RGB profile whose red and green primaries are swapped: whoever ignores it sees wrong colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    places = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def test_colour_profiles_are_applied():
    """A picture in another colour space comes out in sRGB, hashed and shown alike; sRGB itself changes nothing."""
    image = drawn()
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = open_picture(encoded(image, "PNG"))
    assert apart(open_picture(encoded(image, "PNG", icc_profile=own)), plain) == 0
    swapped = Image.merge("RGB", [image.split()[channel] for channel in (1, 0, 2)])
    for form in ("PNG", "JPEG", "WEBP", "TIFF"):
        content = encoded(swapped, form, icc_profile=wide_gamut_profile(), quality=95)
        assert apart(open_picture(content), image) < 8, form
        shown, kept = inspect(content, ANYTHING, max_side=130)
        assert "icc_profile" not in Image.open(io.BytesIO(kept)).info
        assert apart(open_picture(kept), image.resize((130, 105), Image.Resampling.LANCZOS)) < 8, form
        assert shown.fingerprint.rgb != inspect(encoded(swapped, form), ANYTHING)[0].fingerprint.rgb


@pytest.mark.parametrize("profile", [b"", b"x", b"x" * 500, b"\0" * 16 + b"RGB " + b"\0" * 480])
def test_broken_profiles_are_ignored(profile):
    """A colour profile that is garbage, or for another kind of picture, leaves the colours as they are."""
    content = encoded(drawn(), "PNG", icc_profile=profile)
    assert apart(open_picture(content), drawn()) == 0
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_picture(encoded(drawn().convert("L"), "PNG", icc_profile=own)).mode == "RGB"


def test_too_many_pixels_are_refused_before_they_are_decoded():
    """The header is believed: a bomb of any type is refused without taking the memory."""

    def png(width, height):
        header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", 2**20) + b"IDAT"

    vp8x = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff" * 2
    bombs = [
        png(30_000, 30_000) + bytes(12),
        png(2**31 - 1, 2**31 - 1) + bytes(12),
        b"RIFF" + struct.pack("<I", len(vp8x)) + vp8x,
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\0\0\0"
        + b","
        + bytes(4)
        + struct.pack("<HH", 65535, 65535),
        b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    ]
    for bomb in bombs:
        assert refusal(bomb + bytes(200)) in {Reason.TOO_MANY_PIXELS, Reason.BROKEN}, bomb[:20]
    assert refusal(png(40_000, 40_000) + bytes(12)) is Reason.TOO_MANY_PIXELS
    small = encoded(drawn(), "JPEG")
    assert refusal(small, Rules(max_pixels=WIDTH * HEIGHT - 1)) is Reason.TOO_MANY_PIXELS
    inspect(small, Rules(max_pixels=WIDTH * HEIGHT))


def test_rules_refuse_small_narrow_blank_and_moving_pictures():
    """Each rule has its reason, and counts sides of the upright picture."""
    assert refusal(encoded(drawn(199, 400), "PNG"), Rules()) is Reason.TOO_SMALL
    assert refusal(encoded(drawn(801, 200), "PNG"), Rules()) is Reason.BAD_ASPECT
    inspect(encoded(drawn(800, 200), "PNG"), Rules())
    assert refusal(encoded(Image.new("RGB", (300, 300), "#abcdef"), "JPEG"), Rules()) is Reason.BLANK
    noise = np.random.default_rng(0).integers(118, 124, (300, 300, 3), dtype=np.uint8)
    assert refusal(encoded(Image.fromarray(noise), "JPEG"), Rules()) is Reason.BLANK
    inspect(encoded(Image.new("RGB", (300, 300), "#abcdef"), "JPEG"), Rules(refuse_blank=False))
    moving = all_types()["gif animated"]
    inspect(moving, Rules())
    assert refusal(moving, Rules(refuse_animated=True)) is Reason.ANIMATED
    line = Image.new("RGB", (300, 300), "white")
    line.paste("black", (20, 140, 280, 160))
    inspect(encoded(line, "PNG"), Rules())


@settings(max_examples=30, deadline=None)
@given(st.integers(60, 700), st.integers(60, 700), st.integers(40, 400), st.sampled_from(["JPEG", "PNG"]))
def test_max_side_makes_smaller_and_never_larger(width, height, most, form):
    """The longer side comes out as asked, the aspect stays; a picture already small keeps its bytes."""
    content = encoded(drawn(width, height), form)
    inspected, kept = inspect(content, ANYTHING, max_side=most)
    if max(width, height) <= most:
        assert kept is content
        assert (inspected.format, inspected.width, inspected.height) == (form, width, height)
        return
    again = Image.open(io.BytesIO(kept))
    assert again.format == "JPEG"
    assert again.size == (inspected.width, inspected.height)
    assert max(again.size) == most
    assert abs(min(again.size) - min(width, height) * most / max(width, height)) <= 1
    expected = Image.open(io.BytesIO(content)).resize(again.size, Image.Resampling.LANCZOS)
    assert apart(again.convert("L"), expected.convert("L")) < 6


def test_a_smaller_picture_carries_no_metadata():
    """EXIF, comment, profile and XMP do not come along."""
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    content = encoded(drawn(512, 512), "JPEG", exif=exif, comment=b"where I live", xmp=b"<x>where I live</x>")
    for most in (256, 200):
        assert b"where I live" not in inspect(content, ANYTHING, max_side=most)[1]


def test_open_picture_reduces_no_further_than_asked():
    """`at_least` is a promise on the shorter side, for every type."""
    image = drawn(900, 640)
    for form in ("JPEG", "PNG", "WEBP"):
        content = encoded(image, form)
        assert open_picture(content).size == (900, 640)
        for least in (1, 63, 160, 320, 640, 5000):
            size = open_picture(content, at_least=least).size
            assert min(size) >= min(least, 640)
            assert size[0] / size[1] == pytest.approx(900 / 640, rel=0.03) or least == 1
        assert min(open_picture(content, at_least=160).size) < 640


def test_open_picture_names_the_file(tmp_path):
    """A missing, empty or broken file is refused in one line with its name."""
    broken = tmp_path / "photo.jpg"
    broken.write_bytes(encoded(drawn(), "JPEG")[:3000])
    page = tmp_path / "page.jpg"
    page.write_text("<html>")
    for file, reason in (
        (broken, Reason.BROKEN), (page, Reason.NOT_A_PICTURE), (tmp_path / "none.jpg", Reason.BROKEN)
    ):  # fmt: skip
        with pytest.raises(PictureError, match=file.name) as caught:
            open_picture(file)
        assert caught.value.reason is reason
    file = tmp_path / "x.png"
    file.write_bytes(encoded(drawn(), "WEBP"))
    assert open_picture(file).size == (WIDTH, HEIGHT)


@pytest.mark.slow
def test_large_pictures_are_reduced_in_bands_without_a_seam():
    """A picture large enough for bands comes out as if it were converted whole."""
    image = drawn(3001, 2200, seed=8).convert("RGBA")
    image.putalpha(drawn(3001, 2200, seed=9).convert("L"))
    found = open_picture(encoded(image, "PNG", compress_level=1), at_least=500)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    assert apart(found, white.reduce(4)) == 0


def test_pillow_is_left_as_it_was():
    """The limits and filters of the user's own process are not touched."""
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    for content in all_types().values():
        inspect(content, ANYTHING, max_side=100)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


@pytest.mark.slow
def test_threads_do_not_disturb_each_other():
    """Many threads on pictures with profiles and large ones come to what one thread comes to."""
    contents = [encoded(drawn(seed=n), "PNG", icc_profile=wide_gamut_profile()) for n in range(4)]
    contents.append(encoded(drawn(3600, 2400), "WEBP", quality=50))
    alone = [inspect(content, ANYTHING, max_side=99) for content in contents]
    wrong = []

    def work():
        for content, expected in zip(contents, alone, strict=True):
            if inspect(content, ANYTHING, max_side=99) != expected:
                wrong.append(content)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("more", [1, 1000])
def test_scans_behind_the_only_one_of_a_sequential_jpeg_are_not_drawn(more: int):
    """A sequential JPEG has its colours in one scan; with further ones behind it, it is broken, and refused at once."""
    content = encoded(drawn(), "JPEG")
    at = content.rindex(b"\xff\xda")
    with pytest.raises(PictureError) as caught:
        inspect(content[:-2] + content[at:-2] * more + content[-2:], ANYTHING)
    assert caught.value.reason is Reason.BROKEN


def test_an_empty_first_scan_does_not_hide_a_thousand_others():
    """The scans of a progressive JPEG are counted also where its first one claims to hold no colour at all."""
    content = encoded(drawn(), "JPEG", progressive=True)
    at = content.index(b"\xff\xda")
    empty = b"\xff\xda\x00\x06\x00\x00\x3f\x00"
    with pytest.raises(PictureError, match="scans"):
        inspect(content[:at] + empty + content[at:-2] * 200 + content[-2:], ANYTHING)
