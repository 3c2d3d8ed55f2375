"""The results of a dataset's verbs that nothing else has."""

from __future__ import annotations

from pathlib import Path

from byod.report.check_findings import CheckFindings
from byod.schema.label_issue import LabelIssue
from byod.schema.records import Record, Snapshot


class CheckPage(Record):
    """The page of a check, the dataset as it shows it, and what was found in it."""

    page: Path
    snapshot: Snapshot
    found: CheckFindings

    @property
    def suspects(self) -> tuple[LabelIssue, ...] | None:
        """The labels that look wrong to the probe (None: not asked)."""
        return self.found.suspects


class Deduplicated(Record):
    """A de-duplication: how many pictures changed place and how many files moved, and the dataset then."""

    changed: int
    moved: int
    snapshot: Snapshot
