"""Converting as one call: somebody else's annotated pictures become a dataset of keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from byod.api import convert as conversions
from byod.api.dataset_object import Dataset, dataset_with
from byod.api.plan import folder_given, several
from byod.api.progress_display import progress_display
from byod.dataset import dataset_list
from byod.schema import recipe
from byod.schema.errors import UsageError
from byod.schema.progress import Say
from byod.tasks.keypoints.importers.annotating import STORED

if TYPE_CHECKING:
    from byod.collection.importers.stores import Store
    from byod.tasks.keypoints.importers.annotated import Annotations

OPTIONS = {
    "cats": ("clean", "kaggle"),
    "voc": ("points", "head", "label"),
    "coco": ("category", "label"),
}
"""What can be converted, and the options that each of them has beside those of all."""


def convert(
    format: str,
    *paths: str | Path,
    into: str | Path | None = None,
    coordinates: str = STORED,
    kaggle: bool = False,
    clean: str | Path | None = None,
    points: Mapping[str, str | Iterable[str]] | None = None,
    head: str | None = None,
    category: str | None = None,
    label: str | None = None,
    negatives: Sequence[str | Path] = (),
    progress: bool = True,
) -> Dataset:
    """Make a dataset of keypoints from annotated pictures.

    Args:
        format: `cats` (the Cat Dataset: nine points in a `.cat` file beside each picture), `voc` (Pascal VOC boxes
            whose centres are points) or `coco` (COCO keypoints).
        paths: archives or folders; of `coco` the file of annotations comes first.
        into: the dataset's folder; of `cats` by default `datasets/cats`.
        coordinates: `stored` or `shown`: whether points of pictures with an EXIF orientation are those of the pixels
            as stored, or of the picture turned upright.
        kaggle: of `cats`: fetch it from Kaggle (needs kagglehub and your token).
        clean: of `cats`: a cleaning list, a file with the names of pictures to leave out.
        points: of `voc`: for each class of boxes whose centres are points, the names of these from left to right.
        head: of `voc`: the class of the boxes around objects.
        category: of `coco`: the category whose points are meant.
        label: of `voc` and `coco`: the class of the objects.
        negatives: folders of pictures that hold none of the objects.
        progress: show lines and a live table; False sends the lines to the logger `byod`.

    Returns:
        The dataset; its `result` says how many pictures and objects were found, how they were split, and what was
        passed over.

    Raises:
        UsageError: what was given does not go together, or the dataset that is there is for something else.
        DatasetError: no picture with points was found, or an archive cannot be opened at all.

    Examples:
        >>> cats = byod.convert("cats", "annotated", into="cats", progress=False)
        >>> cats.result.pictures, cats.result.heads
        (2, 2)
    """
    given = {"kaggle": kaggle, "clean": clean, "points": points, "head": head, "category": category}
    _check(format, {**given, "label": label})
    folder, files = _place(format, folder_given(into)), [Path(path) for path in paths]
    with progress_display(progress) as display, ExitStack() as opened:
        if format == "cats":
            found = _cats(files, kaggle, folder_given(clean), opened, display.say)
        elif format == "voc":
            found = _voc(
                files, points or {}, head, label or _only_class(folder) or head or "head", opened, display.say
            )
        else:
            found = _coco(files, category, label, opened, display.say)
        watch = display.watch()
        nothing = [Path(path) for path in negatives]
        done = conversions.convert(
            found, folder, nothing, coordinates=coordinates, say=display.say, watch=watch
        )
        return dataset_with(folder, done)


def _check(format: str, given: Mapping[str, object]) -> None:
    """Refuse a format that there is not, and options of another one."""
    if format not in OPTIONS:
        raise UsageError(f"{format!r} cannot be converted; there are: {', '.join(OPTIONS)}")
    for option, value in given.items():
        if value and option not in OPTIONS[format]:
            raise UsageError(
                f"--{option} is not an option of convert {format}; it has: {', '.join(OPTIONS[format])}"
            )


def _place(format: str, into: Path | None) -> Path:
    if into is None and format != "cats":
        raise UsageError("pass --into datasets/NAME")
    return into or dataset_list.ROOT / "cats"


def _cats(
    files: Sequence[Path], kaggle: bool, clean: Path | None, opened: ExitStack, say: Say
) -> Annotations:
    from byod.collection.importers import archives
    from byod.collection.importers import kaggle as download
    from byod.tasks.keypoints.importers import cat_dataset

    if kaggle == bool(files):
        raise UsageError("name the archive or folder of the Cat Dataset, or pass --kaggle to fetch it")
    unwanted = cat_dataset.cleaning_list(clean) if clean is not None else frozenset[str]()
    page = None
    if kaggle:
        say("asking Kaggle for the Cat Dataset (4.3 GB) …")
        folder, page = download.download()
        say(f"fetched: {page}")
        files = [folder]
    stores = opened.enter_context(archives.opened(files, say))
    return _with_passed(cat_dataset.read(stores, leave_out=unwanted, page=page), stores)


def _voc(
    files: Sequence[Path],
    points: Mapping[str, str | Iterable[str]],
    head: str | None,
    label: str,
    opened: ExitStack,
    say: Say,
) -> Annotations:
    from byod.collection.importers import archives
    from byod.tasks.keypoints.importers import voc

    kinds = {kind: several(names) for kind, names in points.items()}
    everything = [name for names in kinds.values() for name in names]
    if not everything or not all(everything) or not all(kinds):
        raise UsageError("say which boxes are points: --points BOX=POINT,POINT")
    if len(set(everything)) != len(everything):
        raise UsageError("--points names a point twice")
    stores = opened.enter_context(archives.opened(files, say))
    return _with_passed(voc.read(stores, kinds, head, label), stores)


def _coco(
    files: Sequence[Path], category: str | None, label: str | None, opened: ExitStack, say: Say
) -> Annotations:
    from byod.collection.importers import archives
    from byod.tasks.keypoints.importers import coco

    if len(files) < 2:
        raise UsageError("name the file of annotations, and then the folders or archives of its pictures")
    annotations, *pictures = files
    stores = opened.enter_context(archives.opened(pictures, say))
    return _with_passed(coco.read(annotations, stores, category, label), stores)


def _with_passed(found: Annotations, stores: Iterable[Store]) -> Annotations:
    """The pictures that were found, with lines about files that were passed over or cannot be read."""
    lines = [line for store in stores for line in (*store.passed_over, *store.damaged)]
    damaged = found.damaged + sum(len(store.damaged) for store in stores)
    return replace(found, lines=(*found.lines, *lines), damaged=damaged)


def _only_class(folder: Path) -> str | None:
    """The class of the dataset that is there, when it has just one."""
    if not (folder / recipe.FILE).exists():
        return None
    names = [entry.name for entry in recipe.read(folder).classes.values()]
    return names[0] if len(names) == 1 else None
