"""Folders `train/`, `val/` and `test/` above class folders: the split that pictures came with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from byod.schema.records import Split
from byod.schema.split_words import WORDS


class Place(NamedTuple):
    """A folder of class folders, and the part of the split that it holds (None: none is said)."""

    folder: Path
    part: Split | None


def places(path: Path) -> tuple[Place, ...]:
    """The folders of class folders at a path: those of its parts, where all of its folders are parts with classes."""
    folders = _folders(path)
    parts = [(folder, WORDS.get(folder.name.casefold())) for folder in folders]
    if len(parts) < 2 or any(part is None or not _folders(folder) for folder, part in parts):
        return (Place(path, None),)
    if len({part for _, part in parts}) < len(parts):
        return (Place(path, None),)
    return tuple(Place(folder, part) for folder, part in parts)


def described(found: Iterable[Place]) -> str:
    """The parts, by the names of their folders, for a line."""
    return ", ".join(f"{place.folder.name}/" for place in found)


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    except OSError:
        return []  # reading it says why
