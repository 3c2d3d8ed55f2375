"""The folder of a run: it appears whole or not at all, a killed run is resumed in it, and its card is read back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, JsonValue, ValidationError

from byod.schema import file_formats, files, places
from byod.schema.errors import ByodError, ModelError, TrainerError
from byod.schema.model_card import Card
from byod.schema.progress import Say, silent
from byod.schema.records import Example, Record
from byod.schema.version import VERSION
from byod.training import graph_check

LEFTOVER_DAYS = 7

Line = TypeVar("Line")
AnyCard = TypeVar("AnyCard", bound=Card)
Model = TypeVar("Model", bound=BaseModel)

WORK = "work"
MAX_CARD_BYTES = 20_000_000
MAX_TABLE_BYTES = 1_000_000_000
WEIGHTS = "weights.safetensors"
TEST = "test"
"""The name of the part that was set aside; all others are parts of a cross-validation."""


def plan(
    trainer: str, options: Mapping[str, str], seed: int, device: str | None, gpus: int
) -> dict[str, JsonValue]:
    """The plan of a run: all that decides how a training turns out; each task adds what it trains on."""
    return {
        "byod": VERSION,
        "plugin": trainer,
        "options": dict(options),
        "seed": seed,
        "device": device,
        "gpus": gpus,
    }


@contextmanager
def unfinished(
    folder: Path,
    plan: Mapping[str, Any],
    *,
    fresh: bool = False,
    say: Say = silent,
) -> Iterator[Path]:
    """A folder beside the final one, renamed to it at the end.

    It is named after `plan` (whatever decides how the training turns out): a run that was killed or interrupted
    is found again by the next one with the same plan, unless that is to be `fresh`. So is one that ended in an error
    once something was learned: no error removes that. What nobody took up goes after a week.

    Raises:
        TrainerError: there is something at `folder` already, or the same training is running.
    """
    if os.path.lexists(folder):
        raise TrainerError(f"{folder} is there already; give the run another name, or move the folder away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()[:16]
    part = folder.parent / f".{digest}.unfinished"
    own_lock = places.inside(folder.parent, f".{digest}.lock")  # which a library opens by its path
    lock = FileLock(own_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainerError(
            f"the same training is running already (in {part}); wait for it, or stop it first"
        ) from None
    try:
        _clear(folder.parent, part, fresh)
        if os.path.lexists(part):
            say("an unfinished run of the same kind is there: going on with it (--fresh starts anew)")
            files.check_tree(part)  # trainers, and libraries, are given paths in there
        (part / WORK).mkdir(parents=True, exist_ok=True)
        try:
            yield part
        except ByodError:
            if _learned(part / WORK):
                say("what was learned is kept: the same command goes on with it (--fresh begins anew)")
            else:
                shutil.rmtree(part)
            raise
        # in this order: whenever it is killed, what was learned is in one of the two places
        part.rename(folder)
        shutil.rmtree(folder / WORK)
    finally:
        lock.release()
        own_lock.unlink(missing_ok=True)


def _learned(work: Path) -> bool:
    """True if a training left something there: a finished model, or epochs of one."""
    return any(file.is_file() for file in work.rglob("*"))


def _clear(runs: Path, part: Path, fresh: bool) -> None:
    """Remove what nobody took up for a week, and on request what would be taken up now."""
    for old in runs.glob(".*.unfinished"):
        if old.is_symlink():
            raise places.is_link(old)
        if (fresh and old == part) or time.time() - _last_change(old) > LEFTOVER_DAYS * 86_400:
            shutil.rmtree(old)
    for done in runs.glob(f"[!.]*/{WORK}"):
        if not done.is_symlink() and not done.parent.is_symlink() and (done.parent / "model.json").is_file():
            shutil.rmtree(done)  # its run was finished, and killed before it had cleared up


def _last_change(folder: Path) -> float:
    """The time at which something in a folder was last written; a long training writes deep in its own."""
    return max(place.lstat().st_mtime for place in (folder, *folder.rglob("*")))


def write_examples(part: Path, sides: Sequence[tuple[str, Sequence[Example]]]) -> None:
    """Write examples.csv: which pictures stood on which side of the split."""
    write_table(
        part / "examples.csv",
        ("sha256", "group", "label", "part"),
        [[e.sha256, e.group, e.label, name] for name, side in sides for e in side],
    )


def read_examples(run: Path) -> dict[str, tuple[str, str]]:
    """Read which part of the split each picture of a finished run stood on: SHA-256 → (part, group).

    Raises:
        ModelError: the table has not these columns, or is damaged.
    """
    file = run / "examples.csv"
    if not file.is_file():
        return {}
    sides: dict[str, tuple[str, str]] = {}
    for row in read_table(file, ("sha256", "part", "group")):
        sides[row["sha256"]] = (row["part"], row["group"])
    return sides


def trained_on(sides: Mapping[str, tuple[str, str]]) -> frozenset[str]:
    """The pictures that a run's model has seen: all that stood on another side than the test's."""
    return frozenset(sha for sha, (part, _) in sides.items() if part != TEST)


def write_issues(file: Path, kind: type[Record], suspects: Sequence[Record]) -> None:
    """Write the labels that look wrong as a table of the fields of its kind, the likeliest to be wrong first."""
    head = tuple(kind.model_fields)
    write_table(file, head, [[getattr(s, name) for name in head] for s in suspects])


def write_table(file: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table for other programs, as CSV with a header; None is an empty cell."""
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows([head, *rows])
    files.replace(file, lines.getvalue().encode())


