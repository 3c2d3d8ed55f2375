"""Places in a folder that a stranger may have made: a name out of a file leads to one, or is an error."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path, PurePath, PurePosixPath

from byod.schema.errors import DatasetError


def beside(folder: str, path: str) -> str:
    """The file in `folder` with the labels of a picture: beside `images/cat/3fa9.jpg` lies `points/3fa9.json`."""
    return f"{folder}/{PurePosixPath(path).stem}.json"


def inside(folder: Path, name: str, known: set[str] | None = None) -> Path:
    """The path of the file or folder called `name` in a dataset folder.

    Args:
        folder: the dataset folder, which may itself be reached through links.
        name: a relative path with forward slashes, out of a file that a stranger may have written.
        known: folders that were found to be no links during the same act; those on the way are added.

    Raises:
        DatasetError: the name leads out of the folder: it is absolute, holds `..`, or a part of it is a link.
    """
    return Path(check_inside(str(folder), name, set() if known is None else known))


def check_inside(folder: str, name: str, known: set[str]) -> str:
    """As `inside`, for many names: a path object takes as long as looking at a file."""
    place = folder
    parts = parts_of(folder, name)
    for part in parts:
        place = f"{place}{os.sep}{part}"
        if place in known:
            continue
        if os.path.islink(place):
            raise is_link(Path(place))
        if part is not parts[-1]:
            known.add(place)
    return place


def is_link(place: Path) -> DatasetError:
    """The error for a link where byod keeps something of its own."""
    return DatasetError(
        f"{place} is a link, and byod reads and changes what is its own through none; remove it, or put the real"
        " file or folder there"
    )


def leads_out(folder: Path | str, name: str) -> DatasetError:
    """The error for a path in a catalog that is none of byod's."""
    return DatasetError(
        f"{folder}: its catalog speaks of {name!r}, which is not a place for a picture of a dataset, so nothing was"
        " changed; move its catalog.db away and byod rebuilds it from the class folders"
    )


def no_folder(place: Path) -> DatasetError:
    """The error for what is no folder where byod needs one."""
    return DatasetError(f"{place} is not a folder, and byod needs one there; move it away")


def no_file(place: Path, mode: int) -> DatasetError:
    """The error for what is no ordinary file where byod needs one; `mode` says what it is."""
    if stat.S_ISLNK(mode):
        return is_link(place)
    return DatasetError(f"{place} is not an ordinary file, and byod needs one there; move it away")


def parts_of(folder: Path | str, name: str) -> tuple[str, ...]:
    """The parts of a name that leads nowhere else."""
    if os.sep == "/":  # a path object takes as long as opening the file
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        anchor = name[:1] == "/"
    else:
        path = PurePath(name)
        parts, anchor = path.parts, bool(path.anchor)
    if anchor or ".." in parts or "\0" in name:
        raise leads_out(folder, name)
    return parts


def check_file_system() -> None:
    """See that Python reads the names of files as UTF-8; else each of another alphabet would be taken for gone.

    Raises:
        DatasetError: an old locale, or a variable of Python's, says otherwise.
    """
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise DatasetError(
            f"file names are read as {encoding} here, and those of a dataset are UTF-8; set PYTHONUTF8=1 and run the"
            " command again"
        )
