"""`byod sources`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

import byod
from byod.cli.output import Json, errors_in_one_line, print_result, print_table


def register(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command("sources")(sources)


@errors_in_one_line
def sources(
    word: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="WORD",
            help="Ask the sources for a word: which know it, and how many pictures they would offer.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --for: ask this source; repeat for several (default: all)."),
    ] = None,
    get: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Fetch the table of labels that this source answers from, once."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="With --get: fetch all there is of it, which may be much more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the sources of pictures, ask which know a word, or fetch what one answers from."""
    if (word is None and source) or (get is None and deep) or (word is not None and get is not None):
        raise byod.errors.UsageError(
            "--source goes with --for, --deep with --get, and --for and --get do not go together"
        )
    if get is not None:
        parts = byod.fetch_labels(get, deep=deep)
        if as_json:
            print_result({"source": get, "table": list(parts)})
        return
    if word is not None:
        _print_known(word, byod.who_knows(word, sources=source or None), as_json)
        return
    lines = byod.sources()
    if as_json:
        print_result([line.model_dump(mode="json") for line in lines])
        return
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        key = "none" if line.key is None else line.key if not line.key_set else f"{line.key}, set"
        labels = "confirmed by people" if line.verified else ""
        there = "" if line.table is None else f" (here: {', '.join(line.table) or 'nothing yet'})"
        rows.append((line.source, key, "yes" if line.licences else "no", labels, line.good_for + there))
    print_table("Sources", ("source", "key", "states licences", "labels", "good for"), rows)


def _print_known(word: str, known: Sequence[Any], as_json: bool) -> None:
    if as_json:
        print_result([each.model_dump(mode="json") for each in known])
    else:
        rows = [
            (each.source, each.word, f"{each.offers:,}{' or more' if each.more else ''}", each.told)
            for each in known
        ]
        print_table(f"Who knows {word}", ("source", "", "would offer", "more"), rows)
    if not any(each.offers for each in known):
        raise typer.Exit(1)
