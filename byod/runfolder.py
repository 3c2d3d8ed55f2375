"""What a run leaves on disk: a folder that appears whole, or not at all."""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from byod import reports
from byod.errors import TrainerError
from byod.modelcard import ModelCard, Prediction
from byod.records import Example

LEFTOVER_DAYS = 7


@dataclass(frozen=True)
class Judged:
    """A test picture with what the model said of it; `part` names the fold, or "test"."""

    example: Example
    said: Prediction
    temperature: float
    part: str


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside the final one, renamed to it at the end; what is left of killed runs goes after a week.

    Raises:
        TrainerError: there is something at `folder` already.
    """
    if folder.exists():
        raise TrainerError(f"{folder} is there already; give the run another name, or move the folder away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(".*.unfinished"):
        if time.time() - old.stat().st_mtime > LEFTOVER_DAYS * 86_400:
            shutil.rmtree(old)
    part = folder.parent / f".{folder.name}.{os.getpid()}.unfinished"
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    finally:
        if part.exists():
            shutil.rmtree(part)


def write(
    part: Path,
    card: ModelCard,
    content: bytes,
    history: Sequence[Mapping[str, float]],
    judged: Sequence[Judged],
) -> None:
    """Write model.onnx (`content`), model.json, predictions.csv and report.html into `part`."""
    (part / "model.onnx").write_bytes(content)
    lines = part / "predictions.csv"
    head = (
        "file",
        "sha256",
        "group",
        "part",
        "label",
        "predicted",
        "probability",
        *(f"p({c})" for c in card.classes),
    )
    for j in judged:
        chances = [f"{j.said.probabilities[name]:.6f}" for name in card.classes]
        row = [
            _short(j.example.path),
            j.example.sha256,
            j.example.group,
            j.part,
            j.example.label,
            j.said.label,
        ]
        append(lines, head, [*row, f"{j.said.probability:.6f}", *chances])
    answers = [
        reports.Answer(
            path=j.example.path,
            file=_short(j.example.path),
            label=j.example.label,
            said=j.said.label,
            probability=j.said.probability,
            probability_of_label=j.said.probabilities[j.example.label],
        )
        for j in judged
    ]
    (part / "report.html").write_text(reports.render(card, history, answers), encoding="utf-8")
    # last, since a folder with a card is taken for a run
    (part / "model.json").write_text(card.model_dump_json(indent=1), encoding="utf-8")


def _short(path: Path) -> str:
    """The end of a path, from the dataset's folder on, without naming this machine's folders."""
    return "/".join(path.parts[-3:])


def append(file: Path, head: Sequence[str], row: Sequence[object]) -> None:
    """Add a line to a CSV file, and the head before the first one."""
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        if new:
            writer.writerow(head)
        writer.writerow(row)
