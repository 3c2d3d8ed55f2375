"""Runs side by side: one page with what each achieves on the same pictures, what it costs, and what is chance."""

from __future__ import annotations

from string import ascii_uppercase

from byod import charts
from byod.modelcard import Comparison, Contender
from byod.reports import frame, verdicts
from byod.writing.phrases import say


def compare_page(comparison: Comparison) -> str:
    """The whole page as text; runs are known by the letters A, B, … in the order they were named."""
    letters = {run.run: _letter(at) for at, run in enumerate(comparison.runs)}
    bars = [_bar(letters[run.run], run) for run in comparison.runs]
    spots = [
        charts.Spot(letter=letters[run.run], milliseconds=run.milliseconds, bar=bar)
        for run, bar in zip(comparison.runs, bars, strict=True)
    ]
    return frame.page(
        "compare.html",
        {
            "comparison": comparison,
            "letters": letters,
            "best": max(comparison.runs, key=lambda run: run.accuracy).run,
            "forest": charts.forest(bars, named_by="accuracy"),
            "scatter": charts.scatter(spots, named_by="cost"),
            "rounds": _rounds(comparison, letters),
            "pairs": [
                (
                    letters[first],
                    letters[second],
                    first,
                    second,
                    pair.p_value < verdicts.CHANCE,
                    verdicts.difference(
                        pair, say("{letter}", "{letter}", letter=letters[first]), letters[second]
                    ),
                )
                for first, second, pair in comparison.pairs
            ],
        },
    )


def _rounds(comparison: Comparison, letters: dict[str, str]) -> str:
    """The learning curve over the rounds of review; empty where there were none."""
    by_name = {run.run: run for run in comparison.runs}
    trained = [
        charts.Round(
            letter=letters[name],
            verdicts=(run := by_name[name]).reviewed,
            series=f"{run.plugin} {run.arch} {run.pretrained}",
            bar=_bar(letters[name], run),
        )
        for name in comparison.rounds
    ]
    return charts.rounds(trained, named_by="rounds") if trained else ""


def _bar(letter: str, run: Contender) -> charts.Bar:
    low, high = run.interval
    return charts.Bar(name=f"{letter}  {run.plugin} · {run.arch}", value=run.accuracy, low=low, high=high)


def _letter(at: int) -> str:
    """A, B, … Z, then A2, B2, …"""
    around, place = divmod(at, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(around + 1) if around else "")
