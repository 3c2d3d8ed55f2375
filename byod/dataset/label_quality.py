"""How good the labels are, read from what people said of random samples of them (`byod review --sample`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from byod.dataset import review_log
from byod.dataset.catalog.verdicts import Verdicts
from byod.schema.records import Verdict
from byod.schema.right_labels import LabelQuality, RightLabels

NOTE = "review of sample"
"""How the note of a verdict on a picture of a sample begins."""
_ASKED = re.compile(rf"{NOTE} (\d+) \((.*)\)")


def note(draw: int, label: str) -> str:
    """The note of a verdict on a picture of a sample that stood under a label when it was asked about."""
    return f"{NOTE} {draw} ({label})"


class Looked(NamedTuple):
    """What became of a picture of a sample: the label it was drawn under, and if that is right; None: undecided."""

    label: str
    right: bool | None


def drawn_before(verdicts: Iterable[Verdict], draw: int) -> set[str]:
    """The pictures of which people said something in an earlier sample."""
    found = drawn(verdicts)
    return {sha256 for number, pictures in found.items() if number < draw for sha256 in pictures}


def drawn(verdicts: Iterable[Verdict]) -> dict[int, set[str]]:
    """The pictures of which people said something, by the number of the sample in which they did."""
    found: dict[int, set[str]] = {}
    for said in verdicts:
        if (asked := _ASKED.match(said.note)) is not None:
            found.setdefault(int(asked[1]), set()).add(said.sha256)
    return found


def label_quality(reviewed: Iterable[Verdict], log: Verdicts) -> LabelQuality | None:
    """The figure of the last sample of which something that people said stands; None where there is none.

    A label was right if the person who looked last says what it was when it was drawn. Each picture counts once, and
    one about which people differ does not before somebody has decided.
    """
    samples = drawn(reviewed)
    for draw in sorted(samples, reverse=True):
        histories = log.said_of(samples[draw]).values()
        found = [one for history in histories if (one := looked(history, draw)) is not None]
        if any(one.right is not None for one in found):
            return _figure(draw, found)
    return None


def _figure(draw: int, found: Sequence[Looked]) -> LabelQuality:
    classes: dict[str, list[bool]] = {}
    for one in found:
        if one.right is not None:
            classes.setdefault(one.label, []).append(one.right)
    every = [right for some in classes.values() for right in some]
    return LabelQuality(
        draw=draw,
        right=sum(every),
        number=len(every),
        undecided=len(found) - len(every),
        classes={label: RightLabels(right=sum(s), number=len(s)) for label, s in sorted(classes.items())},
    )


def looked(history: Sequence[tuple[int, Verdict]], draw: int) -> Looked | None:
    """What became of a picture in a sample, by its label log; None where nothing that was said in it stands."""
    standing = review_log.standing(history)
    answers = [
        (number, asked[2], said.label)
        for number, said in standing
        if (asked := _ASKED.match(said.note)) is not None and int(asked[1]) == draw
    ]
    if not answers:
        return None
    number, label, answer = answers[-1]
    told = review_log.conflict_told(history)
    if told > number:
        later = [said.label for n, said in standing if n > told]
        if not later and history[-1][1].who == review_log.WITHDRAWN:
            later = _agreed(standing)
        if not later:
            return Looked(label, None)
        answer = later[-1]
    return Looked(label, answer == label)


def _agreed(standing: Sequence[tuple[int, Verdict]]) -> list[str | None]:
    """What all say whose answers stand after others were taken back; nothing where they still differ."""
    said, _ = review_log.said([(number, one) for number, one in standing if one.who != review_log.REVIEW])
    labels = {opinion.label for opinion in said.values()}
    return list(labels) if len(labels) == 1 else []
