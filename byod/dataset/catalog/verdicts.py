"""The label log: who said what of which sample, and when."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime

from byod.dataset.catalog.guarded import reads
from byod.dataset.catalog.sample_columns import LISTED
from byod.schema.records import Verdict

SEARCH = "search"
"""Who speaks in a verdict that only repeats which class a picture was searched for."""
ADDED = "added"
"""The note of a verdict of somebody who brought a picture for a class: that is whose label it is, and no review."""
FOLDER = "folder"
"""Who speaks when a file was moved by hand."""
DELETED_BY_HAND = "deleted by hand"
"""The note of a verdict on a picture that somebody took away."""
UNDO = "undo"
"""Who speaks in a verdict that takes others back; its note is `#` and the number of the one that holds again."""
_ROW = "id, sha256, label, who, at, note, not_copy_of"


class Verdicts:
    """Append-only; the newest verdict of a sample that is not the search's own is the one that holds.

    What was said as a picture was brought does not count as such: brought for two classes, it is a conflict.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Append verdicts in order."""
        self._sql.executemany(
            "INSERT INTO verdicts (sha256, label, who, at, note, not_copy_of) VALUES (?, ?, ?, ?, ?, ?)",
            map(_values, verdicts),
        )

    @reads
    def last(self) -> int:
        """The number of the last verdict, 0 when there is none."""
        return int(self._sql.execute("SELECT IFNULL(MAX(id), 0) FROM verdicts").fetchone()[0])

    def holding(self, among: Collection[str] | None = None) -> dict[str, Verdict]:
        """The verdict that holds for each sample (of `among`) somebody labelled by hand."""
        return {sha256: verdict for sha256, (_, verdict) in self.numbered(among).items()}

    @reads
    def numbered(self, among: Collection[str] | None = None) -> dict[str, tuple[int, Verdict]]:
        """The verdict that holds for each sample (of `among`) somebody labelled by hand, with its number."""
        wanted, values = (
            ("", ()) if among is None else (f"AND sha256 IN {LISTED}", (json.dumps(list(among)),))
        )
        rows = self._sql.execute(
            f"SELECT {_ROW} FROM verdicts WHERE id IN"
            f" (SELECT MAX(id) FROM verdicts WHERE who <> ? AND note <> ? {wanted} GROUP BY sha256)",
            (SEARCH, ADDED, *values),
        )
        newest = {row[1]: (int(row[0]), _verdict(row[1:])) for row in rows}
        taken_back = {
            sha: int(said.note[1:])
            for sha, (_, said) in newest.items()
            if said.who == UNDO and said.note[1:].isdecimal()  # else a newer byod says it in another way
        }
        for sha256, number in taken_back.items():
            row = self._sql.execute(f"SELECT {_ROW} FROM verdicts WHERE id = ?", (number,)).fetchone()
            if row is None:
                del newest[sha256]  # nobody had labelled it before
            else:
                newest[sha256] = (number, _verdict(row[1:]))
        return newest

    @reads
    def said_of(self, samples: Iterable[str]) -> dict[str, list[tuple[int, Verdict]]]:
        """All that people said of these samples, with numbers, oldest first."""
        wanted = sorted(set(samples))
        said: dict[str, list[tuple[int, Verdict]]] = {sha256: [] for sha256 in wanted}
        for at in range(0, len(wanted), 500):
            some = wanted[at : at + 500]
            marks = ", ".join("?" * len(some))
            rows = self._sql.execute(
                f"SELECT {_ROW} FROM verdicts WHERE who <> ? AND note <> ? AND sha256 IN ({marks}) ORDER BY id",
                (SEARCH, ADDED, *some),
            )
            for row in rows:
                said[row[1]].append((int(row[0]), _verdict(row[1:])))
        return said

    def labels(self) -> dict[str, list[str | None]]:
        """All that was said of each sample, by the search too, oldest first."""
        said: dict[str, list[str | None]] = {}
        for sha256, label in self._sql.execute("SELECT sha256, label FROM verdicts ORDER BY id"):
            said.setdefault(sha256, []).append(label)
        return said

    @reads
    def apart(self) -> dict[str, frozenset[str]]:
        """For each sample the others of which somebody said that the two are no copies; each pair both ways.

        A statement about a pair outlives what is said of either: if rejecting the one took it back, the other would be
        a copy of what is rejected, and go along with it.
        """
        found: dict[str, set[str]] = {}
        for one, other in self._sql.execute(
            "SELECT sha256, value FROM verdicts, json_each(not_copy_of)"
            " WHERE not_copy_of <> '[]' AND value IN (SELECT sha256 FROM samples)"
        ):
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
        return {sha256: frozenset(others) for sha256, others in found.items()}

    @reads
    def noted(self, beginning: str) -> list[Verdict]:
        """The verdicts whose note begins so, in order."""
        rows = self._sql.execute(
            f"SELECT {_ROW} FROM verdicts WHERE note GLOB ? || '*' ORDER BY id", (beginning,)
        )
        return [_verdict(row[1:]) for row in rows]

    @reads
    def after(self, number: int) -> list[tuple[int, Verdict]]:
        """The verdicts with a higher number than this one, in order."""
        rows = self._sql.execute(f"SELECT {_ROW} FROM verdicts WHERE id > ? ORDER BY id", (number,))
        return [(row[0], _verdict(row[1:])) for row in rows]

    def restore(self, numbered: Iterable[tuple[int, Verdict]]) -> None:
        """Take verdicts back from the log's text copy, with their numbers."""
        self._sql.executemany(
            f"INSERT OR IGNORE INTO verdicts ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((n, *_values(v)) for n, v in numbered),
        )


def _values(verdict: Verdict) -> tuple[str, str | None, str, str, str, str]:
    v = verdict
    return (v.sha256, v.label, v.who, v.when.isoformat(), v.note, json.dumps(v.not_copy_of))


def _verdict(row: tuple[str, str | None, str, str, str, str]) -> Verdict:
    sha256, label, who, at, note, others = row
    return Verdict(
        sha256=sha256,
        label=label,
        who=who,
        when=datetime.fromisoformat(at),
        note=note,
        not_copy_of=tuple(json.loads(others)),
    )
