"""The one way a picture is opened: checked, upright, RGB in sRGB.

Whatever byod hashes, trains on, predicts from or shows comes through here. The bytes are a stranger's: their
type is told by their content, the number of pixels is checked before anything is decoded, and the whole
compressed stream is decoded, so that a cut file is found out. EXIF orientation is applied here and nowhere else.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from PIL import Image

from byod.images import heavy
from byod.images.decoding import (
    Decoded,
    as_jpeg,
    decoded,
    divided,
    needed_bytes,
    reduction,
)
from byod.images.hashing import SHORT_SIDE, fingerprint
from byod.images.openers import OpenedPicture, PixelLimits, TooManyPixels, opener
from byod.images.picture_file import PictureFile, open_file
from byod.images.picture_types import TYPES
from byod.schema import defaults
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason
from byod.schema.records import Inspected, Record

QUALITY = 92
"""JPEG quality of the pictures byod makes smaller."""


class Rules(Record):
    """Rules for the pictures that are kept: sides in pixels, aspect as longer over shorter side."""

    min_side: int = defaults.MIN_SIDE
    max_aspect: float = defaults.MAX_ASPECT
    max_pixels: int = defaults.MAX_PIXELS
    refuse_animated: bool = False
    refuse_blank: bool = True

    @property
    def limits(self) -> PixelLimits:
        """The same limit for all types."""
        return PixelLimits(self.max_pixels, self.max_pixels)


NO_LIMIT = 1e9
"""An aspect that no picture has."""
ANY_PICTURE = Rules(min_side=1, max_aspect=NO_LIMIT, refuse_animated=False, refuse_blank=False)
"""For what a person put there: whatever can be opened is a picture."""


def inspect(
    content: bytes, rules: Rules, *, max_side: int | None = None, fast: bool = True
) -> tuple[Inspected, bytes]:
    """Check a picture, fingerprint it, and give the bytes to keep; it is decoded once.

    Args:
        content: the file as received.
        rules: what it must be like.
        max_side: None keeps the file as it is; otherwise a picture whose longer side is more pixels than this
            becomes a JPEG of that size, upright, without metadata. Nothing is ever enlarged. For one of a type that
            libraries for training do not read, a JPEG stands in any case.
        fast: decode no more pixels than needed (a hash moves by two bits, hardly ever more); False decodes all.

    Returns:
        What the picture is, its type and size being those of the bytes to keep, and these bytes.

    Raises:
        PictureError: `NOT_A_PICTURE`, `UNSUPPORTED`, `BROKEN`, `TOO_MANY_PIXELS`, `TOO_SMALL`, `BAD_ASPECT`,
            `ANIMATED` or `BLANK`, with a short line why.
    """
    opened = open_file(content, rules.limits)
    _check_rules(opened, rules)
    if TYPES[opened.name].converted:
        inspected, kept = inspect(_jpeg_of(opened), rules, max_side=max_side, fast=fast)
        return inspected.model_copy(update={"original": TYPES[opened.name].suffixes[0]}), kept
    shrink = max_side is not None and max(opened.width, opened.height) > max_side
    longer = max_side if shrink and max_side else 0
    decoded = _decoded(opened, shorter=SHORT_SIDE if fast else None, longer=longer)
    small = _reduced(decoded) if fast else decoded
    shown = fingerprint(small.image, small.box)
    if rules.refuse_blank and shown.spread < 5.0 and _blank(small.image):
        raise PictureError(Reason.BLANK, "one colour all over")
    inspected = Inspected(
        format=opened.name,
        suffix=TYPES[opened.name].suffixes[0],
        width=opened.width,
        height=opened.height,
        orientation=opened.orientation,
        frames=opened.frames,
        fingerprint=shown,
    )
    if not longer:
        return inspected, content
    return _shrunk(inspected, decoded, longer)


def _jpeg_of(opened: PictureFile) -> bytes:
    """The JPEG that stands for a picture of a type that libraries for training do not read."""
    needed = needed_bytes(opened, shorter=None)
    if needed > heavy.LIGHT:
        return heavy.as_jpeg(opened, needed)
    return as_jpeg(opened)


def _decoded(opened: PictureFile, *, shorter: int | None, longer: int) -> Decoded:
    """Decode a picture: a heavy one in another process, and then of the sides asked for at the least."""
    needed = needed_bytes(opened, shorter=shorter, longer=longer)
    if needed <= heavy.LIGHT:
        return decoded(opened, shorter=shorter, longer=longer)
    at_least = shorter
    if shorter is not None and longer:
        least, most = sorted((opened.width, opened.height))
        at_least = max(shorter, -(-2 * longer * least // most))
    image, width, height = heavy.opened(opened, needed, at_least=at_least)
    return Decoded(image, (0, 0, *image.size), width, height)


def open_picture(source: Path | bytes, *, at_least: int | None = None) -> Image.Image:
    """Open a picture upright, in RGB and sRGB, for training, prediction and thumbnails.

    Args:
        source: a file, or the bytes of one.
        at_least: how many pixels the shorter side must still have; the picture may then come out smaller than
            it is, which is much faster. None: at full size.

    Raises:
        PictureError: it cannot be opened; the line names the file.
    """
    found = opened(source, at_least=at_least)
    if at_least is None and found.image.size != (found.width, found.height):
        most = found.image.width * found.image.height
        raise TooManyPixels("picture at full size", found.width, found.height, most=most, jpeg=most)
    return found.image


def opened(source: Path | bytes, *, at_least: int | None = None) -> OpenedPicture:
    """Open a picture as `open_picture` does, and say how many pixels it has.

    In a block of `openers.opened_by` a very large JPEG comes out reduced even when no `at_least` is given.

    Raises:
        PictureError: it cannot be opened; the line names the file.
    """
    where = "" if isinstance(source, bytes) else f"{source}: "
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if (other := opener()) is not None:
            return other(content, at_least=at_least)
        file = open_file(content, Rules().limits)
        found = _decoded(file, shorter=at_least, longer=0)
        return OpenedPicture(found.image, found.width, found.height)
    except OSError as error:
        raise PictureError(
            Reason.BROKEN, f"{where}the file cannot be read ({error.strerror or error})"
        ) from error
    except PictureError as error:
        if not where:
            raise
        raise PictureError(error.reason, f"{where}{error.detail}") from error


def plain(content: bytes) -> bool:
    """True if every browser draws the file just as byod sees it: one upright still in grey or RGB.

    Raises:
        PictureError: it cannot be opened.
    """
    opened = open_file(content, Rules().limits)
    return opened.orientation == 1 and opened.frames == 1 and opened.file.mode in ("L", "RGB", "RGBA", "P")


def stored(content: bytes) -> tuple[int, int, int]:
    """The picture as it is stored: its width and height in pixels before it is turned, and its EXIF orientation (1..8).

    A TIFF is turned as it is read: its size is that of the upright picture, its orientation 1.

    Raises:
        PictureError: it cannot be opened.
    """
    opened = open_file(content, Rules().limits)
    size = (opened.width, opened.height) if opened.orientation < 5 else (opened.height, opened.width)
    return *size, opened.orientation


def _check_rules(opened: PictureFile, rules: Rules) -> None:
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


def _reduced(decoded: Decoded) -> Decoded:
    """As small as hashing allows."""
    factor = reduction(decoded.image.size, SHORT_SIDE, 0)
    if factor == 1:
        return decoded
    return decoded._replace(image=decoded.image.reduce(factor), box=divided(decoded.box, factor))


def _blank(image: Image.Image) -> bool:
    """True if no channel of an RGB picture varies by more than the noise of compression."""
    return all(high - low <= 12 for low, high in zip(*[iter(_extrema(image))] * 2, strict=True))


def _extrema(image: Image.Image) -> list[int]:
    """Least and greatest value of each channel in turn."""
    return [int(value) for band in image.split() for value in band.getextrema()]  # type: ignore[arg-type]


def _shrunk(inspected: Inspected, decoded: Decoded, longer: int) -> tuple[Inspected, bytes]:
    """A JPEG of the wanted size, and its description."""
    ratio = longer / max(inspected.width, inspected.height)
    size = max(1, round(inspected.width * ratio)), max(1, round(inspected.height * ratio))
    image = decoded.image
    if image.size != size or decoded.box != (0, 0, *size):
        image = image.resize(size, Image.Resampling.LANCZOS, box=decoded.box, reducing_gap=2.0)
    image.info.clear()  # Pillow would write a comment out of it
    encoded = _encoded(image)
    changes = {
        "format": "JPEG",
        "suffix": ".jpg",
        "width": size[0],
        "height": size[1],
        "orientation": 1,
        "frames": 1,
    }
    return inspected.model_copy(update=changes), encoded


def _encoded(image: Image.Image) -> bytes:
    """The picture as a JPEG. While Pillow writes a file other threads work, and while it writes to memory they wait."""
    if sys.platform != "linux":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        return stream.getvalue()
    with open(os.memfd_create("jpeg"), "w+b") as file:
        image.save(file, "JPEG", quality=QUALITY)
        file.seek(0)
        return file.read()
