"""Commands that look at a dataset or put it in order: status, check, dedupe, split, restore, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import byod
from byod.cli.output import FollowLinks, Json, Named, errors_in_one_line, print_result, print_table, put, say
from byod.schema.errors import UsageError

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any option of the probe (byod plugins sklearn); repeat for several.",
    ),
]

Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Only pictures of which this is true, like 'similarity>=0.3', 'caption~two cats' or 'licence=CC0-1.0': "
        "columns of a list, or byod's own; repeat for several.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (status, check, dedupe, split, restore, export):
        app.command(command.__name__)(command)


@errors_in_one_line
def status(
    named: Named = None,
    failed: Annotated[
        bool,
        typer.Option("--failed", help="List the addresses that gave no picture, with the reason of each."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --failed: print them as CSV.")] = False,
    where: Where = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Show counts per class, what each source brought, why pictures were not kept, conflicts and licences."""
    from byod.cli import tables

    if as_csv and (as_json or not failed):
        raise UsageError("--csv goes with --failed, and without --json")
    if where and failed:
        raise UsageError(
            "--where chooses among pictures, and --failed lists addresses without one; remove one of them"
        )
    dataset = byod.Dataset(named, follow_links=follow_links)
    if failed:
        tables.failed(dataset.failed, as_json=as_json, as_csv=as_csv)
        return
    if where:
        tables.chosen(dataset.status(where=where), as_json)
        return
    snapshot, reports = dataset.status(), dataset.reports
    if as_json:
        print_result({**tables.counts(snapshot), "reports": reports})
        return
    tables.status(snapshot, dataset.recipe)
    if reports:
        say(f"{reports} reports wait; take them up: byod add --reports --into {dataset.folder}")


@errors_in_one_line
def check(
    named: Named = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page to write; default: check.html in the dataset folder."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Also train the probe, and show labels that look wrong to it.")
    ] = False,
    setting: Options = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Write a page of thumbnails: imbalance, copies, conflicts, placeholders, near-empty classes."""
    from byod.cli import tables
    from byod.cli.train import pairs

    done = byod.Dataset(named, follow_links=follow_links).check(
        into=into, suspects=suspects, options=pairs(setting or [])
    )
    if as_json:
        told = tables.findings(done.snapshot, done.found)
        print_result({**tables.counts(done.snapshot, done.found.labelled), "page": str(done.page), **told})
    else:
        tables.odd_table(tables.odd(done.snapshot, done.found.odd))
        tables.suspects(done.found)
        tables.together(done.found.together)
        put(f"Look at {done.page}")
    if open_it:
        typer.launch(done.page.resolve().as_uri())


@errors_in_one_line
def dedupe(named: Named = None, follow_links: FollowLinks = False, as_json: Json = False) -> None:
    """Decide again which pictures are copies, and set them aside."""
    from byod.cli import tables

    done = byod.Dataset(named, follow_links=follow_links).dedupe()
    snapshot = done.snapshot
    if as_json:
        print_result({**tables.counts(snapshot), "changed": done.changed, "moved": done.moved})
        return
    aside = [sample for sample in snapshot.samples if sample.reason == "duplicate"]
    put(f"{done.changed} pictures changed place; {len(aside)} copies lie in rejected/duplicate")
    put(f"{len(snapshot.lookalikes)} pairs look alike and were left standing: byod check shows them")


@errors_in_one_line
def split(
    named: Named = None,
    value: Annotated[
        str | None,
        typer.Argument(metavar="[REGEX|NAME]", help="What --by pattern or --by column goes by."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="session|folder|features|pattern|column|none",
            help="What is kept on one side beside near-copies, from now on: pictures taken together, those of one "
            "folder below the class, those that look as if taken together (features; written down in captures.csv), "
            "those in whose names a REGEX finds the same, those with the same value in column NAME of captures.csv, "
            "or none (default: session).",
        ),
    ] = None,
    fixed: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Take the parts of a CSV with the columns file and split (train, valid, test), also a column group; "
            "none: forget them.",
        ),
    ] = None,
    test_from: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Test on the pictures that also lie in this folder."),
    ] = None,
    show_leak: Annotated[
        bool,
        typer.Option("--show-leak", help="Train the probe on a random split too, and show both numbers."),
    ] = False,
    setting: Options = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Assign pictures to train, valid and test, with what belongs together on one side."""
    from byod.cli import tables
    from byod.cli.train import pairs

    named, by = _grouped_by(named, value, by)
    dataset = byod.Dataset(named, follow_links=follow_links)
    done = dataset.split(by=by, fixed=fixed, test_from=test_from)
    leak = dataset.leak(options=pairs(setting or [])) if show_leak else None
    if as_json:
        print_result(
            {**done.model_dump(mode="json"), **({"leak": leak.model_dump(mode="json")} if leak else {})}
        )
        return
    names = sorted({name for part in done.counts.values() for name in part})
    parts = list(done.counts)
    print_table(
        tables.split_title(done),
        ("class", *parts),
        [(name, *(done.counts[part].get(name, 0) for part in parts)) for name in names],
        numbers=len(parts),
    )
    if leak is not None:
        tables.leak(leak)


