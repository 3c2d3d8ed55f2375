"""Lists of words that grow from version to version: a word of a newer byod is kept as it is."""

from __future__ import annotations

from enum import StrEnum


class OpenEnum(StrEnum):
    """Base of the lists of words that stand in files: a word that is not in the list is read, shown and written back.

    It equals its text, is equal to none of the list, and iterating over the list leaves it out.
    """

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown

    @property
    def known(self) -> bool:
        """True if the word is in the list of this byod."""
        return self._name_ in type(self).__members__
