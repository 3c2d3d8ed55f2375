"""A disk that is full, broken or away at any moment: one line, and the same command goes on from there."""

import errno
import os
import shutil
import sqlite3
from functools import partial
from pathlib import Path

import pytest
import typer
from interrupted_verbs import VERBS, Verb, added, facts, own_pictures

from byod.api import datasets
from byod.cli.output import errors_in_one_line
from byod.dataset.catalog.guarded import Guarded
from byod.dataset.dataset_folder import Dataset
from byod.schema import files
from byod.schema.errors import ByodError
from byod.tasks import TASKS

CALLS = ("open", "fsync", "replace", "mkdir", "unlink")
WRITING = os.O_WRONLY | os.O_RDWR


class Trouble:
    """The operating system, which fails at one of the calls by which something below a folder is changed."""

    def __init__(self, folder: Path, number: int | None, code: int, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.number, self.code, self.calls = str(folder), number, code, 0
        for name in CALLS:
            patch.setattr(os, name, self.failing(getattr(os, name), name))

    def failing(self, real, name: str):
        def called(path, *args, **kwargs):
            if self.counts(path, args, kwargs, name):
                self.calls += 1
                if self.calls == self.number:
                    raise OSError(self.code, os.strerror(self.code), path if isinstance(path, str) else None)
            return real(path, *args, **kwargs)

        return called

    def counts(self, path, args, kwargs, name: str) -> bool:
        if name == "open" and not (args and args[0] & WRITING):
            return False
        if name == "mkdir" and "dir_fd" not in kwargs and os.path.isdir(path):
            return False  # it is there, and nothing would change
        handle = path if isinstance(path, int) else kwargs.get("dir_fd", kwargs.get("src_dir_fd"))
        place = os.readlink(f"/proc/self/fd/{handle}") if isinstance(handle, int) else os.path.abspath(path)
        return place.startswith(self.folder) and not str(path).endswith(("lock", "written"))


def said_in_one_line(action, capsys) -> str:
    """What the command line says when the action fails there; it fails in no other way."""
    with pytest.raises(typer.Exit) as ended:
        errors_in_one_line(action)()
    assert ended.value.exit_code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def complete(verb: Verb, place: Path, trouble: Trouble) -> None:
    """Runs the verb; a run that no call of which was to fail says so in the place of an error."""
    verb(place)
    if trouble.number is not None and trouble.calls < trouble.number:
        raise ByodError("complete")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add", "review pull", "dedupe"])
def test_whatever_call_fails_the_same_verb_goes_on(tmp_path: Path, name: str, capsys):
    """Each call that changes something fails once, in turn with each error: a line, and then the whole dataset.

    Threads that need one folder at once ask for it once or twice, so a run may end before the call with this number:
    then nothing failed, nothing is said, and the dataset is whole.
    """
    before, verb = VERBS[name]
    own_pictures(tmp_path / "own")
    place, base = tmp_path / "set", tmp_path / "base"
    before(place)
    place.mkdir(exist_ok=True)
    shutil.copytree(place, base)
    with pytest.MonkeyPatch.context() as patch:
        counted = Trouble(place, None, 0, patch)
        verb(place)
    expected = facts(place)
    codes = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
    numbers = range(1, counted.calls + 1, max(1, counted.calls // 30))
    failed = 0
    for number in numbers:
        shutil.rmtree(place)
        shutil.copytree(base, place)
        code = codes[number % len(codes)]
        with pytest.MonkeyPatch.context() as patch:
            trouble = Trouble(place, number, code, patch)
            line = said_in_one_line(partial(complete, verb, place, trouble), capsys)
        if trouble.calls >= number:
            failed += 1
            for words in (os.strerror(code), "No data was lost", str(place)):
                assert words in line
            verb(place)
        assert facts(place) == expected, f"call {number}: {line}"
    assert failed >= len(numbers) - 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own_pictures(tmp_path / "own")
    added(tmp_path / "set")
    return tmp_path / "set"


TROUBLES = {
    sqlite3.SQLITE_FULL: "make room",
    sqlite3.SQLITE_IOERR_WRITE: "sound",
    sqlite3.SQLITE_READONLY_DBMOVED: "who owns it",
    sqlite3.SQLITE_BUSY_SNAPSHOT: "close that program",
    sqlite3.SQLITE_CANTOPEN: "who owns it",
    sqlite3.SQLITE_CORRUPT: "run the command again",
    sqlite3.SQLITE_NOTADB: "run the command again",
    sqlite3.SQLITE_ERROR: "run the command again",
}


@pytest.mark.parametrize("code", TROUBLES)
def test_every_error_of_sqlite_is_one_of_byods(tmp_path: Path, code: int):
    """Whatever result code SQLite gives, the line names the file and what to do, and is no traceback."""
    connection = Guarded(tmp_path / "catalog.db", lambda: None)
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code

    def failed() -> None:
        with connection.guard():
            raise error

    with pytest.raises(ByodError, match=TROUBLES[code]) as caught:
        failed()
    assert str(caught.value).startswith(str(tmp_path / "catalog.db"))
    assert "\n" not in str(caught.value)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM nowhere",
        "INSERT INTO nowhere VALUES (1)",
        "no SQL at all",
        "SELECT CAST(x'ff' AS TEXT)",
    ],
)
def test_errors_of_statements_and_of_rows_are_guarded(tmp_path: Path, statement: str):
    """An error comes out of `execute` or only when a row is read: both are guarded."""
    connection = Guarded(tmp_path / "catalog.db", lambda: None)
    for read in (list, lambda rows: rows.fetchone(), lambda rows: rows.fetchall(), next):
        with pytest.raises(ByodError):
            read(connection.execute(statement))
    connection.close()


def test_a_catalog_that_cannot_grow_is_said_and_goes_on(folder: Path, capsys):
    """SQLite's own word for a full disk ends in one line; with room again the same command does its work."""
    real = Guarded.__init__

    def small(connection, file, before_change, **options):
        real(connection, file, before_change, **options)
        connection.execute("PRAGMA max_page_count=1")

    fresh = folder.with_name("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Guarded, "__init__", small)
        line = said_in_one_line(lambda: added(fresh), capsys)
    assert "the disk is full, or a quota is used up; make room" in line
    added(fresh)
    assert facts(fresh)["samples"] == facts(folder)["samples"]


def test_a_damaged_page_is_found_after_an_unclean_end(folder: Path):
    """Where byod was ended in the middle, the catalog is looked through, and rebuilt if it is damaged."""
    expected = facts(folder)
    with Dataset(folder, TASKS) as dataset:
        with dataset.catalog.transaction():
            dataset.catalog.samples.touched([])
        killed = shutil.copytree(folder, folder.with_name("killed"))
    content = bytearray((killed / "catalog.db").read_bytes())
    content[4096 * 2 : 4096 * 12] = bytes(4096 * 10)
    (killed / "catalog.db").write_bytes(content)
    for rest in ("-wal", "-shm"):
        (killed / f"catalog.db{rest}").unlink(missing_ok=True)
    lines: list[str] = []
    datasets.status(killed, say=lines.append)
    assert any("catalog.db is damaged" in line for line in lines)
    assert facts(killed)["pictures"] == expected["pictures"]
    assert facts(killed)["said"] == expected["said"]


def test_a_picture_is_moved_to_another_disk(tmp_path: Path, monkeypatch):
    """Where a file cannot be renamed since its new folder lies on another disk, it is copied whole and removed here."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"picture" * 1000)
    real = os.replace

    def replaced(source, target, **handles):
        if handles.get("src_dir_fd") is not None and not os.path.samestat(
            os.fstat(handles["src_dir_fd"]), os.fstat(handles["dst_dir_fd"])
        ):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(source, target, **handles)

    monkeypatch.setattr(os, "replace", replaced)
    with files.opened(tmp_path) as folder:
        folder.move("a/x.jpg", "b/y.jpg")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["y.jpg"]
    assert (tmp_path / "b" / "y.jpg").read_bytes() == b"picture" * 1000
    assert not any((tmp_path / "a").iterdir())


def test_a_damaged_picture_is_fetched_again_and_nobody_deleted_it(folder: Path):
    """A known picture whose file holds none any more is said, set aside and asked for again; no verdict is made up."""
    expected = facts(folder)
    (first, second, *_) = sorted((folder / "images" / "cat").iterdir())
    whole = second.read_bytes()
    first.write_bytes(b"")
    second.write_bytes(whole[: len(whole) // 3])
    lines: list[str] = []
    datasets.status(folder, say=lines.append)
    assert sum("is damaged" in line for line in lines) == 2
    with Dataset(folder, TASKS) as dataset:
        assert dataset.catalog.verdicts.holding() == {}
        assert dataset.catalog.samples.kept()["cat"] == str(expected["pictures"]).count("images/cat") - 2
    added(folder)
    after = facts(folder)
    assert (after["pictures"], after["said"]) == (expected["pictures"], expected["said"])
