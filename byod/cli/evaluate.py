"""Commands that use or measure what was trained: predict, evaluate, compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import byod
from byod.cli.output import FollowLinks, Json, errors_in_one_line, print_result, print_table, put, say

if TYPE_CHECKING:
    from byod.schema.model_card import Paired


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (predict, evaluate, compare):
        app.command(command.__name__)(command)


@errors_in_one_line
def predict(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE…", help="Pictures, folders, or - for stdin.")],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="A run's folder, or a dataset (its latest run); default: the latest run."
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Use the model of all pictures, which is not measured (train --refit)."),
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Show the N likeliest classes of each picture (default: the one)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what pictures show, or where objects and their points are; runs on onnxruntime alone."""
    from byod.cli import result_tables
    from byod.schema.model_card import Unreadable

    opened = byod.Run(run, refit=refit)
    folder = opened.folder
    if top is not None:
        result_tables.check_classes(folder)
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
        print_result([result_tables.with_top(one, top) for one in found])
    elif found:
        head, rows = result_tables.predictions_table(folder, found, top)
        print_table(f"Model: {folder}", head, rows)
    if failed:
        raise typer.Exit(1)


@errors_in_one_line
def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a dataset (its latest run).")],
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Class folders (a run for points: a dataset); default: the dataset's test pictures.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a page to this file (default: none is written)."),
    ] = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Measure a model on other people's pictures, in folders named after its classes."""
    from byod.cli import result_tables

    opened = byod.Run(run)
    found = opened.evaluate(place, report=report, follow_links=follow_links)
    if as_json:
        print_result(found.model_dump(mode="json"))
    else:
        summary, title, (head, rows), remarks = result_tables.evaluation_table(opened.folder, found)
        put(f"{found.run}: {summary}")
        print_table(title, head, rows, numbers=len(head) - 1)
        for line in remarks:
            say(line)
        for one in found.unreadable:
            say(f"byod: {one.path}: {one.error}")
    if report is not None:
        say(f"Report: {report}")


@errors_in_one_line
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]…", help="Runs, or datasets (all their runs); default: all runs there are."
        ),
    ] = None,
    into: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path("compare.html"),
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Put runs side by side on the same pictures, and say which differences are real."""
    from byod.cli import result_tables

    found: Any = byod.compare(*(runs or ()), into=into, follow_links=follow_links)
    if as_json:
        print_result({**found.model_dump(mode="json"), "page": str(into)})
    else:
        title, (head, rows) = result_tables.comparison_table(found)
        print_table(title, head, rows, numbers=len(head) - 2)
        by_name = {one.run: (one, row[2]) for one, row in zip(found.runs, rows, strict=True)}
        for one, achieved in (by_name[name] for name in found.rounds):
            put(f"after {one.reviewed} verdicts by people: {achieved} ({one.run})")
        for first, second, pair in found.pairs:
            put(_difference(first, second, pair))
        put(f"Look at {into}")
    if open_it:
        typer.launch(into.resolve().as_uri())


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
