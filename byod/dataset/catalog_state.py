"""`.byod/state`: how byod left the catalog on this machine, so that one that comes from elsewhere is not trusted.

A catalog holds paths, moves that are promised, and what people said: whoever writes it decides what byod does. It is
used as it is only where this file fits it; else it is set aside and rebuilt from the folders, `labels.jsonl` and
`CREDITS.csv`, which are text, and checked as they are read.

While byod works the state says so ("open"), on the disk before the first change; when byod is done it says
which file it left: inode, size and times of change, which nobody can send along, and a keyed hash of its content, which
fits a copy of the dataset on the same machine too. The key is made once and lies with byod's own files in the home.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum

import platformdirs
from pydantic import ValidationError

from byod.dataset import label_log
from byod.dataset.own_places import CATALOG, CATALOG_LOG
from byod.schema import file_formats, files, places
from byod.schema.errors import DatasetError
from byod.schema.files import Folder
from byod.schema.records import Record

FILE = ".byod/state"
_LONGEST = 4096


class Left(StrEnum):
    """The ways a catalog can have been left: as byod closed it, in the middle of something, or by somebody else."""

    CLOSED = "closed"
    OPEN = "open"
    ELSEWHERE = "elsewhere"


class State(Record):
    """The file's content.

    `catalog` are inode, size and times of change in ns of the catalog, or its inode alone while it is open; `log` are
    size and time of change of `labels.jsonl`, which tell whether somebody else wrote in it since. `seal` is a keyed
    hash of the catalog's content (of the nonce, while it is open), `stamp` that of `catalog`.
    """

    format: file_formats.Format = file_formats.FIRST
    left: Left
    catalog: tuple[int, ...]
    log: tuple[int, ...] = ()
    nonce: str = ""
    seal: str = ""
    stamp: str = ""


class CatalogState:
    """The state of one dataset's catalog; `folder` is that of the dataset, open and locked."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._catalog = folder.path / CATALOG
        self._log = folder.path / label_log.FILE
        self._changed = False

    def left(self) -> Left:
        """Tell how the catalog was left.

        Raises:
            DatasetError: a newer byod left it.
        """
        state = self._read()
        if state is None or not self._catalog.is_file():
            return Left.ELSEWHERE
        if state.left is Left.OPEN:
            fits = state.catalog == self._inode() or self._is_ours(state, state.nonce.encode())
            return Left.OPEN if fits else Left.ELSEWHERE
        if self._has_log():
            return Left.ELSEWHERE
        if state.catalog == self._stamp() or self._is_ours(state, self._content()):
            return Left.CLOSED
        return Left.ELSEWHERE

    def is_proven(self) -> bool:
        """True if nobody without this machine's key can have made the catalog that lies there: byod closed this one.

        Its rows were looked at when it was opened before, or made by byod since, and need no other look.
        """
        state = self._read()
        if state is None or state.left is not Left.CLOSED or self._has_log() or not self._catalog.is_file():
            return False
        return state.catalog == self._stamp() and _fits(
            state.stamp, _seal(state.left, _stamped(state.catalog))
        )

    def log_is_as_left(self) -> bool:
        """True if nobody but byod wrote to `labels.jsonl`, as it said when it closed the catalog."""
        state = self._read()
        return state is not None and state.left is Left.CLOSED and state.log == self._log_stamp()

    def opened(self) -> None:
        """Say that the catalog is about to change; once is enough until it is closed."""
        if not self._changed:
            nonce = secrets.token_hex(16)
            self._write(Left.OPEN, self._inode(), nonce.encode(), nonce)
            self._changed = True

    def closed(self) -> None:
        """Say that all changes are in the one file, which nobody has open any more."""
        state = self._read()
        as_it_was = (
            state is not None
            and state.left is Left.CLOSED
            and (state.catalog, state.log) == (self._stamp(), self._log_stamp())
        )
        # while somebody else reads it, what is new stays beside it: it is as good as open
        if as_it_was or self._has_log():
            return
        self._folder.flush([CATALOG])
        self._write(Left.CLOSED, self._stamp(), self._content())

    def forget(self) -> None:
        """Trust nothing from now on that lies there."""
        self._folder.remove(FILE)
        self._changed = False

    def _write(self, left: Left, catalog: tuple[int, ...], sealed: bytes, nonce: str = "") -> None:
        log = self._log_stamp()
        stamp = _seal(left, _stamped(catalog))
        state = State(left=left, catalog=catalog, log=log, nonce=nonce, seal=_seal(left, sealed), stamp=stamp)
        self._folder.replace(FILE, state.model_dump_json().encode() + b"\n", flush=True)

    def _read(self) -> State | None:
        file = places.inside(self._folder.path, FILE)
        try:
            with file.open("rb") as content:
                return file_formats.read(State, content.read(_LONGEST), file, DatasetError)
        except (OSError, ValidationError):
            return None

    def _is_ours(self, state: State, sealed: bytes) -> bool:
        return _fits(state.seal, _seal(state.left, sealed))

    def _has_log(self) -> bool:
        log = self._folder.path / CATALOG_LOG
        return log.exists() and log.stat().st_size > 0

    def _inode(self) -> tuple[int, ...]:
        return (self._catalog.stat().st_ino,) if self._catalog.exists() else ()

    def _stamp(self) -> tuple[int, ...]:
        found = self._catalog.stat()
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _log_stamp(self) -> tuple[int, ...]:
        if not self._log.exists():
            return ()
        found = self._log.stat()
        return (found.st_size, found.st_mtime_ns)

    def _content(self) -> bytes:
        with self._catalog.open("rb") as content:
            return hashlib.file_digest(content, "blake2b").digest()


def _fits(seal: str, made: str) -> bool:
    return hmac.compare_digest(seal.encode(), made.encode())


def _stamped(catalog: tuple[int, ...]) -> bytes:
    """The text that is sealed of the stamp of a catalog: no content's hash begins so."""
    return f"stamp {catalog}".encode()


def _seal(left: Left, sealed: bytes) -> str:
    return hmac.new(_key(), left.value.encode() + sealed, hashlib.sha256).hexdigest()


def _key() -> bytes:
    """This machine's key, made when it is first needed; it is worth nothing elsewhere.

    Raises:
        DatasetError: it can be neither read nor made.
    """
    file = platformdirs.user_data_path("byod") / "key"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            files.replace(file, secrets.token_bytes(32), mode=0o600, flush=True)
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be used ({error.strerror}); byod keeps a key of this machine there: make its folder "
            "writable, or set XDG_DATA_HOME to one that is"
        ) from error
