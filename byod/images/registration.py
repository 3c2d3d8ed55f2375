"""Two pictures laid over one another: are they one shot, saved anew, or two shots of one scene?

Both are aligned as a whole (an affine map and the contrast, by least squares, coarse to fine). What is left between
copies of one shot is the noise of compression, the rest of a blur, or what was written over one: movements that would
explain it point elsewhere in each block. Between two shots, things stand a little elsewhere, each by another distance,
for the camera or they have moved; and a thing is larger than a block, so blocks that touch moved together. Since a blur
pushes edges to and fro as well, this must still be so when the sharper picture is blurred as the other one is.

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
_MOVED = 0.07
"""How far blocks that touch moved together, in pixels, at the least (root of the mean product of their movements)."""
_TOUCHING = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Rows down and columns across from a block to those that touch it, each pair once."""
_BLURS = (1, 1, 2, 4)
"""How often the sharper of both is blurred, each time more, to make it as smooth as the other: 2 pixels in the end."""
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
            laid, seen = self._laid(position)
            left, across, down = _slopes(self._one, laid, seen)
            basis = self._basis[seen]
            slopes = np.concatenate((across[seen][:, None] * basis, down[seen][:, None] * basis), axis=1)
            normal = slopes.T @ slopes
            normal += np.eye(6) * (1e-4 * np.trace(normal) / 6 + 1e-9)
            step: _Values = np.linalg.solve(normal, slopes.T @ left[seen]).reshape(2, 3)
            position = position + np.clip(step, -2, 2) / self._side
        return position

    def left(self, position: _Values) -> Alignment:
        """The difference left at a position, and whether blocks moved: however much sharper the one is."""
        laid, seen = self._laid(position)
        together, square = self._movement(self._one, laid, seen)
        if together > _MOVED**2:
            together, _ = self._movement(self._as_smooth(laid, seen), laid, seen)
        variance = float(self._one[seen].var()) if seen.any() else 0.0
        return Alignment(together > _MOVED**2, min(1.0, square / (variance * float(seen.sum()) + 1e-9)))

    def _movement(self, one: _Values, laid: _Values, seen: NDArray[np.bool_]) -> tuple[float, float]:
        """How far blocks that touch moved together (squared), and what is left between both, squared and summed."""
        left, across, down = (self._blocks(values) for values in _slopes(one, laid, seen))
        here = self._blocks(seen)
        left = (left - left.sum(axis=1, keepdims=True) / np.maximum(here.sum(axis=1), 1)[:, None]) * here
        aa, ad, dd = (across * across).sum(axis=1), (across * down).sum(axis=1), (down * down).sum(axis=1)
        la, ld = (across * left).sum(axis=1), (down * left).sum(axis=1)
        edges = aa + dd
        least = 1e-2 * (edges.sum() + 1e-9) / len(aa)
        volume = (aa + least) * (dd + least) - ad * ad
        x, y = ((dd + least) * la - ad * ld) / volume, ((aa + least) * ld - ad * la) / volume
        return self._together(x, y, edges), float((left * left).sum())

    def _together(self, x: _Values, y: _Values, edges: _Values) -> float:
        """The mean product of the movements of blocks that touch, by how much there is to see in both."""
        count = self._side // _BLOCK
        x, y, edges = (values.reshape(count, count) for values in (x, y, edges))
        product, weight = 0.0, 1e-9
        for down, across in _TOUCHING:
            one = np.s_[: count - down, max(-across, 0) : count - max(across, 0)]
            other = np.s_[down:, max(across, 0) : count - max(-across, 0)]
            seen = np.sqrt(edges[one] * edges[other])
            product += float((seen * (x[one] * x[other] + y[one] * y[other])).sum())
            weight += float(seen.sum())
        return product / weight

    def _as_smooth(self, laid: _Values, seen: NDArray[np.bool_]) -> _Values:
        """The one, made as smooth as the other that is laid over it: the sum of its blurs that leaves least."""
        blurs = [np.ones_like(self._one), self._one]
        for times in _BLURS:
            blurs.append(_blurred(blurs[-1], times))
        shares = np.linalg.lstsq(np.stack([blur[seen] for blur in blurs], axis=1), laid[seen], rcond=1e-6)[0]
        return np.asarray(sum(share * blur for share, blur in zip(shares, blurs, strict=True)))

    def _laid(self, position: _Values) -> tuple[_Values, NDArray[np.bool_]]:
        """The other as it lies over the one, in its contrast, and where both are seen."""
        columns = self._columns + self._side * (self._basis @ position[0])
        rows = self._rows + self._side * (self._basis @ position[1])
        most = self._side - 1
        seen = self._inner & (columns >= 0) & (columns <= most) & (rows >= 0) & (rows <= most)
        laid = _sampled(self._other, rows, columns)
        shown, wanted = laid[seen], self._one[seen]
        spread = shown.std()
        if not len(shown) or spread < 1e-6:
            return laid, np.zeros_like(seen)
        gain = float(((shown - shown.mean()) * (wanted - wanted.mean())).mean() / spread**2)
        return (laid - shown.mean()) * gain + wanted.mean(), seen

    def _blocks(self, values: NDArray[np.generic]) -> _Values:
        """The values of each block: [blocks, pixels of a block]."""
        count = self._side // _BLOCK
        parts = values.astype(np.float64).reshape(count, _BLOCK, count, _BLOCK)
        return parts.swapaxes(1, 2).reshape(count * count, _BLOCK * _BLOCK)


def _slopes(one: _Values, laid: _Values, seen: NDArray[np.bool_]) -> tuple[_Values, _Values, _Values]:
    """The difference between two pictures, and the slopes of both to the right and down (0 where one ends)."""
    down, across = np.gradient((laid + one) / 2)
    return (one - laid) * seen, across * seen, down * seen


def _blurred(picture: _Values, times: int) -> _Values:
    """The picture, each pixel being so often half itself and a quarter of those on either side, across and down."""
    for _ in range(2 * times):
        wider = np.pad(picture, ((1, 1), (0, 0)), "edge")
        picture = ((wider[:-2] + wider[2:]) / 4 + picture / 2).T
    return picture


def _sampled(picture: _Values, rows: _Values, columns: _Values) -> _Values:
    """The picture at fractional places, bilinear."""
    most = len(picture) - 1
    rows, columns = np.clip(rows, 0, most - 1e-6), np.clip(columns, 0, most - 1e-6)
    top, start = rows.astype(np.intp), columns.astype(np.intp)
    below, right = rows - top, columns - start
    upper = picture[top, start] * (1 - right) + picture[top, start + 1] * right
    lower = picture[top + 1, start] * (1 - right) + picture[top + 1, start + 1] * right
    return np.asarray(upper * (1 - below) + lower * below)
