"""What a run leaves on disk: a folder that appears whole, or not at all, and goes on where it was killed."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from byod import judging
from byod.errors import ByodError, TrainerError
from byod.fitting import Model
from byod.judging import Judged
from byod.modelcard import ModelCard, Suspect
from byod.records import Example, Record

LEFTOVER_DAYS = 7
HISTORY = ("epoch", "train_loss", "valid_loss", "train_accuracy", "accuracy", "lr", "seconds")
WORK = "work"
WEIGHTS = "weights.safetensors"


@contextmanager
def unfinished(
    folder: Path,
    plan: Mapping[str, Any],
    *,
    fresh: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Path]:
    """A folder beside the final one, renamed to it at the end.

    It is named after `plan` (whatever decides how the training turns out): a run that was killed or interrupted
    is found again by the next one with the same plan, unless that is to be `fresh`. What nobody took up goes
    after a week.

    Raises:
        TrainerError: there is something at `folder` already, or the same training is running.
    """
    if folder.exists():
        raise TrainerError(f"{folder} is there already; give the run another name, or move the folder away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()[:16]
    part = folder.parent / f".{digest}.unfinished"
    lock = FileLock(folder.parent / f".{digest}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainerError(
            f"the same training is running already (in {part}); wait for it, or stop it first"
        ) from None
    try:
        _clear(folder.parent, part, fresh)
        if part.exists():
            say("an unfinished run of the same kind is there: going on with it (--fresh starts anew)")
        (part / WORK).mkdir(parents=True, exist_ok=True)
        try:
            yield part
        except ByodError:
            shutil.rmtree(part)
            raise
        shutil.rmtree(part / WORK)
        part.rename(folder)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _clear(runs: Path, part: Path, fresh: bool) -> None:
    """Remove what nobody took up for a week, and on request what would be taken up now."""
    for old in runs.glob(".*.unfinished"):
        if (fresh and old == part) or time.time() - old.stat().st_mtime > LEFTOVER_DAYS * 86_400:
            shutil.rmtree(old)


def write(
    part: Path,
    card: ModelCard,
    model: Model,
    report: str,
    sides: Sequence[tuple[str, Sequence[Example]]],
    judged: Sequence[Judged],
    suspects: Sequence[Suspect],
) -> None:
    """Write a run's files into `part`: the model, its card and report, and tables for other programs.

    `sides` are the parts of the split by name; examples.csv says which pictures stood on which.
    """
    (part / "model.onnx").write_bytes(model.content)
    if model.weights is not None:
        shutil.copyfile(model.weights, part / WEIGHTS)
    rows = [[epoch.get(key, "") for key in HISTORY] for epoch in model.fitted.history]
    table(part / "history.csv", HISTORY, rows)
    judging.write(part / "predictions.csv", judged, card.classes)
    write_sides(part, sides)
    if card.suspects is not None:
        write_suspects(part / "suspects.csv", Suspect, suspects)
    (part / "report.html").write_text(report, encoding="utf-8")
    # last, since a folder with a card is taken for a run
    (part / "model.json").write_text(card.model_dump_json(indent=1), encoding="utf-8")


def write_sides(part: Path, sides: Sequence[tuple[str, Sequence[Example]]]) -> None:
    """Write examples.csv: which pictures stood on which side of the split."""
    table(
        part / "examples.csv",
        ("sha256", "group", "label", "part"),
        [[e.sha256, e.group, e.label, name] for name, side in sides for e in side],
    )


def sides_of(run: Path) -> dict[str, tuple[str, str]]:
    """Which part of the split each picture of a finished run stood on: SHA-256 → (part, group)."""
    file = run / "examples.csv"
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["sha256"]: (row["part"], row["group"]) for row in csv.DictReader(lines)}


def learned(sides: Mapping[str, tuple[str, str]]) -> frozenset[str]:
    """The pictures that a run's model has seen: all that stood on another side than the test's."""
    return frozenset(sha for sha, (part, _) in sides.items() if part != judging.TEST)


def write_suspects(file: Path, kind: type[Record], suspects: Sequence[Record]) -> None:
    """Write what is doubted as a table of the fields of its kind, the likeliest to be wrong first."""
    head = tuple(kind.model_fields)
    table(file, head, [[getattr(s, name) for name in head] for s in suspects])


def table(file: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table for other programs, as CSV with a header; None is an empty cell."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(head)
        writer.writerows(rows)
