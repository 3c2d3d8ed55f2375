"""Writing files: whole or not at all, and never through a link that somebody else planted."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from byod.schema.errors import DatasetError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextmanager
def replacing(file: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Give an empty file beside `file` to write into; it takes the place of `file` when the block ends well.

    Its name cannot be guessed and it is created exclusively, so that no link can lie in wait under it.
    """
    part = file.with_name(f".{secrets.token_hex(8)}.part")
    os.close(os.open(part, _NEW, mode))
    try:
        yield part
        os.replace(part, file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def replace(file: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Put `content` in the place of `file`; a reader sees the old file or the new one, never half of either."""
    with replacing(file, mode=mode) as part:
        part.write_bytes(content)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, to be filled and moved into its place; whatever is left of it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def create(file: Path, content: bytes) -> None:
    """Write a new file.

    Raises:
        FileExistsError: something of that name is there, be it a link into the void.
    """
    with open(os.open(file, _NEW, 0o666), "wb") as stream:
        stream.write(content)


def inside(folder: Path, name: str, known: set[str] | None = None) -> Path:
    """Where the file or folder called `name` lies in a dataset folder.

    Args:
        folder: the dataset folder, which may itself be reached through links.
        name: a relative path with forward slashes, out of a file that a stranger may have written.
        known: folders that were found to be no links during the same act; those on the way are added.

    Raises:
        DatasetError: the name leads out of the folder: it is absolute, holds `..`, or a part of it is a link.
    """
    path = PurePath(name)
    if path.anchor or ".." in path.parts or "\0" in name:
        raise leads_out(folder, name)
    place = str(folder)
    for part in path.parts:
        place = f"{place}{os.sep}{part}"
        if known is not None and place in known:
            continue
        if os.path.islink(place):
            raise DatasetError(
                f"{place} is a link, and byod changes nothing through links; remove it, or put the real file or"
                " folder there"
            )
        if known is not None and part is not path.parts[-1]:
            known.add(place)
    return Path(place)


def leads_out(folder: Path, name: str) -> DatasetError:
    """What is said of a path in a catalog that is none of byod's."""
    return DatasetError(
        f"{folder}: its catalog speaks of {name!r}, which is no place for a picture of a dataset, so nothing was"
        " changed; move its catalog.db away and byod rebuilds it from the class folders"
    )
