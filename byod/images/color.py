"""Pixels of every kind to plain RGB: on white where they are transparent, in sRGB where a profile says otherwise."""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_PROFILED = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_ALPHA_MAY_BE_UNUSED = frozenset({"BMP", "DIB", "TGA", "ICO"})
"""Types of which programs write pictures with four bytes a pixel and nothing in the fourth."""
_BIGGEST_PROFILE = 4_000_000
_BAND_PIXELS = 4_000_000
_SAME_COLOUR = 3
_CMS = threading.Lock()


def to_rgb(image: Image.Image, factor: int = 1, white: int | None = None) -> Image.Image:
    """Turn a loaded picture of any mode into an RGB one in sRGB, `factor` times smaller each way (box average).

    Transparent pixels lie on white. A colour profile that cannot be used is ignored. Large pictures are worked
    on in bands, so that no second copy of them is made. `white` is the value that is white in grey of 16 or 32 bits,
    where that is known.

    Raises:
        ValueError: Pillow knows no way from the picture's mode to RGB.
    """
    if (
        image.format in _ALPHA_MAY_BE_UNUSED
        and image.mode == "RGBA"
        and image.getchannel("A").getextrema() == (0, 0)
    ):
        image = image.convert("RGB")
    transform = _transform(image)
    if image.mode in ("RGB", "L", "CMYK") and "transparency" not in image.info:
        small = image.reduce(factor) if factor > 1 else image
        if transform is not None:
            return _applied(transform, small)
        return small if small.mode == "RGB" else small.convert("RGB")
    scale = None
    if image.mode in _DEEP:
        scale = (0.0, 255 / white) if white and image.mode != "F" else _deep_scale(image)
    small = _in_bands(image, factor, scale)
    return small if transform is None or image.mode not in ("RGBA", "P", "PA") else _applied(transform, small)


def _in_bands(image: Image.Image, factor: int, scale: tuple[float, float] | None) -> Image.Image:
    """Convert and reduce band by band; bands are whole multiples of `factor` high, so the joints do not show."""
    width, height = image.size
    if width * height <= _BAND_PIXELS:
        whole = _plain(image, scale)
        return whole.reduce(factor) if factor > 1 else whole
    rows = max(1, _BAND_PIXELS // width // factor) * factor
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        band = _plain(image.crop((0, top, width, min(top + rows, height))), scale)
        small.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return small


def _plain(image: Image.Image, scale: tuple[float, float] | None) -> Image.Image:
    """RGB out of one band, its colours as they are."""
    if scale is not None:
        return _from_deep(image, *scale)
    if image.mode == "LAB":
        return _applied(_from_lab(), image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def _deep_scale(image: Image.Image) -> tuple[float, float]:
    """The numbers to subtract from, and multiply with, deep grey values (16 or 32 bits, floats) to get 0..255.

    They state no scale. White is the full scale of the least depth that holds the lightest value: 1 for floats, and
    8, 10, 12, 14 or 16 bits; where there are negative values, or ones beyond 16 bits, they are stretched from the
    darkest to the lightest.
    """
    low, high = _extremes(image)
    if low >= 0:
        tops = (1.0, *_DEPTHS) if image.mode == "F" else _DEPTHS
        for top in tops:
            if high <= top:
                return 0.0, 255 / top
    return low, 255 / max(high - low, 1e-9)


_DEPTHS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)


def white_of(image: Image.Image) -> int | None:
    """The value that is white in a loaded picture by its own lightest one; None where it is none of whole deep grey."""
    if image.mode not in _DEEP or image.mode == "F":
        return None
    low, high = _extremes(image)
    return next((int(top) for top in _DEPTHS if low >= 0 and high <= top), None)


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest value that is a number; 0, 0 where there is none."""
    if image.mode != "F":
        low, high = image.getextrema()
        return float(low), float(high)  # type: ignore[arg-type]
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    lows, highs = [], []
    for top in range(0, height, rows):
        band = np.asarray(image.crop((0, top, width, min(top + rows, height))))
        if (finite := band[np.isfinite(band)]).size:
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
    return (min(lows), max(highs)) if lows else (0.0, 0.0)


def _from_deep(image: Image.Image, low: float, factor: float) -> Image.Image:
    """Grey of 8 bits; what is no number is black, infinity is white, and what the file calls transparent lies white."""
    values = np.asarray(image).astype(np.float32)
    grey = np.rint((np.nan_to_num(values, nan=low, posinf=np.inf, neginf=low) - low) * factor).clip(0, 255)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _transform(image: Image.Image) -> ImageCmsTransform | None:
    """The way from the picture's own profile to sRGB; None when there is nothing to do or nothing usable."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 < len(profile) < _BIGGEST_PROFILE:
        return None
    mode = _PROFILED.get(profile[16:20])
    shown = "RGB" if image.mode in ("RGBA", "P", "PA") else image.mode
    return None if mode is None or mode != shown else _to_srgb(profile, mode)


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """The transform of a profile, or None if it is broken or changes no colour visibly (it is sRGB itself)."""
    from PIL import ImageCms

    try:
        with _CMS:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
            )
            if mode == "RGB" and _changes_nothing(transform):
                return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return transform


def _changes_nothing(transform: ImageCmsTransform) -> bool:
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    changed = np.asarray(_applied(transform, Image.fromarray(colours)))
    return int(np.abs(changed.astype(np.int16) - colours).max()) <= _SAME_COLOUR


@lru_cache(maxsize=1)
def _from_lab() -> ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )


def _applied(transform: ImageCmsTransform, image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    changed = ImageCms.applyTransform(image, transform)
    if changed is None:  # only for inPlace=True, says ImageCms
        raise ValueError("the colour transform gave no picture")
    return changed
