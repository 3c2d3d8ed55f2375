"""Folder names for classes: fit for every system, and unique."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

from byod.schema import names

_WINDOWS_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
}
"""Names that Windows keeps for itself, with any ending and blanks before it.

Source: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
"""


def safe_folder(name: str, taken: Iterable[str] = ()) -> str:
    """A folder name for the class: NFC, fit for Linux, macOS and Windows, and unique among `taken` ignoring case."""
    return unused(fit(name), {folded(other) for other in taken})


def folded(folder: str) -> str:
    """A folder's name as file systems compare it that know no case."""
    return unicodedata.normalize("NFC", folder).casefold()


def fit(name: str) -> str:
    """The name of a class as a folder can bear it on every system."""
    seen = names.visible(unicodedata.normalize("NFC", name), "_")
    cleaned = re.sub(r'[<>:"/\\|?*]', "_", seen).strip().rstrip(". ")
    while len(cleaned.encode()) > 120:
        cleaned = names.visible(cleaned[:-1], "").rstrip(". ")  # an emoji may have been cut in two
    if not cleaned:
        cleaned = "class"
    if cleaned.startswith(".") or cleaned.split(".")[0].rstrip().casefold() in _WINDOWS_DEVICES:
        cleaned = f"_{cleaned}"
    return cleaned


def unused(cleaned: str, used: Container[str]) -> str:
    """The name, or one with a number behind it, that is not among those in use."""
    folder, number = cleaned, 2
    while folder.casefold() in used:
        folder, number = f"{cleaned}-{number}", number + 1
    return folder
