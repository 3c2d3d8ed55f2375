"""Names of classes, as people see them."""

from __future__ import annotations

import unicodedata

from byod.schema import names
from byod.schema.errors import UsageError


def check_class_name(name: str) -> str:
    """The name in NFC, with single blanks within and none around it; wherever a class gets its name.

    Raises:
        UsageError: it is empty, `__reject__`, or holds `/` or something that nobody sees.
    """
    if why := no_class_name(name):
        raise UsageError(f"'{names.spelled(name.strip())}' cannot name a class: {why}")
    return tidy(name)


def tidy(name: str) -> str:
    """The name in NFC, with single blanks within and none around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def no_class_name(name: str) -> str | None:
    """The reason why a word can name no class, or None."""
    name = unicodedata.normalize("NFC", name).strip()
    if names.hidden(name):
        return "it holds what nobody sees, or is not UTF-8; type it anew"
    if not name or name == "__reject__" or "/" in name:
        return "give a word or two without '/'"
    return None
