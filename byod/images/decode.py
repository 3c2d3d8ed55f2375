"""The one way a picture is opened: checked, upright, RGB in sRGB.

Whatever byod hashes, trains on, predicts from or shows comes through here. The bytes are a stranger's: their
type is told by their content, the number of pixels is checked before anything is decoded, and the whole
compressed stream is decoded, so that a cut file is found out. EXIF orientation is applied here and nowhere else.
"""

from __future__ import annotations

import io
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from byod.images.color import to_rgb
from byod.images.hashing import SHORT_SIDE, Box, fingerprint
from byod.images.openers import OpenedPicture, PixelLimits, TooManyPixels, opener
from byod.images.picture_file import DAMAGE, PictureFile, broken, open_file
from byod.images.picture_types import TYPES
from byod.schema import defaults
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason
from byod.schema.records import Inspected, Record

QUALITY = 92
"""JPEG quality of the pictures byod makes smaller."""

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

    @property
    def limits(self) -> PixelLimits:
        """The same limit for all types."""
        return PixelLimits(self.max_pixels, self.max_pixels)


ANY_PICTURE = Rules(min_side=1, max_aspect=1e9, refuse_animated=False, refuse_blank=False)
"""For what a person put there: whatever can be opened is a picture."""


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
    opened = open_file(content, rules.limits)
    _check_rules(opened, rules)
    shrink = max_side is not None and max(opened.width, opened.height) > max_side
    longer = max_side if shrink and max_side else 0
    decoded = _decode(opened, shorter=SHORT_SIDE if fast else None, longer=longer)
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
        return opened_within(content, Rules().limits, at_least=at_least, turn=_ONE_AT_A_TIME)
    except OSError as error:
        raise PictureError(
            Reason.BROKEN, f"{where}the file cannot be read ({error.strerror or error})"
        ) from error
    except PictureError as error:
        if not where:
            raise
        raise PictureError(error.reason, f"{where}{error.detail}") from error


def opened_within(
    content: bytes, limits: PixelLimits, *, at_least: int | None, turn: AbstractContextManager[object]
) -> OpenedPicture:
    """Open a picture in this process within some limits; a heavy one waits for its `turn`.

    Raises:
        PictureError: it cannot be opened.
    """
    file = open_file(content, limits)
    image = _decode(file, shorter=at_least, longer=0, most=limits.decoded, turn=turn).image
    return OpenedPicture(image, file.width, file.height)


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


def _decode(
    opened: PictureFile,
    *,
    shorter: int | None,
    longer: int,
    most: int | None = None,
    turn: AbstractContextManager[object] = _ONE_AT_A_TIME,
) -> _Decoded:
    """Decode the whole stream, at full size or (when `shorter` is given) reduced to not less than both sides.

    A JPEG is reduced by the decoder itself, to 1/2, 1/4 or 1/8, in any case to `most` pixels; the others right after
    decoding. Large pictures are decoded one at a time, since each may take hundreds of megabytes.
    """
    file = opened.file
    box: Box = (0, 0, *file.size)
    try:
        if opened.name == "JPEG":
            scale = _scale(file.size, shorter, longer, most)
            drafted = file.draft(None, (file.size[0] // scale, file.size[1] // scale)) if scale > 1 else None
            if drafted is not None:
                box = drafted[1]
        pixels = file.size[0] * file.size[1]
        if file.info.get("progressive"):  # which libjpeg keeps whole in any case
            pixels = opened.width * opened.height
        with turn if pixels > _HEAVY_PIXELS else nullcontext():
            file.load()
            factor = 1
            if shorter is not None:
                factor = _factor(file.size, shorter, 2 * longer)
                box = _divided(box, factor)
            image = to_rgb(file, factor)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except DAMAGE as error:
        raise broken(opened.name, error) from error
    return _upright(image, box, opened.orientation)


def _scale(size: tuple[int, int], shorter: int | None, longer: int, most: int | None) -> int:
    """The divisor of the sides of a JPEG: as much as is allowed, and at least as much as is needed."""
    allowed = [s for s in (8, 4, 2) if shorter is not None and _fits(size, s, shorter, longer)]
    needed = [s for s in (1, 2, 4) if most is None or -(-size[0] // s) * -(-size[1] // s) <= most]
    return max(next(iter(allowed), 1), next(iter(needed), 8))


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
