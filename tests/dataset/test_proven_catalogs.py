"""A catalog that byod left on this machine is opened without a look at every row; any other one is looked at."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from byod.api import adding, datasets
from byod.dataset.catalog import Catalog
from byod.dataset.catalog_state import FILE, CatalogState
from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import CATALOG
from byod.schema import files
from byod.schema.recipe import Recipe
from byod.tasks import TASKS
from byod.testing import draw_classes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two classes of three pictures, as byod leaves it."""
    draw_classes(tmp_path / "own", classes=("cat", "dog"), per_class=3, size=(320, 240))
    adding.add([tmp_path / "own"], None, tmp_path / "set", Recipe(), say=print, watch=lambda tallies: None)
    return tmp_path / "set"


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """Each look at all values of a catalog, and at where its rows lead, is written down here."""
    seen: list[str] = []
    for name in ("check_values", "check"):
        whole = getattr(Catalog, name)

        def noted(self, *given, _whole=whole, _name=name):
            seen.append(_name)
            return _whole(self, *given)

        monkeypatch.setattr(Catalog, name, noted)
    return seen


def opened(folder: Path) -> None:
    """Open the dataset as a command does, and close it."""
    with Dataset(folder, TASKS):
        pass


def test_what_byod_left_is_not_looked_at_again(folder: Path, looks: list[str]):
    """Opened again and again, by itself, not one of its rows is looked at."""
    for _ in range(2):
        opened(folder)
    assert looks == []


def test_a_copy_is_looked_at_once(folder: Path, tmp_path: Path, looks: list[str]):
    """A copy of the dataset is another file: its rows are looked at, and from then on it is byod's own."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    opened(copy)
    assert looks == ["check_values", "check"]
    datasets.status(copy, say=print)
    looks.clear()
    opened(copy)
    assert looks == []


@pytest.mark.parametrize("forged", ["", "0" * 64, "of another catalog"])
def test_a_forged_proof_is_none(folder: Path, tmp_path: Path, looks: list[str], forged: str):
    """Whoever writes the right inode, size and times into the state, but has not the key, has every row looked at."""
    state = folder / FILE
    told = json.loads(state.read_bytes())
    if forged == "of another catalog":
        draw_classes(tmp_path / "more", classes=("cat",), per_class=2, size=(320, 240))
        adding.add([tmp_path / "more"], None, tmp_path / "b", Recipe(), say=print, watch=lambda tallies: None)
        forged = json.loads((tmp_path / "b" / FILE).read_bytes())["stamp"]
        looks.clear()
    state.write_text(json.dumps(told | {"stamp": forged}))
    opened(folder)
    assert "check_values" in looks


def test_a_row_that_was_changed_by_somebody_is_looked_at(folder: Path, looks: list[str]):
    """A catalog that another program wrote to is not the one that byod left, whatever the state says."""
    with sqlite3.connect(folder / CATALOG) as connection:
        connection.execute(
            "UPDATE samples SET path = '../../away.jpg' WHERE sha256 = (SELECT min(sha256) FROM samples)"
        )
    connection.close()
    with files.opened(folder) as own:
        assert not CatalogState(own).is_proven()
    opened(folder)
    assert not (folder.parent.parent / "away.jpg").exists()
    datasets.status(folder, say=print)
    with Dataset(folder, TASKS) as dataset:
        assert dataset.catalog.samples.kept() == {"cat": 3, "dog": 3}
