"""Put what `collect` and `add` were given over the recipe that is there.

A message names an option as the command line has it: `--per-class` is `per_class` in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from pydantic import ValidationError

from byod.collection.download import Limits
from byod.dataset import dataset_list
from byod.schema import recipe
from byod.schema.errors import DatasetError, UsageError
from byod.schema.names import in_utf8, is_utf8
from byod.schema.reasons import Reason, When
from byod.schema.recipe import Recipe
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
    workers: int


def plan(
    names: Sequence[str],
    into: Path | None,
    again: Path | None,
    queries: Terms,
    changes: Mapping[str, object],
    listed: bool,
) -> tuple[Path, Recipe]:
    """Choose the folder to collect into and its recipe: the one that is there, with what was given put over it."""
    if again is not None and (into is not None or names):
        raise UsageError("--recipe takes its classes and its place from the folder; remove CLASS and --into")
    folder = again or into
    if folder is None:
        if not names and not listed:
            raise UsageError('name the classes to collect, like: byod collect "brokkoli" "blumenkohl"')
        if not names:
            raise UsageError("say where the pictures of the list belong: --into datasets/NAME")
        folder = dataset_list.find_for_classes(names, recipe.Recipe().task)
    exists = again is not None or (folder / recipe.FILE).exists()
    planned = recipe.read(folder) if exists else recipe.Recipe()
    if (task := TASKS.get(planned.task)) is not None and task.stored:
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
    return folder, _changed(planned, changes)


def plan_add(label: str | None, into: Path | None, changes: Mapping[str, object]) -> tuple[Path, Recipe]:
    """Choose the folder that own pictures go to, and its recipe with their class in it."""
    try:
        folder = into or dataset_list.find(None)
    except DatasetError:
        raise UsageError("there is no dataset here yet; pass --into datasets/NAME") from None
    planned = recipe.read(folder) if (folder / recipe.FILE).exists() else recipe.Recipe()
    if label is not None:
        planned = planned.with_class(label)
    return folder, _changed(planned, changes)


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
    return UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}")


def several(given: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as a tuple: a string is one name and not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def languages(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Language codes, also as `--languages` takes them (`de,en`, or `none`); None when nothing was given."""
    if given is None or not isinstance(given, str):
        return None if given is None else tuple(given)
    return () if given == "none" else tuple(code.strip() for code in given.split(",") if code.strip())


def limits(options: LimitOptions) -> Limits:
    """The limits of downloading as given.

    Raises:
        TypeError: there is no such option.
        UsageError: one of them is out of range.
    """
    if unknown := options.keys() - LimitOptions.__annotations__.keys():
        raise TypeError(f"collect() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    try:
        return Limits(**options)
    except ValidationError as error:
        raise _out_of_range(error) from error


def retried(names: str | Iterable[str]) -> tuple[Reason, ...]:
    """The reasons whose addresses are asked again, by their names.

    Raises:
        UsageError: one is no reason why an address gave no bytes.
    """
    possible = [reason for reason in Reason if reason.traits.when is When.FETCHED]
    possible += [Reason.BAD_ADDRESS, Reason.PRIVATE_ADDRESS, Reason.ROBOTS]
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
