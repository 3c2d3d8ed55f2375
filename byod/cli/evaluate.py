"""Commands that use or judge what was learned: predict, evaluate, compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import byod
from byod.cli.output import Json, errors_in_one_line, print_result, print_table, say

if TYPE_CHECKING:
    from byod.schema.model_card import (
        Comparison,
        KeypointsComparison,
        KeypointsPrediction,
        KeypointsScore,
        Paired,
    )
    from byod.tasks.classify.evaluate_folder import Evaluation
    from byod.tasks.keypoints.evaluate_folder import KeypointsEvaluation


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (predict, evaluate, compare):
        app.command(command.__name__)(command)


@errors_in_one_line
def predict(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE…", help="Pictures, folders, or - for stdin.")],
    run: Annotated[
        str | None, typer.Option(help="A run's folder, or a dataset; default: the latest run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what pictures show, or where heads and their points are; runs on onnxruntime alone."""
    from byod.schema.model_card import KeypointsPrediction, Prediction, Unreadable

    opened = byod.Run(run)
    folder = opened.folder
    given = [("-", sys.stdin.buffer.read(200_000_000)) if name == "-" else name for name in images]
    found = []
    failed = 0
    for one in opened.predict(given):
        if isinstance(one, Unreadable):
            failed += 1
            say(f"byod: {one.path}: {one.error}")
        else:
            found.append(one)
    if as_json:
        print_result([one.model_dump(mode="json") for one in found])
    elif classes := [one for one in found if isinstance(one, Prediction)]:
        rows = [
            (one.path, one.label, f"{one.probability:6.1%}", "█" * round(one.probability * 20))
            for one in classes
        ]
        print_table(f"Model: {folder}", ("picture", "class", "probability", ""), rows)
    elif heads := [one for one in found if isinstance(one, KeypointsPrediction)]:
        _heads(folder, heads)
    if failed:
        raise typer.Exit(1)


def _heads(folder: Path, found: Sequence[KeypointsPrediction]) -> None:
    """A line for each head: how sure, and where its box and points are."""
    names = list(dict.fromkeys(name for one in found for head in one.heads for name in head.points))
    rows: list[tuple[str, ...]] = []
    for one in found:
        for number, head in enumerate(one.heads, start=1):
            box = " ".join(f"{side:.0f}" for side in head.box)
            places = (f"{x:.0f} {y:.0f}" for x, y in (head.points[name] for name in names))
            rows.append((one.path, str(number), f"{head.confidence:.0%}", box, *places))
        if not one.heads:
            rows.append((one.path, "none", "", "", *("" for _ in names)))
    print_table(f"Model: {folder} (pixels)", ("picture", "head", "sure", "box", *names), rows)


