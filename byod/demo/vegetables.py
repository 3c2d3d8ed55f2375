"""Drawn vegetables: pictures of broccoli and cauliflower from nothing but numbers, for the demo.

Every picture follows from its generator alone: kind of background, light, number of heads, view, colours. It is
drawn at twice its size and scaled down, which smooths every edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Vegetable = Literal["broccoli", "cauliflower"]
VEGETABLES: tuple[Vegetable, ...] = ("broccoli", "cauliflower")

_Colour = tuple[int, int, int]
_Floats = NDArray[np.float32]
_SPRITE = 560


def draw(rng: np.random.Generator, *vegetables: Vegetable) -> Image.Image:
    """Draw one picture that shows each of the vegetables at least once: RGB, the longer side 360 to 519 pixels."""
    from PIL import Image

    long, ratio = int(rng.integers(360, 520)), float(rng.choice([0.667, 0.75, 0.8, 1.0]))
    size = (long, round(long * ratio)) if rng.random() < 0.7 else (round(long * ratio), long)
    canvas = background(rng, size[0] * 2, size[1] * 2)
    count = max(len(vegetables), int(rng.choice([1, 1, 1, 2, 2, 3])))
    for index, (left, top, side) in enumerate(_places(rng, canvas.size, count)):
        sprite = _sprite(vegetables[index % len(vegetables)], rng)
        sprite = sprite.resize((side, side), Image.Resampling.BILINEAR).rotate(float(rng.normal(0, 16)))
        _lay(canvas, sprite, (left, top))
    return _light(rng, canvas.resize(size, Image.Resampling.BOX))


def _places(rng: np.random.Generator, size: tuple[int, int], count: int) -> list[tuple[int, int, int]]:
    """The places of the heads, back to front: left, top and side of each, in pixels."""
    width, height = size
    side = min(size) * float(rng.uniform(0.9, 1.25)) / (1, 1, 1.28, 1.5)[count]
    centres = sorted((float(rng.uniform(0.4, 0.6)), (index + 0.5) / count) for index in range(count))
    wide = width >= height
    places = []
    for across, along in centres:
        x, y = (along, across) if wide else (across, along)
        x += float(rng.normal(0, 0.03))
        one = int(side * rng.uniform(0.88, 1.1))
        places.append((int(x * width - one / 2), int(y * height - one / 2), one))
    return sorted(places, key=lambda place: place[1])


def _lay(canvas: Image.Image, sprite: Image.Image, corner: tuple[int, int]) -> None:
    """Paste a head onto the canvas with the shadow it throws."""
    from PIL import Image, ImageFilter

    alpha = sprite.getchannel("A")
    small = alpha.resize((sprite.width // 4, sprite.height // 4))
    shadow = small.filter(ImageFilter.GaussianBlur(sprite.width / 90)).resize(sprite.size)
    shade = Image.new("RGB", sprite.size, (18, 14, 10))
    offset = (corner[0] + sprite.width // 28, corner[1] + sprite.width // 18)
    canvas.paste(shade, offset, shadow.point(lambda value: value * 0.55))
    canvas.paste(sprite, corner, sprite)


def _light(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Light from one side, a tint, and the grain of a camera."""
    from PIL import Image

    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    angle = float(rng.uniform(0, 2 * math.pi))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = 1 + float(rng.uniform(0.04, 0.2)) * (x * math.cos(angle) + y * math.sin(angle))
    vignette = 1 - 0.11 * (x * x + y * y)
    tint = rng.normal(1.0, 0.032, 3).astype(np.float32)
    pixels = pixels * (slope * vignette)[..., None] * tint * float(rng.uniform(0.92, 1.14))
    pixels += rng.normal(0, float(rng.uniform(1.5, 4.5)), (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


# --- heads ---------------------------------------------------------------------------


def _sprite(vegetable: Vegetable, rng: np.random.Generator) -> Image.Image:
    """One head on nothing: RGBA, square, with an empty margin."""
    from PIL import Image, ImageOps

    sprite = Image.new("RGBA", (_SPRITE, _SPRITE))
    head = (_broccoli if vegetable == "broccoli" else _cauliflower)(sprite, rng)
    return ImageOps.expand(head, _SPRITE // 8)  # room for its turning and its shadow


def _broccoli(sprite: Image.Image, rng: np.random.Generator) -> Image.Image:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sprite)
    from_above = rng.random() < 0.25
    dark = _vary(rng, (66, 128, 52), 20)
    stalk = _vary(rng, (142, 178, 92), 12)
    middle, spread = (280, 200) if from_above else (280, 190)
    top = 285 if from_above else 215
    centres = _dome(rng, (middle, top), (spread, 190 if from_above else 130), count=int(rng.integers(13, 19)))
    if not from_above:
        foot = 280 + float(rng.normal(0, 16))
        _stalk(draw, stalk, (middle, top + 60), (foot, 520), width=float(rng.uniform(48, 70)))
        for x, y in centres[::2]:
            root = (middle + (x - middle) * 0.22, top + 170)
            _stalk(draw, stalk, (x, y + 30), root, width=17)
    for x, y in centres:
        radius = float(rng.uniform(62, 84))
        _beads(draw, rng, (x, y), radius, dark, bead=(5.0, 9.0), count=180, relief=0.78)
    return sprite


def _cauliflower(sprite: Image.Image, rng: np.random.Generator) -> Image.Image:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sprite)
    from_above = rng.random() < 0.35
    cream = _vary(rng, (238, 227, 192), 10)
    leaf = _vary(rng, (112, 158, 76), 16)
    heart = (280.0, 275.0 if from_above else 235.0)
    turns = np.linspace(0, 2 * math.pi, 9, endpoint=False) + rng.uniform(0, 0.7)
    if not from_above:
        turns = np.linspace(-0.25, math.pi + 0.25, 7)
        _stalk(draw, _vary(rng, (196, 208, 150), 8), (280, 330), (280, 500), width=52)
    for turn in rng.permutation(turns):
        _leaf(draw, rng, heart, float(turn), float(rng.uniform(225, 268)), leaf)
    span = (165, 165) if from_above else (178, 128)
    for x, y in _dome(rng, heart, span, count=int(rng.integers(15, 21))):
        _beads(draw, rng, (x, y), float(rng.uniform(50, 68)), cream, bead=(9.0, 17.0), count=80, relief=0.36)
    if not from_above:
        for turn in (0.5, 1.15, 1.95, 2.6):
            turn += float(rng.normal(0, 0.12))
            _leaf(draw, rng, (280, 345), turn, float(rng.uniform(120, 175)), _lighter(leaf, 1.1))
    return sprite


def _dome(
    rng: np.random.Generator, heart: tuple[float, float], span: tuple[float, float], count: int
) -> list[tuple[float, float]]:
    """Centres of florets that fill an ellipse evenly (a sunflower's spiral), the far ones first."""
    turn = float(rng.uniform(0, 2 * math.pi))
    centres = []
    for index in range(count):
        radius = math.sqrt((index + 0.5) / count)
        angle = turn + index * 2.39996
        x = heart[0] + span[0] * radius * math.cos(angle) + rng.normal(0, 7)
        y = heart[1] + span[1] * radius * math.sin(angle) + rng.normal(0, 7)
        centres.append((float(x), float(y), radius))
    centres.sort(key=lambda centre: -centre[2])
    return [(x, y) for x, y, _ in centres]


def _beads(
    draw: object,
    rng: np.random.Generator,
    heart: tuple[float, float],
    radius: float,
    colour: _Colour,
    *,
    bead: tuple[float, float],
    count: int,
    relief: float,
) -> None:
    """One floret: a ball of beads, lit from the upper left; `relief` is how dark its shaded side gets."""
    ellipse = draw.ellipse  # type: ignore[attr-defined]
    x0, y0 = heart
    ellipse((x0 - radius, y0 - radius, x0 + radius, y0 + radius), fill=_lighter(colour, 1 - relief * 0.55))
    away = np.sqrt(np.sort(rng.random(count))[::-1])
    angle = rng.uniform(0, 2 * math.pi, count)
    xs, ys = away * np.cos(angle), away * np.sin(angle)
    lit = 0.62 + 0.38 * (-0.55 * xs - 0.7 * ys) + 0.22 * (1 - away)
    lit = 1 - relief * (1 - lit) + rng.normal(0, 0.05 * relief + 0.01, count)
    sizes = rng.uniform(*bead, count)
    body, shine = _shades(colour, lit), _shades(colour, lit * (1.06 + 0.26 * relief))
    for x, y, size, dark, light in zip(
        (x0 + radius * xs).tolist(), (y0 + radius * ys).tolist(), sizes.tolist(), body, shine, strict=True
    ):
        ellipse((x - size, y - size, x + size, y + size), fill=dark)
        x, y, size = x - size * 0.25, y - size * 0.3, size * 0.55
        ellipse((x - size, y - size, x + size, y + size), fill=light)


def _stalk(
    draw: object, colour: _Colour, top: tuple[float, float], foot: tuple[float, float], *, width: float
) -> None:
    """A stalk between two points, drawn as strips that go from light on the left to dark on the right."""
    polygon = draw.polygon  # type: ignore[attr-defined]
    strips = 12
    for strip in range(strips):
        near, far = (2 * strip / strips - 1) * width, (2 * (strip + 1) / strips - 1) * width
        corners = [(top[0] + near * 1.15, top[1]), (top[0] + far * 1.15, top[1])]
        corners += [(foot[0] + far * 0.8, foot[1]), (foot[0] + near * 0.8, foot[1])]
        polygon(corners, fill=_lighter(colour, 1.12 - 0.42 * (strip / strips) ** 1.4))


def _leaf(
    draw: object,
    rng: np.random.Generator,
    root: tuple[float, float],
    turn: float,
    length: float,
    colour: _Colour,
) -> None:
    """A leaf from its root outward, `turn` in radians clockwise from the right, with midrib and veins."""
    along = np.linspace(0, 1, 25)
    half = 0.3 * length * np.sin(math.pi * along**0.8) ** 0.75 + rng.normal(0, 2.2, 25) * (along > 0.1)
    ahead, aside = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    spine = np.array(root) + length * along[:, None] * ahead
    edges = (spine + half[:, None] * aside, spine - half[:, None] * aside)
    base = _lighter(colour, float(rng.uniform(0.8, 1.08)))
    for edge, light in zip(edges, (0.86, 1.04), strict=True):
        outline = [*map(tuple, edge), *map(tuple, spine[::-1])]
        draw.polygon(outline, fill=_lighter(base, light))  # type: ignore[attr-defined]
    rib = _lighter(base, 1.38)
    for at in range(5, 22, 4):
        for edge in edges:
            ends = (tuple(spine[at]), tuple(spine[at] + 0.78 * (edge[min(at + 3, 24)] - spine[at])))
            draw.line(ends, fill=rib, width=2)  # type: ignore[attr-defined]
    draw.line([*map(tuple, spine)], fill=rib, width=7)  # type: ignore[attr-defined]


# --- backgrounds ---------------------------------------------------------------------


def background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw something to lie on (wood, cloth, tiles, soil, a plate, a blur): RGB of width x height pixels."""
    kinds: tuple[Callable[..., Image.Image], ...] = (_board, _cloth, _tiles, _garden, _plate, _slate)
    return kinds[int(rng.integers(len(kinds)))](rng, width, height)


def _board(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Planks of wood with their grain."""
    from PIL import ImageDraw

    base = _vary(rng, ((172, 122, 78), (205, 168, 122), (120, 82, 56))[int(rng.integers(3))], 14)
    grain = _cloud(rng, width, height, (3, 60)) * 0.2 + _cloud(rng, width, height, (6, 240)) * 0.12
    board = _paint(base, grain)
    draw = ImageDraw.Draw(board)
    step = height // int(rng.integers(3, 6))
    for y in range(int(rng.integers(0, step)), height, step):
        draw.line((0, y, width, y), fill=_lighter(base, 0.5), width=5)
    return board


def _cloth(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A checked table cloth."""
    colour = np.array(_vary(rng, ((190, 60, 60), (70, 100, 170), (90, 140, 90))[int(rng.integers(3))], 20))
    step = int(rng.integers(36, 80))
    phase = rng.integers(0, step, 2)
    stripes = ((np.arange(width) + phase[0]) // step % 2)[None, :] + (
        (np.arange(height) + phase[1]) // step % 2
    )[:, None]
    shades = (245 * (1 - np.arange(3)[:, None] * 0.5 * (1 - colour / 245))).astype(np.float32)
    return _array(shades[stripes] * (1 + 0.1 * _cloud(rng, width, height, (4, 5)))[..., None])


def _tiles(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Kitchen tiles, each a shade of its own."""
    from PIL import ImageDraw

    base = _vary(rng, ((206, 214, 212), (120, 160, 172), (214, 190, 150))[int(rng.integers(3))], 14)
    tiles = _paint(base, 0.05 * _cloud(rng, width, height, (6, 6)))
    draw = ImageDraw.Draw(tiles)
    step = int(rng.integers(110, 210))
    across, down = rng.integers(0, step, 2)
    for x in range(-int(across), width, step):
        for y in range(-int(down), height, step):
            shade = _lighter(base, float(rng.normal(1, 0.07)))
            draw.rounded_rectangle((x + 4, y + 4, x + step - 4, y + step - 4), 8, fill=shade)
    return tiles


def _garden(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Soil with blades of grass."""
    from PIL import ImageDraw

    soil = _vary(rng, (104, 78, 56), 14)
    clods = _cloud(rng, width, height, (9, 12)) * 0.3 + _cloud(rng, width, height, (60, 80)) * 0.28
    garden = _paint(soil, clods)
    draw = ImageDraw.Draw(garden)
    for _ in range(int(rng.integers(30, 110))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        lean, tall = float(rng.normal(0, 26)), float(rng.uniform(40, 110))
        blade = [(x - 5, y), (x + lean, y - tall), (x + 5, y)]
        draw.polygon(blade, fill=_lighter(_vary(rng, (86, 132, 58), 22), float(rng.uniform(0.6, 1.1))))
    return garden


def _plate(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A plate on a table."""
    from PIL import ImageDraw

    table = _paint(_vary(rng, (120, 110, 104), 40), 0.16 * _cloud(rng, width, height, (5, 7)))
    draw = ImageDraw.Draw(table)
    rim = _vary(rng, ((232, 232, 228), (88, 118, 150), (196, 110, 88))[int(rng.integers(3))], 10)
    x, y = width / 2 + rng.normal(0, 20), height / 2 + rng.normal(0, 20)
    radius = min(width, height) * float(rng.uniform(0.5, 0.62))
    for share, light in ((1.03, 0.5), (1.0, 1.0), (0.97, 1.06), (0.72, 0.84), (0.7, 0.98)):
        reach = radius * share
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=_lighter(rim, light))
    return table


def _slate(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Out of focus: soft patches of two colours."""
    first, second = _vary(rng, (88, 98, 112), 45), _vary(rng, (190, 176, 150), 45)
    mix = (0.5 + 0.5 * np.clip(_cloud(rng, width, height, (4, 5)), -1, 1))[..., None]
    return _array(mix * np.array(first, np.float32) + (1 - mix) * np.array(second, np.float32))


# --- colours -------------------------------------------------------------------------


def _cloud(rng: np.random.Generator, width: int, height: int, cells: tuple[int, int]) -> _Floats:
    """Smooth noise, [height, width], about -1 to 1; `cells` are its knots across and down."""
    from PIL import Image

    knots = Image.fromarray(rng.uniform(-1, 1, (cells[1], cells[0])).astype(np.float32))
    return np.asarray(knots.resize((width, height), Image.Resampling.BICUBIC))


def _paint(colour: _Colour, relief: _Floats) -> Image.Image:
    return _array(np.array(colour, np.float32) * (1 + relief)[..., None])


def _array(pixels: NDArray[np.floating]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _vary(rng: np.random.Generator, colour: _Colour, by: float) -> _Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, by / 2, 3), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _shades(colour: _Colour, times: NDArray[np.floating]) -> list[_Colour]:
    shades = np.clip(np.outer(times, colour), 0, 255).astype(int).tolist()
    return [(red, green, blue) for red, green, blue in shades]


def _lighter(colour: _Colour, times: float) -> _Colour:
    red, green, blue = (max(0, min(255, round(part * times))) for part in colour)
    return red, green, blue
