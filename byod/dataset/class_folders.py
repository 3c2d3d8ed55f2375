"""The folders of classes, as people make and name them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from byod.dataset.dataset_folder import Dataset
from byod.dataset.folder_files import is_folder, move_all
from byod.dataset.own_places import IMAGES
from byod.schema.folder_names import safe_folder
from byod.schema.names import PassedOver, is_utf8
from byod.schema.recipe import ClassRecipe
from byod.schema.recipe_classes import name_for_folder


def name_all(dataset: Dataset, passed: PassedOver, lines: list[str]) -> int:
    """Make each folder a class, by a name that every system can hold; return how many are new.

    Args:
        dataset: what it is about.
        passed: counts files whose names cannot be written down.
        lines: gets a line for each folder that has another name now.
    """
    made = 0
    images = dataset.folder / IMAGES
    folders = (path for path in images.iterdir() if is_folder(path, dataset.links) and path.name[0] != ".")
    for folder in sorted(folders):
        if not is_utf8(folder.name):
            continue  # its files are passed over one by one
        classes = dataset.recipe.classes
        name = unicodedata.normalize("NFC", folder.name)
        if folder.name in classes:
            continue
        label = name if name in classes else safe_folder(name, classes)
        if label not in classes and any(
            dataset.links.named_files(dataset.folder, IMAGES, passed, folder.name)
        ):
            entry = ClassRecipe(name=name_for_folder(name, dataset.recipe))
            dataset.save_recipe(dataset.recipe.model_copy(update={"classes": {**classes, label: entry}}))
            made += 1
        if label != folder.name and label in dataset.recipe.classes and not dataset.reading:
            _rename(dataset, folder, images / label)
            lines.append(f"the class folder {folder.name!r} is called {label!r} now: a name for all systems")
    return made


def _rename(dataset: Dataset, folder: Path, target: Path) -> None:
    """Move the files of a class folder into the one of its safe name, overwriting none."""
    move_all(dataset.files, f"{IMAGES}/{folder.name}", f"{IMAGES}/{target.name}")
