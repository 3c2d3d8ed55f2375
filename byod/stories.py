"""What a run's report is told from: the model, what it said of each picture, and how it can be looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod import judging, onnxfile, reports
from byod.fitting import Model
from byod.judging import Judged
from byod.modelcard import ModelCard, Suspect
from byod.records import Yield
from byod.resizing import as_input


def tell(
    card: ModelCard,
    model: Model,
    judged: Sequence[Judged],
    suspects: Sequence[Suspect],
    paths: Mapping[str, Path],
    yields: Sequence[Yield],
) -> str:
    """The report's page as text; `paths` says where the picture of a SHA-256 lies."""
    opened = onnxfile.session(model.content)

    def look(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return onnxfile.run(opened, as_input(batch))

    return reports.render(
        reports.Story(
            card=card,
            history=model.fitted.history,
            answers=answers(judged, card.classes),
            suspects=tuple((suspect, paths[suspect.sha256]) for suspect in suspects),
            yields=tuple(yields),
            look=look,
        )
    )


def answers(judged: Sequence[Judged], classes: Sequence[str]) -> tuple[reports.Answer, ...]:
    """What was said of each picture, as a report shows it."""
    raw = judging.before_temperature(judged, classes).max(axis=1)
    return tuple(
        reports.Answer(
            path=j.example.path,
            file=judging.short(j.example.path),
            label=j.example.label,
            said=j.said.label,
            probability=j.said.probability,
            probability_raw=float(before),
            probabilities=j.said.probabilities,
            part=j.part,
        )
        for j, before in zip(judged, raw, strict=True)
    )
