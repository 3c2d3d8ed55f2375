"""Class folders of drawn pictures that a small net can learn."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from byod.demo.vegetables import background
from byod.schema.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_Points = list[tuple[float, float]]


def draw_classes(
    folder: str | Path,
    classes: Sequence[str] = ("circle", "square"),
    per_class: int = 20,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
) -> dict[str, list[Path]]:
    """Draw a folder of JPEG pictures for each class, and say which files belong to which class.

    Each picture shows one shape of its class (circle, square, triangle, star, cross, ring; any other class name
    gets the next free one) in about its class's colour, in its own size, turn, place and stripes, on its own
    textured ground. The same arguments draw the same pictures. A net from scratch needs about 40 a class.
    `size` is (width, height) in pixels, both at least 32.

    Raises:
        UsageError: there are more classes than shapes, or a size or number that cannot be drawn.

    Examples:
        >>> {name: len(files) for name, files in byod.draw_classes("drawn", per_class=2).items()}
        {'circle': 2, 'square': 2}
    """
    import numpy as np

    folder = Path(folder)
    if len(classes) > len(_SHAPES) or len(set(classes)) != len(classes) or not classes:
        raise UsageError(f"draw_classes draws 1 to {len(_SHAPES)} different classes, not {list(classes)}")
    if min(size) < 32 or per_class < 0 or seed < 0:
        raise UsageError("draw_classes needs a size of at least 32 x 32 and no negative number")
    drawn: dict[str, list[Path]] = {}
    for index, (label, shape) in enumerate(_shapes(classes).items()):
        (folder / label).mkdir(parents=True, exist_ok=True)
        drawn[label] = [folder / label / f"{label}-{number:03}.jpg" for number in range(per_class)]
        for number, path in enumerate(drawn[label]):
            picture = _draw(shape, size, np.random.default_rng([seed, index, number]))
            picture.save(path, "JPEG", quality=88)
    return drawn


def _shapes(classes: Sequence[str]) -> dict[str, str]:
    """The shape that stands for each class: its own name's, or the next one that no class is named after."""
    free = [name for name in _SHAPES if name not in classes]
    return {label: label if label in _SHAPES else free.pop(0) for label in classes}


def _draw(shape: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """One picture, drawn at twice its size and scaled down: a shape and its shadow on a textured ground."""
    from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

    width, height = size[0] * 2, size[1] * 2
    ground = background(rng, width, height)
    ground = ground.rotate(180 * int(rng.integers(2)))
    radius = min(width, height) * float(rng.uniform(0.3, 0.44))
    centre = (float(rng.uniform(radius, width - radius)), float(rng.uniform(radius, height - radius)))
    mask = Image.new("L", (width, height))
    outline = _SHAPES[shape](radius)
    turn = float(rng.uniform(0, 2 * math.pi))
    _fill(ImageDraw.Draw(mask), outline, centre, turn, 255)
    if shape == "ring":
        _fill(ImageDraw.Draw(mask), _circle(radius * 0.55), centre, turn, 0)
    ground.paste(Image.new("RGB", ground.size), (12, 16), mask.filter(ImageFilter.BoxBlur(9)).point(_half))
    hue = list(_SHAPES).index(shape) / len(_SHAPES)
    ground.paste(_surface(rng, hue, width, height), (0, 0), mask)
    picture = ground.resize(size, Image.Resampling.BOX)
    return ImageEnhance.Brightness(picture).enhance(float(rng.uniform(0.8, 1.2)))


def _half(value: int) -> int:
    return value // 2


def _surface(rng: np.random.Generator, hue: float, width: int, height: int) -> Image.Image:
    """The surface of a shape: a strong colour near `hue` (0..1, round) with darker stripes."""
    from PIL import Image, ImageDraw

    hues = [(hue + float(rng.normal(0, 0.025))) % 1 for _ in range(2)]
    first, second = (
        tuple(round(255 * part) for part in colorsys.hsv_to_rgb(each, float(rng.uniform(0.7, 1)), light))
        for each, light in zip(hues, (float(rng.uniform(0.85, 1)), float(rng.uniform(0.4, 0.6))), strict=True)
    )
    surface = Image.new("RGB", (width, height), first)
    draw = ImageDraw.Draw(surface)
    step, lean = int(rng.integers(24, 60)), int(rng.integers(-height, height))
    for x in range(-2 * height, width + 2 * height, step):
        draw.line((x, 0, x + lean, height), fill=second, width=step // 4)
    return surface


def _fill(draw: object, outline: _Points, centre: tuple[float, float], turn: float, value: int) -> None:
    cos, sin = math.cos(turn), math.sin(turn)
    points = [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in outline]
    draw.polygon(points, fill=value)  # type: ignore[attr-defined]


def _circle(radius: float) -> _Points:
    return _polygon([radius] * 60)


def _polygon(radii: Sequence[float]) -> _Points:
    """Corners around the centre, one for each radius, evenly spread."""
    angles = [2 * math.pi * index / len(radii) for index in range(len(radii))]
    return [(radius * math.cos(a), radius * math.sin(a)) for radius, a in zip(radii, angles, strict=True)]


def _cross(radius: float) -> _Points:
    arm = radius * 0.3
    corner = [(radius, -arm), (radius, arm), (arm, arm)]
    return [
        (x * cos - y * sin, x * sin + y * cos)
        for cos, sin in ((1, 0), (0, 1), (-1, 0), (0, -1))
        for x, y in corner
    ]


_SHAPES: dict[str, Callable[[float], _Points]] = {
    "circle": _circle,
    "square": lambda radius: _polygon([radius] * 4),
    "triangle": lambda radius: _polygon([radius] * 3),
    "star": lambda radius: _polygon([radius, radius * 0.42] * 5),
    "cross": _cross,
    "ring": _circle,
}
