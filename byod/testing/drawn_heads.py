"""Drawn pictures of cartoon cat heads with their points: what a trainer of points can be tried on."""

from __future__ import annotations

import colorsys
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byod.demo.vegetables import background
from byod.schema.errors import UsageError
from byod.schema.keypoints import Instance, Keypoint, Keypoints, is_inside
from byod.tasks.keypoints.importers.cat_file import POINTS

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_Spots = Sequence[tuple[float, float]]

# all in distances of the eyes from the middle between them, x to the viewer's right, y down
_LEFT_EAR: _Spots = ((-1.15, -0.3), (-1.05, -1.4), (-0.3, -0.72))
_NINE: dict[str, tuple[float, float]] = {
    "eye_image_left": (-0.5, 0.0),
    "eye_image_right": (0.5, 0.0),
    "mouth": (0.0, 0.86),
    "ear_image_left_outer": _LEFT_EAR[0],
    "ear_image_left_tip": _LEFT_EAR[1],
    "ear_image_left_inner": _LEFT_EAR[2],
    "ear_image_right_inner": (0.3, -0.72),
    "ear_image_right_tip": (1.05, -1.4),
    "ear_image_right_outer": (1.15, -0.3),
}
_REACH = 1.8
"""How far a head reaches from the middle between its eyes."""
_TRIES = 40


def draw_heads(
    folder: Path,
    number: int,
    *,
    size: tuple[int, int] = (240, 180),
    heads: Sequence[int] = (1, 1, 1, 2, 0, 1, 3, 1),
    seed: int = 0,
) -> list[tuple[Path, Keypoints]]:
    """Draw JPEG pictures of cartoon cat heads, and say where the nine points of each head are.

    Each head has its own place, size, turn (within 40 degrees of upright), fur and eyes, on textured ground. The
    points are those of `byod.tasks.keypoints.importers.cat_file.POINTS`. The same arguments draw the same pictures.

    Args:
        folder: where the pictures go; made if it is not there.
        number: how many pictures.
        size: (width, height) in pixels, both at least 64.
        heads: how many heads the pictures show (0 to 3), in turn.
        seed: another one draws other pictures.

    Raises:
        UsageError: a size or number that cannot be drawn.
    """
    import numpy as np

    if min(size) < 64 or number < 0 or seed < 0 or not heads or not all(0 <= n <= 3 for n in heads):
        raise UsageError("draw_heads needs a size of at least 64 x 64, no negative number and 0 to 3 heads")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for at in range(number):
        rng = np.random.default_rng([seed, at])
        picture, found = _draw(size, heads[at % len(heads)], rng)
        path = folder / f"heads-{seed}-{at:05}.jpg"
        picture.save(path, "JPEG", quality=88)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        drawn.append((path, Keypoints(sha256=sha256, width=size[0], height=size[1], heads=found)))
    return drawn


