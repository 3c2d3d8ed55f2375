"""A dataset in a folder that cannot be written to, such as a share: its catalog is a copy for the time being."""

from __future__ import annotations

import os
from pathlib import Path

from byod.dataset.catalog import Catalog, CatalogDamaged
from byod.dataset.catalog_state import CatalogState, Left
from byod.dataset.own_places import CATALOG
from byod.schema import files
from byod.schema.errors import DatasetError

_TOUCHED = ("", ".byod", CATALOG)


def is_read_only(folder: Path) -> bool:
    """True of a dataset that byod may read and not write."""
    places = (folder / name for name in _TOUCHED)
    return any(place.exists() and not os.access(place, os.W_OK) for place in places)


def refused(folder: Path) -> DatasetError:
    """The error of a verb that would change such a dataset."""
    return DatasetError(
        f"{folder} cannot be written to; copy it to a disk of this machine first (looking at it, training on it and"
        " exporting it elsewhere need no copy)"
    )


def copied(folder: Path, state: CatalogState, into: Path) -> Catalog:
    """A catalog in the folder `into`: a copy of the dataset's, or, where that cannot be used, a new one."""
    place = into / CATALOG
    if (folder / CATALOG).is_file() and state.left() is Left.CLOSED:
        files.copy(folder / CATALOG, place)
        try:
            catalog = Catalog(place)
            catalog.check_values()
            return catalog
        except CatalogDamaged:
            place.unlink()
    return Catalog(place)
