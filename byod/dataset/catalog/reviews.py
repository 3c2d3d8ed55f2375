"""The review projects of a dataset: the purpose of each, how far it was pulled, and the changes of each pull."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from byod.dataset.catalog.guarded import reads
from byod.schema.records import Placement, Record, Sha256


class Before(Record):
    """A sample as it stood before a pull changed it.

    `keypoints` is the text of its points file (None: no points were changed, "": there was none). `verdict` is the
    number of the verdict that held (0: none), `last` that of the last one the pull added. Once the pull was taken back,
    `after` and `keypoints_after` are what it had made of the sample, and `undo` is the number of the verdict that says
    so. `people` are those whose answers the pull brought.
    """

    sha256: Sha256
    placement: Placement
    keypoints: str | None = None
    verdict: int
    last: int
    after: Placement | None = None
    keypoints_after: str | None = None
    undo: int = 0
    people: tuple[str, ...] = ()


class Round(Record):
    """A round of review: when it began, what it asked about, how many questions, and how many of them were answered.

    Each picture was asked of `overlap` people, and is that many questions; `people` names those it was shared out to
    (none: whoever comes). `blind`: they did not see the folder's label.
    """

    number: int
    at: datetime
    purpose: str
    asked: int
    answered: int
    undone: bool
    overlap: int = 1
    people: tuple[str, ...] = ()
    blind: bool = False


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

    @reads
    def queues(self, server: str) -> dict[str, int]:
        """The number of each project on a server, by the name of its queue."""
        rows = self._sql.execute("SELECT purpose, project FROM reviews WHERE server = ?", (server,))
        return {str(purpose): int(project) for purpose, project in rows}

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

    def begin_round(
        self,
        at: datetime,
        purpose: str,
        asked: int,
        *,
        overlap: int = 1,
        people: Sequence[str] = (),
        blind: bool = False,
    ) -> None:
        """Begin a round of so many questions; one in which nothing was said yet is replaced."""
        last = self.last_round()
        if last is not None and not last.answered:
            self._sql.execute("DELETE FROM rounds WHERE id = ?", (last.number,))
        self._sql.execute(
            "INSERT INTO rounds (at, purpose, asked, overlap, people, blind) VALUES (?, ?, ?, ?, ?, ?)",
            (at.isoformat(), purpose, asked, overlap, json.dumps(people), blind),
        )

    @reads
    def rounds(self) -> list[Round]:
        """All rounds, oldest first; pulls from before there were rounds are one each."""
        people = self._people()
        rows = self._sql.execute(
            "SELECT r.id, r.at, r.purpose, r.asked, r.overlap, r.people, r.blind, MIN(p.undone) FROM rounds r"
            " LEFT JOIN pulls p ON p.round = r.id GROUP BY r.id ORDER BY r.id"
        )
        return [
            Round(
                number=number,
                at=datetime.fromisoformat(at),
                purpose=purpose,
                asked=asked,
                # a picture that nobody's answer changed counts once: a verdict fell
                answered=sum(min(overlap, max(1, len(some))) for some in people.get(number, {}).values()),
                undone=bool(undone),
                overlap=overlap,
                people=tuple(json.loads(named)),
                blind=bool(blind),
            )
            for number, at, purpose, asked, overlap, named, blind, undone in rows
        ]

    def _people(self) -> dict[int, dict[str, set[str]]]:
        """The people who answered about each picture, by round."""
        found: dict[int, dict[str, set[str]]] = {}
        rows = self._sql.execute(
            "SELECT p.round, d.sha256, d.people FROM pulls p JOIN pulled d ON d.pull = p.id"
        )
        for number, sha256, people in rows:
            found.setdefault(number, {}).setdefault(sha256, set()).update(json.loads(people))
        return found

    def last_round(self) -> Round | None:
        """The round that began last."""
        return next(reversed(self.rounds()), None)

    def add_pull(self, at: datetime, before: Iterable[Before]) -> int:
        """Write down a pull of the last round and how everything it changes stands before it; its number."""
        number = self._sql.execute(
            "INSERT INTO pulls (at, round) VALUES (?, (SELECT IFNULL(MAX(id), 0) FROM rounds))",
            (at.isoformat(),),
        ).lastrowid
        self._sql.executemany(
            "INSERT INTO pulled (pull, sha256, placement, marks, verdict, last, people) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(
                        number,
                        one.sha256,
                        one.placement.model_dump_json(),
                        one.keypoints,
                        one.verdict,
                        one.last,
                    ),
                    json.dumps(one.people),
                )
                for one in before
            ),
        )
        return int(number or 0)

    @reads
    def to_undo(self) -> list[tuple[int, datetime]]:
        """The pulls of the last round that stands, the last one first: number and time."""
        rows = self._sql.execute(
            "SELECT id, at, round FROM pulls WHERE undone = 0 ORDER BY id DESC"
        ).fetchall()
        return _of_one_round(rows)

    @reads
    def to_redo(self) -> list[tuple[int, datetime]]:
        """The pulls of the first round that was taken back after all those that stand, the first one first."""
        rows = self._sql.execute(
            "SELECT id, at, round FROM pulls WHERE undone = 1"
            " AND id > (SELECT IFNULL(MAX(id), 0) FROM pulls WHERE undone = 0) ORDER BY id"
        ).fetchall()
        return _of_one_round(rows)

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
            "SELECT sha256, placement, marks, verdict, last, after, marks_after, undo FROM pulled"
            " WHERE pull = ? ORDER BY sha256",
            (pull,),
        )
        return [
            Before(
                sha256=sha256,
                placement=Placement.model_validate_json(placement, extra="allow"),
                keypoints=keypoints,
                verdict=verdict,
                last=last,
                after=None if after is None else Placement.model_validate_json(after, extra="allow"),
                keypoints_after=keypoints_after,
                undo=undo,
            )
            for sha256, placement, keypoints, verdict, last, after, keypoints_after, undo in rows
        ]

    def undone(self, pull: int, before: Iterable[Before]) -> None:
        """Note that a pull was taken back, and how what it had changed stood until then."""
        self._sql.execute("UPDATE pulls SET undone = 1 WHERE id = ?", (pull,))
        self._sql.execute("UPDATE pulled SET after = NULL, undo = 0 WHERE pull = ?", (pull,))
        self._sql.executemany(
            "UPDATE pulled SET after = ?, marks_after = ?, undo = ? WHERE pull = ? AND sha256 = ?",
            (
                (one.after and one.after.model_dump_json(), one.keypoints_after, one.undo, pull, one.sha256)
                for one in before
            ),
        )

    def redone(self, pull: int) -> None:
        """Note that a pull that was taken back was done again."""
        self._sql.execute("UPDATE pulls SET undone = 0 WHERE id = ?", (pull,))

    def forget(self, server: str, purpose: str) -> None:
        """Forget a project that is no more."""
        for table in ("reviews", "annotations"):
            self._sql.execute(f"DELETE FROM {table} WHERE server = ? AND purpose = ?", (server, purpose))


def _of_one_round(rows: list[tuple[int, str, int]]) -> list[tuple[int, datetime]]:
    """The pulls at the head of a list that belong to one round; a pull without a round is one by itself."""
    found = rows[:1]
    for row in rows[1:]:
        if not row[2] or row[2] != found[0][2]:
            break
        found.append(row)
    return [(int(number), datetime.fromisoformat(at)) for number, at, _ in found]
