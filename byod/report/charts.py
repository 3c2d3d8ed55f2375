"""Small drawings for reports: inline SVG, coloured by the page's own CSS variables, readable without a script.

`named_by` is the id of the element on the page that says what a drawing shows. A text that reads differently in
other languages stands there once for each wording; the page shows one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from byod.report.i18n import Phrase, joined, number, percent, rate, say, whole
from byod.report.languages import Language
from byod.schema.records import Record

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 34

_Place = Callable[[float, float], tuple[float, float]]
_NAME = 46  # characters of a name that fit above a bar


class Bar(Record):
    """A rate 0..1 with its interval, and whose it is."""

    name: Phrase | str
    value: float
    low: float
    high: float


class ReliabilityBin(Record):
    """Pictures the model was about equally sure of: how sure, how many of them right (0..1), their share of all."""

    sure: float
    right: float
    share: float


class Spot(Record):
    """A model among others: the letter it is known by, what it takes in milliseconds, what it achieves."""

    letter: str
    milliseconds: float
    bar: Bar


class Round(Record):
    """A model of one round: its letter, the verdicts people had given by then, what it achieves, on whose line."""

    letter: str
    verdicts: int
    series: str
    bar: Bar


def lines(
    series: Mapping[str, Sequence[float]], *, named_by: str, rates: bool = False, marked: int | None = None
) -> str:
    """A line for each series over the epochs 1, 2, …; `marked` is the number (from 0) of an epoch to point out.

    The first series is drawn in the page's accent, the second in its blue; `rates` shows 0..1 as per cent.
    """
    top, bottom = _range([value for values in series.values() for value in values], rates=rates)
    count = max((len(values) for values in series.values()), default=0)

    def place(epoch: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (epoch / (count - 1) if count > 1 else 0.5)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom)
        return round(x, 1), round(y, 1)

    parts = [_open(named_by), *_grid(top, bottom, rates, place), *_epochs(count, place)]
    if marked is not None and 0 <= marked < count:
        parts.append(_upright(place(marked, top)[0], "marked"))
    for values, tone in zip(series.values(), ("", " b"), strict=False):
        known = [(epoch, value) for epoch, value in enumerate(values) if math.isfinite(value)]
        places = [place(epoch, value) for epoch, value in known]
        parts.append(f'<polyline points="{_path(places)}" class="line{tone}"/>')
        radius = 3 if count <= 40 else 1.5
        parts += [
            f'<circle cx="{x}" cy="{y}" r="{radius}" class="dot{tone}">'
            f"{_of_epoch(epoch, _shown(value, rates))}</circle>"
            for (x, y), (epoch, value) in zip(places, known, strict=True)
        ]
    return "".join([*parts, "</svg>"])


def finder(
    rates: Sequence[float], losses: Sequence[float], *, suggested: float, used: float, named_by: str
) -> str:
    """The loss over rising learning rates (logarithmic), the suggested rate dashed, the used one as a full line.

    Losses that shoot up at the end are cut off at twice the range up to the lowest one, or the start would be flat.
    """
    pairs = [(r, v) for r, v in zip(rates, losses, strict=True) if r > 0 and math.isfinite(v)]
    if not pairs:
        return ""
    lowest, first = min(v for _, v in pairs), pairs[0][1]
    cut = max(first, lowest) + max(first - lowest, 0.1 * abs(first), 1e-3)
    top, bottom = _range([min(v, cut) for _, v in pairs], rates=False)
    ends = [math.log10(value) for value in (*(r for r, _ in pairs), suggested, used) if value > 0]
    left, right = min(ends), max(*ends, min(ends) + 1)

    def place(value: float, loss: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - left) / (right - left)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (top - min(loss, top)) / (top - bottom)
        return round(x, 1), round(y, 1)

    parts = [_open(named_by), *_grid(top, bottom, False, lambda _, loss: place(10**left, loss))]
    for power in range(math.ceil(left - 1e-9), math.floor(right + 1e-9) + 1):
        x = place(10.0**power, top)[0]
        parts += [_upright(x, "gridline"), _text(x, HEIGHT - BOTTOM + 18, rate(10.0**power), "middle")]
    parts.append(
        f'<polyline points="{_path([place(r, v) for r, v in pairs if v <= cut])}" class="line narrow"/>'
    )
    parts += [_upright(place(suggested, top)[0], "marked b"), _upright(place(used, top)[0], "used")]
    return "".join([*parts, "</svg>"])


def interval(value: float, low: float, high: float, *, named_by: str) -> str:
    """A rate 0..1 as a dot on a bar from 0 to 100 %, with its interval as a band."""
    width, height, left, right = 460, 44, 8, 8

    def x(share: float) -> float:
        return round(left + (width - left - right) * share, 1)

    anchors = ("start", "middle", "middle", "middle", "end")
    ticks = "".join(
        f'<line x1="{x(t / 4)}" x2="{x(t / 4)}" y1="12" y2="22" class="gridline"/>'
        f"{_text(x(t / 4), 38, percent(t / 4, 0), anchors[t])}"
        for t in range(5)
    )
    return (
        f"{_open(named_by, width, height)}{ticks}"
        f'<rect x="{left}" y="14" width="{width - left - right}" height="6" rx="3" class="track"/>'
        f'<rect x="{x(low)}" y="12" width="{max(2.0, round(x(high) - x(low), 1))}" height="10" rx="3" class="band"/>'
        f'<circle cx="{x(value)}" cy="17" r="6" class="dot"/></svg>'
    )


def forest(bars: Sequence[Bar], *, named_by: str) -> str:
    """A forest plot: a row for each rate with its interval, all on one scale that begins below the lowest."""
    height, step, right = 26 + 46 * len(bars), 46, 14
    least = min(bar.low for bar in bars)
    start = max(0.0, math.floor(10 * least - 0.1) / 10)

    def x(share: float) -> float:
        return round(right + (WIDTH - 2 * right) * (share - start) / (1 - start), 1)

    parts = [_open(named_by, WIDTH, height)]
    for tick in range(5):
        share = start + (1 - start) * tick / 4
        parts.append(_upright(x(share), "gridline", 4, height - 22))
        anchor = "start" if tick == 0 else "end" if tick == 4 else "middle"
        digits = 0 if abs(100 * share - round(100 * share)) < 1e-6 else 1
        parts.append(_text(x(share), height - 6, percent(share, digits), anchor))
    for row, bar in enumerate(bars):
        y = step * row + 32
        parts += [
            *_short(bar.name).elements("text", f' x="{right}" y="{y - 14}" class="name"'),
            _text(WIDTH - right, y - 14, percent(bar.value), "end"),
            f'<line x1="{x(bar.low)}" x2="{x(bar.high)}" y1="{y}" y2="{y}" class="whisker"/>',
            f'<circle cx="{x(bar.value)}" cy="{y}" r="6" class="dot"/>',
        ]
    return "".join([*parts, "</svg>"])


def reliability(bins: Sequence[ReliabilityBin], *, named_by: str) -> str:
    """Draw how often the model is right (upwards) where it is so and so sure (across); a dot's area is its share.

    On the diagonal it is right as often as it claims, below it is too sure of itself.
    """
    side, left, top, bottom, gap = 270, 54, 16, 36, 22

    def place(sure: float, right: float) -> tuple[float, float]:
        return round(left + (side - left - gap) * sure, 1), round(
            top + (side - top - bottom) * (1 - right), 1
        )

    parts = [_open(named_by, side, side)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, low), (left_end, y), right_end = place(share, 0), place(0, share), place(1, 0)[0]
        parts += [
            f'<line x1="{left_end}" x2="{right_end}" y1="{y}" y2="{y}" class="gridline"/>',
            _text(left_end - 6, y + 4, percent(share, 0), "end"),
            _text(x, low + 18, percent(share, 0), "middle"),
        ]
    (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
    parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="marked"/>')
    for each in bins:
        (x, y), on = place(each.sure, each.right), place(each.sure, each.sure)[1]
        radius = round(2.5 + 11 * math.sqrt(each.share), 1)
        parts += [
            f'<line x1="{x}" x2="{x}" y1="{y}" y2="{on}" class="line narrow"/>',
            f'<circle cx="{x}" cy="{y}" r="{radius}" class="dot soft">{_title(_of_bin(each))}</circle>',
        ]
    return "".join([*parts, "</svg>"])


def scatter(spots: Sequence[Spot], *, named_by: str) -> str:
    """Accuracy with its interval (upwards) over milliseconds a picture (across, logarithmic), a letter each."""
    least = min(spot.bar.low for spot in spots)
    bottom = max(0.0, math.floor(10 * least - 0.1) / 10)
    powers = [math.log10(max(spot.milliseconds, 1e-3)) for spot in spots]
    left, right = math.floor(min(powers)), max(math.ceil(max(powers)), math.floor(min(powers)) + 1)

    def place(power: float, share: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (power - left) / (right - left)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - share) / (1 - bottom)
        return round(x, 1), round(y, 1)

    parts = [_open(named_by), *_grid(1.0, bottom, True, lambda _, share: place(left, share))]
    for tick in range(left, right + 1):
        x = place(tick, 1)[0]
        anchor = "end" if tick == right else "middle"
        parts += [
            _upright(x, "gridline"),
            _text(x, HEIGHT - BOTTOM + 18, number(10.0**tick, max(0, -tick)), anchor),
        ]
    for spot, power in zip(spots, powers, strict=True):
        x, y = place(power, spot.bar.value)
        parts += [
            _upright(x, "whisker", place(power, spot.bar.high)[1], place(power, spot.bar.low)[1]),
            f'<circle cx="{x}" cy="{y}" r="9" class="dot">{_title(_short(spot.bar.name))}</circle>',
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" class="letter">{escape(spot.letter)}</text>',
        ]
    return "".join([*parts, "</svg>"])


def rounds(trained: Sequence[Round], *, named_by: str) -> str:
    """Accuracy with its interval (upwards) over the verdicts people had given (across), in the order they were trained.

    A line joins the rounds of a series; rounds with equally many verdicts stand a little apart.
    """
    bottom = max(0.0, math.floor(10 * min(each.bar.low for each in trained) - 0.1) / 10)
    ticks = _whole_ticks([each.verdicts for each in trained])
    asides = _asides([each.verdicts for each in trained])
    left, right = LEFT + 14 + max(asides), WIDTH - RIGHT - 14 - max(asides)

    def place(verdicts: float, share: float) -> tuple[float, float]:
        x = left + (right - left) * (verdicts - ticks[0]) / (ticks[-1] - ticks[0])
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - share) / (1 - bottom)
        return round(x, 1), round(y, 1)

    parts = [_open(named_by), *_grid(1.0, bottom, True, place)]
    for tick in ticks:
        x = place(tick, 1)[0]
        parts += [
            _upright(x, "gridline"),
            _text(x, HEIGHT - BOTTOM + 18, whole(tick), "middle"),
        ]
    spots = [(each, place(each.verdicts, 1)[0] + aside) for each, aside in zip(trained, asides, strict=True)]
    for series in dict.fromkeys(each.series for each in trained):
        line = [(round(x, 1), place(0, each.bar.value)[1]) for each, x in spots if each.series == series]
        if len(line) > 1:
            parts.append(f'<polyline points="{_path(line)}" class="line narrow"/>')
    for each, x in spots:
        high, y, low = (place(0, share)[1] for share in (each.bar.high, each.bar.value, each.bar.low))
        title = _title(
            say(
                "{name}: {verdicts} → {value}",
                name=each.bar.name,
                verdicts=each.verdicts,
                value=percent(each.bar.value),
            )
        )
        parts += [
            _upright(round(x, 1), "whisker", high, low),
            f'<circle cx="{x:.1f}" cy="{y}" r="9" class="dot">{title}</circle>',
            f'<text x="{x:.1f}" y="{y + 4}" text-anchor="middle" class="letter">{escape(each.letter)}</text>',
        ]
    return "".join([*parts, "</svg>"])


def _asides(values: Sequence[int]) -> list[float]:
    """Shift each mark aside of its place, so that none covers another with the same value."""
    found = []
    for at, value in enumerate(values):
        alike = [number for number, other in enumerate(values) if other == value]
        found.append(min(22.0, 160.0 / len(alike)) * (alike.index(at) - (len(alike) - 1) / 2))
    return found


def _whole_ticks(values: Sequence[int]) -> list[int]:
    """Two to seven round whole numbers around the values, from 0 where that wastes no half of the room."""
    lowest, highest = min(values), max(values)
    if 2 * lowest <= highest:
        lowest = 0
    span = max(1, highest - lowest)
    power = 10 ** max(0, len(str(span)) - 2)
    step = next(power * round_one for round_one in (1, 2, 5, 10, 20, 50) if span <= 5 * power * round_one)
    first, last = lowest // step * step, -(-highest // step) * step
    return list(range(first, max(last, first + step) + 1, step))


def _open(named_by: str, width: int = WIDTH, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" class="chart" aria-labelledby="{escape(named_by)}">'
    )


def _range(values: Sequence[float], *, rates: bool) -> tuple[float, float]:
    """The values at the upper and the lower edge, with a little room."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 1.0, 0.0
    highest, lowest = max(finite), min(finite)
    if rates:
        return 1.0, next(edge for edge in (0.8, 0.6, 0.4, 0.2, 0.0) if edge <= max(0.0, lowest - 0.02))
    room = (highest - lowest) * 0.08 or 0.1
    return highest + room, max(0.0, lowest - room) if lowest >= 0 else lowest - room


