"""Hash a picture: a few hundred bytes by which copies of it are found.

`phash` and `dhash` are those of the imagehash package, bit for bit, for the upright picture; scipy and
imagehash are not needed to compute them. `byod.images.decode` calls this with a reduced picture, which moves the
pHash by two bits at most in nearly all pictures, and bits of the dHash where two neighbours are nearly the same grey.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from byod.schema.records import Fingerprint

SPEC = "phash8/dhash8/rgb8 v1, at least 64 px, box"
"""Names the recipe: fingerprints of different recipes are not to be compared."""

SHORT_SIDE = 64
"""The least shorter side, in pixels, of a reduced picture whose hashes may still be compared."""

# Of a plain gradient or stripes most coefficients are 0; without this, the bits would be rounding errors.
_ROUNDING = 1e-6
_BORDER_TOLERANCE = 24
_WIDEST_BORDER = 0.35
_THINNEST_BORDER = 0.02

Box = tuple[float, float, float, float]
Pixels = NDArray[np.uint8]


def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the unnormalised DCT-II over 32 samples, [8, 32], as scipy.fftpack.dct computes it."""
    frequency = np.arange(8)[:, None]
    sample = np.arange(32)[None, :]
    return 2.0 * np.cos(np.pi * frequency * (2 * sample + 1) / 64)


_DCT = _cosines()
_DCT_COLUMNS = np.ascontiguousarray(_DCT.T)
_BOTH = np.stack((np.ones((8, 8)), np.tile(np.where(np.arange(8) % 2, -1.0, 1.0), (8, 1))))
"""The signs of the coefficients of a picture, and those of its mirror image."""


def fingerprint(image: Image.Image, box: Box | None = None) -> Fingerprint:
    """Describe an upright picture so that copies of it can be found.

    Args:
        image: the picture, mode RGB; it is not reduced here, so a large one takes long.
        box: the part of `image` that the picture fills (left, top, right, bottom in pixels; fractions count),
            as `draft()` and `reduce()` leave it; None for all of it.

    Source: https://github.com/JohannesBuchner/imagehash (phash, dhash with hash_size 8).
    """
    image, box = _cropped(image, box or (0, 0, image.width, image.height))
    grey = image.convert("L")
    small = _thirty_two(grey, box)
    phash, mirror = _phashes(small)
    pixels = _inside(_pixels(image), box)
    edges = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    border = _without_border(pixels, box) if _any_uniform(edges, *pixels.shape[:2]) else None
    trimmed = (None, None) if border is None else _trimmed_hashes(grey, border)
    return Fingerprint(
        phash=phash,
        mirror=mirror,
        dhash=_dhash(grey, box),
        rgb=image.resize((8, 8), Image.Resampling.BOX, box=box).tobytes(),
        spread=round(_spread(small), 3),
        top_colour=_top_colour(pixels),
        white_ring=round(np.count_nonzero(edges.min(axis=1) >= 245) / len(edges), 3),
        trim_phash=trimmed[0],
        trim_dhash=trimmed[1],
        spec=SPEC,
    )


def distance(first: str, second: str) -> int:
    """Count the differing bits of two hashes given as hexadecimal digits: 0..64."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _cropped(image: Image.Image, box: Box) -> tuple[Image.Image, Box]:
    """The picture without what lies wholly outside the box: `resize` would look across the box's edges."""
    left, top, right, bottom = (
        math.floor(box[0]),
        math.floor(box[1]),
        math.ceil(box[2]),
        math.ceil(box[3]),
    )
    if (left, top, right, bottom) == (0, 0, *image.size):
        return image, box
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return image.crop((left, top, right, bottom)), inside


def _pixels(image: Image.Image) -> Pixels:
    """The bytes of a picture, [H, W] or [H, W, 3]; `np.asarray` takes twice as long for a small one."""
    channels = len(image.getbands())
    sides = (image.height, image.width)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(sides if channels == 1 else (*sides, channels))


def _thirty_two(grey: Image.Image, box: Box) -> NDArray[np.float64]:
    return _pixels(grey.resize((32, 32), Image.Resampling.LANCZOS, box=box)).astype(np.float64)


def _spread(small: NDArray[np.float64]) -> float:
    """The standard deviation, as `small.std()` has it to the last bit, in a third of the time."""
    apart = small - small.sum() / small.size
    return math.sqrt((apart * apart).sum() / small.size)


