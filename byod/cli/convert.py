"""`byod convert`: somebody else's annotated pictures become a dataset of keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byod.cli.output import Json, ProgressDisplay, errors_in_one_line, print_result, print_table, say

if TYPE_CHECKING:
    from byod.api.convert import Converted
    from byod.tasks.keypoints.importers.annotated import Annotations

Into = Annotated[Path | None, typer.Option("--into", metavar="FOLDER", help="The dataset folder; needed.")]
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
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert the Cat Dataset: nine points in a .cat file beside each picture."""
    from byod.collection.importers import archives
    from byod.collection.importers import kaggle as download
    from byod.dataset import dataset_folder
    from byod.schema.errors import UsageError
    from byod.tasks.keypoints.importers import cat_dataset

    if kaggle == bool(paths):
        raise UsageError("name the archive or folder of the Cat Dataset, or say --kaggle to fetch it")
    unwanted = cat_dataset.cleaning_list(leave_out) if leave_out is not None else frozenset[str]()
    page = None
    if kaggle:
        say("asking Kaggle for the Cat Dataset (4.3 GB) …")
        folder, page = download.download()
        say(f"fetched: {page}")
        paths = [folder]
    with archives.opened(paths or []) as stores:
        found = cat_dataset.read(stores, leave_out=unwanted, page=page)
        _convert(found, into or dataset_folder.ROOT / "cats", coordinates, as_json)


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
            metavar="BOX", help="Boxes around heads, like cat_face; default: a picture shows one head."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS", help="The class of the heads; default: the dataset's, else that of --head."
        ),
    ] = None,
    into: Into = None,
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert Pascal VOC boxes whose centres are points."""
    from byod.collection.importers import archives
    from byod.tasks.keypoints.importers import voc

    kinds = _kinds(points)
    folder = _place(into)
    with archives.opened(paths) as stores:
        found = voc.read(stores, kinds, head, label or _only_class(folder) or head or "head")
        _convert(found, folder, coordinates, as_json)


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
        typer.Option(metavar="CLASS", help="The class of the heads; default: the category's name."),
    ] = None,
    into: Into = None,
    coordinates: Coordinates = "stored",
    as_json: Json = False,
) -> None:
    """Convert COCO keypoints."""
    from byod.collection.importers import archives
    from byod.tasks.keypoints.importers import coco

    folder = _place(into)
    with archives.opened(paths) as stores:
        found = coco.read(annotations, stores, category, label)
        _convert(found, folder, coordinates, as_json)


def _place(into: Path | None) -> Path:
    from byod.schema.errors import UsageError

    if into is None:
        raise UsageError("say where the dataset belongs: --into datasets/NAME")
    return into


def _only_class(folder: Path) -> str | None:
    """The class of the dataset that is there, when it has just one."""
    from byod.schema import recipe

    if not (folder / recipe.FILE).exists():
        return None
    names = [entry.name for entry in recipe.read(folder).classes.values()]
    return names[0] if len(names) == 1 else None


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
    everything = [name for points in kinds.values() for name in points]
    if len(set(everything)) != len(everything):
        raise UsageError("--points names a point twice")
    return kinds


def _convert(found: Annotations, folder: Path, coordinates: str, as_json: bool) -> None:
    from byod.api import convert

    with ProgressDisplay(str) as watch:
        done = convert.convert(found, folder, coordinates=coordinates, say=say, watch=watch)
    if as_json:
        from byod.cli import tables

        split = done.split.model_dump(mode="json")
        print_result(
            {
                **tables.counts(done.snapshot),
                "pictures": done.pictures,
                "heads": done.heads,
                "notes": list(done.lines),
                "split": split,
            }
        )
    else:
        _converted(done)
    if not done.snapshot.kept:
        raise typer.Exit(1)


def _converted(done: Converted) -> None:
    from byod.cli import tables

    tables.status(done.snapshot)
    parts = list(done.split.counts)
    rows = [tuple(sum(done.split.counts[part].values()) for part in parts)]
    print_table(f"Split: {done.split.name or 'by duplicate group'}", parts, rows, numbers=len(parts))
    typer.echo(f"Pictures: {done.snapshot.folder}/images   points: {done.snapshot.folder}/points")
