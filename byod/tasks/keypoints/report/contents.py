"""The contents of a report on points: the card of a run, and the objects and numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byod.report.i18n import Phrase
from byod.schema.keypoints import Box
from byod.schema.model_card import KeypointsCard
from byod.schema.records import Record, Yield
from byod.tasks.keypoints import evaluated_examples
from byod.tasks.keypoints.evaluated_examples import EvaluatedExample, EvaluatedInstance
from byod.tasks.keypoints.label_errors import KeypointIssue
from byod.tasks.keypoints.report.wording import issue
from byod.tasks.keypoints.stages import StageModels
from byod.training.protocol import Stage
from byod.training.run_folder import short_path

Place = tuple[float, float]


class ShownInstance(Record):
    """An object that was measured on; `file` is its picture's name in the report, all places are pixels of the picture.

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


class ShownPicture(Record):
    """A test picture of `width` x `height` pixels with boxes to point out: missed objects, and finds that are none.

    A box of a find carries its confidence.
    """

    path: Path
    file: str
    width: int
    height: int
    missed: tuple[Box, ...] = ()
    extra: tuple[tuple[Box, float], ...] = ()


class ShownIssue(Record):
    """Keypoints that may be wrong: why, in both languages, in which picture, around which box (None: all of it)."""

    path: Path
    file: str
    box: Box
    words: Phrase
    truth: dict[str, Place] = {}
    said: dict[str, Place] = {}


@dataclass(frozen=True)
class ReportContents:
    """All a report is made from; `histories` are what the trainer logged in each stage, an epoch each."""

    card: KeypointsCard
    histories: Mapping[Stage, tuple[Mapping[str, float], ...]]
    heads: tuple[ShownInstance, ...] = ()
    pictures: tuple[ShownPicture, ...] = ()
    issues: tuple[ShownIssue, ...] = ()
    yields: tuple[Yield, ...] = ()


def build(
    card: KeypointsCard,
    pair: StageModels | None,
    evaluated: Sequence[EvaluatedExample],
    suspects: Sequence[KeypointIssue],
    yields: Sequence[Yield] = (),
) -> ReportContents:
    """Gather the contents of a run's report; without a `pair` there are no curves of how it learned."""
    histories = {stage: model.fitted.history for stage, model in pair.parts} if pair else {}
    answers = _shown_instances(card, evaluated)
    by_instance = {
        (h.truth.example.sha256, h.truth.number): h for h in evaluated_examples.instances_of(evaluated)
    }
    places = {j.example.sha256: j for j in evaluated}
    return ReportContents(
        card=card,
        histories=histories,
        heads=answers,
        pictures=tuple(each for j in evaluated if (each := _picture(j)) is not None),
        issues=tuple(
            _issue(card, s, places[s.sha256], by_instance.get((s.sha256, s.head or 0))) for s in suspects
        ),
        yields=tuple(yields),
    )


def _shown_instances(card: KeypointsCard, evaluated: Sequence[EvaluatedExample]) -> tuple[ShownInstance, ...]:
    instances = evaluated_examples.instances_of(evaluated)
    crops, whole = (
        evaluated_examples.on_crops(instances, card.points),
        evaluated_examples.through_pipeline(instances, card.points),
    )
    return tuple(
        ShownInstance(
            path=instance.truth.example.path,
            file=short_path(instance.truth.example.path),
            box=instance.truth.box,
            truth=_truth(card, instance),
            said=_said(card, instance),
            error=float(crops.nme[at]),
            whole=float(whole.nme[at]) if np.isfinite(whole.nme[at]) else None,
            glasses=bool(crops.achieved[at]),
            whole_glasses=bool(whole.achieved[at]),
            part=instance.part,
        )
        for at, instance in enumerate(instances)
    )


def _truth(card: KeypointsCard, instance: EvaluatedInstance) -> dict[str, tuple[float, float]]:
    named = zip(card.points.names, instance.truth.points, instance.truth.known, strict=True)
    return {name: (float(x), float(y)) for name, (x, y), known in named if known}


def _said(card: KeypointsCard, instance: EvaluatedInstance) -> dict[str, tuple[float, float]]:
    return {name: (float(x), float(y)) for name, (x, y) in zip(card.points.names, instance.crop, strict=True)}


def _picture(evaluated: EvaluatedExample) -> ShownPicture | None:
    """The boxes to point out in a whole picture, if any."""
    missed = tuple(instance.truth.box for instance in evaluated.heads if instance.found is None)
    extra = tuple((find.box, find.confidence) for find in evaluated.extra)
    if not missed and not extra:
        return None
    path = evaluated.example.path
    return ShownPicture(
        path=path,
        file=short_path(path),
        width=evaluated.width,
        height=evaluated.height,
        missed=missed,
        extra=extra,
    )


def _issue(
    card: KeypointsCard,
    suspect: KeypointIssue,
    evaluated: EvaluatedExample,
    instance: EvaluatedInstance | None,
) -> ShownIssue:
    words = issue(suspect.why, suspect.point, suspect.error)
    path = evaluated.example.path
    if suspect.head is None or instance is None:
        # the find itself, known again by its confidence
        find = min(evaluated.extra, key=lambda each: abs(each.confidence - suspect.error))
        return ShownIssue(path=path, file=suspect.file, box=find.box, words=words, said=dict(find.points))
    box: Box = instance.truth.box
    return ShownIssue(
        path=path,
        file=suspect.file,
        box=box,
        words=words,
        truth=_truth(card, instance),
        said=_said(card, instance),
    )
