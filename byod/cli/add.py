"""`byod add`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import byod
from byod.cli.collect import MaxPixels, MaxSide
from byod.cli.output import FollowLinks, Json, errors_in_one_line
from byod.schema.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("add")(add)


@errors_in_one_line
def add(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH…", help="Pictures, folders or class folders.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Their class; without it, the names of folders are classes."),
    ] = None,
    nothing: Annotated[
        bool,
        typer.Option(
            "--nothing", help="They hold none of the objects that the dataset marks points of: no cat, say."
        ),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Their labels, as a CSV file with the columns file and label."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="With --labels: what a new dataset is for; default: classify."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="FOLDER", help="The dataset folder; default: the one byod last wrote to."
        ),
    ] = None,
    creator: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who made them, for the credits of whatever is given away."),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="The licence you give them, like CC-BY-4.0; default: ARR, all rights reserved.",
        ),
    ] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(
            metavar="exact|near|off",
            help="Set aside what has the same pixels as another of your pictures, also what looks the same, or no "
            "copies; default: exact.",
        ),
    ] = None,
    min_side: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PIXELS", help="Refuse pictures whose shorter side is below this; default: none."
        ),
    ] = None,
    max_aspect: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="TIMES",
            help="Refuse pictures whose longer side is more than so many times the shorter one; default: none.",
        ),
    ] = None,
    max_side: MaxSide = None,
    max_pixels: MaxPixels = None,
    split_from_folders: Annotated[
        str | None,
        typer.Option(
            "--split-from-folders",
            metavar="yes|no",
            help="Take folders like train/ and val/ above class folders for the split that the pictures came with; "
            "default: ask on a terminal, else yes.",
        ),
    ] = None,
    reports: Annotated[
        bool,
        typer.Option("--reports", help="Take up what people reported to byod serve --allow-reports."),
    ] = False,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Add pictures of your own, or those that people reported."""
    from byod.cli import tables

    dataset = byod.add(
        *(paths or ()),
        label=label,
        nothing=nothing,
        labels=labels,
        task=task,
        into=into,
        creator=creator,
        license=license,
        duplicates=duplicates,
        min_side=min_side,
        max_aspect=max_aspect,
        max_side=max_side,
        max_pixels=max_pixels,
        split_from_folders=None if split_from_folders is None else _yes(split_from_folders),
        choose=_choose if sys.stdin.isatty() and sys.stderr.isatty() else None,
        reports=reports,
        follow_links=follow_links,
    )
    tables.collected(dataset, as_json, again=None)
    if isinstance(dataset.result, byod.Added) and dataset.result.nothing:
        raise typer.Exit(1)


def _yes(word: str) -> bool:
    if word.casefold() not in ("yes", "no"):
        raise UsageError(f"--split-from-folders {word}: write yes or no")
    return word.casefold() == "yes"


def _choose(question: str) -> bool:
    """Ask on a terminal."""
    return typer.confirm(question, default=True, err=True)
