"""The report of a run: one HTML file that needs nothing beside it, for a screen in light or dark and for paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from byod import charts
from byod.errors import PictureError
from byod.modelcard import Measured, ModelCard
from byod.pictures import open_picture
from byod.records import Record, Split

WORST = 12
THUMBNAIL = 200  # pixels of the longer side


class Answer(Record):
    """A picture that was measured on, what it is, and what the model said; `file` is its name in the report."""

    path: Path
    file: str
    label: str
    said: str
    probability: float
    probability_of_label: float


def render(card: ModelCard, history: Sequence[Mapping[str, float]], answers: Sequence[Answer]) -> str:
    """The whole page as text; `history` is what the trainer logged, an epoch each."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("byod", "web/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    mistakes = sorted((a for a in answers if a.said != a.label), key=lambda a: -a.probability)
    return environment.get_template("report.html").render(
        card=card,
        metrics=card.metrics,
        crossed=card.metrics.measured_on is Measured.CROSS_VALIDATION,
        headline=_headline(card),
        interval=charts.interval(
            card.metrics.accuracy, *card.metrics.interval, title="accuracy and its interval"
        ),
        curves=_curves(card, history),
        table=_table(card),
        mistakes=[(a, thumbnail(a.path)) for a in mistakes[:WORST]],
        mistakes_in_all=len(mistakes),
        totals={split: sum(card.counts.get(split, {}).values()) for split in Split},
        calibration=_calibration(card),
    )


def percent(rate: float | None, digits: int = 1) -> str:
    """0.975 as "97.5 %"; None as a dash."""
    return "–" if rate is None else f"{100 * rate:.{digits}f} %"


def thumbnail(path: Path, side: int = THUMBNAIL) -> str:
    """A small JPEG as a data: address; "" when the picture cannot be opened any more."""
    try:
        image = open_picture(path, at_least=side)
    except PictureError:
        return ""
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _headline(card: ModelCard) -> str:
    """What the number means, in words a reader without statistics can take along."""
    metrics = card.metrics
    right = sum(row[at] for at, row in enumerate(metrics.confusion))
    low, high = metrics.interval
    return (
        f"{right} of {metrics.pictures} pictures that the model had never seen were recognised. "
        f"With as few pictures as these, its true accuracy lies between {percent(low)} and {percent(high)} "
        "(95 % interval)."
    )


def _curves(card: ModelCard, history: Sequence[Mapping[str, float]]) -> list[tuple[str, str, list[str]]]:
    """(caption, SVG, names of its lines) of loss and accuracy over the epochs."""
    best = card.notes.get("best_epoch")
    marked = best if isinstance(best, int) else None
    drawn = []
    for caption, keys, rate in (
        ("Loss", {"train_loss": "training", "valid_loss": "validation"}, False),
        ("Accuracy on validation pictures", {"accuracy": "validation"}, True),
    ):
        series = {
            name: [float(epoch[key]) for epoch in history]
            for key, name in keys.items()
            if history and all(key in epoch for epoch in history)
        }
        if series:
            svg = charts.lines(series, title=caption, percent=rate, marked=marked)
            drawn.append((caption, svg, list(series)))
    return drawn


def _table(card: ModelCard) -> list[dict[str, Any]]:
    """The confusion matrix by rows: counts, and how strongly each cell is coloured (0..70, to keep text legible)."""
    rows = []
    for at, (name, counts) in enumerate(zip(card.classes, card.metrics.confusion, strict=True)):
        total = sum(counts)
        cells = []
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            strength = 45 * share if at == column else 10 + 60 * share
            cells.append({"count": count, "strength": round(strength) if count else 0, "right": at == column})
        rows.append({"name": name, "cells": cells, "score": card.metrics.per_class[name]})
    return rows


def _calibration(card: ModelCard) -> str:
    before, after = card.metrics.ece_raw, card.metrics.ece
    return (
        f"Its probabilities are off by {100 * after:.1f} points on average (expected calibration error; "
        f"{100 * before:.1f} without the temperature of {card.temperature:.2f})."
    )
