"""The report of a run: what it achieves, whether it was worth it, how it learned, and where it goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byod.report import charts, precision_recall_chart, run_page
from byod.report.embedded_images import Album, Photo
from byod.report.i18n import percent, say
from byod.report.run_page import ACCURACY, LOSS, Curve, PictureRow, RunPage
from byod.report.thumbnails import FULL
from byod.schema.model_card import ClassScore
from byod.schema.records import Record
from byod.tasks.classify.report import saliency, wording
from byod.tasks.classify.report.contents import ReportContents, ShownPrediction
from byod.training import precision_recall, statistics

WORST, UNSURE, SUSPECTS = 12, 12, 24
CURVES = 12
"""So many classes have their curves shown."""
MAPS_RIGHT, MAPS_WRONG = 2, 4
CELL = (6, 48)  # at least and at most so many pictures behind a cell of the confusion matrix
ALL_CELLS = 240


class WallPicture(Record):
    """A picture on a wall: the answer it belongs to, and where it stands."""

    answer: ShownPrediction
    photo: Photo


class IssuePicture(Record):
    """A picture whose label looks wrong."""

    file: str
    label: str
    suggested: str
    quality: float
    photo: Photo


class ShownMap(Record):
    """An occlusion map with its two layers."""

    map: saliency.OcclusionMap
    picture: Photo
    veil: Photo


class ClassCurve(Record):
    """The precision and recall of one class at all thresholds, drawn, with the best one."""

    key: str
    name: str
    score: ClassScore
    svg: str


class Cell(Record):
    """A cell of the confusion matrix: its count, how strongly it is coloured (0..70), and pictures behind it."""

    key: str
    count: int
    strength: int
    right: bool
    label: str
    said: str
    pictures: tuple[WallPicture, ...] = ()


def render(contents: ReportContents) -> str:
    """The whole page as text, below 3 MB: pictures stand in it once, and in bounded number."""
    card = contents.card
    album = Album()
    mistakes = sorted((a for a in contents.answers if not a.right), key=lambda a: (-a.probability, a.file))
    unsure = sorted(contents.answers, key=lambda a: (a.probability, a.file))[:UNSURE]
    # the album fills up in this order: what matters most comes first
    maps = _maps(contents, album)
    own = {
        "worth": wording.worth(card),
        "elsewhere": wording.elsewhere(card),
        "least_alike": wording.least_alike(card),
        "random_split": wording.random_split(card),
        "calibration": wording.calibration(card) + wording.none_of_these(card),
        "mistakes": _wall(mistakes[:WORST], album),
        "mistakes_in_all": len(mistakes),
        "unsure": _wall(unsure, album),
        "issues": _issues(contents, album),
        "maps": maps,
        "drawn": _drawn(contents),
        "scores": [(name, card.metrics.per_class[name]) for name in card.classes],
        "matrix": _matrix(contents, album),
        "class_curves": _class_curves(contents),
    }
    shown = ", ".join(card.classes[:6]) + (" …" if len(card.classes) > 6 else "")
    shown_page = RunPage(
        card=card,
        title=f"{percent(card.metrics.accuracy).text()} · {shown}",
        number_on_top=percent(card.metrics.accuracy),
        headline=wording.headline(card),
        crossed=wording.crossed(card),
        history=contents.history,
        curves=_curves(contents),
        rows=_picture_rows(contents),
        yields=contents.yields,
    )
    return run_page.render("report.html", shown_page, album, own)


def _picture_rows(contents: ReportContents) -> list[PictureRow]:
    """The pictures by class, and all together."""
    card = contents.card
    tested = {name: card.metrics.per_class[name].pictures for name in card.classes}
    rows = run_page.picture_rows(card, {name: name for name in card.classes}, tested)
    together = PictureRow(
        name=say("together"),
        train=sum(row.train for row in rows),
        valid=sum(row.valid for row in rows),
        test=sum(row.test for row in rows),
    )
    return [*rows, together]


def _wall(answers: Sequence[ShownPrediction], album: Album) -> list[WallPicture]:
    return [WallPicture(answer=answer, photo=album.photo(answer.path)) for answer in answers]


def _issues(contents: ReportContents, album: Album) -> list[IssuePicture]:
    return [
        IssuePicture(
            file=suspect.file,
            label=suspect.label,
            suggested=suspect.suggested,
            quality=suspect.quality,
            photo=album.photo(path),
        )
        for suspect, path in contents.suspects[:SUSPECTS]
    ]


def _maps(contents: ReportContents, album: Album) -> list[ShownMap]:
    if contents.look is None:
        return []
    card = contents.card
    made = saliency.maps(contents.answers, contents.look, card.input, card.classes, MAPS_RIGHT, MAPS_WRONG)
    return [
        ShownMap(map=each, picture=album.add(each.picture, "jpeg"), veil=album.add(each.veil, "png"))
        for each in made
    ]


def _matrix(contents: ReportContents, album: Album) -> list[tuple[str, list[Cell]]]:
    """The confusion matrix by rows; wrong cells hand their pictures to the album first."""
    card = contents.card
    table = card.metrics.confusion
    filled = sum(1 for row in table for count in row if count)
    limit = max(CELL[0], min(CELL[1], ALL_CELLS // max(1, filled)))
    behind: dict[tuple[str, str], list[ShownPrediction]] = {}
    for answer in contents.answers:
        behind.setdefault((answer.label, answer.said), []).append(answer)
    pictures: dict[tuple[str, str], tuple[WallPicture, ...]] = {}
    for pair, members in sorted(behind.items(), key=lambda item: item[0][0] == item[0][1]):
        right = pair[0] == pair[1]
        # the odd ones first: where it was wrong and sure, where it was right and unsure
        members.sort(key=lambda a, right=right: (a.probability if right else -a.probability, a.file))  # type: ignore[misc]
        shown = _wall(members[:limit], album)
        pictures[pair] = tuple(each for each in shown if each.photo.instead != FULL)
    return [
        (
            label,
            [
                _cell(f"cell-{at}-{column}", row, column, label, said, pictures.get((label, said), ()))
                for column, said in enumerate(card.classes)
            ],
        )
        for at, (label, row) in enumerate(zip(card.classes, table, strict=True))
    ]


def _cell(
    key: str, row: Sequence[int], column: int, label: str, said: str, pictures: tuple[WallPicture, ...]
) -> Cell:
    count, total = row[column], sum(row)
    share = count / total if total else 0.0
    strength = 45 * share if label == said else 10 + 60 * share
    return Cell(
        key=key,
        count=count,
        strength=round(strength) if count else 0,
        right=label == said,
        label=label,
        said=said,
        pictures=pictures,
    )


def _curves(contents: ReportContents) -> list[Curve]:
    """Loss and accuracy over the epochs, of training and validation pictures as far as they were logged."""
    kept = run_page.kept_epoch(contents.card)
    accuracy = ("train_accuracy", "accuracy")
    return [
        *run_page.curve("loss", LOSS, contents.history, marked=kept),
        *run_page.curve("accuracy", ACCURACY, contents.history, accuracy, kept),
    ]


def _class_curves(contents: ReportContents) -> list[ClassCurve]:
    """The curves of the classes, those that are told apart worst first where there are too many to show."""
    answers, scores = contents.answers, contents.card.metrics.per_class
    names = [name for name in contents.card.classes if scores[name].average_precision is not None]
    if len(names) > CURVES:
        names = sorted(names, key=lambda name: (scores[name].average_precision, name))[:CURVES]
    curves: list[ClassCurve] = []
    for name in names if all(answer.probabilities for answer in answers) else ():
        there = np.array([answer.label == name for answer in answers])
        found = precision_recall.curve(there, np.array([answer.probabilities[name] for answer in answers]))
        if found is not None:
            key = f"thresholds-{len(curves)}"
            svg = precision_recall_chart.chart(
                found.recall.tolist(), found.precision.tolist(), found.best, named_by=key
            )
            curves.append(ClassCurve(key=key, name=name, score=scores[name], svg=svg))
    return curves


def _drawn(contents: ReportContents) -> dict[str, str]:
    """The other drawings, by name: the interval, the forest of model and probe, calibration before and after."""
    card = contents.card
    metrics = card.metrics
    drawn = {"interval": charts.interval(metrics.accuracy, *metrics.interval, named_by="headline")}
    if card.probe is not None:
        low, high = metrics.interval
        own = charts.Bar(name=f"{card.arch} ({card.plugin})", value=metrics.accuracy, low=low, high=high)
        low, high = card.probe.metrics.interval
        probe = charts.Bar(name=card.probe.arch, value=card.probe.metrics.accuracy, low=low, high=high)
        drawn["worth"] = charts.forest([own, probe], named_by="worth-words")
    if contents.answers:
        for name in ("before", "after"):
            dots = bins(contents.answers, raw=name == "before")
            drawn[name] = charts.reliability(dots, named_by=f"calibration-{name}")
    return drawn


def bins(answers: Sequence[ShownPrediction], *, raw: bool) -> list[charts.ReliabilityBin]:
    """The same bins as the expected calibration error's, without the empty ones."""
    sure = np.array([a.probability_raw if raw else a.probability for a in answers])
    right = np.array([a.right for a in answers], np.float64)
    where = np.minimum((sure * statistics.BINS).astype(np.int64), statistics.BINS - 1)
    return [
        charts.ReliabilityBin(
            sure=float(sure[where == each].mean()),
            right=float(right[where == each].mean()),
            share=float((where == each).mean()),
        )
        for each in np.unique(where)
    ]
