"""The HTML that a notebook shows of a dataset or a run: counts, small pictures, and what is taken for what."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from byod.dataset.own_places import IMAGES
from byod.report import dataset_statistics, html
from byod.report.i18n import Phrase, chosen, many, percent, say
from byod.report.thumbnails import Tile, Tray, drawn_jpeg, small_jpeg
from byod.schema import files
from byod.schema.records import Record, Sample, Snapshot, Status
from byod.tasks import TASKS

if TYPE_CHECKING:
    from byod.schema.model_card import Card

SHOWN = 6
"""How many pictures of a class are shown."""
CLASSES = 12
"""How many classes show pictures, so that a cell stays small."""
ROOM = 1_000_000
"""Bytes that the small pictures of one cell may take."""


class Cell(Record):
    """One number of a table; `shade` is the share (0..1) of its row, where it is to be seen."""

    text: Phrase | str
    shade: float | None = None


class Row(Record):
    """One line of a table."""

    name: Phrase | str
    cells: tuple[Cell, ...]


class Table(Record):
    """A table with its title and the names of its columns."""

    title: Phrase
    head: tuple[Phrase | str, ...]
    rows: tuple[Row, ...]


class Strip(Record):
    """A few small pictures with what they have in common."""

    name: Phrase | str
    tiles: tuple[Tile, ...]


def dataset_html(snapshot: Snapshot) -> str:
    """The counts of each class and a few of its pictures; all that strangers wrote is escaped."""
    counts = dataset_statistics.class_counts(snapshot)
    rows = [_row(each.label, (each.usable, each.train, each.valid, each.test)) for each in counts]
    tables = [
        Table(
            title=say("Pictures"),
            head=(say("class"), say("kept"), say("training"), say("validation"), say("test")),
            rows=tuple(rows),
        ),
    ]
    if refused := dataset_statistics.rejected_counts(snapshot):
        lines = tuple(_row(reason, (number,)) for reason, number in refused.items())
        tables.append(Table(title=say("Not kept"), head=(say("reason"), say("pictures")), rows=lines))
    by_class: dict[str, list[Sample]] = {label: [] for label in snapshot.classes}
    for sample in dataset_statistics.usable(snapshot):
        by_class[sample.label].append(sample)
    words = (
        many(len(snapshot.kept), "{count} picture", "{count} pictures"),
        many(len(snapshot.conflicts), "{count} conflict", "{count} conflicts"),
    )
    return _fragment(snapshot.name, words, tables, _strips(snapshot, by_class))


def run_html(run: Path, card: Card) -> str:
    """The metrics of a run, what it takes for what, and pictures it was wrong about; all of it escaped.

    Any card will do: what it has is shown.
    """
    values: Mapping[str, Any] = card.model_dump(mode="json")
    metrics: Mapping[str, Any] = values["metrics"]
    pictures = many(metrics["pictures"], "{count} picture", "{count} pictures")
    words: list[Phrase | str] = [str(values["plugin"]), str(values["arch"]), pictures]
    if "accuracy" in metrics:
        low, high = metrics["interval"]
        words.append(
            say(
                "accuracy {accuracy} (95 %: {low} to {high})",
                accuracy=percent(metrics["accuracy"]),
                low=percent(low),
                high=percent(high),
            )
        )
    tables = [_parts(values["counts"])]
    if "confusion" in metrics:
        tables.append(_confusion(values["classes"], metrics["confusion"]))
    return _fragment(str(values["run"]), words, tables, _mistakes(run))


def _fragment(
    title: str, words: Sequence[Phrase | str], tables: Sequence[Table], strips: Sequence[Strip]
) -> str:
    content = {"title": title, "words": words, "tables": tables, "strips": strips}
    return html.page("notebook.html", content, language=chosen())


def _row(name: Phrase | str, numbers: Sequence[object]) -> Row:
    return Row(name=name, cells=tuple(Cell(text=str(number)) for number in numbers))


def _parts(counts: Mapping[str, Mapping[str, int]]) -> Table:
    """The pictures that a run learned from and was measured on."""
    names = tuple(dict.fromkeys(name for part in counts.values() for name in part))
    rows = tuple(_row(name, [part.get(name, 0) for part in counts.values()]) for name in names)
    head = tuple(_PARTS.get(part, part) for part in counts)
    return Table(title=say("Learned from"), head=("", *head), rows=rows)


_PARTS = {"train": say("training"), "valid": say("validation"), "test": say("test")}


def _confusion(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
    rows = []
    for name, numbers in zip(classes, confusion, strict=True):
        total = max(1, sum(numbers))
        cells = tuple(Cell(text=str(n), shade=round(0.6 * n / total, 2)) for n in numbers)
        rows.append(Row(name=name, cells=cells))
    return Table(
        title=say("A row: what it is; a column: what the model says"), head=("", *classes), rows=tuple(rows)
    )


def _strips(snapshot: Snapshot, groups: Mapping[str, Sequence[Sample]]) -> list[Strip]:
    """The first few pictures of each group."""
    small = drawn_jpeg(TASKS[snapshot.task].pages.drawing(snapshot.folder))
    tray = Tray(snapshot.folder, snapshot.folder / "notebook.html", small, ROOM)
    chosen = [(name, samples) for name, samples in groups.items() if samples][:CLASSES]
    return [
        Strip(
            name=name,
            tiles=tuple(tray.tile(sample, (sample.label, sample.path)) for sample in samples[:SHOWN]),
        )
        for name, samples in chosen
    ]


def _mistakes(run: Path) -> list[Strip]:
    """The pictures that a run for classes was surest about and wrong; none where its dataset is gone."""
    file = run / "predictions.csv"
    dataset = run.resolve().parent.parent
    if not file.is_file():
        return []
    with io.StringIO(files.read(file).decode(), newline="") as lines:
        wrong = [
            row for row in csv.DictReader(lines) if "predicted" in row and row["predicted"] != row["label"]
        ]
    wrong.sort(key=lambda row: float(row["probability"]), reverse=True)
    tray = Tray(dataset, dataset / "notebook.html", small_jpeg, ROOM)
    tiles = [
        tray.tile(
            _sample(row), (say("{label}, taken for {said}", label=row["label"], said=row["predicted"]),)
        )
        for row in [row for row in wrong if _in_images(row["file"])][: 2 * SHOWN]
    ]
    return [Strip(name=say("Wrong, the surest first"), tiles=tuple(tiles))] if tiles else []


def _sample(row: Mapping[str, str]) -> Sample:
    """As much of a sample as a line of predictions.csv knows."""
    return Sample.model_construct(
        sha256=row["sha256"], label=row["label"], path=row["file"], status=Status.KEPT, size=0
    )


def _in_images(file: str) -> bool:
    """True if a path from a file that anybody may have written leads into the class folders, and not elsewhere."""
    parts = PurePosixPath(file).parts
    return len(parts) == 3 and parts[0] == IMAGES and ".." not in parts
