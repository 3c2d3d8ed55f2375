"""`byod collect` and `byod add`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byod.cli.speech import Json, Watching, answer, plainly, say

if TYPE_CHECKING:
    from byod.recipe import Recipe
    from byod.settings import Settings

Into = Annotated[
    Path | None, typer.Option("--into", help="The dataset folder; default: ./datasets/<classes>.")
]


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command("collect")(collect)
    app.command("add")(add)


@plainly
def collect(
    classes: Annotated[
        list[str] | None, typer.Argument(metavar="CLASS…", help="The classes, by name.")
    ] = None,
    into: Into = None,
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Pictures to keep of each class (default 200).")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Ask this source; repeat for several. Default: openverse, commons, duckduckgo."),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=TERMS", help="Search terms of a class; repeat for several."),
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="any (default), open or commercial; the last two refuse unknown ones.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="Languages to go on in when a class falls short: de,en,fr or none.")
    ] = None,
    min_side: Annotated[int | None, typer.Option(min=1, help="Refuse pictures with a shorter side.")] = None,
    max_side: Annotated[int | None, typer.Option(min=32, help="Keep pictures no larger than this.")] = None,
    from_urls: Annotated[
        Path | None, typer.Option(help="Take addresses and labels from a csv, jsonl or parquet file.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Run the recipe of this dataset folder again: top up, never twice.")
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
    deadline: Annotated[float, typer.Option(help="Seconds for one whole request.")] = 30.0,
    max_bytes: Annotated[int, typer.Option(help="Bytes of one body.")] = 25_000_000,
    redirects: Annotated[int, typer.Option(min=0, help="Redirects to follow.")] = 5,
    per_host: Annotated[int, typer.Option(min=1, help="Requests to one host at once.")] = 2,
    delay: Annotated[float, typer.Option(min=0, help="Seconds between requests to one host.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Requests at once in all.")] = 32,
    as_json: Json = False,
) -> None:
    """Search, download, check, de-duplicate and fill class folders."""
    from byod import pipeline
    from byod.cli import tables
    from byod.download import Limits
    from byod.settings import Settings

    changes = {
        "per_class": per_class,
        "sources": tuple(source) if source else None,
        "license": license,
        "languages": _languages(languages),
        "min_side": min_side,
        "max_side": max_side,
    }
    folder, planned = _plan(classes or [], into, recipe, query or [], changes, from_urls is not None)
    settings = Settings.load()
    if dry_run:
        tables.preview(planned, pipeline.preview(planned, settings), as_json)
        return
    settings = _with_contact(settings)
    if ignore_optout:
        say("opt-outs are ignored: robots.txt, noai/noimageai/noml and TDM reservations are not looked at")
    limits = Limits(
        deadline=deadline,
        max_bytes=max_bytes,
        redirects=redirects,
        per_host=per_host,
        delay=delay,
        workers=workers,
    )
    shown = {label: entry.name for label, entry in planned.classes.items()}
    with Watching(lambda label: shown.get(label, label)) as watch:
        if from_urls is not None:
            snapshot = pipeline.collect_list(
                from_urls,
                folder,
                planned,
                settings,
                say=say,
                watch=watch,
                limits=limits,
                ignore_optout=ignore_optout,
            )
        else:
            snapshot = pipeline.collect(
                folder, planned, settings, say=say, watch=watch, limits=limits, ignore_optout=ignore_optout
            )
    if as_json:
        answer(tables.counts(snapshot))
    else:
        tables.collected(snapshot, planned, again=_again(sys.argv[1:]))


@plainly
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Pictures, folders or class folders.")],
    label: Annotated[str | None, typer.Option(help="Their class; without it, folders are classes.")] = None,
    into: Into = None,
    min_side: Annotated[int | None, typer.Option(min=1, help="Refuse pictures with a shorter side.")] = None,
    max_side: Annotated[int | None, typer.Option(min=32, help="Keep pictures no larger than this.")] = None,
    as_json: Json = False,
) -> None:
    """Add pictures of your own."""
    from byod import pipeline
    from byod.cli import tables

    folder, planned = _plan_add(label, into, {"min_side": min_side, "max_side": max_side})
    shown = {name: entry.name for name, entry in planned.classes.items()}
    with Watching(lambda name: shown.get(name, name)) as watch:
        snapshot = pipeline.add(paths, label, folder, planned, say=say, watch=watch)
    if as_json:
        answer(tables.counts(snapshot))
    else:
        tables.collected(snapshot, planned, again=None)


def _plan(
    names: Sequence[str],
    into: Path | None,
    again: Path | None,
    queries: Sequence[str],
    changes: Mapping[str, object],
    listed: bool,
) -> tuple[Path, Recipe]:
    """Where to collect, and by which recipe: the one that is there, with what was typed put over it."""
    from byod import dataset, recipe
    from byod.errors import UsageError
    from byod.records import Task

    if again is not None and (into is not None or names):
        raise UsageError(
            "--recipe takes its classes and its place from the folder; leave CLASS and --into out"
        )
    folder = again or into
    if folder is None:
        if not names and not listed:
            raise UsageError('name the classes to collect, like: byod collect "brokkoli" "blumenkohl"')
        if not names:
            raise UsageError("say where the pictures of the list belong: --into datasets/NAME")
        folder = dataset.find_for_classes(names, Task.CLASSIFY)
    exists = again is not None or (folder / recipe.FILE).exists()
    planned = recipe.read(folder) if exists else recipe.Recipe()
    if planned.task is not Task.CLASSIFY and names:
        raise UsageError(
            f"{folder} is for the task {planned.task}; collect these classes into another folder"
        )
    for name in names:
        planned = planned.with_class(name)
    for text in queries:
        name, _, terms = text.partition("=")
        if not terms.strip() or planned.folder_of(name.strip()) is None:
            raise UsageError(f"--query {text!r}: write CLASS=TERMS with a class of this dataset")
        planned = planned.with_class(name.strip(), [terms])
    return folder, _changed(planned, changes)


def _plan_add(label: str | None, into: Path | None, changes: Mapping[str, object]) -> tuple[Path, Recipe]:
    from byod import dataset, recipe

    folder = into or dataset.find(None)
    planned = recipe.read(folder) if (folder / recipe.FILE).exists() else recipe.Recipe()
    if label is not None:
        planned = planned.with_class(label)
    return folder, _changed(planned, changes)


def _changed(planned: Recipe, changes: Mapping[str, object]) -> Recipe:
    from pydantic import ValidationError

    from byod.errors import UsageError
    from byod.recipe import Recipe

    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return Recipe.model_validate({**planned.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error


def _languages(typed: str | None) -> tuple[str, ...] | None:
    if typed is None:
        return None
    return () if typed == "none" else tuple(code.strip() for code in typed.split(",") if code.strip())


def _with_contact(settings: Settings) -> Settings:
    """The settings with somebody to turn to: asked for once on a terminal, else a line says what is missing."""
    if settings.contact:
        return settings
    if sys.stdin.isatty() and sys.stderr.isatty():
        say("The servers you collect from want to know whom to turn to: a mail address or a page of yours.")
        contact = typer.prompt("Contact (Enter for none)", default="", show_default=False, err=True).strip()
        if contact:
            settings.remember_contact(contact)
            say(f"kept in {settings.config_file}")
            return settings.model_copy(update={"contact": contact})
    say(
        "no contact is set: servers may slow byod down; set BYOD_CONTACT to a mail address or a page of yours"
    )
    return settings


def _again(arguments: Sequence[str]) -> str:
    """The command that was typed, with a licence policy that refuses what is unknown."""
    import shlex

    return shlex.join(["byod", *arguments, "--license", "open"])
