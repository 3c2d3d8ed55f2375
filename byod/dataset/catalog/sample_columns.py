"""Samples side by side in columns: what placing looks at, of a million of them at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from byod.images.neighbors.pictures import Flags, Indices, Prints, Texts, texts

LISTED = "(SELECT value FROM json_each(?))"
"""A list of any length as one value: a JSON array."""
_PRINTS = ("phash", "mirror", "dhash", "trim_phash", "trim_dhash", "spread", "rgb")
_NUMBERS = ("position", "width", "height", "size")
_TEXTS = ("sha256", "label", "status", "reason", "keeper")
_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Samples with a fingerprint, in columns of one length N, in order of position, then hash.

    `label`, `status`, `reason` and `keeper` are as in `Sample`, the last two None where there is none. `has_file` marks
    those whose file was kept; `position` orders them.
    """

    sha256: Texts
    label: Texts
    status: Texts
    reason: Texts
    keeper: Texts
    has_file: Flags
    position: Indices
    width: Indices
    height: Indices
    size: Indices
    prints: Prints

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.sha256)

    @property
    def places(self) -> dict[str, int]:
        """The place of each sample by its hash."""
        return {sha256: place for place, sha256 in enumerate(self.sha256)}

    def take(self, numbers: Indices | Flags) -> Self:
        """Those with these numbers, in that order."""
        names = [column.name for column in fields(self) if column.name != "prints"]
        columns: dict[str, Any] = {name: getattr(self, name)[numbers] for name in names}
        return type(self)(**columns, prints=self.prints.take(numbers))


def read(sql: sqlite3.Connection, among: Collection[str] | None) -> SampleColumns:
    """All samples with a fingerprint (or of `among`), also those that wait to be placed.

    Raises:
        ValueError, TypeError: a row holds what byod never writes.
    """
    wanted, values = ("", ()) if among is None else (f"AND sha256 IN {LISTED}", (json.dumps(list(among)),))
    columns = ", ".join((*_TEXTS, *_NUMBERS, *_PRINTS))
    rows = sql.execute(
        f"SELECT {columns}, path <> '' FROM samples WHERE phash IS NOT NULL {wanted} ORDER BY position, sha256",
        values,
    )
    once: dict[object, object] = {}  # the same label a million times is one text
    parts = [_part(some, once) for some in _some(rows.fetchmany)]
    joined: SampleColumns = _joined(parts or [_part([], once)])
    return joined


def _some(fetch: Callable[[int], list[tuple[Any, ...]]]) -> Iterator[list[tuple[Any, ...]]]:
    while rows := fetch(_ROWS):
        yield rows


def _part(rows: Sequence[tuple[Any, ...]], once: dict[object, object]) -> SampleColumns:
    names = (*_TEXTS, *_NUMBERS, *_PRINTS, "has_file")
    listed = zip(*rows, strict=True) if rows else ((),) * len(names)
    columns = dict(zip(names, listed, strict=True))
    made: dict[str, Any] = {name: np.array(columns[name], np.int64) for name in _NUMBERS}
    for name in _TEXTS[1:]:
        made[name] = texts(once.setdefault(value, value) for value in columns[name])
    made["sha256"] = texts(columns["sha256"])
    made["has_file"] = np.array(columns["has_file"], bool)
    return SampleColumns(**made, prints=Prints.of(columns))


def _joined(parts: Sequence[Any]) -> Any:
    """Columns one below the other, those within them too."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    joined = [_joined([getattr(part, column.name) for part in parts]) for column in fields(parts[0])]
    return type(parts[0])(*joined)
