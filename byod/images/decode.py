"""The one way a picture is opened: checked, upright, RGB in sRGB.

Whatever byod hashes, trains on, predicts from or shows comes through here. The bytes are a stranger's: their
type is told by their content, the number of pixels is checked before anything is decoded, and the whole
compressed stream is decoded, so that a cut file is found out. EXIF orientation is applied here and nowhere else.
"""

from __future__ import annotations

import importlib
import io
import struct
import threading
import zlib
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageFile

from byod.images.color import to_rgb
from byod.images.formats import check_whole, recognise, webp_size
from byod.images.hashing import SHORT_SIDE, Box, fingerprint
from byod.images.picture_types import TYPES
from byod.schema import defaults
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason
from byod.schema.records import Inspected, Record

QUALITY = 92
"""JPEG quality of the pictures byod makes smaller."""

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers have been seen to raise for damaged files."""

_HEAVY_PIXELS = 8_000_000
_ONE_AT_A_TIME = threading.Lock()
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Rules(Record):
    """Rules for the pictures that are kept: sides in pixels, aspect as longer over shorter side."""

    min_side: int = defaults.MIN_SIDE
    max_aspect: float = defaults.MAX_ASPECT
    max_pixels: int = defaults.MAX_PIXELS
    refuse_animated: bool = False
    refuse_blank: bool = True


ANY_PICTURE = Rules(min_side=1, max_aspect=1e9, refuse_animated=False, refuse_blank=False)
"""For what a person put there: whatever can be opened is a picture."""


class _Opened(NamedTuple):
    """A picture whose header was read: `width`, `height` upright, `frames` of an animation."""

    file: ImageFile.ImageFile
    name: str
    width: int
    height: int
    orientation: int
    frames: int


class _Decoded(NamedTuple):
    """Upright RGB pixels, and the part of them that the picture fills."""

    image: Image.Image
    box: Box


def inspect(
    content: bytes, rules: Rules, *, max_side: int | None = None, fast: bool = True
) -> tuple[Inspected, bytes]:
    """Check a picture, fingerprint it, and give the bytes to keep; it is decoded once.

    Args:
        content: the file as received.
        rules: what it must be like.
        max_side: None keeps the file as it is; otherwise a picture whose longer side is more pixels than this
            becomes a JPEG of that size, upright, without metadata. Nothing is ever enlarged.
        fast: decode no more pixels than needed (a hash moves by two bits, hardly ever more); False decodes all.

    Returns:
        What the picture is, its type and size being those of the bytes to keep, and these bytes.

    Raises:
        PictureError: `NOT_A_PICTURE`, `UNSUPPORTED`, `BROKEN`, `TOO_MANY_PIXELS`, `TOO_SMALL`, `BAD_ASPECT`,
            `ANIMATED` or `BLANK`, with a short line why.
    """
    opened = _open(content, rules.max_pixels)
    _check_rules(opened, rules)
    shrink = max_side is not None and max(opened.width, opened.height) > max_side
    longer = max_side if shrink and max_side else 0
    decoded = _decode(opened, shorter=SHORT_SIDE if fast else None, longer=longer)
    small = _reduced(decoded) if fast else decoded
    look = fingerprint(small.image, small.box)
    if rules.refuse_blank and look.spread < 5.0 and _blank(small.image):
        raise PictureError(Reason.BLANK, "one colour all over")
    inspected = Inspected(
        format=opened.name,
        suffix=TYPES[opened.name].suffixes[0],
        width=opened.width,
        height=opened.height,
        orientation=opened.orientation,
        frames=opened.frames,
        fingerprint=look,
    )
    if not longer:
        return inspected, content
    return _shrunk(inspected, decoded, longer)


def open_picture(source: Path | bytes, *, at_least: int | None = None) -> Image.Image:
    """Open a picture upright, in RGB and sRGB, for training, prediction and thumbnails.

    Args:
        source: a file, or the bytes of one.
        at_least: how many pixels the shorter side must still have; the picture may then come out smaller than
            it is, which is much faster. None: at full size.

    Raises:
        PictureError: it cannot be opened; the line names the file.
    """
    where = "" if isinstance(source, bytes) else f"{source}: "
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        opened = _open(content, Rules().max_pixels)
        return _decode(opened, shorter=at_least, longer=0).image
    except OSError as error:
        raise PictureError(
            Reason.BROKEN, f"{where}the file cannot be read ({error.strerror or error})"
        ) from error
    except PictureError as error:
        raise PictureError(error.reason, f"{where}{error.detail}") from error


def plain(content: bytes) -> bool:
    """True if every browser draws the file just as byod sees it: one upright still in grey or RGB.

    Raises:
        PictureError: it cannot be opened.
    """
    opened = _open(content, Rules().max_pixels)
    return opened.orientation == 1 and opened.frames == 1 and opened.file.mode in ("L", "RGB", "RGBA", "P")


def stored(content: bytes) -> tuple[int, int, int]:
    """The picture as it is stored: its width and height in pixels before it is turned, and its EXIF orientation (1..8).

    A TIFF is turned as it is read: its size is that of the upright picture, its orientation 1.

    Raises:
        PictureError: it cannot be opened.
    """
    opened = _open(content, Rules().max_pixels)
    size = (opened.width, opened.height) if opened.orientation < 5 else (opened.height, opened.width)
    return *size, opened.orientation


def _open(content: bytes, max_pixels: int) -> _Opened:
    """Read the header, and check the number of pixels before any is decoded."""
    name = recognise(content)
    if name == "WEBP" and (size := webp_size(content)):
        _check_pixels(*size, max_pixels)
    try:
        file = _reader(name)(io.BytesIO(content))
        file.decodermaxblock = max(
            file.decodermaxblock, len(content)
        )  # decode in one go: fewer waits for the GIL
        _check_pixels(*file.size, max_pixels)
        frames = check_whole(content, name)
        if name != "TIFF":  # its pages are no animation
            frames = max(frames, getattr(file, "n_frames", 1) if name != "GIF" else 1)
        orientation = _orientation(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except _DAMAGE as error:
        raise _broken(name, error) from error
    width, height = file.size
    if name == "TIFF":  # Pillow turns these by itself, and states the upright size
        return _Opened(file, name, width, height, 1, 1)
    if orientation >= 5:
        width, height = height, width
    return _Opened(file, name, width, height, orientation, frames)


@lru_cache(maxsize=8)
def _reader(name: str) -> type[ImageFile.ImageFile]:
    """Pillow's own reader of one type: `Image.open` would try others and warn of its own pixel limit first."""
    stem = TYPES[name].reader
    reader = getattr(importlib.import_module(f"PIL.{stem}ImagePlugin"), f"{stem}ImageFile")
    if not isinstance(reader, type) or not issubclass(reader, ImageFile.ImageFile):
        raise TypeError(f"PIL.{stem}ImagePlugin has no reader of {name}")
    return reader


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise PictureError(Reason.TOO_MANY_PIXELS, f"{width} x {height} pixels; the limit is {most:,} in all")


