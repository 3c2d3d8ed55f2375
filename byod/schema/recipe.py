"""`byod.toml`, the recipe of a dataset: classes and their queries, sources, filters, licence policy, task and points.

`byod collect` makes it and people edit it: writing keeps their comments and order. A class is known by its
folder's name, which is safe on every system; the name people see stands beside it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, Field, ValidationError
from tomlkit.items import InlineTable

from byod.schema import defaults, file_formats, files, names
from byod.schema.class_name import check_class_name, no_class_name, tidy
from byod.schema.errors import RecipeError
from byod.schema.folder_names import safe_folder
from byod.schema.keypoints import KeypointSet
from byod.schema.recipe_parts import (
    CHOSEN,
    LANGUAGE,
    ClassRecipe,
    Duplicates,
    OwnRecipe,
    SourceRecipe,
    Sources,
)
from byod.schema.records import Policy, Record, SearchOptions, Task, TaskName
from byod.schema.search_words import Age, Colour, Kind, Safe, Size

__all__ = ["ClassRecipe", "OwnRecipe", "SourceRecipe", "check_class_name", "tidy"]

FILE = "byod.toml"
_HEAD = """\
Made by byod and meant to be edited: `byod collect --recipe FOLDER` runs it again.
A table [classes.FOLDER] per class: `name` is what people see, `queries` what the sources are asked."""
_NEAR = 0.85
"""How like a known key an unknown one is to be a slip: 0.86 for `licence`, 0.94 for `per_clas`."""


class Recipe(Record):
    """All of `byod.toml`; `classes` is keyed by folder name. The descriptions stand in docs/recipe.md."""

    format: file_formats.Format = Field(file_formats.FIRST, description="the format of this file")
    task: TaskName = Field(Task.CLASSIFY.value, description="what the dataset is for")
    per_class: int = Field(defaults.PER_CLASS, ge=1, description="pictures to keep of each class")
    sources: Sources = Field(
        defaults.SOURCES,
        description="the sources to ask, in turn: a list, or a table `[sources.NAME]` for each (see below)",
    )
    license: Policy = Field(
        Policy.ANY,
        description="which pictures may be kept: all, those whose licence allows changes, or those whose licence also "
        "allows commercial use; the last two refuse pictures whose licence is not stated",
    )
    languages: tuple[str, ...] = Field(
        defaults.LANGUAGES,
        description="codes of the languages to go on in, by Wikidata's names, when a class falls short; `[]`: none",
    )
    words_in: str | None = Field(
        None,
        pattern=rf"{LANGUAGE}|^none$",
        description="code of the language that the classes' words are in; `none`: nothing is looked up, and only what "
        "was typed is searched; left out: that of the other classes, of this machine, or English",
    )
    kind: Kind = Field(Kind.PHOTO, description="the kind of pictures to ask for, where a source can tell")
    safe: Safe = Field(
        Safe.ON, description="how strictly sources are to leave out what is not for everybody's eyes"
    )
    size: Size | None = Field(None, description="the size to ask for, where a source knows sizes")
    age: Age | None = Field(
        None, description="how old a picture may be at most, where a source knows its date"
    )
    colour: Colour | None = Field(None, description="the colour to ask for, where a source knows colours")
    exclude_hosts: tuple[str, ...] = Field(
        defaults.EXCLUDED_HOSTS,
        description="sites whose pictures are refused, also when they only show them: `example.com` with all its "
        "subdomains, `example` under every ending; `stock` is byod's list of stock sites, whose pictures carry "
        "watermarks",
    )
    deadline: float | None = Field(
        None, gt=0, le=3600, description=f"seconds for one download; left out: {defaults.DEADLINE:g}"
    )
    per_host: int | None = Field(
        None, ge=1, le=64, description=f"pictures asked of one host at once; left out: {defaults.PER_HOST}"
    )
    delay: float | None = Field(
        None,
        ge=0,
        le=3600,
        description=f"seconds between two requests to one host; left out: {defaults.DELAY:g}",
    )
    retries: int | None = Field(
        None,
        ge=0,
        le=20,
        description=f"further tries of a download that failed in passing; left out: {defaults.RETRIES}",
    )
    min_side: int = Field(
        defaults.MIN_SIDE, ge=1, description="refuse pictures whose shorter side has fewer pixels"
    )
    max_side: int | None = Field(
        None,
        ge=32,
        description="make pictures smaller whose longer side has more pixels; left out: files stay as they come",
    )
    max_pixels: int = Field(
        defaults.MAX_PIXELS,
        ge=1,
        description="refuse pictures with more pixels in all, however little memory they take to open",
    )
    max_aspect: float = Field(
        defaults.MAX_ASPECT,
        ge=1,
        description="refuse pictures whose longer side is more than so many times the shorter one",
    )
    captive: bool = Field(
        False,
        description="also animals that are kept and plants that were planted, where a source tells them apart "
        "(inaturalist)",
    )
    refuse_animated: bool = Field(False, description="refuse animations; else their first picture counts")
    duplicates: Duplicates = Field(
        "near",
        description="which copies among the pictures that a search found are set aside: `near`, all that look the "
        "same; `exact`, those of the same pixels; `off`, none",
    )
    own: OwnRecipe = Field(
        OwnRecipe(), description="a table `[own]` for pictures of this machine (see below)"
    )
    split: Literal["folders", "given"] | None = Field(
        None,
        description="a fixed split: `given` is what `captures.csv` says of each picture, `folders` that of the Cat "
        "Dataset, by the folders its pictures came from; left out: by groups",
    )
    split_by: str = Field(
        "session",
        description="which pictures the split keeps together beside near-copies: `session` (taken by one camera within "
        "a minute, in one folder below the class, under running numbers), `folder`, `pattern=REGEX` of names, "
        "`column=NAME` of `captures.csv`, `none`",
    )
    points: KeypointSet | None = Field(
        None, description="the points of an object; needed by the task keypoints"
    )
    classes: dict[str, ClassRecipe] = Field({}, description="a table for each class, named like its folder")

    @property
    def unknown(self) -> tuple[str, ...]:
        """The keys that a newer byod, or somebody's slip, put there: kept and not used."""
        return tuple(key for key, _ in _unknown(self))

    def of_source(self, name: str) -> SourceRecipe:
        """The part of the recipe that is for one source alone."""
        return self.sources.get(name, SourceRecipe()) if isinstance(self.sources, dict) else SourceRecipe()

    def search_options(self, source: str = "") -> SearchOptions:
        """The options of a search at a source, or at all of them."""
        own = self.of_source(source)
        chosen = {name: getattr(own, name) or getattr(self, name) for name in CHOSEN}
        return SearchOptions(
            policy=self.license,
            wanted=self.per_class,
            min_side=self.min_side,
            excluded_hosts=self.exclude_hosts,
            beside=tuple(self.sources),
            **chosen,
        )

    def folder_of(self, name: str) -> str | None:
        """The folder of the class people see as `name`, or None."""
        wanted = tidy(name)
        for folder, entry in self.classes.items():
            if wanted in (tidy(entry.name), folder):
                return folder
        return None

    def with_class(self, name: str, queries: Iterable[str] = ()) -> Recipe:
        """This recipe with the class added, or with the queries added to it when it is there.

        Raises:
            UsageError: the name cannot name a class.
        """
        name = check_class_name(name)
        folder = self.folder_of(name) or safe_folder(name, self.classes)
        before = self.classes.get(folder, ClassRecipe(name=name))
        merged = tuple(dict.fromkeys((*before.queries, *(query.strip() for query in queries))))
        entry = before.model_copy(update={"queries": tuple(query for query in merged if query)})
        return self.model_copy(update={"classes": {**self.classes, folder: entry}})


