"""The review projects of a dataset: the purpose of each, how far it was pulled, and the changes of each pull."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from byod.dataset.catalog.guarded import reads
from byod.schema.records import Placement, Record, Sha256


class Before(Record):
    """A sample as it stood before a pull changed it.

    `keypoints` is the text of its points file (None: no points were changed, "": there was none). `verdict` is the
    number of the verdict that held (0: none), `last` that of the last one the pull added.
    """

    sha256: Sha256
    placement: Placement
    keypoints: str | None = None
    verdict: int
    last: int


class ReadAnnotation(Record):
    """An annotation that was read from a project; `gone`: the server has it no more, or only as a skip."""

    reference: str
    sha256: Sha256
    task: int
    skipped: bool
    gone: bool = False


class Progressed(Record):
    """How far a project was pulled: up to which change and by which clock, both the server's; and how many pulls ago
    all of it was read."""

    updated_at: str = ""
    clock: str = ""
    partial: int = 0


class Reviews:
    """Projects on review servers, and pulls."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    @reads
    def project(self, server: str, purpose: str) -> int | None:
        """The number of the project that was made for a purpose on a server, or None."""
        row = self._sql.execute(
            "SELECT project FROM reviews WHERE server = ? AND purpose = ?", (server, purpose)
        ).fetchone()
        return None if row is None else int(row[0])

    def remember(self, server: str, purpose: str, project: int) -> None:
        """Note a project; what was known of an earlier one for the same purpose is forgotten."""
        if self.project(server, purpose) != project:
            self._sql.execute("DELETE FROM annotations WHERE server = ? AND purpose = ?", (server, purpose))
            self._sql.execute(
                "INSERT OR REPLACE INTO reviews (server, purpose, project) VALUES (?, ?, ?)",
                (server, purpose, project),
            )

    def progressed(self, server: str, purpose: str) -> Progressed:
        """How far a project was pulled."""
        row = self._sql.execute(
            "SELECT seen, clock, partial FROM reviews WHERE server = ? AND purpose = ?", (server, purpose)
        ).fetchone()
        return Progressed() if row is None else Progressed(updated_at=row[0], clock=row[1], partial=row[2])

    def pulled_until(self, server: str, purpose: str, progressed: Progressed) -> None:
        """Note how far the changes of a project were pulled."""
        self._sql.execute(
            "UPDATE reviews SET seen = ?, clock = ?, partial = ? WHERE server = ? AND purpose = ?",
            (progressed.updated_at, progressed.clock, progressed.partial, server, purpose),
        )

    @reads
    def annotations(self, server: str, purpose: str) -> dict[str, ReadAnnotation]:
        """The annotations that were read from a project, by reference."""
        rows = self._sql.execute(
            "SELECT reference, sha256, task, skipped, gone FROM annotations WHERE server = ? AND purpose = ?",
            (server, purpose),
        )
        return {
            reference: ReadAnnotation(
                reference=reference, sha256=sha256, task=task, skipped=bool(skipped), gone=bool(gone)
            )
            for reference, sha256, task, skipped, gone in rows
        }

    def note_annotations(self, server: str, purpose: str, read: Iterable[ReadAnnotation]) -> None:
        """Note annotations as they are now."""
        self._sql.executemany(
            "INSERT OR REPLACE INTO annotations (server, purpose, reference, sha256, task, skipped, gone)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((server, purpose, a.reference, a.sha256, a.task, a.skipped, a.gone) for a in read),
        )

    def forget_annotations(self, server: str, purpose: str, references: Iterable[str]) -> None:
        """Forget annotations, with which nothing is to be compared any more."""
        self._sql.executemany(
            "DELETE FROM annotations WHERE server = ? AND purpose = ? AND reference = ?",
            ((server, purpose, reference) for reference in references),
        )

    @reads
    def pushing(self, server: str, purpose: str) -> int:
        """The number of tasks a project has once what is being sent has arrived; 0 unless a push was cut off."""
        row = self._sql.execute(
            "SELECT pushing FROM reviews WHERE server = ? AND purpose = ?", (server, purpose)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def set_pushing(self, server: str, purpose: str, tasks: int) -> None:
        """Note how many tasks the project is to have once what is sent now has arrived; 0: all did."""
        self._sql.execute(
            "UPDATE reviews SET pushing = ? WHERE server = ? AND purpose = ?",
            (tasks, server, purpose),
        )

    def add_pull(self, at: datetime, before: Iterable[Before]) -> int:
        """Write down a pull and how everything it changes stands before it; its number."""
        number = self._sql.execute("INSERT INTO pulls (at) VALUES (?)", (at.isoformat(),)).lastrowid
        self._sql.executemany(
            "INSERT INTO pulled (pull, sha256, placement, marks, verdict, last) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (number, one.sha256, one.placement.model_dump_json(), one.keypoints, one.verdict, one.last)
                for one in before
            ),
        )
        return int(number or 0)

    @reads
    def last_pull(self) -> tuple[int, datetime] | None:
        """The last pull that was not taken back: its number and when it was."""
        row = self._sql.execute(
            "SELECT id, at FROM pulls WHERE undone = 0 ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return None if row is None else (int(row[0]), datetime.fromisoformat(row[1]))

    @reads
    def before_all(self, sha256: str) -> Placement | None:
        """A sample's place before the first pull that changed it, or None where no pull did."""
        row = self._sql.execute(
            "SELECT placement FROM pulled WHERE sha256 = ? ORDER BY pull LIMIT 1", (sha256,)
        ).fetchone()
        return None if row is None else Placement.model_validate_json(row[0], extra="allow")

    @reads
    def before(self, pull: int) -> list[Before]:
        """Everything that a pull changed, as it stood before."""
        rows = self._sql.execute(
            "SELECT sha256, placement, marks, verdict, last FROM pulled WHERE pull = ? ORDER BY sha256",
            (pull,),
        )
        return [
            Before(
                sha256=sha256,
                placement=Placement.model_validate_json(placement, extra="allow"),
                keypoints=keypoints,
                verdict=verdict,
                last=last,
            )
            for sha256, placement, keypoints, verdict, last in rows
        ]

    def undo(self, pull: int) -> None:
        """Note that a pull was taken back."""
        self._sql.execute("UPDATE pulls SET undone = 1 WHERE id = ?", (pull,))
