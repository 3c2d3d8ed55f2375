"""Put what `collect` and `add` were given over the recipe that is there.

A message names an option as the command line has it: `--per-class` is `per_class` in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from pydantic import ValidationError

from byod.collection import stock_hosts
from byod.collection.download import Limits
from byod.collection.meanings import Choose
from byod.collection.wikidata import check_language
from byod.dataset import dataset_list
from byod.schema import defaults, licences, recipe
from byod.schema.config import Settings
from byod.schema.errors import DatasetError, UsageError
from byod.schema.keypoints import NOTHING
from byod.schema.names import in_utf8, is_utf8, visible
from byod.schema.reasons import Reason, When
from byod.schema.recipe import ClassRecipe, Recipe, SourceRecipe
from byod.schema.search_words import NONE, Meaning
from byod.tasks import TASKS

Terms = Mapping[str, str | Iterable[str]]
"""Search terms by class: one, or several."""


class LimitOptions(TypedDict, total=False):
    """Limits of downloading, as `byod.schema.defaults` has them where they are not given.

    `deadline` is in seconds for one whole request, `delay` in seconds between two requests to one host.
    """

    deadline: float
    max_bytes: int
    redirects: int
    per_host: int
    delay: float
    retries: int
    workers: int


class ListColumns(TypedDict, total=False):
    """How a list of addresses is read: the columns that are meant, one class for all, or classes found in captions."""

    url_col: str | None
    label_col: str | None
    label: str | None
    caption_filter: str | Iterable[str] | None
    strict: bool


class CollectOptions(LimitOptions, ListColumns, total=False):
    """All that a collection can be told beside its classes: meanings of words, pictures wanted, lists, and limits."""

    words_in: str | None
    meanings: Mapping[str, str] | None
    choose: Choose | None
    kind: str | None
    safe: str | None
    size: str | None
    age: str | None
    colour: str | None
    exclude_hosts: str | Iterable[str] | None
    duplicates: str | None
    referer: bool
    cookies: str | Path | None
    nothing: bool


class AddOptions(TypedDict, total=False):
    """All that adding own pictures can be told beside what they are: what is refused, copies, rights."""

    min_side: int | None
    max_side: int | None
    max_pixels: int | None
    max_aspect: float | None
    duplicates: str | None
    creator: str | None
    license: str | None
    split_from_folders: bool | None
    choose: Callable[[str], bool] | None
    nothing: bool


class SplitOptions(TypedDict, total=False):
    """All that a split can be told: by what pictures are grouped, and the parts that somebody has."""

    by: str | None
    fixed: str | Path | None
    test_from: str | Path | None


KEPT = ("deadline", "per_host", "delay", "retries")
"""Limits that the recipe keeps."""
ANY = "any"
CHOICES = ("kind", "safe", "size", "age", "colour")


def plan(
    names: Sequence[str],
    into: Path | None,
    again: Path | None,
    queries: Terms,
    changes: Mapping[str, object],
    listed: bool,
    options: CollectOptions | None = None,
    *,
    dry_run: bool = False,
) -> tuple[Path, Recipe]:
    """Choose the folder to collect into and its recipe: the one that is there, with what was given put over it.

    A list that is only read (`dry_run`) needs no folder: it is then none that has a recipe.
    """
    if again is not None and (into is not None or names):
        raise UsageError("--recipe takes its classes and its place from the folder; remove CLASS and --into")
    folder = again or into
    if folder is None:
        if not names and not listed:
            raise UsageError('name the classes to collect, like: byod collect "brokkoli" "blumenkohl"')
        if not names and not dry_run:
            raise UsageError("pass --into datasets/NAME for the pictures of the list")
        folder = dataset_list.find_for_classes(names, recipe.Recipe().task) if names else dataset_list.ROOT
    exists = again is not None or (folder / recipe.FILE).exists()
    planned = recipe.read(folder) if exists else recipe.Recipe()
    if options is not None and options.get("nothing"):
        planned, names = _with_nothing(folder, planned, names), ()
    elif (task := TASKS.get(planned.task)) is not None and task.stored:
        raise UsageError(
            f"{folder} is for the task {planned.task}, and a search finds no {task.exchange.holds}; collect into "
            "another folder"
        )
    for name in names:
        planned = planned.with_class(name)
    for name, terms in queries.items():
        wanted = several(terms)
        if not all(each.strip() for each in wanted) or planned.folder_of(name.strip()) is None:
            raise UsageError(
                f"--query {name}={' '.join(wanted)}: write CLASS=TERMS with a class of this dataset"
            )
        planned = planned.with_class(name.strip(), wanted)
    given: CollectOptions = options or {}
    planned = _with_meanings(planned, given.get("words_in"), given.get("meanings") or {})
    undone = {name: None for name in CHOICES if given.get(name) == ANY and name not in ("kind", "safe")}
    planned = planned.model_copy(update=undone)
    return folder, _changed(planned, {**changes, **_options(planned, changes, given), **undone})


def _with_nothing(folder: Path, planned: Recipe, words: Sequence[str]) -> Recipe:
    """The recipe with words that are searched for pictures without any object; they are searched as typed.

    Raises:
        UsageError: the dataset's task has no such pictures.
    """
    check_nothing(folder, planned)
    planned = planned.with_class(NOTHING, words)
    entry = planned.classes[NOTHING].model_copy(update={"meaning": Meaning(item=NONE)})
    sources = planned.sources or defaults.SOURCES
    return planned.model_copy(update={"classes": {**planned.classes, NOTHING: entry}, "sources": sources})


def check_nothing(folder: Path, planned: Recipe) -> None:
    """See that the dataset's task can have pictures that hold nothing of what is looked for.

    Raises:
        UsageError: it cannot.
    """
    task = TASKS.get(planned.task)
    if task is None or NOTHING not in task.pages.no_classes:
        raise UsageError(
            f"{folder} is for the task {planned.task}: --nothing is for datasets of objects with points; name a dataset"
            " that byod convert made with --into"
        )


def _with_meanings(planned: Recipe, words_in: str | None, meanings: Mapping[str, str]) -> Recipe:
    """The recipe with the meanings that were chosen, and without those that were read in another language."""
    classes: dict[str, ClassRecipe] = dict(planned.classes)
    language = words_in if words_in is None or words_in == NONE else check_language(words_in)
    for label, entry in planned.classes.items():
        if language and entry.meaning is not None and entry.meaning.language not in ("", language):
            classes[label] = entry.model_copy(update={"meaning": None})
    for name, typed in meanings.items():
        folder = planned.folder_of(name.strip())
        item = NONE if typed.strip().lower() == NONE else typed.strip().upper()
        if folder is None or not re.fullmatch(rf"{NONE}|Q[1-9][0-9]{{0,11}}", item):
            raise UsageError(
                f"--meaning {name}={typed}: write CLASS=ITEM with a class of this dataset and an item of Wikidata like "
                "Q47722, or none"
            )
        classes[folder] = classes[folder].model_copy(update={"meaning": Meaning(item=item)})
    return planned.model_copy(update={"classes": classes, "words_in": language or planned.words_in})


def _options(planned: Recipe, changes: Mapping[str, object], given: CollectOptions) -> dict[str, Any]:
    """The other changes of the recipe: which pictures are wanted, where from, and the limits that it keeps."""
    found: dict[str, Any] = {name: given.get(name) for name in (*CHOICES, *KEPT, "duplicates")}
    named = changes.get("sources")
    if isinstance(planned.sources, dict) and isinstance(named, tuple):
        own = planned.sources  # what is asked in a way of its own stays so
        found["sources"] = {name: own.get(name, SourceRecipe()) for name in named}
    hosts = given.get("exclude_hosts")
    if hosts is not None:
        typed = several(hosts)
        more = [stock_hosts.check_host(host) for host in typed if host != NONE]
        there = () if NONE in typed else planned.exclude_hosts
        found["exclude_hosts"] = tuple(dict.fromkeys((*there, *more)))
    return found


def plan_add(label: str | None, into: Path | None, options: AddOptions) -> tuple[Path, Recipe]:
    """Choose the folder that own pictures go to, and its recipe with their class and what was said of them in it."""
    try:
        folder = into or dataset_list.find(None)
    except DatasetError:
        raise UsageError("there is no dataset here yet; pass --into datasets/NAME") from None
    planned = recipe.read(folder) if (folder / recipe.FILE).exists() else recipe.Recipe()
    if options.get("nothing"):
        check_nothing(folder, planned)
    if label is not None:
        planned = planned.with_class(label)
    own = {name: options.get(name) for name in ("min_side", "max_aspect", "duplicates")}
    told = {name: value for name, value in own.items() if value is not None}
    changes = {"max_side": options.get("max_side"), "max_pixels": options.get("max_pixels")}
    return folder, _changed(
        planned, {**changes, **({"own": {**planned.own.model_dump(), **told}} if told else {})}
    )


def rights(options: AddOptions) -> tuple[str | None, str | None]:
    """Who made the pictures that are added, and the code of their licence, as they were named.

    Raises:
        UsageError: there is no such licence.
    """
    creator, named = options.get("creator"), options.get("license")
    if creator is not None and not (creator := " ".join(visible(creator).split())[:200]):
        raise UsageError("--creator is empty; name who made the pictures")
    if named is None:
        return creator, None
    if (code := licences.read(named)) is None:
        raise UsageError(
            f"--license {named}: no licence goes by this name; write CC-BY-4.0, CC0-1.0, CC-BY-SA-4.0, or ARR for all "
            "rights reserved"
        )
    return creator, code


def _changed(planned: Recipe, changes: Mapping[str, object]) -> Recipe:
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return Recipe.model_validate(
            {**planned.model_dump(), **given}, extra="allow"
        )  # it may hold unknown keys
    except ValidationError as error:
        raise _out_of_range(error) from error


def _out_of_range(error: ValidationError) -> UsageError:
    """The first option that does not fit, by the name it is typed with."""
    first = error.errors()[0]
    name = first["loc"][-1 if first["loc"][0] == "own" else 0]
    return UsageError(f"--{str(name).replace('_', '-')}: {first['msg']}")


def several(given: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as a tuple: a string is one name and not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def languages(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Language codes, also as `--languages` takes them (`de,en`, or `none`); None when nothing was given."""
    if given is None or not isinstance(given, str):
        return None if given is None else tuple(given)
    return () if given == "none" else tuple(code.strip() for code in given.split(",") if code.strip())


