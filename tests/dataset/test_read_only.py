"""A share that cannot be written to, and files that cannot be read: looked at and trained on, and nothing is lost."""

import os
from pathlib import Path

import pytest

from byod.api import adding, datasets
from byod.api.train import TrainRequest, train
from byod.collection.sources import folder as own_pictures
from byod.dataset import read_only
from byod.dataset.folder_files import Links
from byod.schema.errors import DatasetError
from byod.schema.names import unreadable
from byod.schema.recipe import Recipe
from byod.testing import draw_classes


def silent(*_: object) -> None:
    """Nobody listens."""


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with its time of change and its bytes."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture
def share(tmp_path: Path, monkeypatch) -> Path:
    """A dataset of two drawn classes on what says of itself that it cannot be written to."""
    draw_classes(tmp_path / "own", classes=("circle", "square"), per_class=12, size=(320, 240))
    target = tmp_path / "share"
    adding.add([tmp_path / "own"], None, target, Recipe(), say=silent, watch=silent)
    asked = os.access

    def access(place: Path, how: int) -> bool:
        return not (how == os.W_OK and Path(place).is_relative_to(target)) and asked(place, how)

    monkeypatch.setattr(read_only.os, "access", access)
    monkeypatch.chdir(tmp_path)
    return target


def test_a_read_only_share_is_looked_at_checked_and_exported_elsewhere(share: Path, tmp_path: Path):
    """Status, check and export say that nothing is kept, and leave every file as it is."""
    before, said = state(share), []
    assert len(datasets.status(share, say=said.append).kept) == 24
    page, _, _ = datasets.check(share, None, say=silent)
    assert page.is_file()
    assert not page.is_relative_to(share)
    written = datasets.export(share, "folders", tmp_path / "out", links=False, say=silent)
    assert len(list(written.rglob("*.jpg"))) == 24
    assert "cannot be written to" in said[0]
    assert state(share) == before


def test_a_share_of_somebody_else_is_read_from_its_text(share: Path):
    """A catalog that was not left on this machine is not believed: folders and text say what there is."""
    (share / ".byod" / "state").unlink()
    before = state(share)
    snapshot = datasets.status(share, say=silent)
    assert len(snapshot.kept) == 24
    assert len(snapshot.origins) == 24
    assert state(share) == before


@pytest.mark.slow
def test_a_read_only_share_is_trained_from(share: Path, tmp_path: Path):
    """The run goes into the current folder, and the share stays as it is."""
    before = state(share)
    run, _ = train(share, TrainRequest(plugin="sklearn", probe=False), say=silent, log=silent)
    assert run.is_relative_to(tmp_path / "runs" / "share")
    assert (run / "model.onnx").is_file()
    assert state(share) == before


def test_a_verb_that_would_change_a_share_is_refused_in_one_line(share: Path, tmp_path: Path):
    """Adding, deduplicating and restoring need a copy, and the line says so."""
    before = state(share)
    for change in (
        lambda: adding.add([tmp_path / "own"], None, share, Recipe(), say=silent, watch=silent),
        lambda: datasets.dedupe(share, say=silent),
        lambda: datasets.restore(share, ["duplicate"], say=silent),
    ):
        with pytest.raises(DatasetError, match="cannot be written to; copy it"):
            change()
    assert state(share) == before


def test_files_that_may_not_be_read_are_counted_and_passed_over(tmp_path: Path, monkeypatch):
    """A locked text file or folder beside pictures takes nothing of the others; both are named."""
    draw_classes(tmp_path / "own", classes=("circle", "square"), per_class=2)
    locked = tmp_path / "own" / "circle" / "notes"
    locked.write_text("secret")
    monkeypatch.setattr(Path, "open", _refusing(Path.open, locked))
    passed = unreadable()
    assert len(list(own_pictures.pictures(tmp_path / "own", passed=passed))) == 4
    (line,) = passed.lines()
    assert line.startswith("1 passed over, since they may not be read")
    assert "notes" in line


def _refusing(opening, locked: Path):
    def opened(self: Path, *arguments, **more):
        if self == locked:
            raise PermissionError(13, "Permission denied", str(self))
        return opening(self, *arguments, **more)

    return opened


def test_a_picture_that_may_not_be_read_is_not_taken_for_deleted(tmp_path: Path, monkeypatch):
    """A class folder that is locked is passed over and said, and its pictures stand again once it is open."""
    draw_classes(tmp_path / "own", classes=("circle", "square"), per_class=3)
    target = tmp_path / "set"
    adding.add([tmp_path / "own"], None, target, Recipe(min_side=1), say=silent, watch=silent)
    scan, said = os.scandir, []

    def refusing(place):
        if Path(place) == target / "images" / "circle":
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    with monkeypatch.context() as during:
        during.setattr(os, "scandir", refusing)
        assert {s.label for s in datasets.status(target, say=said.append).kept} == {"square"}
    assert any("may not be read" in line and "images/circle" in line for line in said)
    assert len(datasets.status(target, say=silent).kept) == 6


def test_nothing_is_hidden_where_all_may_be_read():
    """Links that found nothing hide nothing."""
    assert not Links().hides("images/cat/a.jpg")
