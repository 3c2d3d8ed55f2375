"""`byod collect`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import byod
from byod.cli.output import Json, errors_in_one_line
from byod.cli.prompts import ask_for_contact, choose_meaning
from byod.schema import defaults

Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="FOLDER", help="The dataset folder; default: ./datasets/<classes>."),
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
    nothing: Annotated[
        bool,
        typer.Option(
            "--nothing",
            help="Search for pictures that hold none of the objects that the dataset marks points of: CLASS… are words"
            " like dog and fox; with --into.",
        ),
    ] = False,
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
    words_in: Annotated[
        str | None,
        typer.Option(
            "--words-in",
            metavar="LANGUAGE",
            help="The language that the classes' words are in, like de; none: search only what was typed (default: "
            "that of the other classes, of this machine, or English).",
        ),
    ] = None,
    meaning: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=ITEM",
            help="What a class's word means: an item of wikidata.org like Q47722, or none; repeat for several "
            "(default: the best-known thing of that name in the language of the words).",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="photo|drawing|any",
            help="The kind of pictures to ask for, where a source can tell (default: photo).",
        ),
    ] = None,
    safe: Annotated[
        str | None,
        typer.Option(
            metavar="on|moderate|off",
            help="How strictly sources are to leave out what is not for everybody's eyes (default: on).",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="small|medium|large|any",
            help="The size of pictures to ask for, where a source knows sizes (default: any).",
        ),
    ] = None,
    age: Annotated[
        str | None,
        typer.Option(
            metavar="day|week|month|year|any",
            help="Ask for pictures no older than this, where a source knows their date (default: any).",
        ),
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR",
            help=f"Ask for pictures of a colour, where a source can: {', '.join(defaults.COLOURS)} (default: any).",
        ),
    ] = None,
    exclude_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Refuse pictures of this site, and those it shows; repeat for several; none: take those of stock "
            "sites too (default: stock, byod's list of sites whose pictures carry watermarks).",
        ),
    ] = None,
    min_side: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="PIXELS",
            help=f"Refuse pictures whose shorter side is below this (default: {defaults.MIN_SIDE}).",
        ),
    ] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(
            metavar="near|exact|off",
            help="Set aside what looks the same as another picture, only what has the same pixels, or no copies "
            "(default: near).",
        ),
    ] = None,
    max_side: MaxSide = None,
    captive: Annotated[
        bool,
        typer.Option(
            "--captive",
            help="Also animals that are kept and plants that were planted, where a source tells them apart "
            "(inaturalist).",
        ),
    ] = False,
    max_pixels: MaxPixels = None,
    from_urls: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take addresses and labels from a list: txt, csv, tsv, jsonl, json (each also with .gz) or parquet; a "
            "folder or 'pattern' of such files; - for standard input.",
        ),
    ] = None,
    url_col: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The list's column of addresses (default: url)."),
    ] = None,
    label_col: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The list's column of labels, with --caption-filter that of captions (default: label; of captions "
            "caption, text, alt, alt_text or title).",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The one class of all rows of the list.")
    ] = None,
    caption_filter: Annotated[
        str | None,
        typer.Option(
            metavar='"WORD, WORD"',
            help="Take the rows of the list whose caption holds one of these words, each a class; one that holds two "
            "belongs to none.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fetch nothing where a row of the list is bad.")
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Run the recipe of this dataset folder again: top up, never twice."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Search only, or read the list; show what would be fetched.")
    ] = False,
    ignore_optout: Annotated[
        bool,
        typer.Option(
            "--ignore-optout",
            help="Fetch also what its owners do not want used for training (robots.txt, noai, TDM).",
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what the sources are asked and answer into a new file, as text to read and to give away: "
            "without keys, contact and names.",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Let such a file answer in the place of the sources."),
    ] = None,
    referer: Annotated[
        bool, typer.Option("--referer", help="Tell each host the page that its picture is shown on.")
    ] = False,
    cookies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show the hosts in it their cookies: a file in Netscape's format, which is not kept in the recipe.",
        ),
    ] = None,
    ask_again: Annotated[
        bool,
        typer.Option(
            "--ask-again",
            help="Search anew and ask again for what was refused, whatever earlier runs were answered.",
        ),
    ] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON",
            help="Ask again for the addresses that failed for this reason (byod status --failed lists them); repeat for"
            " several.",
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help=f"Give up a download after this time, redirects and all (default: {defaults.DEADLINE:g}).",
        ),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Refuse files that are larger than this.")
    ] = defaults.MAX_BYTES,
    redirects: Annotated[
        int, typer.Option(min=0, metavar="N", help="Follow at most so many redirects of one address.")
    ] = defaults.REDIRECTS,
    per_host: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Ask one host for so many pictures at once (default: {defaults.PER_HOST}).",
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help=f"Wait so long between two requests to one host (default: {defaults.DELAY:g}).",
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help=f"Try a download that failed in passing so many times more (default: {defaults.RETRIES}).",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Ask for so many pictures at once in all.")
    ] = defaults.WORKERS,
    as_json: Json = False,
) -> None:
    """Search, download, check, de-duplicate and fill class folders."""
    from byod.cli import tables

    options: dict[str, Any] = {
        "into": into, "nothing": nothing, "per_class": per_class,
        "sources": source or None, "queries": _terms(query or []),
        "words_in": words_in, "meanings": dict(each.partition("=")[::2] for each in meaning or []),
        "choose": choose_meaning if sys.stdin.isatty() and sys.stderr.isatty() else None,
        "kind": kind, "safe": safe, "size": size, "age": age, "colour": colour,
        "exclude_hosts": exclude_host or None, "duplicates": duplicates, "license": license, "languages": languages,
        "min_side": min_side, "max_side": max_side, "captive": captive or None,
        "max_pixels": max_pixels,
        "from_urls": from_urls, "url_col": url_col, "label_col": label_col, "label": label,
        "caption_filter": caption_filter, "strict": strict, "recipe": recipe, "ignore_optout": ignore_optout,
        "record": record, "replay": replay, "referer": referer, "cookies": cookies,
        "ask_again": ask_again, "retry": retry or (), "deadline": deadline, "max_bytes": max_bytes,
        "redirects": redirects, "per_host": per_host, "delay": delay, "retries": retries, "workers": workers,
    }  # fmt: skip
    if dry_run:
        found = byod.collect(*(classes or ()), dry_run=True, **options)
        if not tables.preview(found, as_json):
            raise typer.Exit(1)
        return
    if classes or recipe or from_urls:
        ask_for_contact()
    dataset = byod.collect(*(classes or ()), **options)
    snapshot = tables.collected(dataset, as_json, again=_again(sys.argv[1:]))
    if not snapshot.kept:
        raise typer.Exit(1)


def _terms(typed: Sequence[str]) -> dict[str, list[str]]:
    """The values of --query, by class."""
    found: dict[str, list[str]] = {}
    for text in typed:
        name, _, terms = text.partition("=")
        found.setdefault(name, []).append(terms)
    return found


def _again(arguments: Sequence[str]) -> str:
    """The command that was typed, with a licence policy that refuses what is unknown."""
    import shlex

    return shlex.join(["byod", *arguments, "--license", "open"])
