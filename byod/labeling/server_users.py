"""The processes that use byod's own Label Studio at the moment: the last of them stops it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byod.labeling import detached_process
from byod.labeling.home import private_folder, write_private

_ROOM = "users"


@contextmanager
def registered(folder: Path) -> Iterator[None]:
    """Be known as one who uses the server, for the block."""
    private_folder(folder / _ROOM)
    mine = folder / _ROOM / f"{os.getpid()}-{secrets.token_hex(4)}"
    write_private(mine, detached_process.born(os.getpid()) or "")
    try:
        yield
    finally:
        mine.unlink(missing_ok=True)


def others(folder: Path) -> bool:
    """True if more than one process uses the server; those that were killed count no more."""
    living = 0
    for file in (folder / _ROOM).glob("*-*"):
        number = file.name.partition("-")[0]
        try:
            began = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue  # it has just left
        if number.isdecimal() and detached_process.born(int(number)) == began:
            living += 1
        else:
            file.unlink(missing_ok=True)
    return living > 1
