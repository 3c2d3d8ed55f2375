"""The report of a run for points: how far off they are, on true crops and in whole pictures, and where it fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from byod.images.decode import open_picture
from byod.report import charts, run_page
from byod.report.embedded_images import Album, Photo
from byod.report.i18n import Phrase, percent, say
from byod.report.run_page import PictureRow, RunPage
from byod.report.run_wording import Finding
from byod.report.thumbnails import cannot_be_shown
from byod.schema.errors import PictureError
from byod.schema.keypoints import Box
from byod.schema.model_card import KeypointsCard, KeypointsScore
from byod.schema.records import Record, Split
from byod.tasks.keypoints.geometry.crops import Bytes, Frame, cut, of_box
from byod.tasks.keypoints.report import wording
from byod.tasks.keypoints.report.contents import (
    Place,
    ReportContents,
    ShownInstance,
    ShownIssue,
    ShownPicture,
)
from byod.training.protocol import Stage

BEST, WORST, PICTURES, ISSUES = 6, 12, 12, 24
SIDE = 168
WIDER = 1.8
"""The side of the square shown around an object, in longer sides of its box."""


class ShownKeypoint(Record):
    """A point on a picture, in pixels of the picture as it is shown; `said` is what the model found, else the truth."""

    x: float
    y: float
    name: str
    said: bool


class Closeup(Record):
    """An object as it is shown: the square around it, and its points."""

    photo: Photo
    keypoints: tuple[ShownKeypoint, ...]
    file: str
    head: ShownInstance | None = None
    words: Phrase | None = None


class Boxed(Record):
    """A whole picture with boxes: (x, y, width, height) in pixels as shown, and a confidence for finds."""

    photo: Photo
    file: str
    boxes: tuple[tuple[float, float, float, float], ...]
    missed: bool
    sure: float | None = None


class Row(Record):
    """A row of the table of results."""

    name: Phrase
    score: KeypointsScore


def _words(card: KeypointsCard) -> dict[str, Phrase | Finding | None]:
    """The sentences of the page, by name."""
    return {
        "bar": wording.bar(card),
        "unit": wording.unit(card.points),
        "elsewhere": wording.elsewhere(card),
    }


def render(contents: ReportContents) -> str:
    """The whole page as text, below 3 MB: pictures stand in it once, and in bounded number."""
    card = contents.card
    album = Album()
    worst_first = sorted(contents.heads, key=lambda h: (-h.error, h.file))
    missed = [p for p in contents.pictures if p.missed]
    extra = sorted((p for p in contents.pictures if p.extra), key=lambda p: -max(s for _, s in p.extra))
    # the album fills up in this order: what matters most comes first
    shown = {
        "worst": [_closeup(instance, album) for instance in worst_first[:WORST]],
        "missed": [_boxed(each, album, missed=True) for each in missed[:PICTURES]],
        "issues": [_issue(issue, album) for issue in contents.issues[:ISSUES]],
        "extra": [_boxed(each, album, missed=False) for each in extra[:PICTURES]],
        "best": [_closeup(instance, album) for instance in worst_first[::-1][:BEST]],
    }
    own = {
        **shown,
        **_words(card),
        **_results(contents),
        "eyes": card.metrics.pipeline.glasses is not None,
        "achieved": wording.achieved(card.metrics.pipeline),
        "achieved_column": _achieved_column(card.metrics.pipeline),
        "missed_in_all": sum(len(each.missed) for each in contents.pictures),
        "issues_in_all": len(contents.issues),
    }
    names = ", ".join(card.points.names[:4]) + (" …" if len(card.points.names) > 4 else "")
    shown_page = RunPage(
        card=card,
        title=f"{percent(card.metrics.pipeline.achieved[0]).text()} · {names}",
        number_on_top=percent(card.metrics.pipeline.achieved[0]),
        headline=wording.headline(card),
        crossed=wording.crossed(card),
        history=contents.histories.get(Stage.POINTS, ()),
        curves=[
            each
            for stage, history in contents.histories.items()
            for each in run_page.curve(stage, _CAPTIONS[stage], history)
        ],
        rows=_picture_rows(contents),
        yields=contents.yields,
        model_files=[
            ("model.onnx", card.model_sha256, card.parity),
            ("heads.onnx", card.heads.sha256, card.heads.parity),
        ],
    )
    return run_page.render("points.html", shown_page, album, own)


def _results(contents: ReportContents) -> dict[str, Any]:
    """What was measured, as a table and a drawing, and what it is to be compared with."""
    rows, card = _rows(contents), contents.card
    return {
        "deceived": wording.deceived(card),
        "verified": wording.verified(card),
        "results": rows,
        "forest": charts.forest([_bar(row) for row in rows], named_by="achieved"),
    }


def _picture_rows(contents: ReportContents) -> list[PictureRow]:
    """Pictures, objects, and pictures without one."""
    card = contents.card
    names = {
        "pictures": say("pictures"),
        "heads": say("objects"),
        "empty": say("without an object"),
    }
    # cross-validated, every object that was learned from was tested as well
    instances = sum(card.counts.get(Split(side), {}).get("heads", 0) for side in ("train", "valid"))
    tested = {"pictures": card.metrics.pictures, "heads": instances, "empty": card.metrics.empty}
    return run_page.picture_rows(card, names, tested)


def _rows(contents: ReportContents) -> list[Row]:
    """True crops, the whole pipeline, and what the crop alone already tells."""
    metrics = contents.card.metrics
    rows = [
        Row(name=say("true crops"), score=metrics.crops),
        Row(name=say("whole pictures"), score=metrics.pipeline),
    ]
    if metrics.single is not None and metrics.single.heads < metrics.pipeline.heads:
        name = say("… with one object")
        rows.append(Row(name=name, score=metrics.single))
    return [
        *rows,
        Row(name=say("mean places (crops)"), score=contents.card.baseline),
    ]


def _achieved_column(score: KeypointsScore) -> Phrase:
    if score.glasses is None:
        return say("within 0.1")
    return say("glasses sit")


def _bar(row: Row) -> charts.Bar:
    value, (low, high) = row.score.achieved
    return charts.Bar(name=row.name, value=value, low=low, high=high)


def _closeup(instance: ShownInstance, album: Album) -> Closeup:
    photo, keypoints = _around(instance.path, instance.box, instance.truth, instance.said, album)
    return Closeup(photo=photo, keypoints=keypoints, file=instance.file, head=instance)


def _issue(issue: ShownIssue, album: Album) -> Closeup:
    photo, keypoints = _around(issue.path, issue.box, issue.truth, issue.said, album)
    return Closeup(photo=photo, keypoints=keypoints, file=issue.file, words=issue.words)


def _around(
    path: Path, box: Box, truth: dict[str, Place], said: dict[str, Place], album: Album
) -> tuple[Photo, tuple[ShownKeypoint, ...]]:
    """The square around an object, and its points in it."""
    around = of_box(box, WIDER)
    try:
        pixels = np.asarray(open_picture(path))
    except PictureError as error:
        return Photo(instead=cannot_be_shown(error.reason)), ()
    photo = album.add(_jpeg(cut(pixels, around, SIDE)), "jpeg")
    keypoints = [_keypoint(name, place, around, said=False) for name, place in truth.items()]
    keypoints += [_keypoint(name, place, around, said=True) for name, place in said.items()]
    return photo, tuple(keypoints)


def _keypoint(name: str, place: Place, around: Frame, *, said: bool) -> ShownKeypoint:
    x, y = SIDE * around.to_unit(place)
    return ShownKeypoint(x=round(float(x), 1), y=round(float(y), 1), name=name, said=said)


def _jpeg(pixels: Bytes) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=78, optimize=True)
    return target.getvalue()


def _boxed(picture: ShownPicture, album: Album, *, missed: bool) -> Boxed:
    photo = album.photo(picture.path)
    boxes = picture.missed if missed else tuple(box for box, _ in picture.extra)
    across, down = photo.width / picture.width, photo.height / picture.height
    return Boxed(
        photo=photo,
        file=picture.file,
        boxes=tuple(
            (
                round(x0 * across, 1),
                round(y0 * down, 1),
                round((x1 - x0) * across, 1),
                round((y1 - y0) * down, 1),
            )
            for x0, y0, x1, y1 in boxes
        ),
        missed=missed,
        sure=None if missed else max(confidence for _, confidence in picture.extra),
    )


_CAPTIONS = {
    Stage.DETECTION: say("Finding objects: loss"),
    Stage.POINTS: say("Finding points: loss"),
}
