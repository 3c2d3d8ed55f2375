"""Tar archives, read in place; packed ones (gz, bz2, xz) are unpacked once into a temporary file without a name.

Only ordinary files are read: links, devices and sparse files are passed over and counted. A name that leads out of the
archive refuses it as a whole, as in a zip.
Source: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from byod.collection.importers.stores import (
    MAX_ARCHIVE,
    MAX_ENTRIES,
    MAX_MEMBER,
    RATIO,
    SMALL,
    Entry,
    is_archive,
    is_hidden,
    refused_name,
    said_twice,
)
from byod.schema.errors import DamagedError, DatasetError

PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
"""How a packed file begins, and what opens it."""
_BLOCK = 512
_DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError)


class TarStore:
    """The files of a tar archive, which several threads may read.

    Args:
        where: the archive's name, for messages.
        file: its bytes, which are not packed; it is closed with the store.

    Raises:
        DatasetError: it is none, or is not to be trusted; the line says which.
    """

    def __init__(self, where: Path, file: BinaryIO) -> None:
        self.where = where
        self._file, self._lock = file, threading.Lock()
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._others, twice = 0, []
        self._members: dict[str, tarfile.TarInfo] = {}
        self._cut = ""
        for name, member in self._found():
            if name in self._members:
                twice.append(name)
            self._members[name] = member  # a later one replaces an earlier one, as tar has it
        others = f"{where}: {self._others} links, devices or sparse files in it are passed over"
        self.passed_over: tuple[str, ...] = (
            *said_twice(where, twice, "last"),
            *([others] if self._others else []),
        )
        self.damaged: tuple[str, ...] = (self._cut,) if self._cut else ()
        self.entries = {name: Entry(name, m.size) for name, m in sorted(self._members.items())}

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    def _found(self) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """The ordinary files by name."""
        last, count = "its beginning", 0
        try:
            self._tar = tarfile.open(fileobj=self._file, mode="r:", errors="surrogateescape")  # noqa: SIM115
            for member in self._tar:
                count += 1
                name = member.name.removeprefix("./")
                if count > MAX_ENTRIES:
                    raise DatasetError(f"{self.where} lists over {MAX_ENTRIES:,} files: too many for byod")
                if why := refused_name(name) or _refused_size(member):
                    raise DatasetError(f"{self.where}: {name[:200]!r} {why}; nothing was read")
                last = name
                if any(is_hidden(part) for part in name.split("/") if part != ".") or member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    self._others += 1
                    continue
                yield name, member
            end = self._tar.offset
        except _DAMAGE as error:
            if not count:
                raise DatasetError(f"{self.where} is not a tar archive ({error}); fetch it again") from error
            end = self._size + 1
        self._file.seek(min(end, self._size))
        if self._file.read(_BLOCK).strip(b"\0") or end > self._size or not self._members:
            self._cut = f"{self.where} is damaged or cut off behind {last}; fetch it again"

    def read(self, name: str) -> bytes:
        """The bytes of a member; see `Store`."""
        member = self._members[name]
        try:
            with self._lock:
                self._file.seek(member.offset_data)
                content = self._file.read(member.size)
        except OSError as error:
            raise DamagedError(f"{self.where}: {name} cannot be read ({error.strerror or error})") from error
        if len(content) < member.size:
            raise DamagedError(f"{self.where} is cut off within {name}; fetch it again")
        return content

    def copy(self, name: str, into: BinaryIO) -> None:
        """Write the bytes of a member, which may be more than memory holds, into a file.

        Raises:
            DamagedError: they cannot be read.
        """
        member = self._members[name]
        with self._lock:
            self._file.seek(member.offset_data)
            left = member.size
            while left and (piece := self._file.read(min(left, 1 << 20))):
                into.write(piece)
                left -= len(piece)
        if left:
            raise DamagedError(f"{self.where} is cut off within {name}; fetch it again")


def _refused_size(member: tarfile.TarInfo) -> str | None:
    if member.size > (MAX_ARCHIVE if is_archive(member.name) else MAX_MEMBER):
        return f"has {member.size:,} bytes"
    return None


def unpacked(where: Path, file: BinaryIO, opener: object) -> tuple[BinaryIO, str]:
    """What a packed file holds, in a temporary file without a name; and a line where it ends too early, else "".

    Raises:
        DatasetError: it is a bomb, or there is no room for it.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    most = max(SMALL, min(RATIO * size, MAX_ARCHIVE))
    into = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
    try:
        with cast(IO[bytes], opener(file)) as packed:  # type: ignore[operator]
            while piece := packed.read(1 << 20):
                if into.tell() + len(piece) > most:
                    raise DatasetError(f"{where} would unpack to over {most:,} bytes: a bomb")
                into.write(piece)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError) as error:
        return into, f"{where} is damaged or cut off ({error}); fetch it again"
    except OSError as error:
        into.close()
        raise DatasetError(
            f"{where} cannot be unpacked into {tempfile.gettempdir()} ({error.strerror or error}); "
            "unpack it yourself and give byod the folder"
        ) from error
    except BaseException:
        into.close()
        raise
    return into, ""
