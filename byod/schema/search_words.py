"""The words of a search beside its terms: what a word means, and which kind of pictures is wanted."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from byod.schema.record import Record

NONE = "none"
"""In the place of an item or a language: words mean nothing but themselves."""
ENGLISH = "en"
KEYS = {
    "P373": "its category at Wikimedia Commons",
    "P225": "its scientific name",
    "P3151": "its number at iNaturalist",
    "P846": "its number at GBIF",
    "P646": "its number at Freebase, as Open Images has it",
}
"""The properties of an item that are its name elsewhere."""


class Meaning(Record):
    """The thing that the word for a class means: an item of Wikidata, with its English name and description.

    `language` is the code of the language in which the word is its name; empty where it is none of its names.
    """

    item: str = Field(
        pattern=rf"^({NONE}|Q[1-9][0-9]{{0,11}})$",
        description="the number of the item at Wikidata, like `Q47722`; `none`: search only what was typed",
    )
    name: str = Field("", description="its English name, for sources that know no language")
    description: str = Field("", description="what it is, in English; for people")
    language: str = Field("", description="code of the language in which the class's word is its name")
    keys: dict[str, str] = Field({}, description="its names elsewhere, by the properties of Wikidata")

    @property
    def known(self) -> bool:
        """True if there is an item, and it was looked up."""
        return self.item != NONE and bool(self.name or self.language)

    @property
    def words(self) -> str:
        """The meaning in one line: `broccoli, edible green plant, Q47722`."""
        return ", ".join(part for part in (self.name, self.description, self.item) if part)


class Kind(StrEnum):
    """The kind of pictures that is wanted."""

    PHOTO = "photo"
    DRAWING = "drawing"
    ANY = "any"


class Safe(StrEnum):
    """The strength of the filter against what is not for everybody's eyes."""

    ON = "on"
    MODERATE = "moderate"
    OFF = "off"


class Size(StrEnum):
    """The size of pictures in the words of search pages."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Age(StrEnum):
    """The time since a picture was found or taken, at most."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


DAYS = {Age.DAY: 1, Age.WEEK: 7, Age.MONTH: 31, Age.YEAR: 366}


Colour = Literal[
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "grey",
    "white",
    "monochrome",
]
"""The colour that a picture has most of."""
