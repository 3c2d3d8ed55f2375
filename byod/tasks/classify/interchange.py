"""How datasets of classes come and go: `byod.schema.task.Exchange` for the task classify."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from byod.schema.errors import DatasetError, UsageError
from byod.schema.recipe import Recipe
from byod.schema.records import Sample, Snapshot
from byod.schema.task import ExportFormat, LabelledPicture, Labelling

holds = "class labels"
exports = {
    "folders": ExportFormat(
        module="byod.exports.folders", read_by="fastai, torchvision, Keras: class folders"
    ),
    "hf": ExportFormat(module="byod.exports.hf", read_by="Hugging Face datasets: imagefolder with metadata"),
    "webdataset": ExportFormat(
        module="byod.exports.webdataset", read_by="webdataset: tar shards for each part"
    ),
    "croissant": ExportFormat(
        module="byod.exports.croissant", read_by="mlcroissant: metadata of MLCommons Croissant"
    ),
}


def leaves(snapshot: Snapshot, sample: Sample) -> bool:
    """Every usable picture: its folder is its label."""
    return True


def read(file: Path, pictures: Sequence[Path], recipe: Recipe | None) -> Labelling:
    """Read a table with the columns `file` and `label`; a file is a path below one of the folders, or just its name.

    Raises:
        DatasetError: it is not such a table, or a picture is missing, or there twice.
        UsageError: a label cannot name a class.
    """
    places = _places(pictures)
    planned = recipe or Recipe()
    found = []
    for number, (name, label) in enumerate(_rows(file), start=2):
        paths = places.get(name.replace("\\", "/").removeprefix("./"), [])
        if len(paths) != 1:
            why = (
                "is there twice; write its path below the folder"
                if paths
                else "is not among the pictures given"
            )
            raise DatasetError(f"{file}, line {number}: {name!r} {why}")
        planned = planned.with_class(label)
        found.append(LabelledPicture(path=paths[0], label=label))
    return Labelling(recipe=planned, pictures=tuple(found))


def _rows(file: Path) -> list[tuple[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return [(row["file"].strip(), row["label"].strip()) for row in csv.DictReader(lines)]
    except FileNotFoundError as error:
        raise UsageError(f"there is no {file}; name a CSV file with the columns file and label") from error
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file} is not a CSV file with the columns file and label") from error


def _places(pictures: Sequence[Path]) -> dict[str, list[Path]]:
    """The files given and below the folders given, by name and by path below the folder."""
    places: dict[str, list[Path]] = {}
    for given in pictures:
        below = sorted(path for path in given.rglob("*") if path.is_file()) if given.is_dir() else [given]
        for path in below:
            names = {path.name, path.relative_to(given).as_posix() if given.is_dir() else path.name}
            for name in names:
                places.setdefault(name, []).append(path)
    return places
