"""Exports: a dataset in the layout another library reads, with its split, its labels and its credits.

Only pictures that nobody doubts leave: none that was rejected, none in a conflict. Each export is made beside its
place under a temporary name and moved there when it is whole.
"""

from __future__ import annotations

import json
import secrets
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from byod.exports.keypoint_labels import is_marked
from byod.exports.selection import Leaving, selected
from byod.report.attribution import FILE as CREDITS
from byod.report.attribution import to_csv
from byod.schema import file_formats, files
from byod.schema.errors import DatasetError, UsageError
from byod.schema.records import Record, Snapshot, Task

MARK = ".byod-export.json"


class Format(Record):
    """An export format: the module that writes it, who reads it, and the task whose labels it holds."""

    module: str
    read_by: str
    task: Task = Task.CLASSIFY


FORMATS: dict[str, Format] = {
    "folders": Format(module="byod.exports.folders", read_by="fastai, torchvision, Keras: class folders"),
    "hf": Format(module="byod.exports.hf", read_by="Hugging Face datasets: imagefolder with metadata"),
    "webdataset": Format(module="byod.exports.webdataset", read_by="webdataset: tar shards for each part"),
    "croissant": Format(
        module="byod.exports.croissant", read_by="mlcroissant: metadata of MLCommons Croissant"
    ),
    "cat": Format(
        module="byod.exports.cat",
        read_by="what reads the Cat Dataset: a .cat file a picture",
        task=Task.KEYPOINTS,
    ),
    "coco": Format(
        module="byod.exports.coco", read_by="pycocotools and its kin: COCO keypoints", task=Task.KEYPOINTS
    ),
    "yolo-pose": Format(
        module="byod.exports.yolo", read_by="YOLO pose trainers: text files", task=Task.KEYPOINTS
    ),
}


def export(snapshot: Snapshot, format: str, into: Path, *, links: bool = False) -> Path:
    """Write the dataset into the folder `into` and return it; an earlier export of the same set is replaced.

    Args:
        snapshot: the dataset, every usable picture with its part of the split.
        format: a name of `FORMATS`.
        into: a folder that is missing, empty, or an earlier export of this dataset in this format.
        links: hard links in place of copies where a picture leaves as it is; whoever changes such a file in place
            changes the dataset's own.

    Raises:
        UsageError: the format is unknown, or cannot hold the dataset's task.
        DatasetError: there is nothing to export, a picture changed, or the folder holds something else.
    """
    if format not in FORMATS:
        raise UsageError(f"no export format {format!r}; there are: {', '.join(FORMATS)}")
    if snapshot.task is not FORMATS[format].task:
        holds = "class labels" if FORMATS[format].task is Task.CLASSIFY else "points"
        others = ", ".join(name for name, other in FORMATS.items() if other.task is snapshot.task)
        raise UsageError(
            f"{snapshot.name} is for {snapshot.task}: the format {format} holds {holds} only; use one of {others}"
        )
    into = into.resolve()
    _check_place(snapshot, format, into)
    items = leaving(snapshot)
    with files.staging(into) as staging:
        writer: Any = import_module(FORMATS[format].module)
        written = writer.write(snapshot, items, staging, links)
        _finish(snapshot, format, items, written, staging)
        _swap(staging, into)
    return into


def leaving(snapshot: Snapshot) -> tuple[Leaving, ...]:
    """The pictures that leave: all usable ones; for the task keypoints those with a file of points.

    Raises:
        DatasetError: there are none.
    """
    items = selected(snapshot)
    if snapshot.task is Task.KEYPOINTS:
        items = tuple(item for item in items if is_marked(snapshot, item))
        if not items:
            raise DatasetError(f"{snapshot.name} has no picture with points yet")
    return items


def _check_place(snapshot: Snapshot, format: str, into: Path) -> None:
    dataset = snapshot.folder.resolve()
    if into == dataset or any(
        into.is_relative_to(dataset / room) for room in ("images", "rejected", "points")
    ):
        raise DatasetError(f"{into} belongs to the dataset itself; export into another folder")
    if into.exists() and not into.is_dir():
        raise DatasetError(f"{into} is a file; export into a folder")
    if not into.exists() or not any(into.iterdir()):
        return
    before = _marked(into)
    file_formats.check(into / MARK, before.get("format_version", 1), DatasetError)
    if before.get("dataset") != snapshot.name or before.get("format") != format:
        raise DatasetError(
            f"{into} is not empty and no earlier {format} export of {snapshot.name}; choose another folder"
        )
    listed = set(before.get("files", ()))
    own = (path.relative_to(into).as_posix() for path in into.rglob("*") if not path.is_dir())
    foreign = sorted(name for name in own if name not in listed and name != MARK)
    if foreign:
        raise DatasetError(
            f"{into} holds files that byod did not put there ({foreign[0]}); choose another folder"
        )


def _marked(folder: Path) -> dict[str, Any]:
    try:
        values = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _finish(
    snapshot: Snapshot, format: str, items: tuple[Leaving, ...], files: dict[str, str], staging: Path
) -> None:
    """Add the credits, named by where each picture went, and the mark that a later export looks for."""
    rows = [item.credit.model_copy(update={"file": files[item.sample.sha256]}) for item in items]
    (staging / CREDITS).write_text(to_csv(rows), encoding="utf-8", newline="")
    written = (path.relative_to(staging).as_posix() for path in staging.rglob("*") if not path.is_dir())
    mark = {
        "format_version": file_formats.FIRST,  # `format` is the name of the layout
        "dataset": snapshot.name,
        "format": format,
        "fingerprint": snapshot.fingerprint,
        "files": sorted(written),
    }
    (staging / MARK).write_text(json.dumps(mark, ensure_ascii=False, indent=1), encoding="utf-8")


def _swap(staging: Path, into: Path) -> None:
    """Put the new folder in its place; the earlier one is moved aside first and comes back when that fails."""
    if not into.exists():
        staging.replace(into)
        return
    aside = into.with_name(f".{secrets.token_hex(8)}.old")
    into.replace(aside)
    try:
        staging.replace(into)
    except OSError:
        aside.replace(into)
        raise
    shutil.rmtree(aside)
