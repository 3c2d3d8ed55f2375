"""The datasets of a folder: which one a command means, and where a new one is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from byod.dataset.own_places import IMAGES
from byod.schema import recipe as recipes
from byod.schema import recipe_classes
from byod.schema.errors import DatasetError, UsageError

ROOT = Path("datasets")


def has_pictures(folder: Path) -> bool:
    """True if a dataset folder holds any picture; one without is only a recipe."""
    return any(True for room in (folder / IMAGES).glob("*") if room.is_dir() and any(room.iterdir()))


def datasets_under(root: Path = ROOT) -> Iterator[Path]:
    """The dataset folders under `root`, by name."""
    if root.is_dir():
        for folder in sorted(root.iterdir()):
            if (folder / recipes.FILE).is_file():
                yield folder


def find(named: str | None, root: Path = ROOT) -> Path:
    """The dataset a command means: the folder or name given, or the one byod last wrote to.

    Raises:
        DatasetError: there is none.
    """
    if named is not None:
        for folder in (Path(named), root / named):
            if (folder / recipes.FILE).is_file():
                return folder
        raise DatasetError(
            f"{named} is not a dataset (a folder with {recipes.FILE}); `byod collect` makes one"
        )
    found = [folder for folder in datasets_under(root) if has_pictures(folder)]
    if not found:
        raise DatasetError(f'no dataset with pictures under {root}/; start with: byod collect "cat" "dog"')
    return max(found, key=_last_written)


def _last_written(folder: Path) -> float:
    mark = folder / ".byod" / "written"
    return (mark if mark.exists() else folder / recipes.FILE).stat().st_mtime


def find_for_classes(names: Iterable[str], task: str, root: Path = ROOT) -> Path:
    """The folder of the dataset with just these classes, in any order, or where to make it.

    A recipe that was never run is not taken for one: it is run by its name (`--recipe`).

    Raises:
        UsageError: the classes are given twice, or the dataset is for another task.
        DatasetError: the place is taken by something else.
    """
    shown = [recipes.check_class_name(name) for name in names]
    wanted = set(shown)
    if len(wanted) != len(shown):
        raise UsageError("the same class is named twice")
    for folder in datasets_under(root):
        recipe = recipes.read(folder)
        only_a_recipe = not (folder / "catalog.db").exists() and not has_pictures(folder)
        if {recipes.tidy(entry.name) for entry in recipe.classes.values()} == wanted and not only_a_recipe:
            if recipe.task != task:
                raise UsageError(
                    f"{folder} is for the task {recipe.task}, not {task}; use --into another folder"
                )
            return folder
    folder = root / recipe_classes.dataset_name(shown)
    if (folder / recipes.FILE).exists() and {
        recipes.tidy(c.name) for c in recipes.read(folder).classes.values()
    } != wanted:
        raise DatasetError(
            f"{folder} holds other classes; pass --into {folder} to add to it, or name another folder"
        )
    return folder