def limits(options: CollectOptions, planned: Recipe) -> Limits:
    """The limits of downloading: as given, else as the recipe keeps them.

    Raises:
        TypeError: there is no such option.
        UsageError: one of them is out of range.
    """
    if unknown := options.keys() - CollectOptions.__annotations__.keys():
        raise TypeError(f"collect() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    found = {name: options.get(name) for name in LimitOptions.__annotations__}
    found |= {name: getattr(planned, name) for name in KEPT}  # which hold what was given by now
    retries = found.pop("retries")
    found["tries"] = None if retries is None else 1 + int(str(retries))
    try:
        return Limits.model_validate({name: value for name, value in found.items() if value is not None})
    except ValidationError as error:
        raise _out_of_range(error) from error


def retried(names: str | Iterable[str]) -> tuple[Reason, ...]:
    """The reasons whose addresses are asked again, by their names.

    Raises:
        UsageError: one is no reason why an address gave no bytes.
    """
    unfetched = (When.OFFERED, When.FETCHED)
    possible = [r for r in Reason if r.traits.when in unfetched and not r.traits.by_recipe]
    wanted = several(names)
    for name in wanted:
        if name not in possible:
            raise UsageError(f"{name!r} is not a reason to ask again; there are {', '.join(possible)}")
    return tuple(Reason(name) for name in wanted)


def at_least(option: str, value: float | None, least: float) -> None:
    """Refuse a number that is below what an option can be.

    Raises:
        UsageError: it is.
    """
    if value is not None and value < least:
        raise UsageError(f"{option} {value}: say {least:g} or more")


def folder_given(path: str | Path | None) -> Path | None:
    """A path that may be a string, or None."""
    return None if path is None else Path(path)


def texts(options: Mapping[str, object] | None) -> dict[str, str]:
    """Options of a trainer as text, as they are typed after `--set`: True is `true`, None is left out.

    Raises:
        UsageError: one is not UTF-8, so that no model card could hold it.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    written = {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()
    }
    for key, value in written.items():
        if not is_utf8(key + value):
            raise UsageError(
                f"{in_utf8(key)}={in_utf8(value)} is not UTF-8, and a model card must say it; rename it"
            )
    return written


def pixel_folder() -> Path:
    """The folder of decoded pictures that all trainings share."""
    return Settings.load().cache / "pixels"


def training_call(dataset: object, plugin: str, options: Mapping[str, str], seed: int) -> str:
    """A training as it is said in Python."""
    words = [repr(plugin), *(f"{key}={value!r}" for key, value in options.items())]
    return f"{dataset!r}.train({', '.join([*words, f'seed={seed}'])})"
