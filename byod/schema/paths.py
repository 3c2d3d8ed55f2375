"""Paths out of files that a stranger may have written, parsed where they enter: none can leave its folder.

The catalog's rows are looked at all at once instead (`byod.dataset.catalog.strange`), by the same rules.
"""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator

_ROOMS = re.compile(r"(images|rejected)(/[^./][^/]*){1,2}|\.byod/incoming/[^./][^/]*", re.DOTALL)
_ORIGINALS = re.compile(r"originals/[0-9a-f]{64}\.[a-z0-9]{2,4}")
_FOREIGN = "\\:" if os.name == "nt" else ""


def relative(path: str) -> str:
    """The path, which has forward slashes and leads nowhere but into the folder that it is relative to.

    Raises:
        ValueError: it is empty or absolute, or has a part that is empty, `.` or `..`, or what no name may hold.
    """
    if any(part in ("", ".", "..") for part in path.split("/")) or set(path) & {"\0", *_FOREIGN}:
        raise ValueError(f"{path!r} does not lead to a place in its folder")
    return path


def of_picture(path: str) -> str:
    """The path of a picture in a dataset: in a class folder, among the rejected, or waiting; "" where it has none.

    Raises:
        ValueError: it leads to another place.
    """
    if path and _ROOMS.fullmatch(relative(path)) is None:
        raise ValueError(f"{path!r} is not a place for a picture of a dataset")
    return path


def of_original(path: str) -> str:
    """The path of an original in a dataset, for which a JPEG stands in a class folder; "" where there is none.

    Raises:
        ValueError: it leads to another place.
    """
    if path and _ORIGINALS.fullmatch(path) is None:
        raise ValueError(f"{path!r} is not a place for an original of a dataset")
    return path


def folder_name(name: str) -> str:
    """The name of a class folder, which is one part of a path, and not hidden; "" where there is no class.

    Raises:
        ValueError: it could lead elsewhere.
    """
    if name and (name.startswith(".") or "/" in relative(name)):
        raise ValueError(f"{name!r} is not the name of a class folder")
    return name


RelativePath = Annotated[str, AfterValidator(relative)]
"""A path within a folder."""

PicturePath = Annotated[str, AfterValidator(of_picture)]
"""A path within a dataset where a picture may lie, or nothing."""

OriginalPath = Annotated[str, AfterValidator(of_original)]
"""A path within a dataset where an original may lie, or nothing."""

FolderName = Annotated[str, AfterValidator(folder_name)]
"""The name of a class folder, or nothing."""
