"""Runs for points side by side: one page with what each achieves on the same heads, and what it costs."""

from __future__ import annotations

from string import ascii_uppercase

from byod import charts
from byod.modelcard import PointsComparison, PointsContender
from byod.reports import frame, verdicts
from byod.writing.phrases import say


def compare_points_page(comparison: PointsComparison) -> str:
    """The whole page as text; runs are known by the letters A, B, … in the order they were named."""
    letters = {run.run: _letter(at) for at, run in enumerate(comparison.runs)}
    bars = [_bar(letters[run.run], run) for run in comparison.runs]
    spots = [
        charts.Spot(letter=letters[run.run], milliseconds=run.milliseconds, bar=bar)
        for run, bar in zip(comparison.runs, bars, strict=True)
    ]
    content = {
        "comparison": comparison,
        "letters": letters,
        "best": max(comparison.runs, key=lambda run: run.pipeline.glasses).run,
        "forest": charts.forest(bars, named_by="glasses"),
        "scatter": charts.scatter(spots, named_by="cost"),
        "pairs": [
            (
                letters[first],
                letters[second],
                first,
                second,
                pair.p_value < verdicts.CHANCE,
                verdicts.difference(
                    pair,
                    say("{letter}", "{letter}", letter=letters[first]),
                    letters[second],
                    "head",
                ),
            )
            for first, second, pair in comparison.pairs
        ],
    }
    return frame.page("comparepoints.html", content)


def _bar(letter: str, run: PointsContender) -> charts.Bar:
    low, high = run.pipeline.glasses_interval
    name = f"{letter}  {run.plugin} · {run.arch}"
    return charts.Bar(name=name, value=run.pipeline.glasses, low=low, high=high)


def _letter(at: int) -> str:
    """A, B, … Z, then A2, B2, …"""
    around, place = divmod(at, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(around + 1) if around else "")
