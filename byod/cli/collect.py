"""`byod collect` and `byod add`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import byod
from byod.cli.output import FollowLinks, Json, errors_in_one_line, say
from byod.schema import defaults

Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="FOLDER", help="The dataset folder; default: ./datasets/<classes>."),
]
MinSide = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help=f"Refuse pictures whose shorter side is below this (default: {defaults.MIN_SIDE}).",
    ),
]
MaxSide = Annotated[
    int | None,
    typer.Option(
        min=32,
        metavar="PIXELS",
        help="Make pictures smaller whose longer side is above this (default: files stay as they come).",
    ),
]

MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help=f"Refuse pictures with more pixels in all (default: {defaults.MAX_PIXELS:,}, where memory allows).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("collect")(collect)
    app.command("add")(add)


@errors_in_one_line
def collect(
    classes: Annotated[
        list[str] | None, typer.Argument(metavar="CLASS…", help="The classes, by name.")
    ] = None,
    into: Into = None,
    per_class: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help=f"Pictures to keep of each class (default: {defaults.PER_CLASS})."
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Search this source; repeat for several (default: {', '.join(defaults.SOURCES)}).",
        ),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=TERMS", help="Search terms of a class; repeat for several (default: its name)."
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="any|open|commercial",
            help="Accept pictures of any licence, of an open one (which allows changes), or of one that also allows "
            "commercial use; the last two refuse pictures whose licence is not stated (default: any).",
        ),
    ] = None,
    languages: Annotated[
        str | None,
        typer.Option(
            metavar="CODES",
            help="Languages to go on in when a class falls short, like de,en,fr; or none "
            f"(default: {','.join(defaults.LANGUAGES)}).",
        ),
    ] = None,
    min_side: MinSide = None,
    max_side: MaxSide = None,
    max_pixels: MaxPixels = None,
    from_urls: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take addresses and labels from a csv, jsonl or parquet file."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Run the recipe of this dataset folder again: top up, never twice."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Search only; show what would be fetched.")
    ] = False,
    ignore_optout: Annotated[
        bool,
        typer.Option(
            "--ignore-optout",
            help="Fetch also what its owners do not want used for training (robots.txt, noai, TDM).",
        ),
    ] = False,
    deadline: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Give up a download after this time, redirects and all."),
    ] = defaults.DEADLINE,
    max_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Refuse files that are larger than this.")
    ] = defaults.MAX_BYTES,
    redirects: Annotated[
        int, typer.Option(min=0, metavar="N", help="Follow at most so many redirects of one address.")
    ] = defaults.REDIRECTS,
    per_host: Annotated[
        int, typer.Option(min=1, metavar="N", help="Ask one host for so many pictures at once.")
    ] = defaults.PER_HOST,
    delay: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Wait so long between two requests to one host.")
    ] = defaults.DELAY,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Ask for so many pictures at once in all.")
    ] = defaults.WORKERS,
    as_json: Json = False,
) -> None:
    """Search, download, check, de-duplicate and fill class folders."""
    from byod.cli import tables

    options: dict[str, Any] = {
        "into": into,
        "per_class": per_class,
        "sources": source or None,
        "queries": _terms(query or []),
        "license": license,
        "languages": languages,
        "min_side": min_side,
        "max_side": max_side,
        "max_pixels": max_pixels,
        "from_urls": from_urls,
        "recipe": recipe,
        "ignore_optout": ignore_optout,
        "deadline": deadline,
        "max_bytes": max_bytes,
        "redirects": redirects,
        "per_host": per_host,
        "delay": delay,
        "workers": workers,
    }
    if dry_run:
        tables.preview(byod.collect(*(classes or ()), dry_run=True, **options), as_json)
        return
    if classes or recipe or from_urls:
        _ask_for_contact()
    dataset = byod.collect(*(classes or ()), **options)
    snapshot = tables.collected(dataset, as_json, again=_again(sys.argv[1:]))
    if not snapshot.kept:
        raise typer.Exit(1)


@errors_in_one_line
def add(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH…", help="Pictures, folders or class folders.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Their class; without it, the names of folders are classes."),
    ] = None,
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
    min_side: MinSide = None,
    max_side: MaxSide = None,
    max_pixels: MaxPixels = None,
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
        labels=labels,
        task=task,
        into=into,
        min_side=min_side,
        max_side=max_side,
        max_pixels=max_pixels,
        reports=reports,
        follow_links=follow_links,
    )
    tables.collected(dataset, as_json, again=None)


def _terms(typed: Sequence[str]) -> dict[str, list[str]]:
    """The values of --query, by class."""
    found: dict[str, list[str]] = {}
    for text in typed:
        name, _, terms = text.partition("=")
        found.setdefault(name, []).append(terms)
    return found


def _ask_for_contact() -> None:
    """Ask once on a terminal whom servers can turn to, and keep the answer."""
    from byod.schema.config import Settings

    settings = Settings.load()
    if settings.contact or settings.asked_for_contact or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    say("The servers you collect from want to know whom to turn to: a mail address or a page of yours.")
    contact = typer.prompt("Contact (Enter for none)", default="", show_default=False, err=True).strip()
    settings.remember_contact(contact)
    say(f"kept in {settings.config_file}")


def _again(arguments: Sequence[str]) -> str:
    """The command that was typed, with a licence policy that refuses what is unknown."""
    import shlex

    return shlex.join(["byod", *arguments, "--license", "open"])
