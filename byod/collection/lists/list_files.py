"""The files of a list: one, a folder or pattern of shards, or standard input; and their bytes, unpacked."""

from __future__ import annotations

import contextlib
import glob
import gzip
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from byod.collection.http.web_address import canonical
from byod.collection.lists.list_rows import ListError
from byod.schema.errors import UsageError
from byod.schema.names import PassedOver

STANDARD_INPUT = "-"
KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""The kinds of lists by the ending of their file; all but parquet may have .gz behind it."""
MAX_COPIED = 20_000_000_000
"""Bytes of a list that comes through a pipe: it is copied to the disk first, since it may be read twice."""
FREE = 100_000_000
MAX_RATIO = 200
"""How many times its packed size a list may unpack to, beyond the first `FREE` bytes; addresses come to ten times."""
_GZIP = b"\x1f\x8b"
_HEAD = 1 << 16


@dataclass(frozen=True)
class ListFile:
    """One file of a list: its name for messages, the kind of its content, and where that lies, or a copy of it."""

    name: str
    kind: str
    content: Path | BinaryIO

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its bytes from the beginning, unpacked where they are packed.

        Raises:
            ListError: it cannot be read.
        """
        try:
            with contextlib.ExitStack() as stack:
                content = self.content
                stream = stack.enter_context(content.open("rb")) if isinstance(content, Path) else content
                stream.seek(0)
                packed = stream.read(2) == _GZIP
                size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                yield io.BufferedReader(_Unpacked(stream, size), _HEAD) if packed else stream
        except OSError as error:
            raise ListError(f"{self.name} cannot be read ({error.strerror or error})") from error


class _Unpacked(io.RawIOBase):
    """A gzip file as it is unpacked, which ends with an error where it unpacks to far too much."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._unpacked, self._given = gzip.GzipFile(fileobj=stream), 0
        self._most = max(FREE, MAX_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, place: memoryview) -> int:  # type: ignore[override]
        try:
            piece = self._unpacked.read1(len(place))
        except (zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise OSError(f"its packed content is damaged or ends too early: {error}") from error
        self._given += len(piece)
        if self._given > self._most:
            raise OSError(f"it unpacks to more than {MAX_RATIO} times its size")
        place[: len(piece)] = piece
        return len(piece)


@contextlib.contextmanager
def found(path: Path, column: str) -> Iterator[tuple[ListFile, ...]]:
    """The files of the list that a path names, in the order of their names.

    Args:
        path: a file, a folder or pattern (`shards/*.parquet`) of files of one kind, or `-` for standard input.
        column: that of addresses, by which a table is known that comes through a pipe.

    Raises:
        UsageError: there is no such file, or its kind is not known.
    """
    with contextlib.ExitStack() as stack:
        if str(path) == STANDARD_INPUT:
            copied = stack.enter_context(_copied("standard input", sys.stdin.buffer))
            yield (ListFile("standard input", _kind_of(copied, "standard input", column), copied),)
        elif path.is_dir():
            yield _shards(path, _below(path))
        elif path.is_file():
            yield (ListFile(str(path), _kind(path), path),)
        elif path.exists():  # a pipe, as a shell's <(…) makes one
            with path.open("rb") as stream:
                copied = stack.enter_context(_copied(str(path), stream))
            yield (ListFile(str(path), _kind_of(copied, str(path), column), copied),)
        else:
            names = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(str(path)) else []
            places = [Path(name) for name in names if _is_ordinary(Path(name))]
            if not places:
                raise UsageError(f"there is no file {path}")
            yield _shards(path, places)


def _below(folder: Path) -> list[Path]:
    """The lists in a folder and below it; neither links nor what is hidden."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            file = Path(place, name)
            if not name.startswith((".", "_")) and _kind_by_name(file) and _is_ordinary(file):
                found.append(file)
    return found


def _is_ordinary(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _shards(path: Path, places: list[Path]) -> tuple[ListFile, ...]:
    passed = PassedOver()
    files = tuple(
        ListFile(
            place.relative_to(path).as_posix() if place.is_relative_to(path) else str(place),
            _kind(place),
            place,
        )
        for place in places
        if passed.takes(str(place))
    )
    kinds = sorted({file.kind for file in files})
    if len(kinds) > 1:
        raise UsageError(
            f"{path} holds lists of several kinds ({', '.join(kinds)}); name those of one, like --from-urls"
            f" '{path / f'*.{kinds[0]}' if path.is_dir() else f'*.{kinds[0]}'}'"
        )
    if not files:
        raise UsageError(f"{path} holds no list that byod reads; they end in {', '.join(KINDS)}")
    return files


def _kind_by_name(file: Path) -> str | None:
    name = file.name.lower()
    kind = KINDS.get(Path(name.removesuffix(".gz")).suffix)
    return None if kind == "parquet" and name.endswith(".gz") else kind


def _kind(file: Path) -> str:
    kind = _kind_by_name(file)
    if kind is None:
        raise UsageError(f"{file} is not a list that byod reads; it should end in {', '.join(KINDS)}")
    return kind


@contextlib.contextmanager
def _copied(name: str, stream: BinaryIO) -> Iterator[BinaryIO]:
    """A copy of what comes through a pipe, for as long as the block lasts."""
    with tempfile.TemporaryFile() as copy:
        size = 0
        while piece := stream.read(1 << 20):
            size += len(piece)
            if size > MAX_COPIED:
                raise ListError(
                    f"{name}: more than {MAX_COPIED // 1_000_000_000} GB; write it to a file first"
                )
            copy.write(piece)
        yield copy


def _kind_of(copied: BinaryIO, name: str, column: str) -> str:
    """The kind of a list without a name, by how it begins.

    Raises:
        UsageError: it begins like none.
    """
    with ListFile(name, "", copied).opened() as stream:
        head = stream.read(_HEAD)
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PAR1"):
        return "parquet"
    if first.startswith((b"[", b"{")):
        return "json" if first.startswith(b"[") else "jsonl"
    line = first.partition(b"\n")[0].decode(errors="replace").strip()
    for sign in ("\t", ",", ";"):
        if column in [part.strip().strip('"').lower() for part in line.split(sign)]:
            return "tsv" if sign == "\t" else "csv"
    if canonical(line) is not None:
        return "txt"
    raise UsageError(
        f"{name} begins neither with the columns of a table, one of them {column!r}, nor with JSON, nor with an address"
    )
