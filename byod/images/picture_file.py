"""Open a stranger's bytes as a picture file: type, header and size are checked, and no pixel is decoded."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageFile

from byod.images.formats import check_whole, recognise, webp_size
from byod.images.openers import PixelLimits, TooManyPixels
from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

DAMAGE = (
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


class PictureFile(NamedTuple):
    """A picture whose header was read: `width`, `height` upright, `frames` of an animation."""

    content: bytes
    file: ImageFile.ImageFile
    name: str
    width: int
    height: int
    orientation: int
    frames: int


def open_file(content: bytes, limits: PixelLimits) -> PictureFile:
    """Read the header, and check the number of pixels before any is decoded.

    Raises:
        PictureError: it is no picture, damaged, of a type that is not taken, or over the limits.
    """
    name = recognise(content)
    if name == "WEBP" and (size := webp_size(content)):
        _check_pixels(name, size, limits.decoded, limits)
    try:
        file = reader_of(name)(io.BytesIO(content))
        file.decodermaxblock = max(
            file.decodermaxblock, len(content)
        )  # decode in one go: fewer waits for the GIL
        _check_pixels(name, file.size, _most(name, file, limits), limits)
        frames = check_whole(content, name)
        if name not in _NO_ANIMATIONS:
            frames = max(frames, getattr(file, "n_frames", 1) if name != "GIF" else 1)
        orientation = _orientation(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except DAMAGE as error:
        raise broken(name, error) from error
    width, height = file.size
    if name == "TIFF":  # Pillow turns these by itself, and states the upright size
        return PictureFile(content, file, name, width, height, 1, 1)
    if orientation >= 5:
        width, height = height, width
    return PictureFile(content, file, name, width, height, orientation, frames)


_NO_ANIMATIONS = frozenset({"TIFF", "HEIF"})
"""Several pictures in one of these are pages, or a burst: the first counts."""


@lru_cache(maxsize=32)
def reader_of(name: str) -> type[ImageFile.ImageFile]:
    """The reader of one type: `Image.open` would try others and warn of its own pixel limit first.

    Raises:
        PictureError: the package that it comes with is not installed.
    """
    kind = TYPES[name]
    module, _, of = kind.reader.partition(":")
    try:
        reader = getattr(importlib.import_module(module), of)
    except ImportError as error:
        raise PictureError(
            Reason.UNSUPPORTED, f"{name} pictures need the package {kind.needs}: pip install {kind.needs}"
        ) from error
    if not isinstance(reader, type) or not issubclass(reader, ImageFile.ImageFile):
        raise TypeError(f"{kind.reader} is no reader of {name}")
    return reader


def _most(name: str, file: ImageFile.ImageFile, limits: PixelLimits) -> int:
    """The most pixels that a file may have; libjpeg keeps a progressive one whole, in six bytes a pixel at the most."""
    if name != "JPEG":
        return limits.decoded
    return min(limits.jpeg, 2 * limits.decoded) if file.info.get("progressive") else limits.jpeg


def _check_pixels(name: str, size: tuple[int, int], most: int, limits: PixelLimits) -> None:
    if size[0] * size[1] > most:
        raise TooManyPixels(name, *size, most=most, jpeg=limits.jpeg)


def _orientation(file: ImageFile.ImageFile) -> int:
    """The EXIF orientation, 1..8; 1 where none is stated or the statement is damaged."""
    if not file.info.keys() & {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}:
        return 1
    try:
        orientation = file.getexif().get(0x0112, 1)
    except DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def broken(name: str, error: BaseException) -> PictureError:
    """One short line on what Pillow found; its own words can be long and over several lines."""
    words = " ".join(str(error).split()) or type(error).__name__
    return PictureError(Reason.BROKEN, f"damaged {name}: {words[:120]}")
