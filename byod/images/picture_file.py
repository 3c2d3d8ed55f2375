"""Open a stranger's bytes as a picture file: type, header and size are checked, and no pixel is decoded."""

from __future__ import annotations

import importlib
import io
import re
import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageFile

from byod.images import icon, raw
from byod.images.formats import recognise
from byod.images.headers import Header, jxl_size, webp_exif, webp_size
from byod.images.openers import PixelLimits, TooManyPixels
from byod.images.picture_types import TYPES
from byod.images.wholeness import check_readable, check_whole, mended
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
    file: Image.Image
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
    check_readable(content, name)
    if (header := _header(content, name)) is not None:
        _check_pixels(name, header.size, limits.decoded, limits)
        if header.size[0] * header.size[1] > _LATE[name]:
            reader_of(name)  # which may be missing
            width, height = upright_size(header)
            return PictureFile(content, header, name, width, height, _orientation(header), 1)
    return _opened(content, name, limits)


def read_late(opened: PictureFile) -> PictureFile:
    """The file with its reader, where only its header was read until now.

    Raises:
        PictureError: it is damaged.
    """
    if not isinstance(opened.file, Header):
        return opened
    return _opened(opened.content, opened.name, PixelLimits(2**40, 2**40))


def _opened(content: bytes, name: str, limits: PixelLimits) -> PictureFile:
    try:
        part, orientation = _part(content, name, limits)
        file = reader_of(name)(io.BytesIO(part)) if isinstance(part, bytes) else part
        if isinstance(file, ImageFile.ImageFile):  # decode in one go: fewer waits for the GIL
            file.decodermaxblock = max(file.decodermaxblock, len(content))
        _check_pixels(name, file.size, _most(name, file, limits), limits)
        frames = check_whole(content, name)
        if name in _ANIMATIONS:
            frames = max(frames, getattr(file, "n_frames", 1))
        orientation = orientation or _orientation(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except DAMAGE as error:
        raise broken(name, error) from error
    if name in _TURNED_BY_THEMSELVES:
        return PictureFile(content, file, name, *file.size, 1, frames)
    width, height = file.size if orientation < 5 else file.size[::-1]
    return PictureFile(content, file, name, width, height, orientation, frames)


def _part(content: bytes, name: str, limits: PixelLimits) -> tuple[bytes | Image.Image, int]:
    """The part of a file that is read, or its reader; and how it is turned, where the file itself says so (else 0)."""
    if name in _RAW:
        return raw.preview(content)
    if name == "ICO":
        found = icon.largest(content)
        if found.png:
            return open_file(found.content, limits).file, 1
    return mended(content, name), 0


def _header(content: bytes, name: str) -> Header | None:
    """The header of a type whose reader takes memory, or decodes, as soon as it is made."""
    if name == "WEBP" and (size := webp_size(content)):
        return Header(name, size, webp_exif(content))
    if name == "JXL":
        if (size := jxl_size(content)) is None:
            raise PictureError(Reason.BROKEN, "damaged JXL: its header says no size")
        return Header(name, size)
    return None


def upright_size(file: Image.Image) -> tuple[int, int]:
    """Width and height of a picture once it is turned as its EXIF says."""
    return file.size if _orientation(file) < 5 else (file.size[1], file.size[0])


_LATE = {"WEBP": 20_000_000, "JXL": 0}
"""Pixels beyond which the reader of a type is made no earlier than it decodes."""
_RAW = frozenset({"DNG", "CR2", "NEF", "ARW"})
_ANIMATIONS = frozenset({"WEBP", "PNG", "AVIF"})
"""Types whose readers count the pictures of an animation; several pictures in another are pages, a burst, or layers."""
_TURNED_BY_THEMSELVES = frozenset({"TIFF"})
"""Types that Pillow turns, stating the upright size."""


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


def _most(name: str, file: Image.Image, limits: PixelLimits) -> int:
    """The most pixels that a file may have; libjpeg keeps a progressive one whole, in six bytes a pixel at the most."""
    if name != "JPEG":
        return limits.decoded
    return min(limits.jpeg, 2 * limits.decoded) if file.info.get("progressive") else limits.jpeg


def _check_pixels(name: str, size: tuple[int, int], most: int, limits: PixelLimits) -> None:
    if size[0] * size[1] > most:
        raise TooManyPixels(name, *size, most=most, jpeg=limits.jpeg)


def _orientation(file: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where none is stated or the statement is damaged."""
    if not file.info.keys() & {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}:
        return 1
    try:
        orientation = file.getexif().get(0x0112, 1)
    except DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


_UNREADABLE = re.compile(
    r"unknown pixel mode|unknown data organization|unsupported|not supported|cannot handle|unknown compression"
    r"|no decoder|decoder \w+ not available|tag not found|unknown (TIFF|BMP|PSD|TGA)",
    re.IGNORECASE,
)


def broken(name: str, error: BaseException) -> PictureError:
    """One short line on what Pillow found; its own words can be long and over several lines."""
    words = " ".join(str(error).split()) or type(error).__name__
    if _UNREADABLE.search(words):
        return PictureError(Reason.UNSUPPORTED, f"a variety of {name} that is not taken: {words[:100]}")
    return PictureError(Reason.BROKEN, f"damaged {name}: {words[:120]}")
