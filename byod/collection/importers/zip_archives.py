"""Zip archives, read in place.

What a zip says of itself is looked at before anything is read from it: names that lead out of it, encryption, links,
sizes that no honest archive has. A member is never read beyond the size it states.
Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

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

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""Errors that zipfile has been seen to raise for damaged members."""


class ZipStore:
    """The files of a zip archive, which several threads may read.

    Args:
        where: the archive's name, for messages; one in another archive is named by both.
        file: its bytes, where it is not a file of that name.

    Raises:
        DatasetError: it is none, is cut off, encrypted, or not to be trusted; the line says which.
    """

    def __init__(self, where: Path, file: BinaryIO | None = None) -> None:
        self.where = where
        try:
            self._zip = zipfile.ZipFile(file or where)
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
        twice = []
        for member in members:
            name = member.filename.replace("\\", "/")
            if member.is_dir() or any(is_hidden(part) for part in name.split("/")):
                continue
            if self._members.setdefault(name, member) is not member:
                twice.append(name)
        self.damaged: tuple[str, ...] = ()
        self.passed_over = said_twice(where, twice, "first")
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
        size = self._size()
        whole = sum(member.file_size for member in members)
        if whole > SMALL and whole > RATIO * size:
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

    def _size(self) -> int:
        """Bytes of the whole archive."""
        file = self._zip.fp
        assert file is not None  # it is open
        return file.seek(0, os.SEEK_END)

    def read(self, name: str) -> bytes:
        """The bytes of a member; see `Store`."""
        member = self._members[name]
        try:
            with self._zip.open(member) as opened:
                return opened.read(member.file_size)
        except OSError as error:
            raise DamagedError(f"{self.where}: {name} cannot be read ({error.strerror or error})") from error
        except _DAMAGE as error:
            raise DamagedError(f"{self.where} is damaged at {name} ({error}); fetch it again") from error

    def copy(self, name: str, into: BinaryIO) -> None:
        """Write the bytes of a member, which may be more than memory holds, into a file.

        Raises:
            DamagedError: they cannot be read.
        """
        try:
            with self._zip.open(self._members[name]) as opened:
                shutil.copyfileobj(opened, into, 1 << 20)
        except _DAMAGE as error:
            raise DamagedError(f"{self.where} is damaged at {name} ({error}); fetch it again") from error


def _refused(member: zipfile.ZipInfo) -> str | None:
    """The reason to keep away from the whole archive because of a member, or None."""
    if why := refused_name(member.filename.replace("\\", "/")):
        return why
    if member.flag_bits & 0x41:
        return "is encrypted; unpack it with its password and give byod the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.file_size > (MAX_ARCHIVE if is_archive(member.filename) else MAX_MEMBER):
        return f"would unpack to {member.file_size:,} bytes"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way byod does not know (method {member.compress_type})"
    return None
