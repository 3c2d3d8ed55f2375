"""The one geometry of points: square frames cut out of pictures, and how pixels are taken from them.

Coordinates. A picture's x and y are pixels from its left and top edge, so the centre of its first pixel is at
(0.5, 0.5). A frame's own coordinates, `unit`, run from (0, 0) at its first corner to (1, 1) at the opposite one. With
u = ((unit_x - 0.5) * side, (unit_y - 0.5) * side), u_x negated in a mirrored frame, the picture's point is
(cx + cos(angle) u_x - sin(angle) u_y, cy + sin(angle) u_x + cos(angle) u_y).

The pixel rule, in whole numbers so that JavaScript gives the same bytes:

1. f = max(1, floor(side / size)). The picture is reduced by f: each value is the mean of a block of f x f pixels
   counted from the picture's corner, smaller at its right and lower edge, as Pillow's `Image.reduce(f)` gives it:
   with n pixels in the block, ((sum + floor(n / 2)) * floor(2^24 / n)) >> 24. f = 1 changes nothing.
2. Column i and row j of the cut (from 0) lie at unit ((i + 0.5) / size, (j + 0.5) / size). Let (ox, oy) be the
   picture's point of column 0 and row 0, s = side / size, (ix, iy) = (cos s, sin s) the step of a column (both
   negated when mirrored) and (jx, jy) = (-sin s, cos s) that of a row. In double precision, and in this order:
   X = ((ox / f - 0.5) + i (ix / f)) + j (jx / f), Y likewise.
3. In 256ths of a pixel: floor(X * 256 + 0.5); its multiple of 256 is the left neighbour x0, its rest the weight wx
   of the right one. Likewise y0 and wy. A neighbour outside the reduced picture is grey, 127.
4. Of the four neighbours a b / c d: top = a (256 - wx) + b wx, low = c (256 - wx) + d wx, and the result is
   (top (256 - wy) + low wy + 32768) >> 16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from byod.schema.model_card import EyesRule

GREY = 127
FAR = 1e6
"""Beyond so many pixels a frame lies at no picture."""

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """A square of a picture: its centre and side in pixels of the upright picture.

    The frame's x axis is turned clockwise (as seen, y runs down) by `angle` radians; in a mirrored frame unit x runs
    against that axis.
    """

    cx: float
    cy: float
    side: float
    angle: float = 0.0
    mirrored: bool = False

    def to_picture(self, unit: ArrayLike) -> Numbers:
        """Points [..., 2] of the frame (0..1) in pixels of the picture."""
        u = (np.asarray(unit, np.float64) - 0.5) * self.side
        x, y = (-u[..., 0] if self.mirrored else u[..., 0]), u[..., 1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.stack([self.cx + cos * x - sin * y, self.cy + sin * x + cos * y], axis=-1)

    def to_unit(self, px: ArrayLike) -> Numbers:
        """Points [..., 2] in pixels of the picture as points of the frame: 0..1 within it."""
        d = np.asarray(px, np.float64) - (self.cx, self.cy)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = cos * d[..., 0] + sin * d[..., 1], cos * d[..., 1] - sin * d[..., 0]
        return np.stack([-x if self.mirrored else x, y], axis=-1) / self.side + 0.5

    def within(self, other: Frame, pixels: int) -> Frame:
        """This frame in pixels of what `cut` gives of an upright `other`, `pixels` wide."""
        scale = pixels / other.side
        x0, y0 = other.cx - other.side / 2, other.cy - other.side / 2
        return replace(self, cx=(self.cx - x0) * scale, cy=(self.cy - y0) * scale, side=self.side * scale)


def whole(width: int, height: int) -> Frame:
    """The square around a whole picture: the letterbox in which objects are found."""
    return Frame(width / 2, height / 2, float(max(width, height)))


def of_box(box: Sequence[float], margin: float = 1.0) -> Frame:
    """The upright square around a box (x0, y0, x1, y1), `margin` times its longer side wide."""
    x0, y0, x1, y1 = box
    return Frame((x0 + x1) / 2, (y0 + y1) / 2, margin * max(x1 - x0, y1 - y0))


def of_eyes(left: Pair, right: Pair, rule: EyesRule, *, at_least: float = 0.0) -> Frame:
    """The frame in which two eyes are level, the left one (as seen by the viewer) on the left.

    Args:
        left, right: the eyes in pixels of the picture.
        rule: how large the frame is and where the eyes lie in it.
        at_least: what the distance of the eyes is taken for when it is smaller, in pixels (an object in profile).
    """
    x, y = right[0] - left[0], right[1] - left[1]
    angle = math.atan2(y, x)
    apart = max(math.hypot(x, y), at_least)
    down = rule.down * apart
    cx = (left[0] + right[0]) / 2 - math.sin(angle) * down
    cy = (left[1] + right[1]) / 2 + math.cos(angle) * down
    return Frame(cx, cy, rule.side * apart, angle)


def cut(pixels: Bytes, frame: Frame, size: int) -> Bytes:
    """The frame's pixels by the rule above: uint8 [size, size, 3] out of a picture uint8 [height, width, 3]."""
    factor = max(1, int(frame.side // size))
    x, y = _places(frame, size, factor)
    rows, columns = -(-pixels.shape[0] // factor), -(-pixels.shape[1] // factor)
    # two pixels of grey all around: whatever lies outside has grey neighbours
    x0, y0 = np.clip(x >> 8, -2, columns), np.clip(y >> 8, -2, rows)
    left, top = max(0, int(x0.min())), max(0, int(y0.min()))
    right, low = max(left, min(columns, int(x0.max()) + 2)), max(top, min(rows, int(y0.max()) + 2))
    part = reduced(pixels, factor, (left, top, right, low))
    words = np.full((part.shape[0] + 4, part.shape[1] + 4, 4), GREY, np.uint8)
    words[2:-2, 2:-2, :3] = part
    width = words.shape[1]
    flat = words.view(np.uint32).reshape(-1)
    # beyond the part that was taken there is only the grey around the picture
    at = (np.clip(y0 - top, -2, part.shape[0]) + 2) * width + np.clip(x0 - left, -2, part.shape[1]) + 2
    return _mixed(flat, at, width, (x & 255).astype(np.uint16), (y & 255).astype(np.uint32))


def _places(frame: Frame, size: int, factor: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The places of the cut's pixels in the reduced picture, in 256ths of its pixels, both [size, size]."""
    step = frame.side / size
    cos, sin = math.cos(frame.angle) * step, math.sin(frame.angle) * step
    ix, iy = (-cos, -sin) if frame.mirrored else (cos, sin)
    ox, oy = frame.to_picture((0.5 / size, 0.5 / size))
    i, j = np.arange(size)[None, :], np.arange(size)[:, None]
    x = (ox / factor - 0.5 + i * (ix / factor)) + j * (-sin / factor)
    y = (oy / factor - 0.5 + i * (iy / factor)) + j * (cos / factor)
    return _fixed(x), _fixed(y)


def _fixed(values: Numbers) -> NDArray[np.int32]:
    return np.floor(np.clip(values, -FAR, FAR) * 256 + 0.5).astype(np.int32)


def _mixed(
    flat: NDArray[np.uint32],
    at: NDArray[np.int32],
    width: int,
    wx: NDArray[np.uint16],
    wy: NDArray[np.uint32],
) -> Bytes:
    """Step 4 of the rule; pixels are words of three values and one unused, rows of them `width` words long."""
    left, high = np.uint16(256) - wx, np.uint32(256) - wy
    four = [flat.take(at + step).view(np.uint8).reshape(*at.shape, 4) for step in (0, 1, width, width + 1)]
    mixed = np.empty((*at.shape, 3), np.uint8)
    for channel in range(3):  # one after the other: three times as fast as all at once
        a, b, c, d = (each[..., channel].astype(np.uint16) for each in four)
        top, low = a * left + b * wx, c * left + d * wx
        mixed[..., channel] = (top * high + low * wy + np.uint32(32768)) >> np.uint32(16)
    return mixed


def reduced(pixels: Bytes, factor: int, part: tuple[int, int, int, int] | None = None) -> Bytes:
    """Step 1 of the rule: the means of blocks of `factor` x `factor` pixels, uint8 [rows, columns, 3].

    `part` (left, top, right, low, in pixels of the result) gives only these; the blocks are the same.
    """
    height, width = pixels.shape[:2]
    left, top, right, low = part or (0, 0, -(-width // factor), -(-height // factor))
    some = pixels[top * factor : low * factor, left * factor : right * factor]
    if factor == 1 or not some.size:
        return some
    return np.asarray(Image.fromarray(some).reduce(factor))
