"""The page on which models for keypoints stand side by side."""

from __future__ import annotations

from byod.report import comparison_page
from byod.report.comparison_page import Achieved, Cell, Column
from byod.report.i18n import Phrase, percent, say
from byod.schema.model_card import KeypointsComparison
from byod.tasks.keypoints.report.wording import heads


def page(comparison: KeypointsComparison) -> str:
    """The whole page as text."""
    runs = comparison.runs
    crops, pipeline = [run.crops for run in runs], [run.pipeline for run in runs]
    columns = (
        _column(
            say("glasses, whole pictures", "Brille, ganze Bilder"),
            [Cell(value=percent(s.glasses), interval=s.glasses_interval) for s in pipeline],
        ),
        _column(
            say("glasses, true crops", "Brille, wahre Ausschnitte"),
            [Cell(value=percent(s.glasses), interval=s.glasses_interval) for s in crops],
        ),
        _column(
            say("error, true crops (median)", "Fehler, wahre Ausschnitte (Median)"),
            [Cell(value=percent(s.median), interval=s.interval) for s in crops],
        ),
        _column(
            say("error, whole pictures", "Fehler, ganze Bilder"),
            [Cell(value=percent(s.median), interval=s.interval) for s in pipeline],
        ),
        _column(
            say("found", "gefunden"), [Cell(value=say("{n}", "{n}", n=score.found)) for score in pipeline]
        ),
    )
    return comparison_page.render(
        comparison,
        told=comparison.points,
        number=comparison.heads,
        counted=heads,
        named=say(
            "Heads in whole pictures on which glasses would sit",
            "Köpfe in ganzen Bildern, auf denen eine Brille säße,",
        ),
        achieved=[
            Achieved(value=s.glasses, low=s.glasses_interval[0], high=s.glasses_interval[1]) for s in pipeline
        ],
        columns=columns,
        remark=say(
            "Errors in distances of the eyes; a head that was missed is infinitely wrong.",
            "Fehler in Augenabständen; ein übersehener Kopf ist unendlich falsch.",
        ),
    )


def _column(head: Phrase, cells: list[Cell]) -> Column:
    return Column(head=head, cells=tuple(cells))
