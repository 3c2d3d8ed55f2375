"""From two nets to one model: the frames between them, and the score from which on a find counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from byod import onnxfile
from byod.keypoints.feed import MARGIN
from byod.keypoints.finder import Finder, FindRule
from byod.keypoints.metrics import matched
from byod.keypoints.regions import opened
from byod.keypoints.truth import eyes_rule, true_heads
from byod.pointruns.marked import Marked
from byod.pointruns.stages import Pair
from byod.records import Example

REFINE = 1
"""How often points are looked for again in an upright frame."""
FLOOR, CEILING = 0.05, 0.95
"""Between these a threshold is chosen."""
USUAL = 0.5
"""The threshold where no validation picture says anything."""


@dataclass(frozen=True)
class Joined:
    """One model: both nets, and the rule that joins them."""

    pair: Pair
    rule: FindRule

    @cached_property
    def finder(self) -> Finder:
        """The exported files at work."""
        heads, points = (onnxfile.session(model.content) for _, model in self.pair.parts)
        return Finder(heads, points, self.rule)


def join(pair: Pair, marked: Marked, train: Sequence[Example], valid: Sequence[Example]) -> Joined:
    """Choose the threshold on the validation pictures, and measure the upright frame on the training heads."""
    heads, points = pair.heads.fitted.input, pair.points.fitted.input
    learned = true_heads(train, marked.marks, marked.points)
    rule = FindRule(
        points=marked.points,
        heads_size=heads.width,
        points_size=points.width,
        threshold=FLOOR,
        margin=MARGIN,
        refine=REFINE,
        eyes=eyes_rule(learned, marked.points, MARGIN),
    )
    threshold = choose(*scores(Joined(pair, rule).finder, marked, valid))
    return Joined(pair, replace(rule, threshold=threshold))


def scores(finder: Finder, marked: Marked, valid: Sequence[Example]) -> tuple[list[tuple[float, bool]], int]:
    """Each find in the validation pictures: how sure, and whether it is a head's; and how many heads there are.

    Raises:
        TrainerError: a picture cannot be opened any more.
    """
    found: list[tuple[float, bool]] = []
    there = 0
    for example in valid:
        marks = marked.marks[example.sha256]
        truth = true_heads([example], marked.marks, marked.points)
        there += len(truth)
        finds = finder.find(opened(example, marks.width, marks.height))
        extra = matched(truth, finds, marked.points).extra
        found += [(find.confidence, number not in extra) for number, find in enumerate(finds)]
    return found, there


def choose(found: Sequence[tuple[float, bool]], there: int) -> float:
    """The threshold with the best F1 (heads found, nothing else found); in the middle of those that are as good."""
    if not there or not any(hit for _, hit in found):
        return USUAL
    ranked = sorted(found, reverse=True)
    right = np.cumsum([hit for _, hit in ranked])
    f1 = 2 * right / (np.arange(1, len(ranked) + 1) + there)
    # a cut after the n-th best lies between its score and the next one's
    last = int(np.flatnonzero(f1 >= f1.max() - 1e-9)[-1])
    below = ranked[last + 1][0] if last + 1 < len(ranked) else FLOOR
    return float(np.clip((ranked[last][0] + below) / 2, FLOOR, CEILING))
