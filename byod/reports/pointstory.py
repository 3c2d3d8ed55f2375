"""What a report on points tells: the card of a run, and the heads and numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from byod.modelcard import PointsCard
from byod.points import Box
from byod.records import Record, Yield
from byod.trainers import Stage
from byod.writing.phrases import Phrase

Place = tuple[float, float]


class HeadAnswer(Record):
    """A head that was measured on; `file` is its picture's name in the report, all places are pixels of the picture.

    `truth` holds the marked points, `said` those found on the true crop. `error` is their mean distance on the crop in
    inter-ocular distances, `whole` the same through the whole pipeline (None: missed); `glasses` and `whole_glasses`
    say whether glasses would sit.
    """

    path: Path
    file: str
    box: Box
    truth: dict[str, Place]
    said: dict[str, Place]
    error: float
    whole: float | None
    glasses: bool
    whole_glasses: bool
    part: str = "test"


class PictureAnswer(Record):
    """A test picture of `width` x `height` pixels with boxes to point out: missed heads, and finds that are none.

    A box of a find carries its confidence.
    """

    path: Path
    file: str
    width: int
    height: int
    missed: tuple[Box, ...] = ()
    extra: tuple[tuple[Box, float], ...] = ()


class MarkDoubt(Record):
    """Marks that may be wrong: why, in both languages, in which picture, around which box (None: the whole picture)."""

    path: Path
    file: str
    box: Box
    words: Phrase
    truth: dict[str, Place] = {}
    said: dict[str, Place] = {}


@dataclass(frozen=True)
class PointsStory:
    """All a report is made from; `histories` are what the trainer logged in each stage, an epoch each."""

    card: PointsCard
    histories: Mapping[Stage, tuple[Mapping[str, float], ...]]
    heads: tuple[HeadAnswer, ...] = ()
    pictures: tuple[PictureAnswer, ...] = ()
    doubts: tuple[MarkDoubt, ...] = ()
    yields: tuple[Yield, ...] = ()
