"""The page on which models for keypoints stand side by side."""

from __future__ import annotations

from byod.report import comparison_page
from byod.report.comparison_page import Achieved, Cell, Column
from byod.report.i18n import Phrase, percent, say, whole
from byod.schema.model_card import KeypointsScore
from byod.schema.run_comparison import KeypointsComparison
from byod.tasks.keypoints.report.wording import achieved, objects


def page(comparison: KeypointsComparison) -> str:
    """The whole page as text."""
    runs = comparison.runs
    crops, pipeline = [run.crops for run in runs], [run.pipeline for run in runs]
    well = (say("found within 0.1"), say("glasses"))[pipeline[0].glasses is not None]
    columns = (
        _column(say("{well}, whole pictures", well=well), [_share(s) for s in pipeline]),
        _column(say("{well}, true crops", well=well), [_share(s) for s in crops]),
        _column(
            say("error, true crops (median)"),
            [Cell(value=percent(s.median), interval=s.interval) for s in crops],
        ),
        _column(
            say("error, whole pictures"),
            [Cell(value=percent(s.median), interval=s.interval) for s in pipeline],
        ),
        _column(say("OKS"), [Cell(value=percent(s.oks)) for s in pipeline]),
        _column(say("found"), [Cell(value=whole(score.found)) for score in pipeline]),
    )
    return comparison_page.render(
        comparison,
        told=comparison.points,
        number=comparison.heads,
        counted=objects,
        named=achieved(pipeline[0]),
        achieved=[
            Achieved(value=s.achieved[0], low=s.achieved[1][0], high=s.achieved[1][1]) for s in pipeline
        ],
        columns=columns,
        remark=say(
            "An object that was missed is infinitely wrong. OKS: COCO's object keypoint similarity.",
        ),
    )


def _share(score: KeypointsScore) -> Cell:
    value, interval = score.achieved
    return Cell(value=percent(value), interval=interval)


def _column(head: Phrase, cells: list[Cell]) -> Column:
    return Column(head=head, cells=tuple(cells))
