"""`byod collect` and `byod add`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byod.cli.output import Json, ProgressDisplay, errors_in_one_line, print_result, say
from byod.schema import defaults

if TYPE_CHECKING:
    from byod.schema.config import Settings

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
    from byod.api import datasets
    from byod.cli import plan, tables
    from byod.schema.config import Settings

    changes = {
        "per_class": per_class,
        "sources": tuple(source) if source else None,
        "license": license,
        "languages": plan.languages(languages),
        "min_side": min_side,
        "max_side": max_side,
    }
    folder, planned = plan.plan(classes or [], into, recipe, query or [], changes, from_urls is not None)
    settings = Settings.load()
    if dry_run:
        tables.preview(planned, datasets.preview(planned, settings), as_json)
        return
    if ignore_optout:
        say("opt-outs are ignored: robots.txt, noai/noimageai/noml and TDM reservations are not looked at")
    limits = plan.limits(deadline, max_bytes, redirects, per_host, delay, workers)
    web = datasets.Web(settings=_with_contact(settings), limits=limits, ignore_optout=ignore_optout)
    shown = {label: entry.name for label, entry in planned.classes.items()}
    with ProgressDisplay(lambda label: shown.get(label, label)) as watch:
        if from_urls is not None:
            snapshot = datasets.collect_list(from_urls, folder, planned, web, say=say, watch=watch)
        else:
            snapshot = datasets.collect(folder, planned, web, say=say, watch=watch)
    if as_json:
        print_result(tables.counts(snapshot))
    else:
        tables.collected(snapshot, planned, again=_again(sys.argv[1:]))
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
    reports: Annotated[
        bool,
        typer.Option("--reports", help="Take up what people reported to byod serve --allow-reports."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Add pictures of your own, or those that people reported."""
    from byod.api import datasets
    from byod.cli import plan, tables
    from byod.schema.errors import UsageError

    if reports:
        if paths or label or labels or min_side or max_side:
            raise UsageError("--reports adds what waits in the dataset; remove all but --into")
        _take_up(into, as_json)
        return
    if not paths:
        raise UsageError("say which pictures: byod add PATH… --label CLASS")
    if labels is not None:
        if label or min_side or max_side:
            raise UsageError("--labels says what each picture is; remove --label, --min-side and --max-side")
        _add_labelled(labels, paths, into, task, as_json)
        return
    if task is not None:
        raise UsageError("--task goes with --labels")
    folder, planned = plan.plan_add(label, into, {"min_side": min_side, "max_side": max_side})
    shown = {name: entry.name for name, entry in planned.classes.items()}
    with ProgressDisplay(lambda name: shown.get(name, name)) as watch:
        snapshot = datasets.add(paths, label, folder, planned, say=say, watch=watch)
    if as_json:
        print_result(tables.counts(snapshot))
    else:
        tables.collected(snapshot, planned, again=None)


def _add_labelled(
    labels: Path, paths: Sequence[Path], into: Path | None, task: str | None, as_json: bool
) -> None:
    from byod.api import datasets
    from byod.cli import plan, tables
    from byod.schema import recipe

    folder, _ = plan.plan_add(None, into, {})
    with ProgressDisplay(str) as watch:
        snapshot = datasets.add_labelled(labels, paths, folder, task, say=say, watch=watch)
    if as_json:
        print_result(tables.counts(snapshot))
    else:
        tables.collected(snapshot, recipe.read(folder), again=None)


def _take_up(into: Path | None, as_json: bool) -> None:
    from byod.api import feedback
    from byod.cli import tables
    from byod.dataset import dataset_folder
    from byod.schema import recipe

    folder = into or dataset_folder.find(None)
    planned = recipe.read(folder)
    shown = {name: entry.name for name, entry in planned.classes.items()}
    with ProgressDisplay(lambda name: shown.get(name, name)) as watch:
        done = feedback.import_feedback(folder, say=say, watch=watch)
    if as_json:
        print_result({**tables.counts(done.snapshot), "taken": done.taken, "left": done.left})
    else:
        tables.collected(done.snapshot, planned, again=None)
        typer.echo(f"{done.taken} reports were added, {done.left} wait; look at them: byod review")


def _with_contact(settings: Settings) -> Settings:
    """The settings with somebody to turn to: asked for once on a terminal, else a line says what is missing."""
    if settings.contact:
        return settings
    if sys.stdin.isatty() and sys.stderr.isatty() and not settings.asked_for_contact:
        say("The servers you collect from want to know whom to turn to: a mail address or a page of yours.")
        contact = typer.prompt("Contact (Enter for none)", default="", show_default=False, err=True).strip()
        settings.remember_contact(contact)
        say(f"kept in {settings.config_file}")
        if contact:
            return settings.model_copy(update={"contact": contact})
    say(
        "no contact is set: servers may slow byod down; set BYOD_CONTACT to a mail address or a page of yours"
    )
    return settings


def _again(arguments: Sequence[str]) -> str:
    """The command that was typed, with a licence policy that refuses what is unknown."""
    import shlex

    return shlex.join(["byod", *arguments, "--license", "open"])
