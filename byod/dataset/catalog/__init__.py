"""The catalog of a dataset, and the only SQL in byod: candidates and outcomes, samples, label log, moves, splits.

One connection, one writer. Classes appear here by the name of their folder. Every change of several rows is one
transaction, so that a kill at any point leaves either all of it or nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from byod.dataset.catalog import strange
from byod.dataset.catalog.candidates import Candidates
from byod.dataset.catalog.guarded import CatalogDamaged
from byod.dataset.catalog.reviews import Reviews
from byod.dataset.catalog.samples import Samples
from byod.dataset.catalog.sql_schema import check_version, connect
from byod.dataset.catalog.verdicts import Verdicts
from byod.schema.errors import DatasetLocked

__all__ = ["Catalog", "CatalogDamaged", "check_version"]


class Catalog:
    """An open `catalog.db`: `candidates`, `samples`, `verdicts` and `reviews` are its parts.

    Args:
        file: where it lies; it is made where it is missing.
        before_change: called before anything in it changes.

    Raises:
        DatasetError: the file is damaged or was made by a newer byod.
    """

    def __init__(self, file: Path, before_change: Callable[[], None] = lambda: None) -> None:
        self._connection = connect(file, before_change)
        self.candidates = Candidates(self._connection)
        self.samples = Samples(self._connection)
        self.verdicts = Verdicts(self._connection)
        self.reviews = Reviews(self._connection)

    @property
    def damaged(self) -> bool:
        """True once some of its content could not be read."""
        return self._connection.damaged

    def is_sound(self) -> bool:
        """True if all its pages and rows can be read: checked after a kill or a power cut."""
        try:
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except CatalogDamaged:
            return False
        return found is not None and found[0] == "ok"

    def checkpoint(self) -> None:
        """Fold the write-ahead log back into the file; not while somebody else reads it: then the log stays."""
        with contextlib.suppress(DatasetLocked):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        with self._connection.guard():
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for what happens inside; a transaction inside another joins it."""
        if self._connection.in_transaction:
            yield
            return
        try:
            self._connection.execute(
                "BEGIN IMMEDIATE"
            )  # inside: a Ctrl-C right behind it leaves no transaction open
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def unflushed(self) -> Iterator[None]:
        """Let the transactions inside end before they are on the disk, which saves a flush for each.

        A power cut may take the last of them back, and all that came after it, but never leaves half of one; a kill
        takes none back.
        """
        try:
            self._connection.execute("PRAGMA synchronous=NORMAL")
            yield
        finally:
            self._connection.execute("PRAGMA synchronous=FULL")

    @property
    def in_transaction(self) -> bool:
        """True if a transaction is open."""
        return self._connection.in_transaction

    def blank(self) -> bool:
        """True if it knows of no picture, candidate or verdict: just made, or its content was lost."""
        rows = " UNION ALL ".join(
            f"SELECT 1 FROM {table}" for table in ("samples", "candidates", "verdicts", "drawing")
        )
        return self._connection.execute(f"SELECT 1 FROM ({rows}) LIMIT 1").fetchone() is None

    def check_values(self) -> None:
        """See that its values are of the kinds that byod writes.

        Raises:
            CatalogDamaged: one is not.
        """
        strange.check_values(self._connection)

    def check(self, folder: Path) -> None:
        """See that nothing in it leads out of the dataset at `folder`, nor changes rows unasked.

        Raises:
            DatasetError: something does.
        """
        strange.check(self._connection, folder)

    def promise_move(self, source: str, target: str) -> None:
        """Journal a file move (paths relative to the dataset folder) before it happens."""
        self.promise_moves([(source, target)])

    def promise_moves(self, moves: Iterable[tuple[str, str]]) -> None:
        """Journal several of them, in their order."""
        self._connection.executemany("INSERT INTO moves (source, target) VALUES (?, ?)", moves)

    def promised_moves(self) -> list[tuple[int, str, str]]:
        """The moves not yet known to be done, in order: (number, source, target)."""
        return list(self._connection.execute("SELECT id, source, target FROM moves ORDER BY id"))

    def moves_done(self, up_to: int) -> None:
        """Forget the journalled moves up to this number."""
        self._connection.execute("DELETE FROM moves WHERE id <= ?", (up_to,))