def read_lines(run: Path, line: Callable[[dict[str, str]], Line]) -> list[Line]:
    """The lines of a run's predictions.csv, each read by the task's `line`.

    Raises:
        ModelError: it is missing, or damaged.
    """
    file = run / "predictions.csv"
    try:
        return [_parsed(line, row, file) for row in read_table(file)]
    except FileNotFoundError as error:
        raise ModelError(f"{run} has no predictions.csv; train again, or restore it") from error


def read_table(file: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a table of ours, all of whose cells are there.

    Raises:
        ModelError: it is no such table.
    """
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise damaged(file, "more than 1 GB")
    try:
        with io.StringIO(files.read(file).decode(), newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            head, rows = table.fieldnames or (), list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(file, error) from error
    if missing := set(columns) - set(head):
        raise damaged(file, f"it has no column {min(missing)}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise damaged(file, f"row {number} has not as many cells as the first one")
    return rows


def _parsed(line: Callable[[dict[str, str]], Line], row: dict[str, str], file: Path) -> Line:
    try:
        return line(row)
    except ValidationError as error:
        raise damaged(file, file_formats.fault(error)) from error
    except KeyError as error:
        raise damaged(file, f"it has no column {error.args[0]}") from error
    except (ValueError, TypeError) as error:
        raise damaged(file, error) from error


def damaged(file: Path, why: object) -> ModelError:
    """The error for a file of a run that holds something else."""
    line = (str(why).splitlines() or [""])[0]
    return ModelError(f"{file} is not what byod wrote ({line}); restore it, or train again")


def short_path(path: Path) -> str:
    """The end of a path, from the dataset's folder on, without naming this machine's folders."""
    return "/".join(path.parts[-3:])


def task_of(run: Path) -> str:
    """The task that a run is for, as its model.json says.

    Raises:
        ModelError: it is missing, not what byod writes, or what a newer byod writes.
    """
    return _validated(run, _Kind).task


def read_card(run: Path, kind: type[AnyCard], name: str = "model.json") -> AnyCard:
    """`model.json` of a run folder, or another card of that `name`, checked: the card of a task.

    Raises:
        ModelError: it is missing, or not what byod writes.
    """
    return _validated(run, kind, name)


class _Kind(BaseModel):
    """Of a card, what it is for."""

    task: str


def _validated(run: Path, kind: type[Model], name: str = "model.json") -> Model:
    file = run / name
    if not file.is_file():
        raise ModelError(f"{run} is not a run: it has no model.json (a run is a folder in a dataset's runs/)")
    if file.stat().st_size > MAX_CARD_BYTES:
        raise ModelError(f"{file} is too large to be a model card")
    content = files.read(file)
    try:
        return file_formats.read(kind, content, file, ModelError)
    except ValidationError as error:
        raise ModelError(f"{file} is not a byod model card ({file_formats.fault(error)})") from error


@contextmanager
def named(run: Path) -> Iterator[None]:
    """Say which run it is in the errors of its model."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"run {run.resolve().name}: {error}") from error


def model_file(file: Path, sha256: str) -> bytes:
    """The bytes of a model file, which must be the one that a card names.

    Raises:
        ModelError: it is missing, or another one.
    """
    if not file.is_file():
        raise ModelError(f"there is no {file.name} in {file.parent}")
    if file.stat().st_size > graph_check.MAX_BYTES:
        raise ModelError(f"{file} is too large to be a model file of byod (more than 1.9 GB)")
    content = files.read(file)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{file} is not the file that model.json describes; train again, or restore it")
    return content
