"""A dataset and a run that the tests of `import byod` share."""

import shutil
from pathlib import Path

import pytest
from library_place import lay_out

import byod


@pytest.fixture(scope="session")
def place(once) -> Path:
    """A folder with a dataset and pictures, made once."""
    return once("library", lay_out)


@pytest.fixture(scope="session")
def trained(once, place) -> Path:
    """The same with a run in the dataset."""

    def train(folder: Path) -> None:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        byod.Dataset(folder / "datasets" / "shapes").train("sklearn", from_scratch=True, progress=False)

    return once("library-trained", train)