@errors_in_one_line
def evaluate(
    run: Annotated[str, typer.Argument(help="A run's folder, or a dataset (its latest run).")],
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Class folders (a run for points: a dataset); default: the dataset's test pictures.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a model on other people's pictures, in folders named after its classes."""
    from byod.tasks.classify.evaluate_folder import Evaluation

    found = byod.Run(run).evaluate(place, report=report)
    if as_json:
        print_result(found.model_dump(mode="json"))
    elif isinstance(found, Evaluation):
        _evaluated(found)
    else:
        _points_evaluated(found)
    if report is not None:
        say(f"Report: {report}")


def _evaluated(found: Evaluation) -> None:
    from byod.tasks.classify.train import summary

    metrics = found.metrics
    rows = [
        (
            name,
            score.pictures,
            *("–" if rate is None else f"{rate:.1%}" for rate in (score.recall, score.precision)),
        )
        for name, score in metrics.per_class.items()
    ]
    typer.echo(f"{found.run}: {summary(metrics)}")
    print_table(
        "Classes", ("class", "pictures", "found (recall)", "right when called (precision)"), rows, numbers=3
    )
    for name, number in found.unknown.items():
        say(f"{number} pictures of {name!r} are left out: the model has no such class")
    if found.absent:
        say(f"no picture of {', '.join(found.absent)} is there: nothing is said of it")
    if found.learned:
        say(f"{found.learned} pictures are left out: the model was trained on them")
    for one in found.unreadable:
        say(f"byod: {one.path}: {one.error}")


def _points_evaluated(found: KeypointsEvaluation) -> None:
    from byod.tasks.keypoints.train import summary

    metrics = found.metrics
    typer.echo(f"{found.run}: {summary(metrics)}")
    ways = {
        "true crops": metrics.crops,
        "whole pictures": metrics.pipeline,
        "mean face, true crops": found.baseline,
    }
    rows = [(name, *_scored(score)) for name, score in ways.items()]
    head = (
        "measured on",
        "heads",
        "found",
        "error (median)",
        "95 %",
        "FR@0.10",
        "PCK@0.1",
        "AUC@0.08",
        "glasses",
    )
    print_table("Errors in distances of the eyes", head, rows, numbers=8)
    say(f"{metrics.false_finds} heads found where none is marked, in {metrics.pictures} pictures")
    if found.unmarked:
        say(f"{found.unmarked} pictures are left out: their points are not marked")
    if found.learned:
        say(f"{found.learned} pictures are left out: the model was trained on them")
    for one in found.unreadable:
        say(f"byod: {one.path}: {one.error}")


def _scored(score: KeypointsScore) -> tuple[str | int, ...]:
    low, high = score.interval
    rates = (score.fr, score.pck, score.auc, score.glasses)
    return (
        score.heads,
        score.found,
        _rate(score.median),
        f"{_rate(low)}–{_rate(high)}",
        *(_rate(rate) for rate in rates),
    )


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


@errors_in_one_line
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]…", help="Runs, or datasets (all their runs); default: all runs there are."
        ),
    ] = None,
    into: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Put runs side by side on the same pictures, and say which differences are real."""
    from byod.schema.model_card import Comparison

    comparison = byod.compare(*(runs or ()), into=into)
    if as_json:
        print_result({**comparison.model_dump(mode="json"), "page": str(into)})
    else:
        if isinstance(comparison, Comparison):
            _compared(comparison)
        else:
            _points_compared(comparison)
        typer.echo(f"Look at {into}")
    if open_it:
        typer.launch(into.resolve().as_uri())


def _compared(comparison: Comparison) -> None:
    rows = [
        (
            one.run,
            one.arch,
            f"{one.accuracy:.1%}",
            f"{one.interval[0]:.1%}–{one.interval[1]:.1%}",
            f"{one.macro_f1:.1%}",
            f"{one.ece:.1%}",
            f"{one.model_bytes / 1e6:.1f} MB",
            f"{one.seconds:.1f} s",
            f"{one.milliseconds:.1f} ms",
        )
        for one in comparison.runs
    ]
    head = ("run", "net", "accuracy", "95 %", "macro F1", "ECE", "size", "trained in", "a picture in")
    print_table(f"{comparison.pictures} pictures: {comparison.note}", head, rows, numbers=7)
    by_name = {one.run: one for one in comparison.runs}
    for one in (by_name[name] for name in comparison.rounds):
        typer.echo(f"after {one.reviewed} verdicts by people: {one.accuracy:.1%} ({one.run})")
    for first, second, pair in comparison.pairs:
        typer.echo(_difference(first, second, pair))


def _points_compared(comparison: KeypointsComparison) -> None:
    rows = [
        (
            one.run,
            one.arch,
            _rate(one.pipeline.glasses),
            "–".join(_rate(end) for end in one.pipeline.glasses_interval),
            _rate(one.crops.glasses),
            _rate(one.crops.median),
            "–".join(_rate(end) for end in one.crops.interval),
            f"{one.model_bytes / 1e6:.1f} MB",
            f"{one.seconds:.1f} s",
            f"{one.milliseconds:.1f} ms",
        )
        for one in comparison.runs
    ]
    head = (
        *(
            "run",
            "net",
            "glasses, whole pictures",
            "95 %",
            "glasses, true crops",
            "error, true crops",
            "95 %",
        ),
        *("size", "trained in", "a picture in"),
    )
    print_table(f"{comparison.heads} heads: {comparison.note}", head, rows, numbers=8)
    for first, second, pair in comparison.pairs:
        typer.echo(_difference(first, second, pair))


def _difference(first: str, second: str, pair: Paired) -> str:
    """A difference in words: which is better, by how much, and whether that is more than chance."""
    low, high = pair.interval
    better, worse = (first, second) if pair.difference >= 0 else (second, first)
    if pair.difference == 0:
        return f"{first} and {second} are right equally often"
    sure = "more than chance" if pair.p_value < 0.05 else "may well be chance"
    return (
        f"{better} is better than {worse} by {abs(pair.difference):.1%} "
        f"({low:+.1%} to {high:+.1%} for {first}), p = {pair.p_value:.3f}: {sure}"
    )
