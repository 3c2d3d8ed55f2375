"""A dataset as a table, with a row for each picture."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from byod.report import dataset_statistics
from byod.schema.errors import ByodError
from byod.schema.records import Snapshot

if TYPE_CHECKING:
    import pandas

_SAMPLE = ("sha256", "path", "label", "status", "reason", "format", "width", "height", "size", "keeper")
_ORIGIN = ("source", "url", "page", "title", "creator", "licence", "licence_url")
COLUMNS = [*_SAMPLE, "split", *_ORIGIN]
"""The columns of a dataset's table: a sample's own, its part of the split, and where it came from first."""


def picture_table(snapshot: Snapshot) -> pandas.DataFrame:
    """The table of a dataset; further columns of lists stand behind byod's own.

    Raises:
        ByodError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ByodError("to_pandas needs pandas, which is not installed here: pip install pandas") from None
    more = listed_columns(snapshot)
    names = [f"listed_{name}" if name in COLUMNS else name for name in more]
    return pandas.DataFrame(picture_rows(snapshot, more), columns=[*COLUMNS, *names])


def listed_columns(snapshot: Snapshot) -> tuple[str, ...]:
    """The names of further columns that its pictures were listed with."""
    found = (name for origins in snapshot.origins.values() for origin in origins for name in origin.columns)
    return tuple(dict.fromkeys(found))


def picture_rows(snapshot: Snapshot, more: tuple[str, ...] = ()) -> list[list[object]]:
    """The rows of a dataset's table, with `more` columns of lists.

    Paths are relative to the dataset, None is what is not known.
    """
    rows = []
    for sample in snapshot.samples:
        origin = dataset_statistics.origin_of(snapshot, sample)
        values = [_plain(getattr(sample, name)) for name in _SAMPLE]
        split = snapshot.splits.get(sample.sha256)
        listed = {} if origin is None else origin.columns
        said = (*(getattr(origin, name, None) for name in _ORIGIN), *(listed.get(name) for name in more))
        rows.append([*values, _plain(split), *said])
    return rows


def _plain(value: object) -> object:
    """A word of a fixed list as a plain string."""
    return value.value if isinstance(value, StrEnum) else value