def _grid(top: float, bottom: float, rates: bool, place: _Place) -> list[str]:
    parts = []
    for step in range(5):
        value = bottom + (top - bottom) * step / 4
        y = place(0, value)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="gridline"/>')
        parts.append(_text(LEFT - 6, y + 4, _shown(value, rates), "end"))
    return parts


def _epochs(count: int, place: _Place) -> list[str]:
    every = max(1, -(-count // 10))
    return [
        f'<text x="{place(epoch, 0)[0]}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{epoch + 1}</text>'
        for epoch in range(0, count, every)
    ]


def _upright(x: float, kind: str, top: float = TOP, bottom: float = HEIGHT - BOTTOM) -> str:
    return f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" class="{kind}"/>'


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)


def _short(name: Phrase | str) -> Phrase:
    def cut(spoken: Language) -> str:
        text = name if isinstance(name, str) else name.write(spoken)
        return text if len(text) <= _NAME else text[: _NAME - 1] + "…"

    return Phrase(write=cut)


def _text(x: float, y: float, words: Phrase, anchor: str) -> str:
    """A text, once for each way in which languages write it."""
    return "".join(words.elements("text", f' x="{x}" y="{round(y, 1)}" text-anchor="{anchor}"'))


def _title(words: Phrase) -> str:
    """The words a browser shows beside the pointer, in all languages: they cannot be switched."""
    return f"<title>{escape(words.together())}</title>"


def _of_epoch(epoch: int, value: Phrase) -> str:
    return _title(joined([f"{epoch + 1}:", value], " "))


def _of_bin(each: ReliabilityBin) -> Phrase:
    return say(
        "{sure} → {right} ({share})",
        sure=percent(each.sure),
        right=percent(each.right),
        share=percent(each.share),
    )


def _shown(value: float, rates: bool) -> Phrase:
    return percent(value, 0) if rates else number(value, 2)
