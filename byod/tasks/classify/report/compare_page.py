"""The page on which classifiers stand side by side."""

from __future__ import annotations

from byod.report import comparison_page, run_wording
from byod.report.comparison_page import Achieved, Cell, Column
from byod.report.i18n import percent, say
from byod.schema.run_comparison import Comparison


def page(comparison: Comparison) -> str:
    """The whole page as text."""
    runs = comparison.runs
    accuracy = say("Accuracy")
    columns = (
        Column(
            head=accuracy,
            cells=tuple(Cell(value=percent(run.accuracy), interval=run.interval) for run in runs),
        ),
        Column(head=say("Macro F1"), cells=tuple(Cell(value=percent(run.macro_f1)) for run in runs)),
        Column(head=say("ECE"), cells=tuple(Cell(value=percent(run.ece)) for run in runs)),
    )
    return comparison_page.render(
        comparison,
        told=comparison.classes,
        number=comparison.pictures,
        counted=run_wording.pictures,
        named=accuracy,
        achieved=[Achieved(value=r.accuracy, low=r.interval[0], high=r.interval[1]) for r in runs],
        columns=columns,
        remark=say(
            "ECE: by how much the probabilities are off on average.",
        ),
    )
