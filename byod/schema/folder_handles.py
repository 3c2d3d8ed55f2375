"""Handles of open folders, below which files are reached without following a link (openat(2), O_NOFOLLOW)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class Handle:
    """The number of an open folder; it is closed when nobody uses it any more, so that threads may share it."""

    __slots__ = ("_owned", "number")

    def __init__(self, number: int, *, owned: bool = True) -> None:
        self.number, self._owned = number, owned

    def __del__(self) -> None:
        if self._owned:
            os.close(self.number)


def below(folder: int, parts: tuple[str, ...]) -> Handle:
    """Open the folder that these names lead to from an open one, which is not taken over.

    Raises:
        OSError: there is none, or one of them is a link.
    """
    found = Handle(folder, owned=False)
    for part in parts:
        found = Handle(os.open(part, FOLDER | NO_LINK, dir_fd=found.number))
    return found


def is_at(folder: int | None, path: Path) -> bool:
    """True if the open folder is the one at a path; where there are no handles (None), if there is any folder."""
    if folder is None:
        return path.is_dir()
    try:
        return os.path.samestat(os.stat(path), os.fstat(folder))
    except OSError:
        return False


@contextlib.contextmanager
def naming(folder: Path, *parts: str) -> Iterator[None]:
    """Have errors inside name the whole place: those of a handle know the last part of it, or nothing."""
    try:
        yield
    except OSError as error:
        named = isinstance(error.filename, str) and os.path.isabs(error.filename)
        if error.errno is not None and not named and not isinstance(error, ConnectionError):
            error.filename = str(folder.joinpath(*parts))
        raise
