"""The picture that is shown where somebody passes the page on: the sample cat, with pixel glasses on.

It is drawn at each export from the page's own files: the sample, and the glasses as their SVG has them.
Source: https://ogp.me/
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from PIL import Image, ImageDraw

from byod.web.assets import STATIC

FILE = "preview.jpg"
SIZE = (1200, 630)
ALT = "A cat that wears sunglasses"
TOP = 34
"""The row of the sample at which the part begins that is shown, as wide as the sample."""
EYES = ((171, 115), (318, 136))
"""Where the sample cat's eyes are, in its pixels."""
LENSES = ((120, 100), (320, 100))
"""The middles of the lenses in the drawing of the glasses (byod/web/static/glasses.js)."""
_DRAWINGS = ("glasses/pixel-lenses.svg", "glasses/pixel.svg")
_PATH = "{http://www.w3.org/2000/svg}path"

Point = tuple[float, float]


def link_preview() -> bytes:
    """A JPEG of `SIZE`: the sample cat with glasses on."""
    with Image.open(STATIC / "chelsea.jpg") as sample:
        width = sample.width
        part = (0, TOP, width, TOP + width * SIZE[1] / SIZE[0])
        picture = sample.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS, box=part)
    draw = ImageDraw.Draw(picture)
    for outline, colour in _outlines():
        draw.polygon([_placed(point, SIZE[0] / width) for point in outline], fill=colour)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _outlines() -> Iterator[tuple[list[Point], str]]:
    """The outlines of the glasses and their colours, in the units of the drawing."""
    for name in _DRAWINGS:
        root = ElementTree.fromstring((STATIC / name).read_text(encoding="utf-8"))
        for path in root.iter(_PATH):
            for part in path.attrib["d"].split("Z"):
                if part:
                    yield list(_corners(part)), path.attrib["fill"]


def _corners(path: str) -> Iterator[Point]:
    """The corners of a path of absolute M, H and V, which is all that pixels need."""
    x = y = 0.0
    for kind, numbers in re.findall(r"([MHV])([\d. ]+)", path):
        values = [float(number) for number in numbers.split()]
        x = values[0] if kind in "MH" else x
        y = values[-1] if kind in "MV" else y
        yield x, y


def _placed(point: Point, scale: float) -> Point:
    """A place of the drawing in the preview: the similarity that lays the lenses on the eyes."""
    one, other = (complex(*eye) for eye in EYES)
    first, last = (complex(*lens) for lens in LENSES)
    at = one + (complex(*point) - first) * (other - one) / (last - first)
    return at.real * scale, (at.imag - TOP) * scale