def read(folder: Path) -> Recipe:
    """Read the recipe of a dataset folder.

    Raises:
        RecipeError: it is missing, is not TOML, says something that cannot be, or a newer byod wrote it.
    """
    file = folder / FILE
    try:
        values = tomllib.loads(files.read(file).decode())
        if not values:  # as a power cut may leave it: nothing is not "any licence will do"
            raise RecipeError(
                f"{file} says nothing: bring back an older copy of it, or write it anew (docs/recipe.md); until then"
                " nothing is changed here"
            )
        file_formats.check(file, values.get("format", file_formats.FIRST), RecipeError)
    except FileNotFoundError:
        raise RecipeError(f"{folder} has no {FILE}: it is not a byod dataset") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, a number of thousands of digits
        raise RecipeError(f"{file} is not TOML: {error}; {_advice(file)}") from error
    return _checked(values, file)


def _advice(file: Path) -> str:
    """Say what to do about a file that is not TOML; one slip is likely, since byod writes `sources` as a list."""
    text = files.read(file).decode(errors="replace")
    if re.search(r"^sources\s*=", text, re.MULTILINE) and re.search(r"^\[sources\.", text, re.MULTILINE):
        return (
            "sources is a list and a table here: remove the line `sources = …`, and give each source a table"
        )
    return "fix it"


def _unknown(recipe: Recipe) -> list[tuple[str, tuple[str, ...]]]:
    """The unknown keys with their tables' names, and the keys that their tables may have."""
    tables: dict[str, BaseModel | None] = {"": recipe, "points.": recipe.points, "own.": recipe.own}
    tables |= {f"classes.{folder}.": entry for folder, entry in recipe.classes.items()}
    tables |= {f"classes.{folder}.meaning.": entry.meaning for folder, entry in recipe.classes.items()}
    if isinstance(recipe.sources, dict):
        tables |= {f"sources.{name}.": own for name, own in recipe.sources.items()}
    return [
        (f"{name}{key}", tuple(type(table).model_fields))
        for name, table in tables.items()
        if table is not None
        for key in table.model_extra or ()
    ]


def _check_slips(recipe: Recipe, file: Path) -> None:
    """Refuse a key that is nearly one of byod's: a slip of the pen, unless a newer byod says that it wrote it."""
    if str(recipe.format) != str(file_formats.FIRST):
        return
    for key, known in _unknown(recipe):
        near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1, cutoff=_NEAR)
        if near:
            raise RecipeError(f"{file}: {key}: did you mean {near[0]}? fix that line")


