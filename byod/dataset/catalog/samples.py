"""The distinct pictures of a dataset: where each stands, what it looks like, and its part of the split."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping

from byod.dataset.catalog import sample_columns
from byod.dataset.catalog.guarded import reads
from byod.dataset.catalog.sample_columns import LISTED, SampleColumns
from byod.images.registration import Alignment
from byod.schema.reasons import Reason
from byod.schema.records import Fingerprint, Placement, Sample, Split, Status

_FINGERPRINT = (
    "phash",
    "mirror",
    "dhash",
    "rgb",
    "spread",
    "top_colour",
    "white_ring",
    "trim_phash",
    "trim_dhash",
    "spec",
)
_SAMPLE = (
    "sha256",
    "label",
    "status",
    "reason",
    "detail",
    "path",
    "format",
    "width",
    "height",
    "size",
    "keeper",
    "original",
)
_COLUMNS = ", ".join(_SAMPLE + _FINGERPRINT)


class Samples:
    """Rows of samples; `position` is the number of the first candidate, which orders them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(self, sample: Sample, *, position: int, mtime_ns: int = 0, previous: str | None = None) -> None:
        """Add a sample, or replace what is known of it."""
        print_of = sample.fingerprint
        values = {name: getattr(sample, name) for name in _SAMPLE}
        values |= {name: None if print_of is None else getattr(print_of, name) for name in _FINGERPRINT}
        values |= {"position": position, "mtime_ns": mtime_ns, "previous": previous}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._sql.execute(
            f"INSERT OR REPLACE INTO samples ({names}) VALUES ({marks})",
            tuple(values.values()),
        )

    def forget(self, sha256: str) -> None:
        """Forget a sample whose file was lost; what people said of it stays in the label log."""
        self._sql.execute("DELETE FROM samples WHERE sha256 = ?", (sha256,))

    def arrived(self, sha256: str, path: str, labels: str | None) -> None:
        """Note the files of a sample that are not flushed to the disk yet: the picture's, and that of its labels."""
        self._sql.execute(
            "INSERT INTO arrivals (sha256, path, labels) VALUES (?, ?, ?)"
            " ON CONFLICT (sha256) DO UPDATE SET labels = excluded.labels",
            (sha256, path, labels or ""),
        )

    @reads
    def arrivals(self) -> list[tuple[str, str, str]]:
        """The files that are not flushed yet: (sha256, path, path of the labels or nothing)."""
        return list(self._sql.execute("SELECT sha256, path, labels FROM arrivals ORDER BY sha256"))

    def flushed(self) -> None:
        """Note that all arrivals are on the disk."""
        self._sql.execute("DELETE FROM arrivals")

    def next_position(self) -> int:
        """A position behind all others."""
        return int(self._sql.execute("SELECT IFNULL(MAX(position), 0) + 1 FROM samples").fetchone()[0])

    @reads
    def get(self, sha256: str) -> Sample | None:
        """The sample with this hash, or None."""
        row = self._sql.execute(f"SELECT {_COLUMNS} FROM samples WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else _sample(row)

    @reads
    def named(self, sha256s: Iterable[str]) -> dict[str, Sample]:
        """Those of these samples that there are, by their hashes."""
        rows = self._sql.execute(
            f"SELECT {_COLUMNS} FROM samples WHERE sha256 IN {LISTED}", (json.dumps(list(sha256s)),)
        )
        return {row[0]: _sample(row) for row in rows}

    def paths(self, sha256s: Iterable[str]) -> dict[str, str]:
        """The paths of these samples, by their hashes."""
        rows = self._sql.execute(
            f"SELECT sha256, path FROM samples WHERE sha256 IN {LISTED}", (json.dumps(list(sha256s)),)
        )
        return dict(rows.fetchall())

    @reads
    def all(self) -> tuple[Sample, ...]:
        """All samples in order of position, then hash; without those still waiting to be placed."""
        rows = self._sql.execute(
            f"SELECT {_COLUMNS} FROM samples WHERE status <> 'waiting' ORDER BY position, sha256"
        )
        return tuple(_sample(row) for row in rows)

    @reads
    def columns(self, among: Collection[str] | None = None) -> SampleColumns:
        """All samples with a fingerprint (or of `among`), also waiting ones."""
        return sample_columns.read(self._sql, among)

    @reads
    def standing(self) -> dict[str, tuple[str, int, int, str]]:
        """By path, every sample that should have a file: (sha256, size, mtime_ns, class folder)."""
        rows = self._sql.execute(
            "SELECT path, sha256, size, mtime_ns, label FROM samples"
            " WHERE path <> '' AND IFNULL(reason, '') <> 'deleted'"
        )
        return {path: (sha256, size, mtime_ns, label) for path, sha256, size, mtime_ns, label in rows}

    def kept(self) -> dict[str, int]:
        """Count the samples in each class folder."""
        return dict(
            self._sql.execute("SELECT label, COUNT(*) FROM samples WHERE status = 'kept' GROUP BY label")
        )

    def waiting(self) -> int:
        """Count the samples that have not been placed yet."""
        return int(self._sql.execute("SELECT COUNT(*) FROM samples WHERE status = 'waiting'").fetchone()[0])

    def waiting_paths(self) -> set[str]:
        """The paths of the samples that have not been placed yet."""
        return {path for (path,) in self._sql.execute("SELECT path FROM samples WHERE status = 'waiting'")}

    def rejected_as(self, reason: Reason) -> bool:
        """True if any sample is rejected for a reason."""
        row = self._sql.execute("SELECT 1 FROM samples WHERE reason = ? LIMIT 1", (reason,)).fetchone()
        return row is not None

    def rejected_bytes(self) -> int:
        """The bytes that lie in `rejected/`."""
        row = self._sql.execute(
            "SELECT IFNULL(SUM(size), 0) FROM samples WHERE path LIKE 'rejected/%'"
        ).fetchone()
        return int(row[0])

    def place(self, placement: Placement) -> None:
        """Give a sample its new place, class, status and reason."""
        self.place_all([placement])

    def place_all(self, placements: Iterable[Placement]) -> None:
        """Give samples their new places."""
        self._sql.executemany(
            "UPDATE samples SET label = ?, status = ?, reason = ?, detail = ?, keeper = ?, path = ? WHERE sha256 = ?",
            (
                (each.label, each.status, each.reason, each.detail, each.keeper, each.path, each.sha256)
                for each in placements
            ),
        )

    def stands_for(self, sha256: str, original: str) -> None:
        """Note the file in `originals/` for which a sample stands."""
        self._sql.execute("UPDATE samples SET original = ? WHERE sha256 = ?", (original, sha256))

    @reads
    def pixels(self) -> dict[str, str]:
        """The hash of the pixels of each sample for which it was made."""
        return dict(self._sql.execute("SELECT sha256, pixels FROM samples WHERE pixels IS NOT NULL"))

    def set_pixels(self, pixels: Mapping[str, str]) -> None:
        """Note hashes of pixels, by sample."""
        self._sql.executemany(
            "UPDATE samples SET pixels = ? WHERE sha256 = ?", ((made, sha) for sha, made in pixels.items())
        )

    @reads
    def compared(self, among: Collection[str] | None = None) -> dict[tuple[str, str], Alignment]:
        """The pairs of samples (or of `among`) that were laid over one another, the lower hash first."""
        wanted, values = (
            ("", ()) if among is None else (f" WHERE one IN {LISTED}", (json.dumps(list(among)),))
        )
        rows = self._sql.execute(f"SELECT one, other, moved, remainder FROM compared{wanted}", values)
        return {(one, other): Alignment(bool(moved), left) for one, other, moved, left in rows}

    def set_compared(self, pairs: Mapping[tuple[str, str], Alignment]) -> None:
        """Note pairs that were laid over one another."""
        self._sql.executemany(
            "INSERT OR REPLACE INTO compared (one, other, moved, remainder) VALUES (?, ?, ?, ?)",
            ((*pair, int(found.moved), found.left) for pair, found in pairs.items()),
        )

    def touched(self, files: Iterable[tuple[str, int, int]]) -> None:
        """Note size and mtime_ns of files as (sha256, size, mtime_ns)."""
        self._sql.executemany(
            "UPDATE samples SET size = ?, mtime_ns = ? WHERE sha256 = ?",
            ((size, mtime_ns, sha256) for sha256, size, mtime_ns in files),
        )

    def set_findings(
        self,
        groups: Mapping[str, str],
        lookalikes: Iterable[tuple[str, str, str]],
        conflicts: Iterable[Iterable[str]],
        among: Collection[str] | None = None,
    ) -> None:
        """Replace what the last placing found (of `among`): group of each sample, look-alikes, conflicts."""
        about = ""
        told: tuple[str, ...] = ()
        if among is not None:
            told = (json.dumps(list(among)),)
            about = f" AND sha256 IN {LISTED}"
            conflicts = [*conflicts, *(old for old in self.conflicts() if not set(old) & set(among))]
        self._sql.execute(f"UPDATE samples SET group_key = NULL WHERE group_key IS NOT NULL{about}", told)
        self._sql.executemany(
            "UPDATE samples SET group_key = ? WHERE sha256 = ?",
            ((key, sha256) for sha256, key in groups.items()),
        )
        here = "" if among is None else f" WHERE a IN {LISTED}"
        self._sql.execute(f"DELETE FROM lookalikes{here}", told)
        self._sql.executemany("INSERT OR IGNORE INTO lookalikes (a, b, rule) VALUES (?, ?, ?)", lookalikes)
        self._sql.execute("DELETE FROM conflicts")
        self._sql.executemany(
            "INSERT OR IGNORE INTO conflicts (number, sha256) VALUES (?, ?)",
            (
                (number, sha256)
                for number, members in enumerate(sorted(map(tuple, conflicts)))
                for sha256 in members
            ),
        )

    @reads
    def groups(self) -> dict[str, str]:
        """The group key of every sample that shares a group with another."""
        return dict(self._sql.execute("SELECT sha256, group_key FROM samples WHERE group_key IS NOT NULL"))

    @reads
    def kept_in_groups(self) -> set[str]:
        """The samples that stand in a class folder and share a group with another."""
        rows = self._sql.execute("SELECT sha256 FROM samples WHERE status = 'kept' AND group_key IS NOT NULL")
        return {sha256 for (sha256,) in rows}

    @reads
    def lookalikes(self) -> tuple[tuple[str, str, str], ...]:
        """Pairs that look alike and were both left standing: (sample, sample, rule)."""
        return tuple(self._sql.execute("SELECT a, b, rule FROM lookalikes ORDER BY a, b"))

    @reads
    def conflicts(self) -> tuple[tuple[str, ...], ...]:
        """Sets of samples that look the same and carry different labels."""
        found: dict[int, list[str]] = {}
        for number, sha256 in self._sql.execute(
            "SELECT number, sha256 FROM conflicts ORDER BY number, sha256"
        ):
            found.setdefault(number, []).append(sha256)
        return tuple(tuple(members) for members in found.values())

    @reads
    def splits(self) -> dict[str, Split]:
        """The part of the split of every sample that has one."""
        return {
            sha256: Split(split)
            for sha256, split in self._sql.execute(
                "SELECT sha256, split FROM samples WHERE split IS NOT NULL"
            )
        }

    def set_splits(self, splits: Mapping[str, Split]) -> None:
        """Note the part of the split of each sample."""
        self._sql.executemany(
            "UPDATE samples SET split = ? WHERE sha256 = ?",
            ((split, sha256) for sha256, split in splits.items()),
        )


def _sample(row: tuple[object, ...]) -> Sample:
    # The catalog holds only what was checked on the way in, so records are built without checking it again:
    # placing reads every row, and checking 100,000 of them would take seconds.
    values = dict(zip(_SAMPLE + _FINGERPRINT, row, strict=True))
    prints = {name: values.pop(name) for name in _FINGERPRINT}
    values["status"] = Status(str(values["status"]))
    if values["reason"] is not None:
        values["reason"] = Reason(str(values["reason"]))
    values["fingerprint"] = Fingerprint.unchecked(prints) if prints["phash"] is not None else None
    return Sample.unchecked(values)
