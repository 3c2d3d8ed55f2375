"""The label log: who said what of which sample, and when."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from byod.records import Verdict

SEARCH = "search"
"""Who speaks in a verdict that only repeats which class a picture was searched for."""


class Verdicts:
    """Append-only; the newest verdict of a sample that is not the search's own is the one that holds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Append verdicts in order."""
        self._sql.executemany(
            "INSERT INTO verdicts (sha256, label, who, at, note) VALUES (?, ?, ?, ?, ?)",
            ((v.sha256, v.label, v.who, v.when.isoformat(), v.note) for v in verdicts),
        )

    def holding(self) -> dict[str, Verdict]:
        """The verdict that holds for each sample somebody judged by hand."""
        rows = self._sql.execute(
            "SELECT sha256, label, who, at, note FROM verdicts WHERE id IN"
            " (SELECT MAX(id) FROM verdicts WHERE who <> ? GROUP BY sha256)",
            (SEARCH,),
        )
        return {row[0]: _verdict(row) for row in rows}

    def labels(self) -> dict[str, list[str | None]]:
        """All that was said of each sample, by the search too, oldest first."""
        said: dict[str, list[str | None]] = {}
        for sha256, label in self._sql.execute("SELECT sha256, label FROM verdicts ORDER BY id"):
            said.setdefault(sha256, []).append(label)
        return said

    def after(self, number: int) -> list[tuple[int, Verdict]]:
        """The verdicts with a higher number than this one, in order."""
        rows = self._sql.execute(
            "SELECT id, sha256, label, who, at, note FROM verdicts WHERE id > ? ORDER BY id", (number,)
        )
        return [(row[0], _verdict(row[1:])) for row in rows]

    def restore(self, numbered: Iterable[tuple[int, Verdict]]) -> None:
        """Take verdicts back from the log's text copy, with their numbers."""
        self._sql.executemany(
            "INSERT OR IGNORE INTO verdicts (id, sha256, label, who, at, note) VALUES (?, ?, ?, ?, ?, ?)",
            ((n, v.sha256, v.label, v.who, v.when.isoformat(), v.note) for n, v in numbered),
        )


def _verdict(row: tuple[str, str | None, str, str, str]) -> Verdict:
    sha256, label, who, at, note = row
    return Verdict(sha256=sha256, label=label, who=who, when=datetime.fromisoformat(at), note=note)
