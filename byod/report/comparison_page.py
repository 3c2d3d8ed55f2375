"""Runs side by side: one page with what each achieves on the same pictures, what it costs, and what is chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Any

from byod.report import charts, html, run_wording
from byod.report.i18n import Phrase, say
from byod.schema.records import Record


class Cell(Record):
    """A number in words, and its interval where it has one."""

    value: Phrase
    interval: tuple[float | None, float | None] | None = None


class Column(Record):
    """A column of the table: a cell for each run."""

    head: Phrase
    cells: tuple[Cell, ...]


class Achieved(Record):
    """The rate (0..1) by which runs are ranked, with its 95 % interval."""

    value: float
    low: float
    high: float


def render(
    comparison: Any,
    *,
    told: Sequence[str],
    number: int,
    counted: Callable[[int], Phrase],
    named: Phrase,
    achieved: Sequence[Achieved],
    columns: Sequence[Column],
    remark: Phrase,
) -> str:
    """The whole page as text; runs are known by the letters A, B, … in the order they were named.

    Args:
        comparison: with `runs`, `note`, `pairs` and `rounds`.
        told: what the runs tell apart, or find.
        number: on how many pictures (or what is `counted`) they were compared.
        named, achieved: what ranks them, and each one's share of it.
        columns: what each achieves, in numbers; the first one ranks them.
        remark: what the columns mean.
    """
    letters = _letters([run.run for run in comparison.runs])
    bars = [
        charts.Bar(name=f"{letters[run.run]}  {run.plugin} · {run.arch}", **rate.model_dump())
        for run, rate in zip(comparison.runs, achieved, strict=True)
    ]
    spots = [
        charts.Spot(letter=letters[run.run], milliseconds=run.milliseconds, bar=bar)
        for run, bar in zip(comparison.runs, bars, strict=True)
    ]
    best, _ = max(zip(comparison.runs, bars, strict=True), key=lambda each: each[1].value)
    content = {
        "comparison": comparison,
        "letters": letters,
        "best": best.run,
        "title": "byod compare · " + ", ".join(told[:6]) + (" …" if len(told) > 6 else ""),
        "told": told,
        "heading": say("On the same {counted}", counted=counted(number)),
        "achieved": named,
        "forest": charts.forest(bars, named_by="achieved"),
        "scatter": charts.scatter(spots, named_by="cost"),
        "columns": columns,
        "remark": remark,
        "rounds": _rounds(comparison, letters, bars),
        "pairs": [_pair(letters, *pair, counted=counted) for pair in comparison.pairs],
    }
    return html.page("compare.html", content)


def _pair(
    letters: dict[str, str], first: str, second: str, pair: Any, *, counted: Callable[[int], Phrase]
) -> tuple[Any, ...]:
    """Two runs by letter and name, whether they really differ, and how in words."""
    words = run_wording.difference(pair, letters[first], letters[second], counted)
    return letters[first], letters[second], first, second, pair.p_value < run_wording.CHANCE, words


def _rounds(comparison: Any, letters: dict[str, str], bars: Sequence[charts.Bar]) -> str:
    """The learning curve over the rounds of review; empty where there were none."""
    by_name = {run.run: (run, bar) for run, bar in zip(comparison.runs, bars, strict=True)}
    trained = [
        charts.Round(
            letter=letters[name],
            verdicts=(run := by_name[name][0]).reviewed,
            series=f"{run.plugin} {run.arch} {run.pretrained}",
            bar=by_name[name][1],
        )
        for name in comparison.rounds
    ]
    return charts.rounds(trained, named_by="rounds") if trained else ""


def _letters(names: Sequence[str]) -> dict[str, str]:
    """A, B, … Z, then A2, B2, … for the runs by name."""
    letters = {}
    for at, name in enumerate(names):
        around, place = divmod(at, len(ascii_uppercase))
        letters[name] = ascii_uppercase[place] + (str(around + 1) if around else "")
    return letters
