"""Exports: a dataset in the layout another library reads, with its split, its labels and its credits.

Only pictures that may be used leave: none that was rejected, none in a conflict. Each export is made beside its
place under a temporary name and moved there when it is whole.
"""

from __future__ import annotations

import json
import secrets
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from byod.dataset.export_selection import Leaving, selected
from byod.report.attribution import FILE as CREDITS
from byod.report.attribution import to_csv
from byod.schema import file_formats, files, places
from byod.schema.errors import DatasetError, UsageError
from byod.schema.records import Snapshot
from byod.schema.task import TaskDefinition, Tasks

MARK = ".byod-export.json"


def formats(tasks: Tasks) -> dict[str, str]:
    """All export formats by name, and who reads each."""
    return {name: known.read_by for task in tasks.values() for name, known in task.exchange.exports.items()}


def export(
    snapshot: Snapshot,
    task: TaskDefinition,
    format: str,
    into: Path,
    *,
    links: bool = False,
    keep_metadata: bool = False,
    originals: bool = False,
) -> Path:
    """Write the dataset into the folder `into` and return it; an earlier export of the same set is replaced.

    Args:
        snapshot: the dataset, every usable picture with its part of the split.
        task: what it is for.
        format: one of the task's.
        into: a folder that is missing, empty, or an earlier export of this dataset in this format.
        links: hard links in place of copies where a picture leaves as it is; whoever changes such a file in place
            changes the dataset's own.
        keep_metadata: leave in the files what they say of camera, place and time.
        originals: also the files that pictures stand for, whole.

    Raises:
        UsageError: the task has no such format.
        DatasetError: there is nothing to export, a picture changed, or the folder holds something else.
    """
    known = task.exchange.exports
    if format not in known:
        raise UsageError(
            f"{snapshot.name} is for {task.name} and holds {task.exchange.holds}: there is no export format {format!r} "
            f"for these; use one of {', '.join(known)}"
        )
    into = into.resolve()
    _check_place(snapshot, task, format, into)
    items = leaving(snapshot, task, keep_metadata=keep_metadata)
    with files.staging(into) as staging:
        writer: Any = import_module(known[format].module)
        written = writer.write(snapshot, items, staging, links)
        going = _originals(snapshot, items, staging) if originals else {}
        _finish(snapshot, format, items, written, going, staging)
        _swap(staging, into)
    return into


def leaving(snapshot: Snapshot, task: TaskDefinition, *, keep_metadata: bool = False) -> tuple[Leaving, ...]:
    """The pictures that leave: all usable ones that have the labels of the task.

    Raises:
        DatasetError: there are none.
    """
    usable = selected(snapshot, keep_metadata=keep_metadata)
    items = tuple(item for item in usable if task.exchange.leaves(snapshot, item.sample))
    if not items:
        raise DatasetError(f"{snapshot.name} has no picture with {task.exchange.holds} yet")
    return items


def _check_place(snapshot: Snapshot, task: TaskDefinition, format: str, into: Path) -> None:
    dataset = snapshot.folder.resolve()
    rooms = ["images", "rejected", "originals", *([task.storage.folder] if task.storage else [])]
    if into == dataset or any(into.is_relative_to(dataset / room) for room in rooms):
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


def _originals(snapshot: Snapshot, items: tuple[Leaving, ...], staging: Path) -> dict[str, str]:
    """Copy the files that pictures stand for; returns the place of each by the hash of its picture."""
    going = {item.sample.sha256: item.sample.original for item in items if item.sample.original}
    for place in sorted(set(going.values())):
        source = places.inside(snapshot.folder, place)
        (staging / place).parent.mkdir(exist_ok=True)
        try:
            files.copy(source, staging / place)
        except OSError as error:
            raise DatasetError(
                f"{source} cannot be read ({error.strerror}); put it back, or export without --originals"
            ) from error
    return going


def _finish(
    snapshot: Snapshot,
    format: str,
    items: tuple[Leaving, ...],
    written: dict[str, str],
    originals: dict[str, str],
    staging: Path,
) -> None:
    """Add the credits, named by where each picture went, and the mark that a later export looks for."""
    rows = [
        item.credit.model_copy(
            update={"file": written[item.sample.sha256], "original": originals.get(item.sample.sha256)}
        )
        for item in items
    ]
    (staging / CREDITS).write_text(to_csv(rows), encoding="utf-8", newline="")
    there = (path.relative_to(staging).as_posix() for path in staging.rglob("*") if not path.is_dir())
    mark = {
        "format_version": file_formats.FIRST,  # `format` is the name of the layout
        "dataset": snapshot.name,
        "format": format,
        "fingerprint": snapshot.fingerprint,
        "files": sorted(there),
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
