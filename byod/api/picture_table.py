"""A dataset as a table, with a row for each picture."""

from __future__ import annotations

from enum import StrEnum

from byod.report import dataset_statistics
from byod.schema.records import Snapshot

_SAMPLE = ("sha256", "path", "label", "status", "reason", "format", "width", "height", "size", "keeper")
_ORIGIN = ("source", "url", "page", "title", "creator", "licence", "licence_url")
COLUMNS = [*_SAMPLE, "split", *_ORIGIN]
"""The columns of a dataset's table: a sample's own, its part of the split, and where it came from first."""


def picture_rows(snapshot: Snapshot) -> list[list[object]]:
    """The rows of a dataset's table; paths are relative to the dataset, None is what is not known."""
    rows = []
    for sample in snapshot.samples:
        origin = dataset_statistics.origin_of(snapshot, sample)
        values = [_plain(getattr(sample, name)) for name in _SAMPLE]
        split = snapshot.splits.get(sample.sha256)
        rows.append([*values, _plain(split), *(getattr(origin, name, None) for name in _ORIGIN)])
    return rows


def _plain(value: object) -> object:
    """A word of a fixed list as a plain string."""
    return value.value if isinstance(value, StrEnum) else value
