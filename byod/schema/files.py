"""Writing files: whole or not at all, in an open folder, and never through a link that somebody else planted.

Everything is named relative to an open `Folder`. Where the system can (Linux, macOS), each part of a name is opened
from the handle of the one before and no link is followed (openat(2), O_NOFOLLOW), so that nobody can exchange a folder
for a link in between; on Windows the parts are looked at before.

Nothing is flushed to the disk unless asked for: `flush=True` for one file, `Folder.flush` for many at once. What is
flushed is there after a power cut, content and name; what is not may be there, empty, cut off, or gone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

from byod.schema import flushing, folder_handles
from byod.schema.errors import DatasetError
from byod.schema.folder_handles import FOLDER, NO_LINK, Handle, naming
from byod.schema.places import inside, is_link, no_file, no_folder, parts_of

HANDLES = {os.open, os.mkdir, os.rename, os.unlink} <= os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether files can be reached from the handle of a folder here."""

_BINARY = getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
_READ = os.O_RDONLY | NO_LINK | getattr(os, "O_NONBLOCK", 0) | _BINARY
_FLUSHABLE = _READ if os.name != "nt" else os.O_RDWR | _BINARY  # Windows flushes only what may be written to

_FLUSHING = 16
"""How many files are flushed at once: a journal takes what waits for it in one go."""

_PART = re.compile(r"\.[0-9a-f]{16}\.part")

Place = tuple[str, int | None]
"""What a function of `os` is given: a name, and the handle of its folder (None: the name is a whole path)."""


class OccupiedError(DatasetError, FileExistsError):
    """A file stands where a folder is to be made."""


