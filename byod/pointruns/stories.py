"""What the report of a run for points is told from: the model, and what it said of each head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byod import reports
from byod.judging import short
from byod.modelcard import PointsCard
from byod.pointruns import judging
from byod.pointruns.judging import Judged, JudgedHead
from byod.pointruns.stages import Pair
from byod.pointruns.suspects import MarkSuspect
from byod.points import Box
from byod.records import Yield
from byod.reports import HeadAnswer, MarkDoubt, PictureAnswer, PointsStory
from byod.reports.pointwords import doubt


def tell(
    card: PointsCard,
    pair: Pair | None,
    judged: Sequence[Judged],
    suspects: Sequence[MarkSuspect],
    yields: Sequence[Yield] = (),
) -> str:
    """The report's page as text; without a `pair` there are no curves of how it learned."""
    histories = {stage: model.fitted.history for stage, model in pair.parts} if pair else {}
    answers = _answers(card, judged)
    by_head = {(h.truth.example.sha256, h.truth.number): h for h in judging.heads_of(judged)}
    places = {j.example.sha256: j for j in judged}
    return reports.render_points(
        PointsStory(
            card=card,
            histories=histories,
            heads=answers,
            pictures=tuple(each for j in judged if (each := _picture(j)) is not None),
            doubts=tuple(
                _doubt(card, s, places[s.sha256], by_head.get((s.sha256, s.head or 0))) for s in suspects
            ),
            yields=tuple(yields),
        )
    )


def _answers(card: PointsCard, judged: Sequence[Judged]) -> tuple[HeadAnswer, ...]:
    heads = judging.heads_of(judged)
    crops, whole = judging.on_crops(heads, card.points), judging.through_pipeline(heads, card.points)
    return tuple(
        HeadAnswer(
            path=head.truth.example.path,
            file=short(head.truth.example.path),
            box=head.truth.box,
            truth=_truth(card, head),
            said=_said(card, head),
            error=float(crops.nme[at]),
            whole=float(whole.nme[at]) if np.isfinite(whole.nme[at]) else None,
            glasses=bool(crops.glasses[at]),
            whole_glasses=bool(whole.glasses[at]),
            part=head.part,
        )
        for at, head in enumerate(heads)
    )


def _truth(card: PointsCard, head: JudgedHead) -> dict[str, tuple[float, float]]:
    named = zip(card.points.names, head.truth.points, head.truth.known, strict=True)
    return {name: (float(x), float(y)) for name, (x, y), known in named if known}


def _said(card: PointsCard, head: JudgedHead) -> dict[str, tuple[float, float]]:
    return {name: (float(x), float(y)) for name, (x, y) in zip(card.points.names, head.crop, strict=True)}


def _picture(judged: Judged) -> PictureAnswer | None:
    """What there is to point out in a whole picture."""
    missed = tuple(head.truth.box for head in judged.heads if head.found is None)
    extra = tuple((find.box, find.confidence) for find in judged.extra)
    if not missed and not extra:
        return None
    path = judged.example.path
    return PictureAnswer(
        path=path, file=short(path), width=judged.width, height=judged.height, missed=missed, extra=extra
    )


def _doubt(card: PointsCard, suspect: MarkSuspect, judged: Judged, head: JudgedHead | None) -> MarkDoubt:
    words = doubt(suspect.why, suspect.point, suspect.error)
    path = judged.example.path
    if suspect.head is None or head is None:
        # the find itself, known again by its confidence
        find = min(judged.extra, key=lambda each: abs(each.confidence - suspect.error))
        return MarkDoubt(path=path, file=suspect.file, box=find.box, words=words, said=dict(find.points))
    box: Box = head.truth.box
    return MarkDoubt(
        path=path,
        file=suspect.file,
        box=box,
        words=words,
        truth=_truth(card, head),
        said=_said(card, head),
    )
