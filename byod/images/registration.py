"""Two pictures laid over one another: are they one shot, saved anew, or two shots of one scene?

Both are aligned as a whole (an affine map and the contrast, by least squares, coarse to fine). What is left between
copies of one shot is the noise of compression: it follows no edge. Between two shots, things stand a little elsewhere,
each by another distance, for the camera or they have moved; then what is left follows the edges, place by place.

Source: B. D. Lucas and T. Kanade, An Iterative Image Registration Technique with an Application to Stereo Vision, 1981.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

SIDE = 128
"""Pixels of each side of the grey pictures that are compared; smaller ones have fewer."""

_BLOCK = 8
_EXPLAINED = 0.09
"""The share of what is left that movements of single blocks explain; by chance 2 of the 64 pixels of one: 0.03."""
_MOVED = 0.09
"""How far blocks moved, in pixels, at the least (root of the mean square, by how much there is to see in each)."""
_ROUNDS = {4: 4, 2: 3, 1: 2}
"""Steps of the alignment, by the part of the full size that it is done at: few at the finest, where it is near."""

Grey = NDArray[np.uint8]
_Values = NDArray[np.float64]


class Alignment(NamedTuple):
    """How a picture lies over another.

    `moved`: things stand elsewhere in the one than in the other. `left`: the part of the variance of the one that the
    other does not have, 0..1.
    """

    moved: bool
    left: float


def grey(image: Image.Image) -> Grey:
    """A picture as it is compared: uint8 [S, S], S being `SIDE` or what its shorter side has in whole blocks."""
    from PIL import Image

    side = max(_BLOCK, min(SIDE, *image.size) // _BLOCK * _BLOCK)
    return np.asarray(image.convert("L").resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0))


def align(one: Grey, other: Grey) -> Alignment:
    """Lay the smoother of two pictures over the other, at the size of the smaller, and look at what is left."""
    side = min(len(one), len(other))
    sharp, smooth = sorted((_resized(one, side), _resized(other, side)), key=_smoothness)
    position: _Values = np.zeros((2, 3))
    moved, left = False, 0.0
    for share, rounds in _ROUNDS.items():
        size = side // share // _BLOCK * _BLOCK
        if size < 4 * _BLOCK and share > 1:
            continue
        level = _Level(_resized(sharp, size), _resized(smooth, size))
        position = level.fitted(position, rounds)
        found = level.left(position)
        moved |= share < 4 and found.moved
        left = found.left
    return Alignment(moved, left)


def _smoothness(picture: _Values) -> float:
    """Divide how much a picture varies as a whole for what it varies from pixel to pixel."""
    steps = np.square(np.diff(picture, axis=0)).mean() + np.square(np.diff(picture, axis=1)).mean()
    return float(picture.var() / (steps + 1e-9))


def _resized(picture: Grey | _Values, side: int) -> _Values:
    from PIL import Image

    values = picture.astype(np.float32)
    if len(values) != side:
        values = np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.LANCZOS))
    return values.astype(np.float64)


class _Level:
    """Two pictures at one size; positions are affine maps, float64 [2, 3], in parts of a side from the middle."""

    def __init__(self, one: _Values, other: _Values) -> None:
        self._one, self._other, self._side = one, other, len(one)
        rows, columns = np.mgrid[0 : self._side, 0 : self._side].astype(np.float64)
        self._rows, self._columns = rows, columns
        self._basis = np.stack(
            (np.ones_like(rows), columns / self._side - 0.5, rows / self._side - 0.5), axis=-1
        )
        edge = self._side // 16
        self._inner = np.zeros(one.shape, bool)
        self._inner[edge : self._side - edge, edge : self._side - edge] = True

    def fitted(self, position: _Values, rounds: int) -> _Values:
        """The position that leaves least between both, from one that is near."""
        for _ in range(rounds):
            left, across, down, seen = self._difference(position)
            basis = self._basis[seen]
            slopes = np.concatenate((across[seen][:, None] * basis, down[seen][:, None] * basis), axis=1)
            normal = slopes.T @ slopes
            normal += np.eye(6) * (1e-4 * np.trace(normal) / 6 + 1e-9)
            step: _Values = np.linalg.solve(normal, slopes.T @ left[seen]).reshape(2, 3)
            position = position + np.clip(step, -2, 2) / self._side
        return position

    def left(self, position: _Values) -> Alignment:
        """The difference left at a position, and whether single blocks moved."""
        *differences, seen_here = self._difference(position)
        left, across, down, seen = (self._blocks(values) for values in (*differences, seen_here))
        pixels = np.maximum(seen.sum(axis=1), 1)
        left = (left - left.sum(axis=1, keepdims=True) / pixels[:, None]) * seen
        aa, ad, dd = (across * across).sum(axis=1), (across * down).sum(axis=1), (down * down).sum(axis=1)
        la, ld = (across * left).sum(axis=1), (down * left).sum(axis=1)
        seen_edges = (aa + dd).sum() + 1e-9
        least = 1e-2 * seen_edges / len(aa)
        volume = (aa + least) * (dd + least) - ad * ad
        x, y = ((dd + least) * la - ad * ld) / volume, ((aa + least) * ld - ad * la) / volume
        explained = float((2 * (x * la + y * ld) - (x * x * aa + 2 * x * y * ad + y * y * dd)).sum())
        square = float((left * left).sum())
        distance = float(np.sqrt(((aa + dd) * (x * x + y * y)).sum() / seen_edges))
        moved = distance > _MOVED and explained > _EXPLAINED * square
        variance = float(self._one[seen_here].var()) if seen_here.any() else 0.0
        return Alignment(moved, min(1.0, square / (variance * float(pixels.sum()) + 1e-9)))

    def _difference(self, position: _Values) -> tuple[_Values, _Values, _Values, NDArray[np.bool_]]:
        """The difference between both, the slopes to the right and down (0 where one ends), and where both are seen."""
        columns = self._columns + self._side * (self._basis @ position[0])
        rows = self._rows + self._side * (self._basis @ position[1])
        most = self._side - 1
        seen = self._inner & (columns >= 0) & (columns <= most) & (rows >= 0) & (rows <= most)
        laid = _sampled(self._other, rows, columns)
        shown, wanted = laid[seen], self._one[seen]
        spread = shown.std()
        if not len(shown) or spread < 1e-6:
            seen = np.zeros_like(seen)
        else:
            gain = float(((shown - shown.mean()) * (wanted - wanted.mean())).mean() / spread**2)
            laid = (laid - shown.mean()) * gain + wanted.mean()
        down, across = np.gradient((laid + self._one) / 2)
        return (self._one - laid) * seen, across * seen, down * seen, seen

    def _blocks(self, values: NDArray[np.generic]) -> _Values:
        """The values of each block: [blocks, pixels of a block]."""
        count = self._side // _BLOCK
        parts = values.astype(np.float64).reshape(count, _BLOCK, count, _BLOCK)
        return parts.swapaxes(1, 2).reshape(count * count, _BLOCK * _BLOCK)


def _sampled(picture: _Values, rows: _Values, columns: _Values) -> _Values:
    """The picture at fractional places, bilinear."""
    most = len(picture) - 1
    rows, columns = np.clip(rows, 0, most - 1e-6), np.clip(columns, 0, most - 1e-6)
    top, start = rows.astype(np.intp), columns.astype(np.intp)
    below, right = rows - top, columns - start
    upper = picture[top, start] * (1 - right) + picture[top, start + 1] * right
    lower = picture[top + 1, start] * (1 - right) + picture[top + 1, start + 1] * right
    return np.asarray(upper * (1 - below) + lower * below)
