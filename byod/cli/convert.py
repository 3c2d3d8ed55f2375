"""`byod convert`: somebody else's annotated pictures become a dataset of keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import byod
from byod.cli.output import Json, errors_in_one_line, print_result, print_table, put

if TYPE_CHECKING:
    from byod.api.convert import Converted

Into = Annotated[Path | None, typer.Option("--into", metavar="FOLDER", help="The dataset folder; needed.")]
Negatives = Annotated[
    list[Path] | None,
    typer.Option(
        "--negatives",
        metavar="FOLDER",
        help="Also take the pictures in this folder, which hold none of the objects; repeat for several.",
    ),
]
Coordinates = Annotated[
    str,
    typer.Option(
        metavar="stored|shown",
        help="Of pictures with an EXIF orientation: are points those of the pixels as stored, or as shown upright? "
        "Asked only where the annotated size does not tell.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    room = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for command in (cats, voc, coco):
        room.command(command.__name__)(command)
    app.add_typer(room, name="convert", help="Make a dataset of keypoints from annotated pictures.")


@errors_in_one_line
def cats(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[ARCHIVE|FOLDER]…",
            help="The Cat Dataset: Kaggle's zip, both original zips, or a folder.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FOLDER", help="The dataset folder; default: ./datasets/cats."),
    ] = None,
    kaggle: Annotated[
        bool, typer.Option("--kaggle", help="Fetch it from Kaggle (needs kagglehub and your token).")
    ] = False,
    leave_out: Annotated[
        Path | None,
        typer.Option(
            "--clean",
            metavar="FILE",
            help="A cleaning list: pictures to leave out, a name on each line, or JSON.",
        ),
    ] = None,
    negatives: Negatives = None,
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert the Cat Dataset: nine points in a .cat file beside each picture."""
    _converted(
        byod.convert(
            "cats",
            *(paths or ()),
            into=into,
            kaggle=kaggle,
            clean=leave_out,
            coordinates=coordinates,
            negatives=negatives or (),
        ),
        as_json,
    )


@errors_in_one_line
def voc(
    paths: Annotated[list[Path], typer.Argument(metavar="ARCHIVE|FOLDER…", help="XML files and pictures.")],
    points: Annotated[
        list[str],
        typer.Option(
            metavar="BOX=POINT[,POINT]…",
            help="Boxes whose centres are points, from left to right: cat_eyes=eye_image_left,eye_image_right.",
        ),
    ],
    head: Annotated[
        str | None,
        typer.Option(
            metavar="BOX", help="Boxes around objects, like cat_face; default: a picture shows one object."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="The class of the objects; default: the dataset's, else that of --head."
        ),
    ] = None,
    into: Into = None,
    negatives: Negatives = None,
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert Pascal VOC boxes whose centres are points."""
    kinds = _kinds(points)
    made = byod.convert(
        "voc",
        *paths,
        points=kinds,
        head=head,
        label=label,
        into=into,
        coordinates=coordinates,
        negatives=negatives or (),
    )
    _converted(made, as_json)


@errors_in_one_line
def coco(
    annotations: Annotated[Path, typer.Argument(metavar="JSON", help="The file of annotations.")],
    paths: Annotated[list[Path], typer.Argument(metavar="ARCHIVE|FOLDER…", help="The pictures.")],
    category: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The category whose points are meant; needed where several have points."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="The class of the objects; default: the category's name."),
    ] = None,
    into: Into = None,
    negatives: Negatives = None,
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert COCO keypoints."""
    made = byod.convert(
        "coco",
        annotations,
        *paths,
        category=category,
        label=label,
        into=into,
        coordinates=coordinates,
        negatives=negatives or (),
    )
    _converted(made, as_json)


def _kinds(typed: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read the value of --points: for each class of boxes the names of their points."""
    from byod.schema.errors import UsageError

    kinds: dict[str, tuple[str, ...]] = {}
    for text in typed:
        kind, _, names = text.partition("=")
        points = tuple(name.strip() for name in names.split(","))
        if not kind.strip() or not all(points) or kind.strip() in kinds:
            raise UsageError(f"--points {text!r}: write BOX=POINT,POINT with each kind of box once")
        kinds[kind.strip()] = points
    return kinds


def _converted(dataset: byod.Dataset, as_json: bool) -> None:
    from byod.cli import tables

    done = cast("Converted", dataset.result)  # a conversion made it
    if as_json:
        print_result(
            {
                **tables.counts(done.snapshot),
                "pictures": done.pictures,
                "heads": done.heads,
                "notes": list(done.lines),
                "damaged": done.damaged,
                "split": done.split.model_dump(mode="json"),
            }
        )
    else:
        _print_converted(done)
    if done.damaged or not done.snapshot.kept:
        raise typer.Exit(1)


def _print_converted(done: Converted) -> None:
    from byod.cli import tables

    tables.status(done.snapshot)
    parts = list(done.split.counts)
    rows = [tuple(sum(done.split.counts[part].values()) for part in parts)]
    print_table(f"Split: {done.split.name or 'by duplicate group'}", parts, rows, numbers=len(parts))
    put(f"Pictures: {done.snapshot.folder}/images   points: {done.snapshot.folder}/points")
