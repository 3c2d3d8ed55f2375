"""The one guard around SQLite: whatever it reports becomes a DatasetError that says what to do, in one line."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from byod.schema.errors import DatasetError, DatasetLocked

_AGAIN = "no data was lost; fix this and run the same command again"
_OUTSIDE = {
    sqlite3.SQLITE_FULL: f"the disk is full, or a quota is used up; make room. {_AGAIN}",
    sqlite3.SQLITE_IOERR: f"the disk reports an error; see that it is there and sound. {_AGAIN}",
    sqlite3.SQLITE_READONLY: f"it cannot be written to; see who owns it and whether the disk is read-only. {_AGAIN}",
    sqlite3.SQLITE_PERM: f"it may not be used; see who owns it. {_AGAIN}",
    sqlite3.SQLITE_CANTOPEN: f"it cannot be opened; see who owns it and its folder. {_AGAIN}",
    sqlite3.SQLITE_NOLFS: f"the file system holds no file of this size; move the dataset to another disk. {_AGAIN}",
    sqlite3.SQLITE_PROTOCOL: f"its lock cannot be had (a network drive?); move the dataset to a disk. {_AGAIN}",
    sqlite3.SQLITE_NOMEM: f"there is not enough memory. {_AGAIN}",
}
"""What is wrong around a catalog, and not in it, by SQLite's result code.

Source: https://www.sqlite.org/rescode.html
"""

_CHANGES = frozenset({"BEGIN ", "INSERT", "UPDATE", "DELETE"})

P = ParamSpec("P")
T = TypeVar("T")


class CatalogDamaged(DatasetError):  # noqa: N818 - reads as what happened
    """The catalog itself cannot be read: the next command rebuilds it."""


class Guarded(sqlite3.Connection):
    """A connection whose errors are byod's own, and that says so before it changes anything.

    Args:
        file: where the database lies.
        before_change: called before a transaction begins, or a statement outside of one changes something.
        options: as `sqlite3.connect` takes them.

    `damaged` is True once its content turned out not to be readable.
    """

    def __init__(self, file: Path, before_change: Callable[[], None], **options: Any) -> None:
        self.file, self.before_change = file, before_change
        self.damaged = False
        with self.guard():
            super().__init__(file, **options)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn the errors of SQLite into byod's.

        Raises:
            DatasetLocked: another program uses it.
            DatasetError: the disk or an owner is in the way.
            CatalogDamaged: the content is.
        """
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise DatasetLocked(
                    f"{self.file}: another program is using it; close that program. {_AGAIN}"
                ) from error
            if code in _OUTSIDE:
                raise DatasetError(f"{self.file}: {_OUTSIDE[code]}") from error
            raise self.damage(error) from error

    def damage(self, why: object) -> CatalogDamaged:
        """The error for content that cannot be read; from now on nothing of it is trusted."""
        self.damaged = True
        return CatalogDamaged(
            f"{self.file} cannot be read ({why}); run the command again, and byod rebuilds it from the folders"
        )

    def cursor(self, factory: Any = None) -> Any:
        """A cursor that is guarded as well."""
        try:  # a context manager takes as long as the statement
            return super().cursor(_Cursor if factory is None else factory)
        except sqlite3.Error:
            with self.guard():
                raise

    # sqlite3's own do not ask the cursor they make

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run one statement."""
        made: sqlite3.Cursor = self.cursor().execute(sql, *values)
        return made

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        """Run one statement for each row of values."""
        made: sqlite3.Cursor = self.cursor().executemany(sql, rows)
        return made

    def executescript(self, sql: str) -> sqlite3.Cursor:
        """Run several statements."""
        made: sqlite3.Cursor = self.cursor().executescript(sql)
        return made


def reads(method: Callable[P, T]) -> Callable[P, T]:
    """A method of a part of the catalog that makes records of rows: rows that fit into none are damage."""

    @functools.wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            part: Any = args[0]
            raise part._sql.damage("a row holds what byod never writes") from error

    return called


def _guarded(method: Callable[P, T]) -> Callable[P, T]:
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except UnicodeDecodeError as error:
            damaged: Any = args[0]
            raise damaged.connection.damage(error) from error
        except sqlite3.Error:
            cursor: Any = args[0]
            with cursor.connection.guard():
                raise

    return called


def _announced(method: Callable[..., sqlite3.Cursor]) -> Callable[..., sqlite3.Cursor]:
    def called(cursor: sqlite3.Cursor, sql: str, *values: Any) -> sqlite3.Cursor:
        connection: Any = cursor.connection
        if sql[:6] in _CHANGES and not connection.in_transaction:
            connection.before_change()
        return method(cursor, sql, *values)

    return called


class _Cursor(sqlite3.Cursor):
    """Rows are read while they are asked for, so each way to ask for them is guarded."""

    execute = _guarded(_announced(sqlite3.Cursor.execute))  # type: ignore[assignment]
    executemany = _guarded(_announced(sqlite3.Cursor.executemany))  # type: ignore[assignment]
    executescript = _guarded(_announced(sqlite3.Cursor.executescript))
    fetchone = _guarded(sqlite3.Cursor.fetchone)
    fetchmany = _guarded(sqlite3.Cursor.fetchmany)
    fetchall = _guarded(sqlite3.Cursor.fetchall)
    __next__ = _guarded(sqlite3.Cursor.__next__)  # type: ignore[arg-type]  # stubs: of any iterator
