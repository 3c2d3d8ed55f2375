"""Put what `collect` and `add` were given over the recipe that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from byod.collection.download import Limits
from byod.dataset import dataset_folder
from byod.schema import recipe
from byod.schema.errors import DatasetError, UsageError
from byod.schema.recipe import Recipe
from byod.tasks import TASKS


def plan(
    names: Sequence[str],
    into: Path | None,
    again: Path | None,
    queries: Sequence[str],
    changes: Mapping[str, object],
    listed: bool,
) -> tuple[Path, Recipe]:
    """Choose the folder to collect into and its recipe: the one that is there, with what was typed put over it."""
    if again is not None and (into is not None or names):
        raise UsageError("--recipe takes its classes and its place from the folder; remove CLASS and --into")
    folder = again or into
    if folder is None:
        if not names and not listed:
            raise UsageError('name the classes to collect, like: byod collect "brokkoli" "blumenkohl"')
        if not names:
            raise UsageError("say where the pictures of the list belong: --into datasets/NAME")
        folder = dataset_folder.find_for_classes(names, recipe.Recipe().task)
    exists = again is not None or (folder / recipe.FILE).exists()
    planned = recipe.read(folder) if exists else recipe.Recipe()
    if (task := TASKS.get(planned.task)) is not None and task.stored:
        raise UsageError(
            f"{folder} is for the task {planned.task}, and a search finds no {task.exchange.holds}; collect into "
            "another folder"
        )
    for name in names:
        planned = planned.with_class(name)
    for text in queries:
        name, _, terms = text.partition("=")
        if not terms.strip() or planned.folder_of(name.strip()) is None:
            raise UsageError(f"--query {text!r}: write CLASS=TERMS with a class of this dataset")
        planned = planned.with_class(name.strip(), [terms])
    return folder, _changed(planned, changes)


def plan_add(label: str | None, into: Path | None, changes: Mapping[str, object]) -> tuple[Path, Recipe]:
    """Choose the folder that own pictures go to, and its recipe with their class in it."""
    try:
        folder = into or dataset_folder.find(None)
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


def languages(typed: str | None) -> tuple[str, ...] | None:
    """The languages typed after `--languages`, none for `none`; None when nothing was typed."""
    if typed is None:
        return None
    return () if typed == "none" else tuple(code.strip() for code in typed.split(",") if code.strip())


def limits(
    deadline: float, max_bytes: int, redirects: int, per_host: int, delay: float, workers: int
) -> Limits:
    """The limits of downloading as typed.

    Raises:
        UsageError: one of them is out of range.
    """
    try:
        return Limits(
            deadline=deadline,
            max_bytes=max_bytes,
            redirects=redirects,
            per_host=per_host,
            delay=delay,
            workers=workers,
        )
    except ValidationError as error:
        raise _out_of_range(error) from error