def _checked(values: dict[str, object], file: Path) -> Recipe:
    try:
        recipe = Recipe.model_validate(values, extra="allow")
    except ValidationError as error:
        raise RecipeError(f"{file}: {file_formats.fault(error)}; fix that line") from error
    _check_slips(recipe, file)
    used: dict[str, str] = {}
    for folder, entry in recipe.classes.items():
        if why := no_class_name(entry.name):
            raise RecipeError(f"{file}: [classes.{folder!r}] name '{names.spelled(entry.name)}': {why}")
        key = unicodedata.normalize("NFC", folder).casefold()
        if safe_folder(folder) != folder or key in used:
            raise RecipeError(
                f"{file}: [classes.{folder!r}] is no safe or no unique folder name; rename it and the folder"
            )
        used[key] = folder
    return recipe


def write(folder: Path, recipe: Recipe) -> None:
    """Write the recipe, keeping the comments and order that are there; nothing is written when nothing changed."""
    file = folder / FILE
    document = tomlkit.document()
    before = recipe if not file.exists() else read(folder)
    if file.exists():
        if before == recipe or _append_classes(file, before, recipe):
            return
        document = tomlkit.parse(files.read(file).decode())
    else:
        for line in _HEAD.splitlines():
            document.add(tomlkit.comment(line))
    was = _values(before) if file.exists() else {}
    for key, value in _values(recipe).items():
        if key not in was or was[key] != value:
            document[key] = value
    for key in (name for name, field in Recipe.model_fields.items() if field.default in (None, OwnRecipe())):
        if key in document and getattr(recipe, key) in (None, OwnRecipe()):
            del document[key]
    if isinstance(
        document.get("classes"), InlineTable
    ):  # all in one line, in which no further table can stand
        del document["classes"]
    _set_classes(document, recipe)
    text = tomlkit.dumps(document)
    if not _says(text, recipe, file):  # dotted keys between others, say: the tables go to the end
        for key in ("classes", "own"):
            document.pop(key, None)
        if recipe.own != OwnRecipe():
            document["own"] = _values(recipe)["own"]
        _set_classes(document, recipe)
        text = tomlkit.dumps(document)
    files.replace(file, text.encode(), flush=True)


def _set_classes(document: tomlkit.TOMLDocument, recipe: Recipe) -> None:
    """Put each class's table into the document, its unchanged lines left alone."""
    classes = document.setdefault("classes", tomlkit.table(is_super_table=True))
    for folder_name, entry in recipe.classes.items():
        table = classes.setdefault(folder_name, tomlkit.table())
        for key, value in _class_values(entry).items():
            if table.get(key) != value:
                table[key] = value


def _says(text: str, recipe: Recipe, file: Path) -> bool:
    """True if this text of the file, read back, is the recipe."""
    try:
        return _checked(tomllib.loads(text), file) == recipe
    except (ValueError, RecipeError):
        return False


def _append_classes(file: Path, before: Recipe, recipe: Recipe) -> bool:
    """Write classes that are all that is new behind the others, where the file lets them; whether that was done.

    Thousands of them come bit by bit out of a list, and each time the whole file would be taken apart.
    """
    there = {folder: recipe.classes.get(folder) for folder in before.classes}
    if there != before.classes or recipe.model_copy(update={"classes": before.classes}) != before:
        return False
    classes = tomlkit.table(is_super_table=True)
    for folder, entry in recipe.classes.items():
        if folder not in before.classes:
            classes[folder] = _class_values(entry)
    document = tomlkit.document()
    document["classes"] = classes
    text = f"{files.read(file).decode().rstrip()}\n\n{tomlkit.dumps(document)}"
    as_meant = _says(text, recipe, file)
    if as_meant:  # not where the classes stand in one line, behind which no table can come
        files.replace(file, text.encode(), flush=True)
    return as_meant


def _class_values(entry: ClassRecipe) -> dict[str, Any]:
    """The keys of a class's table; its meaning stands in one line of it."""
    values = entry.model_dump(mode="json", exclude={"meaning"}) | (entry.model_extra or {})
    if entry.meaning is not None:
        values["meaning"] = _in_one_line(entry.meaning.model_dump(mode="json", exclude_defaults=True))
    return values


def _in_one_line(values: dict[str, Any]) -> Any:
    table = tomlkit.inline_table()
    table.update({k: _in_one_line(v) if isinstance(v, dict) else v for k, v in values.items()})
    return table


def _values(recipe: Recipe) -> dict[str, Any]:
    """The keys of the file but for its classes; what a newer byod put there as TOML has it."""
    values = recipe.model_dump(mode="json", exclude={"classes", "own"}, exclude_none=True)
    if recipe.own != OwnRecipe():
        values["own"] = recipe.own.model_dump(mode="json", exclude_defaults=True)
    if isinstance(recipe.sources, dict):
        values["sources"] = {
            name: own.model_dump(mode="json", exclude_defaults=True) for name, own in recipe.sources.items()
        }
    return values | (recipe.model_extra or {})
