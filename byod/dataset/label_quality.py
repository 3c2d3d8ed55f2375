"""How good the labels are, read from what people said of random samples of them (`byod review --sample`)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from byod.schema.records import Verdict
from byod.schema.right_labels import LabelQuality, RightLabels

NOTE = "review of sample"
"""How the note of a verdict on a picture of a sample begins."""
_ASKED = re.compile(rf"{NOTE} (\d+) \((.*)\)")


def note(draw: int, label: str) -> str:
    """The note of a verdict on a picture of a sample that stood under a label when it was asked about."""
    return f"{NOTE} {draw} ({label})"


def drawn_before(verdicts: Iterable[Verdict], draw: int) -> set[str]:
    """The pictures of which people said something in an earlier sample."""
    asked = ((said.sha256, _ASKED.match(said.note)) for said in verdicts)
    return {sha256 for sha256, found in asked if found is not None and int(found[1]) < draw}


def label_quality(verdicts: Iterable[Verdict]) -> LabelQuality | None:
    """The figure of the last sample of which people said anything; None where there was none.

    A label was right if the person who looked last says what it was when it was drawn.
    """
    samples: dict[int, dict[str, tuple[str, bool]]] = {}
    for said in verdicts:
        if (asked := _ASKED.match(said.note)) is not None:
            samples.setdefault(int(asked[1]), {})[said.sha256] = (asked[2], said.label == asked[2])
    if not samples:
        return None
    draw = max(samples)
    classes: dict[str, list[bool]] = {}
    for label, right in samples[draw].values():
        classes.setdefault(label, []).append(right)
    every = [right for some in classes.values() for right in some]
    return LabelQuality(
        draw=draw,
        right=sum(every),
        number=len(every),
        classes={label: RightLabels(right=sum(s), number=len(s)) for label, s in sorted(classes.items())},
    )