def _grouped_by(named: str | None, value: str | None, by: str | None) -> tuple[str | None, str | None]:
    """The dataset, and what pictures are grouped by, as the recipe has it: `pattern` and `column` go by a word more."""
    if by not in ("pattern", "column"):
        if value is not None:
            raise UsageError(
                f"{value}: one dataset at a time; with --by pattern or --by column say what that goes by"
            )
        return named, by
    if value is None:
        named, value = None, named
    elif named is not None and not Path(named).exists() and Path(value).exists():
        named, value = value, named  # the option stood before the dataset
    if value is None:
        raise UsageError(f"--by {by}: say {'the regular expression' if by == 'pattern' else 'which column'}")
    return named, f"{by}={value}"


@errors_in_one_line
def restore(
    wanted: Annotated[
        list[str], typer.Argument(metavar="REASON|FILE…", help="duplicate, surplus, … or files in rejected/.")
    ],
    dataset_name: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="DATASET", help="The dataset folder; default: the one byod last wrote to."
        ),
    ] = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Bring rejected pictures back; they are never dropped again. A copy and what was kept for it both stay."""
    number = byod.Dataset(dataset_name, follow_links=follow_links).restore(*wanted)
    if as_json:
        print_result({"restored": number})
    else:
        put(f"{number} pictures are back in their class folders")


@errors_in_one_line
def export(
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET|RUN]",
            help="A dataset or a run; default: the dataset byod last wrote to, or its latest run.",
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="folders, hf, webdataset, croissant; of points: cat, coco, yolo-pose; of a run: onnx, safetensors, "
            "web (a page that runs it in the browser).",
        ),
    ] = "folders",
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to; default: ./exports/<dataset or run>-<format>."),
    ] = None,
    links: Annotated[
        bool,
        typer.Option(
            "--links",
            help="Hard links to the dataset's own files instead of copies, where one leaves as it is: quick, and no "
            "disk is used.",
        ),
    ] = False,
    keep_metadata: Annotated[
        bool,
        typer.Option(
            "--keep-metadata",
            help="Leave in the files all that they say of camera, place, time and person. Default: only who made a "
            "picture from the web, and how it may be used.",
        ),
    ] = False,
    originals: Annotated[
        bool,
        typer.Option(
            "--originals",
            help="Also the files for which a JPEG stands (HEIC, camera raw), whole, with all that they say of camera, "
            "place and time.",
        ),
    ] = False,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Use the model of all pictures, which is not measured (train --refit)."),
    ] = False,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For web: onnxruntime-web as `npm pack` makes it; default: fetched with npm, once.",
        ),
    ] = None,
    with_resize: Annotated[
        bool,
        typer.Option(
            "--with-resize",
            help="For onnx: a model that takes pictures of any size, uint8 [N, height, width, 3], and resizes them.",
        ),
    ] = False,
    where: Where = None,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Write a dataset, or a run's model, in a format other tools read."""
    from byod.schema.errors import UsageError

    if format in byod.Run.FORMATS and where:
        raise UsageError(
            f"--where chooses pictures of a dataset, and --format {format} is about a run; remove it"
        )
    if format in byod.Run.FORMATS:
        written = byod.Run(named, refit=refit).export(
            format, into=into, runtime=runtime, with_resize=with_resize
        )
    elif runtime is not None or refit:
        raise UsageError("--runtime is about --format web, --refit about the formats of a run")
    elif with_resize:
        raise UsageError("--with-resize is about --format onnx; remove it")
    else:
        written = byod.Dataset(named, follow_links=follow_links).export(
            format,
            into=into,
            links=links,
            keep_metadata=keep_metadata,
            originals=originals,
            where=where or (),
        )
    if as_json:
        print_result({"format": format, "path": str(written)})
    else:
        put(f"Written: {written}")
