"""The report of a run for points: how far off they are, on true crops and in whole pictures, and where it fails."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from byod.images.decode import open_picture
from byod.images.keypoint_crops import Bytes, Frame, cut, of_box
from byod.report import charts, html
from byod.report.embedded_images import Album, Photo
from byod.report.i18n import Phrase, say
from byod.schema.errors import PictureError
from byod.schema.keypoints import Box
from byod.schema.model_card import KeypointsScore, Measured
from byod.schema.records import Record, Split
from byod.tasks.classify.report import overfitting
from byod.tasks.keypoints.report import wording
from byod.tasks.keypoints.report.contents import Place, ReportContents, ShownHead, ShownIssue, ShownPicture
from byod.training.protocol import Stage

BEST, WORST, PICTURES, DOUBTS, YIELDS = 6, 12, 12, 24, 60
SIDE = 168
WIDER = 1.8
"""The side of the square shown around a head, in longer sides of its box."""


class ShownKeypoint(Record):
    """A point on a picture, in pixels of the picture as it is shown; `said` is what the model found, else the truth."""

    x: float
    y: float
    name: str
    said: bool


class Closeup(Record):
    """A head as it is shown: the square around it, and its points."""

    photo: Photo
    keypoints: tuple[ShownKeypoint, ...]
    file: str
    head: ShownHead | None = None
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


class Curve(Record):
    """A drawing of one stage's training."""

    key: str
    caption: Phrase
    svg: str


def render(contents: ReportContents) -> str:
    """The whole page as text, below 3 MB: pictures stand in it once, and in bounded number."""
    card = contents.card
    album = Album()
    worst_first = sorted(contents.heads, key=lambda h: (-h.error, h.file))
    missed = [p for p in contents.pictures if p.missed]
    extra = sorted((p for p in contents.pictures if p.extra), key=lambda p: -max(s for _, s in p.extra))
    # the album fills up in this order: what matters most comes first
    shown = {
        "worst": [_closeup(head, album) for head in worst_first[:WORST]],
        "missed": [_boxed(each, album, missed=True) for each in missed[:PICTURES]],
        "doubts": [_issue(doubt, album) for doubt in contents.issues[:DOUBTS]],
        "extra": [_boxed(each, album, missed=False) for each in extra[:PICTURES]],
        "best": [_closeup(head, album) for head in worst_first[::-1][:BEST]],
    }
    rows = _rows(contents)
    content = {
        **shown,
        "card": card,
        "metrics": card.metrics,
        "origin": wording.origin(card),
        "headline": wording.headline(card),
        "crossed": wording.crossed(card),
        "bar": wording.bar(card),
        "rows": rows,
        "forest": charts.forest([_bar(row) for row in rows], named_by="glasses"),
        "curves": _curves(contents),
        "finding": overfitting.finding(contents.histories.get(Stage.POINTS, ()), _kept_epoch(contents)),
        "rule": overfitting.rule(),
        "missed_in_all": sum(len(each.missed) for each in contents.pictures),
        "doubts_in_all": len(contents.issues),
        "tested": card.metrics.measured_on is Measured.CROSS_VALIDATION,
        "split": Split,
        "yields": contents.yields[:YIELDS],
        "kept": album.kept,
    }
    return html.page("points.html", content)


def _rows(contents: ReportContents) -> list[Row]:
    """True crops, the whole pipeline, and what the crop alone already tells."""
    metrics = contents.card.metrics
    rows = [
        Row(name=say("true crops", "wahre Ausschnitte"), score=metrics.crops),
        Row(name=say("whole pictures", "ganze Bilder"), score=metrics.pipeline),
    ]
    if metrics.single is not None and metrics.single.heads < metrics.pipeline.heads:
        name = say("… with one head", "… mit einem Kopf")
        rows.append(Row(name=name, score=metrics.single))
    return [
        *rows,
        Row(name=say("mean face (crops)", "mittleres Gesicht (Ausschnitte)"), score=contents.card.baseline),
    ]


def _bar(row: Row) -> charts.Bar:
    low, high = row.score.glasses_interval
    shown = row.name.en if row.name.en == row.name.de else f"{row.name.en} · {row.name.de}"
    return charts.Bar(name=shown, value=row.score.glasses, low=low, high=high)


def _closeup(head: ShownHead, album: Album) -> Closeup:
    photo, keypoints = _around(head.path, head.box, head.truth, head.said, album)
    return Closeup(photo=photo, keypoints=keypoints, file=head.file, head=head)


def _issue(doubt: ShownIssue, album: Album) -> Closeup:
    photo, keypoints = _around(doubt.path, doubt.box, doubt.truth, doubt.said, album)
    return Closeup(photo=photo, keypoints=keypoints, file=doubt.file, words=doubt.words)


def _around(
    path: Path, box: Box, truth: dict[str, Place], said: dict[str, Place], album: Album
) -> tuple[Photo, tuple[ShownKeypoint, ...]]:
    """The square around a head, and its points in it."""
    around = of_box(box, WIDER)
    try:
        pixels = np.asarray(open_picture(path))
    except PictureError as error:
        reason = error.reason.value
        gone = Phrase(en=f"cannot be shown: {reason}", de=f"lässt sich nicht zeigen: {reason}")
        return Photo(instead=gone), ()
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


def _kept_epoch(contents: ReportContents) -> int | None:
    best = contents.card.notes.get("best_epoch")
    return best if isinstance(best, int) else None


_CAPTIONS = {
    Stage.HEADS: Phrase(en="Finding heads: loss", de="Köpfe finden: Verlust (loss)"),
    Stage.POINTS: Phrase(en="Finding points: loss", de="Punkte finden: Verlust (loss)"),
}


def _curves(contents: ReportContents) -> Sequence[Curve]:
    """The losses of both stages over their epochs."""
    drawn = []
    for stage, history in contents.histories.items():
        train, valid = (overfitting.series(history, key) for key in ("train_loss", "valid_loss"))
        if train and valid:
            key = f"curve-{stage}"
            svg = charts.lines({"training": train, "validation": valid}, named_by=key)
            drawn.append(Curve(key=key, caption=_CAPTIONS[stage], svg=svg))
    return drawn