def _digits(bits: NDArray[np.bool_]) -> str:
    """64 bits, first one highest, as 16 hexadecimal digits: the order of `str(imagehash.ImageHash)`."""
    return np.packbits(bits).tobytes().hex()


def _phashes(small: NDArray[np.float64]) -> tuple[str, str]:
    """The phash of a 32x32 grey picture and that of its mirror image, which has the same coefficients but for signs."""
    coefficients = _DCT @ small @ _DCT_COLUMNS
    coefficients[np.abs(coefficients) < _ROUNDING] = 0.0
    both = (coefficients * _BOTH).reshape(2, 64)
    ordered = np.sort(both, axis=1)
    digits = _digits(both > (ordered[:, 31:32] + ordered[:, 32:33]) / 2)
    return digits[:16], digits[16:]


def _dhash(grey: Image.Image, box: Box) -> str:
    small = _pixels(grey.resize((9, 8), Image.Resampling.LANCZOS, box=box))
    return _digits(small[:, 1:] > small[:, :-1])


def _trimmed_hashes(grey: Image.Image, box: Box) -> tuple[str | None, str | None]:
    """phash and dhash of the picture inside its border; none where hardly anything is in there."""
    grey, box = _cropped(grey, box)
    small = _thirty_two(grey, box)
    if _spread(small) < 5.0:
        return None, None
    return _phashes(small)[0], _dhash(grey, box)


def _inside(pixels: Pixels, box: Box) -> Pixels:
    """The whole pixels inside the box, [H, W, 3]: what lies half outside is partly made up by the decoder."""
    left, top = math.ceil(box[0]), math.ceil(box[1])
    right, bottom = max(left + 1, math.floor(box[2])), max(top + 1, math.floor(box[3]))
    return pixels[top:bottom, left:right]


def _without_border(pixels: Pixels, box: Box) -> Box | None:
    """The box inside the picture's uniform border (each side on its own), or None when there is none."""
    height, width = pixels.shape[:2]
    top, bottom = _border_rows(pixels)
    columns = pixels[top : height - bottom].swapaxes(0, 1)
    left, right = _border_rows(columns)
    if not top and not bottom:
        top, bottom = _border_rows(pixels[:, left : width - right])
    if max(top, bottom) < _THINNEST_BORDER * height and max(left, right) < _THINNEST_BORDER * width:
        return None
    x, y = math.ceil(box[0]), math.ceil(box[1])
    return (
        x + left if left else box[0],
        y + top if top else box[1],
        x + width - right if right else box[2],
        y + height - bottom if bottom else box[3],
    )


def _any_uniform(edges: Pixels, height: int, width: int) -> bool:
    """True if any of the four edges, one behind the other, has one colour throughout: else there is no border."""
    begin = (0, width, 2 * width, 2 * width + height)
    apart = np.maximum.reduceat(edges, begin, axis=0) - np.minimum.reduceat(edges, begin, axis=0)
    return bool((apart.max(axis=1) <= 2 * _BORDER_TOLERANCE).any())


def _uniform(line: Pixels) -> bool:
    return bool((line.max(axis=0).astype(np.int16) - line.min(axis=0)).max() <= 2 * _BORDER_TOLERANCE)


def _border_rows(pixels: Pixels) -> tuple[int, int]:
    """Count the rows at the top and at the bottom that have one colour throughout, which is the edge row's own.

    A side that is uniform further than 35 % is the picture's background, not a border: 0.
    """
    if pixels.shape[0] < 8 or pixels.shape[1] < 8:
        return 0, 0
    return _leading(pixels), _leading(pixels[::-1])


def _leading(pixels: Pixels) -> int:
    if not _uniform(pixels[0]):
        return 0
    limit = int(_WIDEST_BORDER * len(pixels))
    colour = np.median(pixels[0], axis=0)
    rows = pixels[: limit + 1]
    off = np.maximum(rows.max(axis=1) - colour, colour - rows.min(axis=1)).max(axis=1) > _BORDER_TOLERANCE
    return int(off.argmax()) if off.any() else 0


def _top_colour(pixels: Pixels) -> float:
    """The share of the most common colour, at 4 bits a channel, among some thousand evenly spread pixels: 0..1."""
    step = max(1, min(pixels.shape[:2]) // 64)
    sample = (pixels[::step, ::step] >> 4).astype(np.intp)
    codes = (sample[..., 0] << 8) | (sample[..., 1] << 4) | sample[..., 2]
    return round(float(np.bincount(codes.ravel()).max() / codes.size), 3)
