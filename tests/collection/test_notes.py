"""What became of each address is written down soon, and several at a time."""

from pathlib import Path

import pytest

from byod.api import adding
from byod.collection import pipeline
from byod.dataset.catalog import Catalog
from byod.dataset.dataset_folder import Dataset
from byod.schema.recipe import Recipe
from byod.tasks import TASKS
from byod.testing import draw_classes

PICTURES = 12


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of a class of pictures."""
    draw_classes(tmp_path / "own", classes=("cat",), per_class=PICTURES, size=(320, 240))
    return tmp_path / "own"


@pytest.mark.parametrize(("wait", "times"), [(1e9, 1), (-1.0, PICTURES)])
def test_outcomes_are_noted_together_after_a_while(pictures, tmp_path, monkeypatch, wait, times):
    """While the time has not passed none is noted alone, but all at the end; where there is none, each is by itself."""
    monkeypatch.setattr(pipeline, "_NOTING", wait)
    sizes: list[int] = []
    whole = pipeline.Collection._note_all

    def noted(self):
        sizes.append(len(self._noted))
        whole(self)

    monkeypatch.setattr(pipeline.Collection, "_note_all", noted)
    adding.add([pictures], None, tmp_path / "set", Recipe(), say=print, watch=lambda tallies: None)
    assert [size for size in sizes if size] == [PICTURES // times] * times


def test_what_was_noted_together_is_all_there_or_not_at_all(pictures, tmp_path, monkeypatch):
    """An error among several outcomes leaves none of them in the catalog; the next run takes them all."""
    monkeypatch.setattr(pipeline, "_NOTING", 1e9)
    left, whole = [PICTURES // 2], pipeline.Collection._note

    def failing(self, *given):
        left[0] -= 1
        if left[0] < 0:
            raise ZeroDivisionError
        whole(self, *given)

    monkeypatch.setattr(pipeline.Collection, "_note", failing)
    with pytest.raises(ZeroDivisionError):
        adding.add([pictures], None, tmp_path / "set", Recipe(), say=print, watch=lambda tallies: None)
    monkeypatch.undo()
    with Dataset(tmp_path / "set", TASKS) as dataset:
        assert isinstance(dataset.catalog, Catalog)
        assert dataset.catalog.samples.kept() == {}
    adding.add([pictures], None, tmp_path / "set", Recipe(), say=print, watch=lambda tallies: None)
    with Dataset(tmp_path / "set", TASKS) as dataset:
        assert dataset.catalog.samples.kept() == {"cat": PICTURES}
