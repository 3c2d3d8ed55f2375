"""Decode an opened file in this process: its whole stream, upright, RGB in sRGB; or as the JPEG that stands for it."""

from __future__ import annotations

import io
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from byod.images.color import to_rgb
from byod.images.hashing import Box
from byod.images.openers import OpenedPicture, PixelLimits, white
from byod.images.picture_file import DAMAGE, PictureFile, broken, open_file, read_late
from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

STANDING_IN = 95
"""JPEG quality of the picture that stands for one which libraries for training do not read."""
ONE_AT_A_TIME = threading.Lock()
"""The turn of a heavy picture: each may take hundreds of megabytes."""
_HEAVY_PIXELS = 8_000_000
_MOST_EXIF = 60_000
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(NamedTuple):
    """Upright RGB pixels, the part of them that the picture fills, and its whole width and height."""

    image: Image.Image
    box: Box
    width: int
    height: int


def opened_within(
    content: bytes, limits: PixelLimits, *, at_least: int | None, turn: AbstractContextManager[object]
) -> OpenedPicture:
    """Open a picture in this process within some limits; a heavy one waits for its `turn`.

    Raises:
        PictureError: it cannot be opened.
    """
    file = open_file(content, limits)
    found = decoded(file, shorter=at_least, longer=0, most=limits.decoded, turn=turn)
    return OpenedPicture(found.image, found.width, found.height)


def decoded(
    opened: PictureFile,
    *,
    shorter: int | None,
    longer: int,
    most: int | None = None,
    turn: AbstractContextManager[object] = ONE_AT_A_TIME,
) -> Decoded:
    """Decode the whole stream, at full size or (when `shorter` is given) reduced to not less than both sides.

    A JPEG is reduced by the decoder itself, to 1/2, 1/4 or 1/8, in any case to `most` pixels; the others right after
    decoding. Large pictures are decoded one at a time.
    """
    try:
        with turn if _is_heavy(opened, shorter, longer, most) else nullcontext():
            opened = read_late(opened)
            file = opened.file
            box: Box = (0, 0, *file.size)
            if (
                isinstance(file, JpegImageFile)
                and (scale := jpeg_scale(file.size, shorter, longer, most)) > 1
            ):
                drafted = file.draft(None, (file.size[0] // scale, file.size[1] // scale))
                box = drafted[1] if drafted is not None else box
            file.load()
            factor = 1
            if shorter is not None:
                factor = reduction(file.size, shorter, 2 * longer)
                box = divided(box, factor)
            image = to_rgb(file, factor, white())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except DAMAGE as error:
        raise broken(opened.name, error) from error
    image, box = _upright(image, box, opened.orientation)
    return Decoded(image, box, opened.width, opened.height)


def _is_heavy(opened: PictureFile, shorter: int | None, longer: int, most: int | None) -> bool:
    """True of a picture of which many pixels are decoded; libjpeg keeps a progressive one whole in any case."""
    size = opened.file.size
    scale = 1
    if isinstance(opened.file, JpegImageFile) and not opened.file.info.get("progressive"):
        scale = jpeg_scale(size, shorter, longer, most)
    return size[0] * size[1] // scale**2 > _HEAVY_PIXELS


def as_jpeg(opened: PictureFile) -> bytes:
    """The JPEG that stands for a picture: at full size and upright, with its colour profile and EXIF.

    Where the pixels are of a kind that a JPEG cannot hold, they are as byod sees them: on white, in sRGB.

    Raises:
        PictureError: it cannot be decoded.
    """
    told: dict[str, bytes] = {}
    try:
        with ONE_AT_A_TIME if opened.width * opened.height > _HEAVY_PIXELS else nullcontext():
            opened = read_late(opened)
            file = opened.file
            file.load()
            image: Image.Image = file
            if file.mode not in ("L", "RGB") or "transparency" in file.info:
                image = to_rgb(file, white=white())
            elif isinstance(profile := file.info.get("icc_profile"), bytes):
                told["icc_profile"] = profile
            if exif := _upright_exif(file):
                told["exif"] = exif
            image, _ = _upright(image, (0, 0, *image.size), opened.orientation)
            image.info.clear()  # Pillow would write some of it
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=STANDING_IN, **told)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more pixels than can be decoded safely") from error
    except DAMAGE as error:
        raise broken(opened.name, error) from error
    return stream.getvalue()


def _upright_exif(file: Image.Image) -> bytes:
    """The EXIF block of a picture that is upright now; empty where there is none, or none that can be kept."""
    if not isinstance(file.info.get("exif"), bytes):
        return b""
    try:
        exif = file.getexif()
        if _ORIENTATION in exif:
            exif[_ORIENTATION] = 1
        block = exif.tobytes()
    except DAMAGE:
        return b""
    return block if len(block) <= _MOST_EXIF else b""


def needed_bytes(
    opened: PictureFile, *, shorter: int | None, longer: int = 0, most: int | None = None
) -> int:
    """About how much memory it takes to decode a picture, or (with `shorter`) to decode it reduced."""
    file, kind = opened.file, TYPES[opened.name]
    pixels = file.size[0] * file.size[1]
    taken = float(len(opened.content))
    if isinstance(file, JpegImageFile):
        if file.info.get("progressive"):
            taken += 2 * pixels * _samples_of_a_pixel(file)
        pixels //= jpeg_scale(file.size, shorter, longer, most) ** 2
    bytes_each = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}.get(file.mode, 4)
    taken += pixels * (bytes_each + kind.decoder_bytes)
    if shorter is None:
        taken += 7 * pixels  # turned upright, and handed on
    return int(taken)


def _samples_of_a_pixel(file: Image.Image) -> float:
    """The samples that a JPEG holds for each pixel: 3 for colour, 1.5 where it is stored coarser."""
    factors = [(layer[1], layer[2]) for layer in getattr(file, "layer", ())]
    most = max((across for across, _ in factors), default=1) * max((down for _, down in factors), default=1)
    return sum(across * down for across, down in factors) / max(most, 1) or 3.0


def jpeg_scale(size: tuple[int, int], shorter: int | None, longer: int, most: int | None) -> int:
    """The divisor of the sides of a JPEG: as much as is allowed, and at least as much as is needed."""
    allowed = (s for s in (8, 4, 2) if shorter is not None and _fits(size, s, shorter, longer))
    if most is None:
        return next(allowed, 1)
    needed = (s for s in (1, 2, 4) if -(-size[0] // s) * -(-size[1] // s) <= most)
    return max(next(allowed, 1), next(needed, 8))


def _fits(size: tuple[int, int], scale: int, shorter: int, longer: int) -> bool:
    return min(size) >= scale * shorter and max(size) >= scale * longer


def reduction(size: tuple[int, int], shorter: int, longer: int) -> int:
    """The largest whole number by which both sides may be divided without falling below the wanted ones."""
    factor = min(size) // max(shorter, 1)
    return max(1, min(factor, max(size) // longer) if longer else factor)


def divided(box: Box, factor: int) -> Box:
    """A box in a picture that is `factor` times smaller each way."""
    return (box[0] / factor, box[1] / factor, box[2] / factor, box[3] / factor)


def _upright(image: Image.Image, box: Box, orientation: int) -> tuple[Image.Image, Box]:
    """Turn or mirror a picture as its EXIF orientation says, and its box with it."""
    method = _UPRIGHT.get(orientation)
    if method is None:
        return image, box
    width, height = image.size
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    return image.transpose(method), (left, top, right, bottom)