def _orientation(file: ImageFile.ImageFile) -> int:
    """The EXIF orientation, 1..8; 1 where none is stated or the statement is damaged."""
    if not file.info.keys() & {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}:
        return 1
    try:
        orientation = file.getexif().get(0x0112, 1)
    except _DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _check_rules(opened: _Opened, rules: Rules) -> None:
    shorter, longer = sorted((opened.width, opened.height))
    if shorter < rules.min_side:
        raise PictureError(
            Reason.TOO_SMALL, f"{opened.width} x {opened.height} pixels; the least side is {rules.min_side}"
        )
    if longer > rules.max_aspect * shorter:
        raise PictureError(
            Reason.BAD_ASPECT,
            f"{opened.width} x {opened.height} pixels; one side may be {rules.max_aspect:g} times the other",
        )
    if rules.refuse_animated and opened.frames > 1:
        raise PictureError(Reason.ANIMATED, f"an animation of {opened.frames} pictures")


def _decode(opened: _Opened, *, shorter: int | None, longer: int) -> _Decoded:
    """Decode the whole stream, at full size or (when `shorter` is given) reduced to not less than both sides.

    A JPEG is reduced by the decoder itself, to 1/2, 1/4 or 1/8; the others right after decoding. Large pictures
    are decoded one at a time, since each may take hundreds of megabytes.
    """
    file = opened.file
    box: Box = (0, 0, *file.size)
    pixels = file.size[0] * file.size[1]
    try:
        if shorter is not None and opened.name == "JPEG":
            scale = next(s for s in (8, 4, 2, 1) if s == 1 or _fits(file.size, s, shorter, longer))
            drafted = file.draft(None, (file.size[0] // scale, file.size[1] // scale)) if scale > 1 else None
            if drafted is not None:
                box = drafted[1]
            if not file.info.get("progressive"):  # which libjpeg keeps whole in any case
                pixels = file.size[0] * file.size[1]
        with _ONE_AT_A_TIME if pixels > _HEAVY_PIXELS else nullcontext():
            file.load()
            factor = 1
            if shorter is not None:
                factor = _factor(file.size, shorter, 2 * longer)
                box = _divided(box, factor)
            image = to_rgb(file, factor)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except _DAMAGE as error:
        raise _broken(opened.name, error) from error
    return _upright(image, box, opened.orientation)


def _broken(name: str, error: BaseException) -> PictureError:
    """One short line on what Pillow found; its own words can be long and over several lines."""
    words = " ".join(str(error).split()) or type(error).__name__
    return PictureError(Reason.BROKEN, f"damaged {name}: {words[:120]}")


def _fits(size: tuple[int, int], scale: int, shorter: int, longer: int) -> bool:
    return min(size) >= scale * shorter and max(size) >= scale * longer


def _factor(size: tuple[int, int], shorter: int, longer: int) -> int:
    """The largest whole number by which both sides may be divided without falling below the wanted ones."""
    factor = min(size) // max(shorter, 1)
    return max(1, min(factor, max(size) // longer) if longer else factor)


def _divided(box: Box, factor: int) -> Box:
    return (box[0] / factor, box[1] / factor, box[2] / factor, box[3] / factor)


def _reduced(decoded: _Decoded) -> _Decoded:
    """As small as hashing allows."""
    factor = _factor(decoded.image.size, SHORT_SIDE, 0)
    if factor == 1:
        return decoded
    return _Decoded(decoded.image.reduce(factor), _divided(decoded.box, factor))


def _upright(image: Image.Image, box: Box, orientation: int) -> _Decoded:
    """Turn or mirror a picture as its EXIF orientation says, and its box with it."""
    method = _UPRIGHT.get(orientation)
    if method is None:
        return _Decoded(image, box)
    width, height = image.size
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    return _Decoded(image.transpose(method), (left, top, right, bottom))


def _blank(image: Image.Image) -> bool:
    """True if no channel of an RGB picture varies by more than the noise of compression."""
    return all(high - low <= 12 for low, high in zip(*[iter(_extrema(image))] * 2, strict=True))


def _extrema(image: Image.Image) -> list[int]:
    """Least and greatest value of each channel in turn."""
    return [int(value) for band in image.split() for value in band.getextrema()]  # type: ignore[arg-type]


def _shrunk(inspected: Inspected, decoded: _Decoded, longer: int) -> tuple[Inspected, bytes]:
    """A JPEG of the wanted size, and its description."""
    ratio = longer / max(inspected.width, inspected.height)
    size = max(1, round(inspected.width * ratio)), max(1, round(inspected.height * ratio))
    image = decoded.image
    if image.size != size or decoded.box != (0, 0, *size):
        image = image.resize(size, Image.Resampling.LANCZOS, box=decoded.box, reducing_gap=2.0)
    image.info.clear()  # Pillow would write a comment out of it
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    changes = {
        "format": "JPEG",
        "suffix": ".jpg",
        "width": size[0],
        "height": size[1],
        "orientation": 1,
        "frames": 1,
    }
    return inspected.model_copy(update=changes), stream.getvalue()