class Folder:
    """An open folder; close it, or use `opened`.

    Args:
        path: where it lies; it may itself be reached through links.

    Names have forward slashes. One that leads out of the folder (absolute, with `..`, or through a link) is a
    DatasetError, whoever wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, FOLDER) if HANDLES else None
        self._held: dict[tuple[str, ...], Handle] | None = None

    def close(self) -> None:
        """Give the handle back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def is_in_place(self) -> bool:
        """True if the folder still lies where it was opened: nobody moved, removed or replaced it."""
        return folder_handles.is_at(self._handle, self.path)

    @contextlib.contextmanager
    def held_open(self) -> Iterator[None]:
        """Keep the folders that names lead through open within the block: it is faster for many files."""
        outer, self._held = self._held, {} if self._held is None else self._held
        try:
            yield
        finally:
            self._held = outer

    @contextlib.contextmanager
    def replacing(self, name: str, *, mode: int = 0o666, flush: bool = False) -> Iterator[BinaryIO]:
        """Give a stream whose content takes the place of `name` when the block ends well.

        Until then it lies beside it, under a name that cannot be guessed and was created exclusively. A link under
        the name itself is replaced, not followed.
        """
        with self._at(name, leaf_may_be_link=True) as (leaf, handle):
            part = os.path.join(os.path.dirname(leaf), f".{secrets.token_hex(8)}.part")
            stream = os.fdopen(os.open(part, _NEW, mode, dir_fd=handle), "wb")
            try:
                with stream:
                    yield stream
                    flushing.flush_stream(stream, flush)
                os.replace(part, leaf, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException as error:
                os.unlink(part, dir_fd=handle)
                if isinstance(error, IsADirectoryError):
                    raise no_file(self.path / name, stat.S_IFDIR) from error
                raise
            flushing.flush_folder(handle, flush)

    def replace(self, name: str, content: bytes, *, mode: int = 0o666, flush: bool = False) -> None:
        """Put `content` in the place of `name`; a reader sees the old file or the new one, never half of either."""
        with self.replacing(name, mode=mode, flush=flush) as stream:
            stream.write(content)

    def update(self, name: str, content: bytes, *, flush: bool = False) -> bool:
        """As `replace`, unless that is what stands there already; whether anything changed."""
        with contextlib.suppress(FileNotFoundError, DatasetError):  # what is no ordinary file is replaced
            if self.read(name) == content:
                return False
        self.replace(name, content, flush=flush)
        return True

    def open(self, name: str) -> BinaryIO:
        """Open an ordinary file for reading.

        Raises:
            FileNotFoundError: there is nothing of that name.
            DatasetError: it is a link, a pipe, a device or a folder, or a part of the name is a link.
        """
        with self._at(name) as (leaf, handle):
            return _opened(leaf, handle, self.path / name)

    def read(self, name: str) -> bytes:
        """The content of an ordinary file; raises as `open` does."""
        with self.open(name) as stream:
            return stream.read()

    def remove(self, name: str) -> None:
        """Remove a file where it is there; of a link, the link itself."""
        with contextlib.suppress(FileNotFoundError), self._at(name, leaf_may_be_link=True) as (leaf, handle):
            os.unlink(leaf, dir_fd=handle)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder."""
        with self._at(name) as (leaf, handle):
            os.rmdir(leaf, dir_fd=handle)

    def cut(self, name: str, size: int) -> None:
        """Cut a file off after so many bytes."""
        with self._at(name) as (leaf, handle):
            _opened(leaf, handle, self.path / name).close()  # an ordinary file, or an error
            with os.fdopen(os.open(leaf, os.O_RDWR | NO_LINK | _BINARY, dir_fd=handle), "rb+") as stream:
                stream.truncate(size)

    def touch(self, name: str) -> None:
        """Say of an ordinary file, made where it is missing, that it was written to now."""
        self.append(name, b"")
        with self._at(name) as (leaf, handle):
            if handle is None:
                os.utime(leaf)
            else:
                os.utime(leaf, dir_fd=handle, follow_symlinks=False)

    def create(self, name: str, content: bytes, *, flush: bool = False) -> None:
        """Write a new file.

        Raises:
            FileExistsError: something of that name is there, be it a link into the void.
        """
        with self._at(name, leaf_may_be_link=True) as (leaf, handle):
            with os.fdopen(os.open(leaf, _NEW, 0o666, dir_fd=handle), "wb") as stream:
                stream.write(content)
                flushing.flush_stream(stream, flush)
            flushing.flush_folder(handle, flush)

    def append(self, name: str, content: bytes, *, flush: bool = False) -> None:
        """Write at the end of a file, which is made where it is missing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | _BINARY
        with self._at(name) as (leaf, handle):
            try:
                descriptor = os.open(leaf, flags, 0o666, dir_fd=handle)
            except OSError as error:
                self._refuse_link(name, error)
                raise
            with os.fdopen(descriptor, "ab") as stream:
                stream.write(content)
                flushing.flush_stream(stream, flush)
            flushing.flush_folder(handle, flush)

    def make(self, name: str) -> None:
        """Make a folder, and those above it, where they are missing."""
        parts = parts_of(self.path, name)
        for number in range(1, len(parts) + 1):
            with self._at("/".join(parts[:number])) as (leaf, handle):
                try:
                    os.mkdir(leaf, dir_fd=handle)
                except FileExistsError:
                    if not os.path.isdir(place := self.path.joinpath(*parts[:number])):
                        raise (
                            is_link(place) if place.is_symlink() else OccupiedError(str(no_folder(place)))
                        ) from None

    def clear(self, name: str = "", *, older_than: float = 0.0) -> None:
        """Remove the temporary files that a kill left in a folder (`replacing` was their way in).

        Args:
            name: the folder; nothing is done where it is missing.
            older_than: how many seconds ago they were last written to, where somebody else may be writing one now.
        """
        try:
            with os.scandir(inside(self.path, name)) as entries:
                left = [entry.name for entry in entries if _PART.fullmatch(entry.name)]
        except FileNotFoundError:
            return
        for part in left:
            with self._at(f"{name or '.'}/{part}", leaf_may_be_link=True) as (leaf, handle):
                found = os.stat(leaf, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime >= older_than:
                    os.unlink(leaf, dir_fd=handle)

    def move(self, source: str, target: str) -> None:
        """Move a file or folder to another name, over what stands there; the folders above must be there.

        A file whose new place lies on another disk is copied there, flushed, and removed here.
        """
        with (
            self._at(source, leaf_may_be_link=True) as (old, old_handle),
            self._at(target, leaf_may_be_link=True) as (new, new_handle),
        ):
            try:
                os.replace(old, new, src_dir_fd=old_handle, dst_dir_fd=new_handle)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                content = os.fdopen(os.open(old, _READ, dir_fd=old_handle), "rb")
                with content, self.replacing(target, flush=True) as stream:
                    shutil.copyfileobj(content, stream)
                os.unlink(old, dir_fd=old_handle)

    def flush(self, names: Iterable[str]) -> None:
        """See that files are on the disk, with their names; several at a time, which is many times as fast."""
        within: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            within[os.path.dirname(name)].append(name)
        with ThreadPoolExecutor(_FLUSHING) as threads:
            for found in within.values():
                with self._at(found[0]) as (_, handle):  # their folder is opened once for all of them
                    for _ in threads.map(partial(self._flush_file, handle=handle), found):
                        pass
        self.flush_names(within)

    def flush_names(self, folders: Iterable[str]) -> None:
        """See that the names in folders are on the disk, and those of the folders themselves."""
        above = {
            "/".join(parts[:end])
            for name in set(folders)
            for parts in [parts_of(self.path, name)]
            for end in range(len(parts) + 1)
        }
        if self._handle is None:
            return  # Windows does that by itself
        for name in sorted(above, reverse=True):
            with naming(self.path, name):
                if not name:
                    flushing.flush(self._handle)
                    continue
                with self._at(name) as (leaf, handle):
                    flushing.flush_at(leaf, FOLDER | NO_LINK, handle)

    def _flush_file(self, name: str, *, handle: int | None) -> None:
        if handle is None:
            with self._at(name) as (place, _):
                flushing.flush_at(place, _FLUSHABLE, None)
            return
        parts = parts_of(self.path, name)
        with naming(self.path, *parts):
            flushing.flush_at(parts[-1], _FLUSHABLE, handle)

    @contextlib.contextmanager
    def _at(self, name: str, *, leaf_may_be_link: bool = False) -> Iterator[Place]:
        """The last part of a name, and the handle of the folder it lies in; errors inside name the whole place."""
        parts = parts_of(self.path, name)
        with naming(self.path, *parts), self._opened_at(parts, name, leaf_may_be_link) as place:
            yield place

    @contextlib.contextmanager
    def _opened_at(self, parts: tuple[str, ...], name: str, leaf_may_be_link: bool) -> Iterator[Place]:
        if self._handle is None:
            checked = "/".join(parts[:-1] if leaf_may_be_link else parts)
            inside(self.path, checked)
            yield str(self.path.joinpath(*parts)), None
            return
        held, above = {} if self._held is None else self._held, parts[:-1]
        folder = held.get(above)
        if folder is None:
            try:
                folder = held[above] = folder_handles.below(self._handle, above)
            except OSError as error:
                self._refuse_link(name, error)
                raise
        yield parts[-1], folder.number

    def _refuse_link(self, name: str, error: OSError) -> None:
        """Name the link, where a part of a name cannot be opened without following one."""
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            place = inside(self.path, name)
            if error.errno == errno.ENOTDIR:
                raise no_folder(place.parent) from error


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """A folder, open for as long as the block lasts."""
    folder = Folder(path)
    try:
        yield folder
    finally:
        folder.close()


def replace(file: Path, content: bytes, *, mode: int = 0o666, flush: bool = False) -> None:
    """As `Folder.replace`, for a file whose folder a person named, or byod itself (`file.parent`)."""
    with opened(file.parent) as folder:
        folder.replace(file.name, content, mode=mode, flush=flush)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, to be filled and moved into its place; whatever is left of it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read(file: Path) -> bytes:
    """The content of an ordinary file whose folder a person named, or byod itself; raises as `Folder.open` does."""
    with _opened(str(file), None, file) as stream:
        return stream.read()


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def copy(source: Path, target: Path) -> None:
    """Copy an ordinary file to a new name; raises as `Folder.open` does."""
    with _opened(str(source), None, source) as given, open(target, "xb") as taken:
        shutil.copyfileobj(given, taken, 1 << 20)


def is_ordinary(file: Path) -> bool:
    """True of a file that is there, and is no link, pipe or device."""
    try:
        return stat.S_ISREG(os.lstat(file).st_mode)
    except OSError:
        return False


def check_tree(folder: Path) -> None:
    """See that a folder, and all that lies below it, is made of folders and ordinary files.

    For what is handed to a library, or a trainer, as a path.

    Raises:
        DatasetError: there is a link, a pipe or a device.
    """
    if folder.is_symlink():
        raise is_link(folder)
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            entry = Path(place, name)
            if not stat.S_ISDIR(mode := os.lstat(entry).st_mode) and not stat.S_ISREG(mode):
                raise no_file(entry, mode)


def _opened(leaf: str, handle: int | None, place: Path) -> BinaryIO:
    """An ordinary file, open for reading; it is looked at before, since opening a pipe or a device does things."""
    if not stat.S_ISREG(mode := os.stat(leaf, dir_fd=handle, follow_symlinks=False).st_mode):
        raise no_file(place, mode)
    stream = os.fdopen(os.open(leaf, _READ, dir_fd=handle), "rb")
    if not stat.S_ISREG(mode := os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise no_file(place, mode)
    return stream
