"""The page of any run: what each task says of its own is added to what all have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byod.report import charts, html, label_figures, overfitting, run_wording
from byod.report.embedded_images import Album
from byod.report.i18n import Phrase, say
from byod.schema.model_card import Card, Measured
from byod.schema.records import Record, Yield

YIELDS = 60
"""So many lines of the search are shown."""

History = Sequence[Mapping[str, float]]

_TRAINING = say("training")
_VALIDATION = say("validation")
LOSS = say("Loss")
ACCURACY = say("Accuracy")


class Curve(Record):
    """A drawing of the training: its caption, the SVG, and the names of its lines."""

    key: str
    caption: Phrase
    svg: str
    names: tuple[Phrase, ...]


class PictureRow(Record):
    """A line of the table of pictures: how many there were to learn from, to validate and to test."""

    name: Phrase | str
    train: int
    valid: int
    test: int


def curve(
    key: str,
    caption: Phrase,
    history: History,
    keys: tuple[str, str] = ("train_loss", "valid_loss"),
    marked: int | None = None,
) -> list[Curve]:
    """A drawing of two numbers over the epochs, as far as they were logged; none where nothing was.

    The first of the `keys` is of training pictures, the second of validation pictures; `marked` is an epoch to point
    out.
    """
    train, valid = (overfitting.series(history, each) for each in keys)
    if not valid:
        return []
    lines = {"training": train, "validation": valid} if train else {"validation": valid}
    svg = charts.lines(lines, named_by=f"curve-{key}", rates="accuracy" in keys, marked=marked)
    names = (_TRAINING, _VALIDATION) if train else (_VALIDATION,)
    return [Curve(key=f"curve-{key}", caption=caption, svg=svg, names=names)]


def kept_epoch(card: Card) -> int | None:
    """The number (from 0) of the epoch whose weights were kept, where the trainer says so."""
    best = card.notes.get("best_epoch")
    return best if isinstance(best, int) else None


def picture_rows(card: Any, names: Mapping[str, Phrase | str], tested: Mapping[str, int]) -> list[PictureRow]:
    """The table of pictures: a line for each key of the card's counts, with the name people see.

    Where each picture was tested once, the last column is `tested`.
    """
    crossed = card.metrics.measured_on is Measured.CROSS_VALIDATION
    return [
        PictureRow(
            name=name,
            train=card.counts.get("train", {}).get(key, 0),
            valid=card.counts.get("valid", {}).get(key, 0),
            test=tested.get(key, 0) if crossed else card.counts.get("test", {}).get(key, 0),
        )
        for key, name in names.items()
    ]


@dataclass(frozen=True)
class RunPage:
    """The part of a run's page that all tasks share.

    `title` is for the browser's tab; `number_on_top` is the one number, and `headline` what it stands for. `history`
    are the epochs of the net that counts, `curves` what is drawn of them. `crossed` says how it was measured, when no
    test pictures had been set aside. `rows` and `yields` are the pictures, and how they were found. `model_files` are
    name, SHA-256 and parity of each model file, where there are several.
    """

    card: Any
    title: str
    number_on_top: Phrase
    headline: Phrase
    history: History = ()
    curves: Sequence[Curve] = ()
    crossed: Phrase | None = None
    rows: Sequence[PictureRow] = ()
    yields: Sequence[Yield] = ()
    model_files: Sequence[tuple[str, str, float]] = ()


def render(
    template: str, page: RunPage, album: Album, own: Mapping[str, Any], *, folder: Path | None = None
) -> str:
    """The whole page as text, below 3 MB: pictures stand in it once, and in bounded number.

    Args:
        template: the task's, which extends `run.html`; in `folder` where it is not one of byod's own.
        page: what every task says.
        album: the pictures of the page; all are in it already.
        own: the names that the task's template alone knows.
    """
    card = page.card
    content = {
        **vars(page),
        "metrics": card.metrics,
        "origin": run_wording.origin(card),
        "weights": run_wording.weights(card),
        "finding": overfitting.finding(page.history, kept_epoch(card)),
        "rule": overfitting.rule(),
        "split": run_wording.split(card),
        "finder": _finder(card),
        "reviewed": label_figures.review_words(card.label_quality, card.agreement),
        "tested": card.metrics.measured_on is Measured.CROSS_VALIDATION,
        "yields": page.yields[:YIELDS],
        "yields_in_all": len(page.yields),
        "model_files": page.model_files or [("model.onnx", card.model_sha256, card.parity)],
        "kept": album.kept,
        **own,
    }
    return html.page(template, content, folder=folder)


def _finder(card: Card) -> str:
    found = card.lr_finder
    if found is None:
        return ""
    return charts.finder(
        found.rates, found.losses, suggested=found.suggested, used=found.used, named_by="finder"
    )
