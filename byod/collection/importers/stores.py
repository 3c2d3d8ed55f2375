"""Stores of files: a folder, or an archive that is read in place; nothing outside is ever touched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from byod.images.picture_types import SUFFIXES
from byod.schema.errors import DamagedError, DatasetError
from byod.schema.names import PassedOver, hidden
from byod.schema.picture_files import told_to_follow

MAX_ENTRIES = 2_000_000
MAX_MEMBER = 1_000_000_000
"""No file that byod converts is larger than this many bytes; lists of a million annotations come near."""
MAX_ARCHIVE = 20_000_000_000
"""An archive within another one is larger than this many bytes in no set that byod knows."""
RATIO, SMALL = 100, 200_000_000
"""An archive that unpacks to more than `SMALL` bytes and to more than `RATIO` times its size is a bomb."""
_ARCHIVES = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz)|7z|rar)$", re.IGNORECASE)


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

    @property
    def damaged(self) -> tuple[str, ...]:
        """Lines about what should be there and cannot be read."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DamagedError: they cannot be read.
        """
        ...


class FolderStore:
    """The files below a folder; hidden ones are left out, and folders behind links are not entered."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self._passed = PassedOver("their names are not UTF-8 or hold what nobody sees", plain_name)
        self._links = 0
        self.entries = {entry.name: entry for entry in self._found()}
        links = f"{self._links} links to files are passed over; with BYOD_FOLLOW_LINKS=1 they are read"
        self.passed_over = (*self._passed.lines(), *([links] if self._links else []))
        self.damaged: tuple[str, ...] = ()

    def _found(self) -> Iterator[Entry]:
        def broken(error: OSError) -> None:
            raise DatasetError(f"{error.filename} cannot be read ({error.strerror})") from error

        follow = told_to_follow()
        for place, folders, files in os.walk(self.where, onerror=broken):
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            for file in sorted(files):
                path = Path(place, file)
                name = path.relative_to(self.where).as_posix()
                if is_hidden(file) or not path.is_file():
                    continue
                if path.is_symlink() and not follow:
                    self._links += 1
                elif self._passed.takes(name):
                    yield Entry(name, path.stat().st_size)

    def read(self, name: str) -> bytes:
        """The bytes of a file; see `Store`."""
        path = self.where / name
        if self.entries[name].size > MAX_MEMBER:
            raise DamagedError(
                f"{path} has {self.entries[name].size:,} bytes: too many for what byod converts"
            )
        try:
            return path.read_bytes()
        except OSError as error:
            raise DamagedError(f"{path} cannot be read ({error.strerror})") from error


def refused_name(name: str) -> str | None:
    """The reason to keep away from the whole archive because of a member's name (with forward slashes), or None."""
    if not name:
        return "has no name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return "leads out of the archive"
    if not plain_name(name):
        return "has control characters in its name"
    return None


def said_twice(where: Path, names: Sequence[str], taken: str) -> tuple[str, ...]:
    """A line about names that stand in an archive more than once."""
    if not names:
        return ()
    count = f"{len(names)} names stand" if len(names) > 1 else "a name stands"
    return (f"{where}: {count} in it twice, the {taken} file is taken: {some(sorted(set(names)))}",)


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def plain_name(name: str) -> bool:
    """True if a name can be shown as it is."""
    return not hidden(name)


def is_hidden(name: str) -> bool:
    """True if a file or folder of that name is not meant to be seen."""
    return name.startswith(".") or name == "__MACOSX"


def is_archive(name: str) -> bool:
    """True if a file is an archive, going by its ending."""
    return _ARCHIVES.search(name) is not None


def is_picture(name: str) -> bool:
    """True if a file is a picture, going by its ending."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def same(first: Store, one: str, second: Store, other: str) -> bool:
    """True if two files hold the same bytes; where two archives both tell, by their sizes and checksums."""
    a, b = first.entries[one], second.entries[other]
    if a.size != b.size or None not in (a.crc, b.crc):
        return (a.size, a.crc) == (b.size, b.crc)
    try:
        return first.read(one) == second.read(other)
    except DamagedError:
        return False
