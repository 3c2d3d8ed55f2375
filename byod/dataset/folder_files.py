"""The files in class folders and among the rejected, as they lie there, and the links among them.

A link is passed over, as is whatever is neither file nor folder. Only pictures below `images/` are read through links,
and only when the person at work says so: a folder from somebody else could lead anywhere. Behind a link nothing is ever
written, moved or removed.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from byod.dataset.own_places import IMAGES, REJECTED
from byod.schema import places
from byod.schema.errors import DatasetError
from byod.schema.files import Folder
from byod.schema.folder_names import safe_folder
from byod.schema.names import PassedOver
from byod.schema.recipe import Recipe
from byod.schema.records import Record

_IGNORED = {"thumbs.db", "desktop.ini"}
_SHOWN = 3


class FoundFile(Record):
    """A file as it lies there; `sha256` once it was read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""


@dataclass
class Links:
    """The links that a scan of the folders found: paths of class folders and of pictures.

    `followed` are read, `passed` are not, nor is `strange`: what is neither file, folder nor link. `stayed` are
    pictures that would have moved, had no link been on the way. `unreadable` are pictures and folders of them that
    this user may not read: what was known of them stays.
    """

    follow: bool = False
    followed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    stayed: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    def behind(self, path: str) -> bool:
        """True of a picture that is read through a link, or would lie behind one."""
        return path in self.followed or os.path.dirname(path) in self.followed

    def hides(self, path: str) -> bool:
        """True if nothing may be read at this path."""
        hidden = self.passed | self.unreadable
        return path in hidden or path in self.strange or os.path.dirname(path) in hidden

    def find_folders(self, folder: Path, recipe: Recipe) -> None:
        """Find the folders that are links.

        Raises:
            DatasetError: the folder of a reason is a link, or that of a class which is not to be followed.
        """
        for room in (IMAGES, REJECTED):
            for entry in sorted((folder / room).iterdir()) if (folder / room).is_dir() else ():
                if not entry.is_symlink():
                    continue
                path = f"{room}/{entry.name}"
                if room == REJECTED:
                    places.inside(folder, path)
                elif self.follow and entry.is_dir() and _is_safe(entry.name):
                    self.followed.add(path)
                elif entry.name in recipe.classes:
                    raise DatasetError(
                        f"{folder / path} is a link, and byod reads pictures through links only when told to; pass"
                        " --follow-links, or put the real folder there"
                    )
                else:
                    self.passed.add(path)

    def lines(self) -> list[str]:
        """Say how many were passed over."""
        found = [
            (self.passed, "links are passed over; --follow-links reads the pictures behind them"),
            (self.strange, "are passed over, since they are no ordinary files"),
            (self.unreadable, "are passed over, since they may not be read; allow reading them to use them"),
        ]
        return [f"{len(some)} {words}: {_some(some)}" for some, words in found if some]

    def stays(self) -> list[str]:
        """Say which pictures did not move."""
        if not self.stayed:
            return []
        return [
            f"{len(self.stayed)} pictures stay where they are, since byod moves nothing to or from behind a link:"
            f" {_some(self.stayed)}; move them by hand"
        ]

    def files(self, root: Path, room: str, folder: str | None = None) -> Iterator[FoundFile]:
        """The files one folder below `room` (of one folder, when named), neither hidden nor a system's own."""
        if not (root / room).is_dir():
            return
        with os.scandir(root / room) as folders:
            names = sorted(
                entry.name
                for entry in folders
                if entry.is_dir(follow_symlinks=False) or f"{room}/{entry.name}" in self.followed
            )
        names = names if folder is None else [folder]
        for name in names:
            if name.startswith("."):
                continue
            try:
                with os.scandir(root / room / name) as entries:
                    there = [entry for entry in entries if not _is_no_picture(room, entry.name)]
            except PermissionError:
                self.unreadable.add(f"{room}/{name}")
                continue
            for entry in there:
                found = self._found(f"{room}/{name}/{entry.name}", entry, room == IMAGES)
                if found is not None:
                    yield found

    def named_files(
        self, root: Path, room: str, passed: PassedOver, folder: str | None = None
    ) -> Iterator[FoundFile]:
        """Those of `files` whose names can be written down; the others are counted."""
        return (file for file in self.files(root, room, folder) if passed.takes(file.path))

    def _found(self, path: str, entry: os.DirEntry[str], followable: bool) -> FoundFile | None:
        """The file of an entry; None where there is none to be read, which is noted."""
        through = False
        if not entry.is_file(follow_symlinks=False):
            if entry.is_dir(follow_symlinks=False):
                return None
            through = entry.is_symlink()
            if not (through and followable and self.follow and entry.is_file()):
                (self.passed if through else self.strange).add(path)
                return None
            self.followed.add(path)
        stat = entry.stat(follow_symlinks=through)
        return FoundFile.model_construct(path=path, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def move_all(within: Folder, source: str, target: str) -> None:
    """Move the files of one folder of an open folder into another one, overwriting none, and remove it."""
    within.make(target)
    for file in sorted((within.path / source).iterdir()):
        place, number = within.path / target / file.name, 2
        while place.exists():
            place, number = place.with_name(f"{file.stem}-{number}{file.suffix}"), number + 1
        within.move(f"{source}/{file.name}", f"{target}/{place.name}")
    within.remove_folder(source)


def is_folder(path: Path, links: Links) -> bool:
    """True of a class folder that is to be looked at."""
    return path.is_dir() and (not path.is_symlink() or f"{IMAGES}/{path.name}" in links.followed)


def _is_no_picture(room: str, name: str) -> bool:
    if name[0] == "." or name.casefold() in _IGNORED or name.endswith(".part"):
        return True
    return room == REJECTED and name.endswith(".json")  # labels of a picture that was taken away


def _is_safe(name: str) -> bool:
    """True of a name that byod would give a class folder: one behind a link is not renamed."""
    return unicodedata.is_normalized("NFC", name) and safe_folder(name) == name


def _some(names: set[str]) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
