"""Runs side by side: one page with what each achieves on the same pictures or heads, what it costs, what is chance."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, Literal

from byod.report import charts, html
from byod.report.i18n import say
from byod.schema.model_card import Comparison, Contender, KeypointsComparison, KeypointsContender
from byod.tasks.classify.report import wording


def compare_page(comparison: Comparison) -> str:
    """The whole page as text; runs are known by the letters A, B, … in the order they were named."""
    letters = _letters(comparison)
    bars = [_bar(letters[run.run], run) for run in comparison.runs]
    content = _content(comparison, letters, bars, "accuracy", "picture")
    return html.page("compare.html", {**content, "rounds": _rounds(comparison, letters)})


def compare_points_page(comparison: KeypointsComparison) -> str:
    """The same for runs for points."""
    letters = _letters(comparison)
    bars = [_bar(letters[run.run], run) for run in comparison.runs]
    return html.page("comparepoints.html", _content(comparison, letters, bars, "glasses", "head"))


def _content(
    comparison: Comparison | KeypointsComparison,
    letters: dict[str, str],
    bars: Sequence[charts.Bar],
    named_by: str,
    counted: Literal["picture", "head"],
) -> dict[str, Any]:
    """The content of both pages; the bars are named by the caption of that id, and the highest is the best."""
    runs = comparison.runs
    spots = [
        charts.Spot(letter=letters[run.run], milliseconds=run.milliseconds, bar=bar)
        for run, bar in zip(runs, bars, strict=True)
    ]
    best, _ = max(zip(runs, bars, strict=True), key=lambda each: each[1].value)
    return {
        "comparison": comparison,
        "letters": letters,
        "best": best.run,
        "forest": charts.forest(bars, named_by=named_by),
        "scatter": charts.scatter(spots, named_by="cost"),
        "pairs": [
            (
                letters[first],
                letters[second],
                first,
                second,
                pair.p_value < wording.CHANCE,
                wording.difference(
                    pair, say("{letter}", "{letter}", letter=letters[first]), letters[second], counted
                ),
            )
            for first, second, pair in comparison.pairs
        ],
    }


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


def _bar(letter: str, run: Contender | KeypointsContender) -> charts.Bar:
    """A run's accuracy, or on how many heads of whole pictures glasses would sit, with its interval."""
    if isinstance(run, Contender):
        value, (low, high) = run.accuracy, run.interval
    else:
        value, (low, high) = run.pipeline.glasses, run.pipeline.glasses_interval
    return charts.Bar(name=f"{letter}  {run.plugin} · {run.arch}", value=value, low=low, high=high)


def _letters(comparison: Comparison | KeypointsComparison) -> dict[str, str]:
    """A, B, … Z, then A2, B2, … for the runs by name."""
    letters = {}
    for at, run in enumerate(comparison.runs):
        around, place = divmod(at, len(ascii_uppercase))
        letters[run.run] = ascii_uppercase[place] + (str(around + 1) if around else "")
    return letters
