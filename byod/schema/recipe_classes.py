"""The classes of a recipe and their folders: many added at once, one made by hand, a dataset named after them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from byod.schema import names
from byod.schema.class_name import check_class_name, no_class_name, tidy
from byod.schema.folder_names import fit, folded, safe_folder, unused
from byod.schema.recipe import Recipe
from byod.schema.recipe_parts import ClassRecipe


def with_classes(recipe: Recipe, wanted: Iterable[str]) -> tuple[Recipe, dict[str, str]]:
    """The recipe with those classes added that it lacks, and the folder of each of them by its tidy name.

    The same as adding one after the other, in a time that grows with their number and not with its square.

    Raises:
        UsageError: a name cannot name a class.
    """
    folders: dict[str, str] = {}
    for folder, entry in recipe.classes.items():
        for name in (tidy(entry.name), folder):
            folders.setdefault(name, folder)
    classes, used = dict(recipe.classes), {folded(folder) for folder in recipe.classes}
    for name in map(check_class_name, wanted):
        if name not in folders:
            folder = unused(fit(name), used)
            used.add(folded(folder))
            classes[folder] = ClassRecipe(name=name)
            folders |= {name: folder}
            folders.setdefault(folder, folder)
    if len(classes) == len(recipe.classes):
        return recipe, folders
    return recipe.model_copy(update={"classes": classes}), folders


def name_for_folder(folder: str, recipe: Recipe) -> str:
    """The name of the class that somebody made by making a folder: what is seen of the folder's name, and unique."""
    seen = tidy(names.visible(folder))
    seen = "class" if no_class_name(seen) else seen
    name, number = seen, 2
    while recipe.folder_of(name) is not None:
        name, number = f"{seen}-{number}", number + 1
    return name


def dataset_name(classes: Iterable[str]) -> str:
    """The default folder name of a dataset: its class names joined by `-`, at most 60 characters, then a hash."""
    joined = "-".join(re.sub(r"\s+", "_", safe_folder(name)) for name in classes)
    if len(joined) <= 60:
        return joined
    return f"{joined[:51].rstrip('-. ')}-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"
