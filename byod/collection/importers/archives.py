"""Files of a folder or of a zip archive, read in place: nothing is unpacked, and nothing outside is ever touched.

What a zip says of itself is looked at before anything is read from it: names that lead out of it, encryption, links,
sizes that no honest archive has. A member is never read beyond the size it states.
Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from byod.images.picture_types import SUFFIXES
from byod.schema.errors import DatasetError, UsageError
from byod.schema.names import PassedOver, hidden
from byod.schema.picture_files import told_to_follow

MAX_ENTRIES = 2_000_000
MAX_MEMBER = 1_000_000_000
"""No file that byod converts is larger than this many bytes; lists of a million annotations come near."""
_RATIO, _SMALL = 100, 200_000_000
"""An archive that unpacks to more than `_SMALL` bytes and to more than `_RATIO` times its size is a bomb."""
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile has been seen to raise for damaged members."""


class Entry(NamedTuple):
    """A file: its path within the store (with forward slashes), its bytes, and a zip's checksum of them."""

    name: str
    size: int
    crc: int | None = None


class Store(Protocol):
    """A place that files are read from: `where` is the folder or the archive, `entries` are its files by name."""

    where: Path

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The files by name, in order."""
        ...

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Lines about files that are there and not among the entries."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DatasetError: they cannot be read.
        """
        ...


class FolderStore:
    """The files below a folder; hidden ones are left out, and folders behind links are not entered."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self._passed = PassedOver("their names are not UTF-8 or hold what nobody sees", _plain)
        self._links = 0
        self.entries = {entry.name: entry for entry in self._found()}

    def _found(self) -> Iterator[Entry]:
        def broken(error: OSError) -> None:
            raise DatasetError(f"{error.filename} cannot be read ({error.strerror})") from error

        follow = told_to_follow()
        for place, folders, files in os.walk(self.where, onerror=broken):
            folders[:] = sorted(name for name in folders if not _hidden(name))
            for file in sorted(files):
                path = Path(place, file)
                name = path.relative_to(self.where).as_posix()
                if _hidden(file) or not path.is_file():
                    continue
                if path.is_symlink() and not follow:
                    self._links += 1
                elif self._passed.takes(name):
                    yield Entry(name, path.stat().st_size)

    @property
    def passed_over(self) -> tuple[str, ...]:
        """A line about the files whose names cannot be used, and one about links; see `Store`."""
        links = f"{self._links} links to files are passed over; with BYOD_FOLLOW_LINKS=1 they are read"
        return (*self._passed.lines(), *([links] if self._links else []))

    def read(self, name: str) -> bytes:
        """The bytes of a file; see `Store`."""
        path = self.where / name
        if self.entries[name].size > MAX_MEMBER:
            raise DatasetError(
                f"{path} has {self.entries[name].size:,} bytes: too many for what byod converts"
            )
        try:
            return path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror})") from error


class ZipStore:
    """The files of a zip archive, which several threads may read.

    Raises:
        DatasetError: it is none, is cut off, encrypted, or not to be trusted; the line says which.
    """

    passed_over = ()

    def __init__(self, where: Path) -> None:
        self.where = where
        try:
            self._zip = zipfile.ZipFile(where)
        except OSError as error:
            raise DatasetError(f"{where} cannot be read ({error.strerror})") from error
        except _DAMAGE as error:
            raise DatasetError(
                f"{where} is not a zip archive, or one that was cut off ({error}); fetch it again"
            ) from error
        try:
            members = self._zip.infolist()
            self._check(members)
        except BaseException:
            self._zip.close()
            raise
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.replace("\\", "/")
            if not member.is_dir() and not any(_hidden(part) for part in name.split("/")):
                self._members.setdefault(name, member)
        self.entries = {n: Entry(n, m.file_size, m.CRC) for n, m in sorted(self._members.items())}

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def _check(self, members: Sequence[zipfile.ZipInfo]) -> None:
        if len(members) > MAX_ENTRIES:
            raise DatasetError(f"{self.where} lists {len(members):,} files: too many for what byod converts")
        for member in members:
            if why := _refused(member):
                raise DatasetError(f"{self.where}: {member.filename[:200]!r} {why}; nothing was read")
        size = self.where.stat().st_size
        whole = sum(member.file_size for member in members)
        if whole > _SMALL and whole > _RATIO * size:
            raise DatasetError(
                f"{self.where} would unpack to {whole:,} bytes, {whole // max(size, 1)} times its size: a zip bomb"
            )
        ends = 0
        for member in sorted(members, key=lambda m: m.header_offset):
            if member.header_offset < ends:
                raise DatasetError(f"{self.where}: files in it overlap: a zip bomb; nothing was read")
            ends = member.header_offset + member.compress_size
        if ends > size:
            raise DatasetError(f"{self.where} is cut off; fetch it again")

    def read(self, name: str) -> bytes:
        """The bytes of a member; see `Store`."""
        member = self._members[name]
        try:
            with self._zip.open(member) as opened:
                return opened.read(member.file_size)
        except OSError as error:
            raise DatasetError(f"{self.where}: {name} cannot be read ({error.strerror or error})") from error
        except _DAMAGE as error:
            raise DatasetError(f"{self.where} is damaged at {name} ({error}); fetch it again") from error


def _refused(member: zipfile.ZipInfo) -> str | None:
    """The reason to keep away from the whole archive because of a member, or None."""
    name = member.filename.replace("\\", "/")
    if not name:
        return "has no name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return "leads out of the archive"
    if not _plain(name):
        return "has control characters in its name"
    if member.flag_bits & 0x41:
        return "is encrypted; unpack it with its password and give byod the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.file_size > MAX_MEMBER:
        return f"would unpack to {member.file_size:,} bytes"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way byod does not know (method {member.compress_type})"
    return None


def _plain(name: str) -> bool:
    return not hidden(name)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


@contextlib.contextmanager
def opened(paths: Sequence[Path]) -> Iterator[tuple[Store, ...]]:
    """Open folders and archives to read from.

    Raises:
        UsageError: there is nothing at one of the paths.
        DatasetError: one of them cannot be read, or is not to be trusted.
    """
    with contextlib.ExitStack() as stack:
        stores: list[Store] = []
        for path in paths:
            if path.is_dir():
                stores.append(FolderStore(path))
            elif path.exists():
                stores.append(stack.enter_context(contextlib.closing(ZipStore(path))))
            else:
                raise UsageError(f"there is nothing at {path}")
        yield tuple(stores)


def is_picture(name: str) -> bool:
    """True if a file is a picture, going by its ending."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def same(first: Store, one: str, second: Store, other: str) -> bool:
    """True if two files hold the same bytes; where two archives both tell, by their sizes and checksums."""
    a, b = first.entries[one], second.entries[other]
    if a.size != b.size or None not in (a.crc, b.crc):
        return (a.size, a.crc) == (b.size, b.crc)
    return first.read(one) == second.read(other)
