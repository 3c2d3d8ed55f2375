"""The results of a dataset's verbs that nothing else has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byod.schema.records import Record, Snapshot


class CheckPage(Record):
    """The page of a check, the dataset as it shows it, and labels that look wrong to the probe (None: not asked)."""

    page: Path
    snapshot: Snapshot
    suspects: tuple[Any, ...] | None = None


class Deduplicated(Record):
    """A de-duplication: how many pictures changed place and how many files moved, and the dataset then."""

    changed: int
    moved: int
    snapshot: Snapshot
