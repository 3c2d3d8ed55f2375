"""The drawing of a class's precision and recall: inline SVG, as all drawings of reports."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from byod.report.i18n import percent

SIDE, LEFT, TOP, BOTTOM, RIGHT = 230, 54, 12, 34, 14
POINTS = 60
"""So many points of a curve are drawn at the most."""


def chart(recall: Sequence[float], precision: Sequence[float], marked: int | None, *, named_by: str) -> str:
    """Draw precision (upwards) over recall (across), both 0..1; `marked` is the number of a point to point out."""

    def place(across: float, up: float) -> tuple[float, float]:
        x = LEFT + (SIDE - LEFT - RIGHT) * across
        return round(x, 1), round(TOP + (SIDE - TOP - BOTTOM) * (1 - up), 1)

    parts = [
        f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" class="chart" aria-labelledby="{escape(named_by)}">'
    ]
    for share in (0.0, 0.5, 1.0):
        (left, y), (right, _), (x, low) = place(0, share), place(1, share), place(share, 0)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}" class="gridline"/>')
        for at, height, anchor in ((left - 6, y + 4, "end"), (x, low + 18, "middle")):
            place_of = f' x="{at}" y="{round(height, 1)}" text-anchor="{anchor}"'
            parts.extend(percent(share, 0).elements("text", place_of))
    every = max(1, len(recall) // POINTS)
    kept = sorted({*range(0, len(recall), every), len(recall) - 1, marked or 0})
    steps = " ".join("{},{}".format(*place(recall[at], precision[at])) for at in kept)
    parts.append(f'<polyline points="{steps}" class="line"/>')
    if marked is not None:
        x, y = place(recall[marked], precision[marked])
        parts.append(f'<circle cx="{x}" cy="{y}" r="5" class="dot"/>')
    return "".join([*parts, "</svg>"])
