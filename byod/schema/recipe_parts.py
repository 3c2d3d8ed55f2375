"""The parts of a recipe: one class of it, and what one source is asked in a way of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from byod.schema.record import Record
from byod.schema.search_words import Age, Colour, Kind, Meaning, Safe, Size

CHOSEN = ("kind", "safe", "size", "age", "colour")
"""The keys that say which pictures are wanted, for all sources or for one."""
LANGUAGE = r"^[a-z]{2,3}(-[a-z]{2,8})?$"
"""The look of the code of a language: de, en, pt-br."""


def _item(value: object) -> object:
    """A meaning that somebody wrote as the bare number of an item."""
    return {"item": value.strip()} if isinstance(value, str) else value


class ClassRecipe(Record):
    """One class: the name people see, the terms its sources are asked, and what they mean."""

    name: str = Field(description="the name people see; the table's own name is that of the folder")
    queries: tuple[str, ...] = Field((), description="search terms, asked in turn; none: the name itself")
    meaning: Annotated[Meaning | None, BeforeValidator(_item)] = Field(
        None,
        description='what its first query, or else its name, means: a table, or just `"Q47722"`, an item of Wikidata; '
        '`"none"`: search only what was typed; left out: byod looks it up and writes it here',
    )

    @property
    def words(self) -> tuple[str, ...]:
        """The terms its sources are asked, as somebody typed it."""
        return self.queries or (self.name,)


Duplicates = Literal["near", "exact", "off"]
"""Which copies are set aside: all that look the same, those of the same pixels alone, or none."""


class OwnRecipe(Record):
    """Own pictures (`byod add`): somebody chose each of them, so nothing is refused unless it is asked for."""

    min_side: int = Field(1, ge=1, description="refuse those whose shorter side has fewer pixels")
    max_aspect: float | None = Field(
        None,
        ge=1,
        description="refuse those whose longer side is more than so many times the shorter one; left out: none",
    )
    duplicates: Duplicates = Field(
        "exact",
        description="which copies are set aside: `exact`, those of the same pixels; `near`, all that look the same; "
        "`off`, none",
    )


class SourceRecipe(Record):
    """One source asked in a way of its own; what is left out is as for all sources."""

    query: str | dict[str, str] = Field(
        "",
        description="what it is asked instead of the class's words; `{words}` in it stands for them; or a table with a "
        "query for each class's folder",
    )
    kind: Kind | None = Field(None, description="as `kind` above")
    safe: Safe | None = Field(None, description="as `safe` above")
    size: Size | None = Field(None, description="as `size` above")
    age: Age | None = Field(None, description="as `age` above")
    colour: Colour | None = Field(None, description="as `colour` above")


def _form(value: object) -> str:
    """The form of the key `sources`, a list or a table; a wrong word in one of them is said of that one."""
    return "table" if isinstance(value, dict) else "list"


Sources = Annotated[
    Annotated[tuple[str, ...], Tag("list")] | Annotated[dict[str, SourceRecipe], Tag("table")],
    Discriminator(_form),
]
"""The names of sources, or what each of them is asked in a way of its own, by its name."""
