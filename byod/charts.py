"""Small drawings for reports: inline SVG, coloured by the page's own CSS variables, readable without a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 30

_Place = Callable[[int, float], tuple[float, float]]


def lines(
    series: Mapping[str, Sequence[float]], *, title: str, percent: bool = False, marked: int | None = None
) -> str:
    """A line for each series over the epochs 1, 2, …; `marked` is the number (from 0) of an epoch to point out.

    The first series is drawn in the page's accent, the second in its blue; `percent` shows 0..1 as per cent.
    """
    top, bottom = _range([value for values in series.values() for value in values], percent=percent)
    count = max((len(values) for values in series.values()), default=0)

    def place(epoch: int, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (epoch / (count - 1) if count > 1 else 0.5)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom)
        return round(x, 1), round(y, 1)

    parts = [_open(title), *_grid(top, bottom, percent, place), *_epochs(count, place)]
    if marked is not None and 0 <= marked < count:
        x = place(marked, top)[0]
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="marked"/>')
    for (name, values), tone in zip(series.items(), ("", " b"), strict=False):
        points = [place(epoch, value) for epoch, value in enumerate(values)]
        path = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline points="{path}" class="line{tone}"/>')
        parts += [
            f'<circle cx="{x}" cy="{y}" r="3" class="dot{tone}"><title>{escape(name)}, epoch {epoch + 1}: '
            f"{_number(value, percent)}</title></circle>"
            for epoch, ((x, y), value) in enumerate(zip(points, values, strict=True))
        ]
    return "".join([*parts, "</svg>"])


def interval(value: float, low: float, high: float, *, title: str) -> str:
    """A rate 0..1 as a dot on a bar from 0 to 100 %, with its interval as a band."""
    width, height, left, right = 460, 44, 8, 8

    def x(rate: float) -> float:
        return round(left + (width - left - right) * rate, 1)

    anchors = ("start", "middle", "middle", "middle", "end")
    ticks = "".join(
        f'<line x1="{x(t / 4)}" x2="{x(t / 4)}" y1="12" y2="22" class="gridline"/>'
        f'<text x="{x(t / 4)}" y="38" text-anchor="{anchors[t]}">{25 * t} %</text>'
        for t in range(5)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" class="chart">'
        f"<title>{escape(title)}</title>{ticks}"
        f'<rect x="{left}" y="14" width="{width - left - right}" height="6" rx="3" class="track"/>'
        f'<rect x="{x(low)}" y="12" width="{max(2.0, round(x(high) - x(low), 1))}" height="10" rx="3" class="band"/>'
        f'<circle cx="{x(value)}" cy="17" r="6" class="dot"/></svg>'
    )


def _open(title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="chart"><title>{escape(title)}</title>'


def _range(values: Sequence[float], *, percent: bool) -> tuple[float, float]:
    """The values at the upper and the lower edge, with a little room."""
    if not values:
        return 1.0, 0.0
    highest, lowest = max(values), min(values)
    if percent:
        return 1.0, next(edge for edge in (0.8, 0.6, 0.4, 0.2, 0.0) if edge <= max(0.0, lowest - 0.02))
    room = (highest - lowest) * 0.08 or 0.1
    return highest + room, max(0.0, lowest - room)


def _grid(top: float, bottom: float, percent: bool, place: _Place) -> list[str]:
    parts = []
    for step in range(5):
        value = bottom + (top - bottom) * step / 4
        y = place(0, value)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="gridline"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_number(value, percent)}</text>')
    return parts


def _epochs(count: int, place: _Place) -> list[str]:
    every = max(1, -(-count // 10))
    shown = [epoch for epoch in range(count) if epoch % every == 0]
    return [
        f'<text x="{place(epoch, 0)[0]}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{epoch + 1}</text>'
        for epoch in shown
    ]


def _number(value: float, percent: bool) -> str:
    return f"{value:.0%}".replace("%", " %") if percent else f"{value:.2f}"