def _draw(
    size: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[Image.Image, tuple[Instance, ...]]:
    """One picture, drawn at twice its size and scaled down."""
    from PIL import Image, ImageEnhance

    picture = background(rng, size[0] * 2, size[1] * 2)
    found = []
    for x, y, apart in _places(size, count, rng):
        turn = float(rng.uniform(-40, 40)) * math.pi / 180
        _Cat(picture, (2 * x, 2 * y), 2 * apart, turn, rng).draw()
        spots = {name: _turned(spot, (x, y), apart, turn) for name, spot in _NINE.items()}
        points: dict[str, Keypoint | None] = {
            name: Keypoint(x=round(px, 3), y=round(py, 3), inside=is_inside(px, py, *size))
            for name, (px, py) in spots.items()
        }
        found.append(Instance(points={name: points[name] for name in POINTS.names}))
    small = picture.resize(size, Image.Resampling.BOX)
    return ImageEnhance.Brightness(small).enhance(float(rng.uniform(0.75, 1.2))), tuple(found)


def _places(size: tuple[int, int], count: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """The middle between the eyes, and their distance, in pixels; no head covers another."""
    largest = min(size) / (4.2, 4.2, 6.0, 7.5)[count]
    placed: list[tuple[float, float, float]] = []
    for _ in range(count):
        for _ in range(_TRIES):
            apart = float(rng.uniform(0.55, 1.0)) * largest
            edge = 1.5 * apart
            x, y = (float(rng.uniform(edge, side - edge)) for side in size)
            if all(math.hypot(x - u, y - v) > _REACH * (apart + other) for u, v, other in placed):
                placed.append((x, y, apart))
                break
    return placed


def _turned(
    spot: tuple[float, float], centre: tuple[float, float], apart: float, turn: float
) -> tuple[float, float]:
    cos, sin = math.cos(turn), math.sin(turn)
    return (
        centre[0] + apart * (spot[0] * cos - spot[1] * sin),
        centre[1] + apart * (spot[0] * sin + spot[1] * cos),
    )


class _Cat:
    """One head on its way into a picture."""

    def __init__(
        self,
        picture: Image.Image,
        centre: tuple[float, float],
        apart: float,
        turn: float,
        rng: np.random.Generator,
    ) -> None:
        from PIL import ImageDraw

        self.pen: Any = ImageDraw.Draw(picture)
        self.centre, self.apart, self.turn, self.rng = centre, apart, turn, rng

    def draw(self) -> None:
        """From back to front: ears, face, stripes, eyes, muzzle, whiskers."""
        rng = self.rng
        hue, colour = float(rng.uniform(0.02, 0.13)), float(rng.uniform(0.05, 0.7))
        light = float(rng.uniform(0.3, 0.95))
        fur, dark, pale = (
            _rgb(hue, colour, light),
            _rgb(hue, colour, light * 0.6),
            _rgb(hue, colour * 0.4, 1.0),
        )
        for side in (-1, 1):
            ear = [(side * abs(x), y) for x, y in _LEFT_EAR]
            self._fill(ear, fur)
            middle = (sum(x for x, _ in ear) / 3, sum(y for _, y in ear) / 3)
            self._fill([((x + middle[0]) / 2, (y + middle[1]) / 2) for x, y in ear], (214, 150, 150))
        self._oval((0, 0.25), 1.25, 1.05, fur)
        for at in (-0.22, 0.0, 0.22):
            self._line([(at, -0.75), (at * 0.7, -0.3)], dark, 0.07)
        self._oval((0, 0.68), 0.5, 0.36, pale)
        iris = _rgb(float(rng.uniform(0.12, 0.6)), 0.75, 0.9)
        for eye in (-0.5, 0.5):
            self._oval((eye, 0), 0.27, 0.22, iris)
            self._oval((eye, 0), float(rng.uniform(0.06, 0.15)), 0.19, (15, 15, 20))
        self._fill([(-0.13, 0.46), (0.13, 0.46), (0, 0.62)], (190, 110, 115))
        self._line([(0, 0.62), (0, 0.78), (-0.2, 0.9)], dark, 0.05)
        self._line([(0, 0.78), (0.2, 0.9)], dark, 0.05)
        for side in (-1, 1):
            for down in (0.55, 0.68, 0.81):
                self._line(
                    [(side * 0.3, 0.68), (side * 1.35, down + 0.5 * (down - 0.68))], (240, 240, 240), 0.025
                )

    def _fill(self, spots: _Spots, colour: tuple[int, int, int]) -> None:
        self.pen.polygon([_turned(spot, self.centre, self.apart, self.turn) for spot in spots], fill=colour)

    def _oval(
        self, centre: tuple[float, float], across: float, down: float, colour: tuple[int, int, int]
    ) -> None:
        turns = [2 * math.pi * step / 40 for step in range(40)]
        self._fill(
            [(centre[0] + across * math.cos(t), centre[1] + down * math.sin(t)) for t in turns], colour
        )

    def _line(self, spots: _Spots, colour: tuple[int, int, int], width: float) -> None:
        placed = [_turned(spot, self.centre, self.apart, self.turn) for spot in spots]
        self.pen.line(placed, fill=colour, width=max(1, round(width * self.apart)))


def _rgb(hue: float, colour: float, light: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, colour, light)
    return round(255 * red), round(255 * green), round(255 * blue)
