"""Show where a model looks: parts of a picture are covered in turn, and each prediction is compared with before.

It works with any model, since it only asks it. Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from byod.images.resize import pixels
from byod.schema.errors import PictureError
from byod.schema.model_card import InputRule
from byod.schema.records import Record
from byod.tasks.classify.report.contents import PredictBatch, ShownPrediction

PLACES = 7  # across, and as many down
SIDE = 224  # a picture is shown no larger than this
_CLEAR = 0.25  # a change of the log-odds below this is nothing to point out
_FOR, _AGAINST = (232, 89, 12), (28, 126, 214)


class OcclusionMap(Record):
    """One picture as the net sees it (JPEG), a veil to lay over it (PNG), and what covering did.

    `said` and `before` are what the model said of the whole picture and how probable that was; `least` is the lowest
    probability (0..1) with a place covered. `clear` is False when no place mattered to speak of.
    """

    answer: ShownPrediction
    picture: bytes
    veil: bytes
    said: str
    before: float
    least: float
    clear: bool


def chosen(answers: Sequence[ShownPrediction]) -> tuple[list[ShownPrediction], list[ShownPrediction]]:
    """Choose pictures worth a map, best first: right ones (typical, a class in turn), and wrong or unsure ones."""
    by_class: dict[str, list[ShownPrediction]] = {}
    for answer in sorted((a for a in answers if a.right), key=lambda a: (-a.probability, a.file)):
        by_class.setdefault(answer.label, []).append(answer)
    typical = [members[len(members) // 2] for members in by_class.values()]
    wrong = sorted((a for a in answers if not a.right), key=lambda a: (-a.probability, a.file))
    unsure = sorted((a for a in answers if a.right), key=lambda a: (a.probability, a.file))
    return typical, [*wrong, *[a for a in unsure if a not in typical]]


def maps(
    answers: Sequence[ShownPrediction],
    look: PredictBatch,
    rule: InputRule,
    classes: Sequence[str],
    right: int,
    wrong: int,
) -> list[OcclusionMap]:
    """The maps of `right` typical pictures and of `wrong` ones that it got wrong or was unsure of."""
    made = []
    for candidates, count in zip(chosen(answers), (right, wrong), strict=True):
        some: list[OcclusionMap] = []
        for answer in candidates[: 3 * count]:
            if len(some) == count:
                break
            try:
                image = pixels(answer.path, rule)
            except PictureError:  # gone since: the next one will do, and the walls say that it is
                continue
            some.append(_map(answer, image, look, classes))
        made += some
    return made


class Seen(NamedTuple):
    """The effect of covering a picture; `which` numbers the class it was taken for, the rest is as in OcclusionMap."""

    veil: bytes
    which: int
    before: float
    least: float
    clear: bool


def seen(image: NDArray[np.uint8], look: PredictBatch) -> Seen:
    """Cover a picture, uint8 [height, width, 3] at the size of the net's input, in 49 places, and ask each time."""
    boxes = _boxes(*image.shape[:2])
    covered = np.repeat(image[None], len(boxes) + 1, axis=0)
    tone = np.rint(image.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    for number, (top, bottom, left, right) in enumerate(boxes, start=1):
        covered[number, top:bottom, left:right] = tone
    chances = np.clip(np.asarray(look(covered), np.float64), 1e-6, 1 - 1e-6)
    which = int(chances[0].argmax())
    odds = np.log(chances[:, which] / (1 - chances[:, which]))
    fall = odds[0] - odds[1:]
    return Seen(
        veil=_veil(fall, boxes, image.shape[0], image.shape[1]),
        which=which,
        before=float(chances[0, which]),
        least=float(chances[1:, which].min()),
        clear=float(np.abs(fall).max()) >= _CLEAR,
    )


def _map(
    answer: ShownPrediction, image: NDArray[np.uint8], look: PredictBatch, classes: Sequence[str]
) -> OcclusionMap:
    found = seen(image, look)
    return OcclusionMap(
        answer=answer,
        picture=_jpeg(image),
        veil=found.veil,
        said=classes[found.which],
        before=found.before,
        least=found.least,
        clear=found.clear,
    )


def _boxes(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """(top, bottom, left, right) of the places that are covered: a quarter of a side each, overlapping."""

    def edges(side: int) -> list[tuple[int, int]]:
        patch = max(1, side // 4)
        starts = np.rint(np.linspace(0, side - patch, PLACES)).astype(int)
        return [(int(start), int(start) + patch) for start in starts]

    return [(*down, *across) for down in edges(height) for across in edges(width)]


def _veil(
    fall: NDArray[np.float64], boxes: Sequence[tuple[int, int, int, int]], height: int, width: int
) -> bytes:
    """A see-through PNG: warm where covering took certainty away, cold where it gave some, clear where neither."""
    from PIL import Image, ImageFilter

    total, times = np.zeros((height, width)), np.zeros((height, width))
    for change, (top, bottom, left, right) in zip(fall, boxes, strict=True):
        total[top:bottom, left:right] += change
        times[top:bottom, left:right] += 1
    mean = total / np.maximum(times, 1)
    strength = mean / max(float(np.abs(mean).max()), _CLEAR)
    veil = np.zeros((height, width, 4), np.uint8)
    veil[..., :3] = np.where((strength > 0)[..., None], _FOR, _AGAINST)
    veil[..., 3] = np.rint(200 * np.abs(strength) ** 1.5)
    image = Image.fromarray(veil).resize((56, 56), Image.Resampling.BILINEAR)
    target = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(1.5)).save(target, "PNG", optimize=True)
    return target.getvalue()


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    target = io.BytesIO()
    small.save(target, "JPEG", quality=80, optimize=True)
    return target.getvalue()
