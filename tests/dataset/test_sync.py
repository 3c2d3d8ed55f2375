"""What people do to the folders is taken up: moving is relabelling, and no data was lost."""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from PIL import Image

from byod.api import adding, datasets
from byod.dataset.dataset_folder import Dataset
from byod.schema import recipe as recipes
from byod.schema.errors import DatasetError
from byod.schema.reasons import Reason
from byod.schema.recipe import OwnRecipe, Recipe
from byod.schema.records import Status
from byod.tasks import TASKS
from byod.testing import draw_classes


def silent(line):
    """Nobody listens."""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """The own pictures of two drawn classes of six, and the dataset that they were added to."""
    home = tmp_path_factory.mktemp("shapes")
    draw_classes(home / "own", classes=("circle", "square"), per_class=6, size=(320, 240))
    target = home / "datasets" / "shapes"
    adding.add(
        [home / "own"],
        None,
        target,
        Recipe(own=OwnRecipe(duplicates="near")),
        say=silent,
        watch=lambda tallies: None,
    )
    return home


@pytest.fixture
def folder(shapes: Path, tmp_path: Path) -> Path:
    """A dataset of two drawn classes of six pictures, beside the folder they came from."""
    shutil.copytree(shapes, tmp_path, dirs_exist_ok=True)
    return tmp_path / "datasets" / "shapes"


def kept(folder: Path) -> dict[str, int]:
    snapshot = datasets.status(folder, say=silent)
    return {name: sum(s.label == name for s in snapshot.kept) for name in snapshot.classes}


def files(folder: Path, place: str) -> list[Path]:
    return sorted(path for path in (folder / place).rglob("*") if path.is_file())


def test_adding_fills_class_folders(folder: Path):
    """Own class folders become classes, each picture in the folder of its class, none twice."""
    assert kept(folder) == {"circle": 6, "square": 6}
    assert len(files(folder, "images/circle")) == 6


def test_a_moved_file_is_a_verdict(folder: Path):
    """Moving a file between class folders relabels it, and the log says who: folder."""
    file = files(folder, "images/circle")[0]
    shutil.move(file, folder / "images/square" / "renamed.jpg")
    assert kept(folder) == {"circle": 5, "square": 7}
    assert '"who": "folder"' in (folder / "labels.jsonl").read_text()
    with Dataset(folder, TASKS) as dataset:
        holding = dataset.catalog.verdicts.holding()
    assert [verdict.label for verdict in holding.values()] == ["square"]


def test_a_deleted_file_is_remembered(folder: Path):
    """A picture taken away is not wanted: adding the same bytes again does not bring it back."""
    file = files(folder, "images/circle")[0]
    copy = folder.parent.parent / "again" / "circle" / "x.jpg"
    copy.parent.mkdir(parents=True)
    shutil.copy(file, copy)
    file.unlink()
    assert kept(folder)["circle"] == 5
    with Dataset(folder, TASKS) as dataset:
        recipe = dataset.recipe
    adding.add([copy.parent.parent], None, folder, recipe, say=silent, watch=lambda tallies: None)
    assert kept(folder)["circle"] == 5


def test_a_file_dropped_in_becomes_a_sample_and_a_new_folder_a_class(folder: Path, tmp_path: Path):
    """A picture put into a new folder by hand is a sample of a new class."""
    draw_classes(tmp_path / "more", classes=("circle", "square"), per_class=1, size=(300, 300), seed=77)
    new = folder / "images" / "Dreiecke ü"
    new.mkdir()
    shutil.copy(files(tmp_path, "more/circle")[0], new / "photo of mine.jpg")
    assert kept(folder) == {"circle": 6, "square": 6, "Dreiecke ü": 1}
    assert (new / "photo of mine.jpg").exists()


def test_a_file_that_is_no_picture_is_set_aside_and_named(folder: Path):
    """Text in a class folder is moved to rejected/ with a line that names the file."""
    (folder / "images/circle/notes.jpg").write_text("<html>no picture</html>")
    lines: list[str] = []
    datasets.status(folder, say=lines.append)
    assert any("images/circle/notes.jpg" in line for line in lines)
    assert (folder / "rejected/not-a-picture/notes.jpg").exists()


def test_no_copy_of_what_is_no_picture_comes_to_stand_in_a_class(folder: Path):
    """The same text twice, in two classes, under one name: each file is set aside, none over another; export works."""
    for place in ("circle/SOURCE.txt", "circle/SOURCE (2).txt", "square/SOURCE.txt", "square/x.jpg"):
        (folder / "images" / place).write_text("where these are from")
    lines: list[str] = []
    assert len(datasets.status(folder, say=lines.append).kept) == 12
    assert sum("is not a picture byod can use (it is text)" in line for line in lines) == 4
    set_aside = files(folder, "rejected/not-a-picture")
    assert len(set_aside) == 4
    assert {file.read_text() for file in set_aside} == {"where these are from"}
    assert kept(folder) == {"circle": 6, "square": 6}
    datasets.export(folder, "folders", folder.parent / "out", links=False, say=silent)


@pytest.mark.parametrize("move", [shutil.move, shutil.copy])
def test_what_is_no_picture_is_refused_as_often_as_it_is_brought_back(folder: Path, move):
    """A refused file that is put into a class folder again is looked at again, and no person said anything of it."""
    (folder / "images/circle/broken.jpg").write_bytes(b"x" * 500)
    kept(folder)
    for _ in range(3):
        before = len(files(folder, "rejected"))
        move(files(folder, "rejected/not-a-picture")[0], folder / "images/square/back.jpg")
        assert kept(folder) == {"circle": 6, "square": 6}
        assert len(files(folder, "rejected")) == before + (move is shutil.copy)
    assert not (folder / "labels.jsonl").exists() or "moved by hand" not in (
        folder / "labels.jsonl"
    ).read_text("utf-8")


def test_a_refused_picture_that_can_be_opened_is_measured_when_it_is_brought_back(folder: Path):
    """One that was refused before it was measured has a size and a fingerprint once it stands in a class."""
    with Dataset(folder, TASKS) as dataset:
        sample = next(s for s in dataset.catalog.samples.all() if s.label == "circle")
        bare = {"fingerprint": None, "width": None, "height": None, "status": Status.REJECTED}
        aside = {"reason": Reason.TOO_SMALL, "path": "rejected/too-small/a.jpg"}
        dataset.files.make("rejected/too-small")
        dataset.files.move(sample.path, "rejected/too-small/a.jpg")
        dataset.catalog.samples.add(sample.model_copy(update={**bare, **aside}), position=99)
    assert kept(folder)["circle"] == 5
    shutil.move(folder / "rejected/too-small/a.jpg", folder / "images/square/a.jpg")
    snapshot = datasets.status(folder, say=silent)
    back = next(s for s in snapshot.kept if s.sha256 == sample.sha256)
    assert (back.label, back.width, back.height) == ("square", sample.width, sample.height)
    assert back.fingerprint == sample.fingerprint


def test_changed_bytes_are_a_new_sample(folder: Path, tmp_path: Path):
    """Editing a picture in place makes a new sample with the label; the old one is remembered as rejected."""
    draw_classes(tmp_path / "more", classes=("circle", "square"), per_class=1, size=(300, 300), seed=78)
    file = files(folder, "images/circle")[0]
    file.write_bytes(files(tmp_path, "more/circle")[0].read_bytes())
    assert kept(folder) == {"circle": 6, "square": 6}
    snapshot = datasets.status(folder, say=silent)
    gone = [sample for sample in snapshot.samples if sample.reason is Reason.DELETED]
    assert len(gone) == 1


def test_the_same_bytes_in_two_class_folders_are_a_conflict_until_decided(folder: Path):
    """A file copied into another class folder trains in neither class until it is moved into one of them."""
    file = files(folder, "images/circle")[0]
    shutil.copy(file, folder / "images/square/copy.jpg")
    snapshot = datasets.status(folder, say=silent)
    assert len(snapshot.conflicts) == 1
    assert kept(folder) == {"circle": 5, "square": 6}
    aside = files(folder, "rejected/conflict")
    assert [path.name for path in aside] == [file.name]
    shutil.move(aside[0], folder / "images/square" / aside[0].name)
    assert kept(folder) == {"circle": 5, "square": 7}
    assert datasets.status(folder, say=silent).conflicts == ()


def test_a_second_copy_in_the_same_class_is_set_aside(folder: Path):
    """The same bytes twice in one class folder count once; the spare file is kept in rejected/duplicate."""
    file = files(folder, "images/circle")[0]
    shutil.copy(file, folder / "images/circle/copy.jpg")
    assert kept(folder)["circle"] == 6
    assert len(files(folder, "images/circle")) == 6
    assert len(files(folder, "rejected/duplicate")) == 1


def test_a_rejected_picture_comes_back_by_moving_it_or_by_restore(folder: Path):
    """Moving a file into rejected/ rejects it; `restore` brings it back, and no settlement drops it again."""
    file = files(folder, "images/circle")[0]
    aside = folder / "rejected" / "review" / file.name
    aside.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file, aside)
    assert kept(folder)["circle"] == 5
    assert datasets.restore(folder, ["review"], say=silent) == 1
    assert kept(folder)["circle"] == 6
    datasets.dedupe(folder, say=silent)
    assert kept(folder)["circle"] == 6


def test_a_lost_catalog_is_rebuilt_from_folders_and_log(folder: Path):
    """Without catalog.db the same pictures, labels, verdicts, rejections and origins are there again."""
    file = files(folder, "images/circle")[0]
    shutil.move(file, folder / "images/square" / file.name)
    before = datasets.status(folder, say=silent)
    for path in folder.glob("catalog.db*"):
        path.unlink()
    after = datasets.status(folder, say=silent)
    assert {(s.sha256, s.label, s.status, s.path) for s in after.kept} == {
        (s.sha256, s.label, s.status, s.path) for s in before.kept
    }
    assert after.fingerprint == before.fingerprint
    assert {o.url for found in after.origins.values() for o in found} == {
        o.url for sha, found in before.origins.items() for o in found[:1]
    }
    with Dataset(folder, TASKS) as dataset:
        holding = dataset.catalog.verdicts.holding()
        assert [verdict.label for verdict in holding.values()] == ["square"]
        assert dataset.catalog.samples.get(next(iter(holding))).status is Status.KEPT


def emptied(catalog: Path) -> None:
    """What a power cut leaves of a file whose content was never written."""
    catalog.write_bytes(b"")


def header_only(catalog: Path) -> None:
    """What is left when all tables stood in a write-ahead log that is gone."""
    catalog.unlink()
    connection = sqlite3.connect(catalog, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def rows_gone(catalog: Path) -> None:
    """What a rebuild leaves that was killed or refused after it had made the tables."""
    connection = sqlite3.connect(catalog)
    with connection:
        for table in ("samples", "candidates", "addresses", "verdicts"):
            connection.execute(f"DELETE FROM {table}")
    connection.close()


@pytest.mark.parametrize("lose", [emptied, header_only, rows_gone])
def test_an_empty_catalog_is_a_lost_one(folder: Path, lose):
    """A catalog.db without content is rebuilt like one that is gone: the same labels, verdicts and origins."""
    file = files(folder, "images/circle")[0]
    shutil.move(file, folder / "images/square" / file.name)
    datasets.status(folder, say=silent)
    credited = (folder / "CREDITS.csv").read_bytes()
    with Dataset(folder, TASKS) as dataset:
        said, kept_before = dataset.catalog.verdicts.holding(), dataset.catalog.samples.kept()
    lose(folder / "catalog.db")
    lines: list[str] = []
    datasets.status(folder, say=lines.append)
    assert any("rebuilt" in line for line in lines)
    with Dataset(folder, TASKS) as dataset:
        assert dataset.catalog.verdicts.holding() == said
        assert dataset.catalog.samples.kept() == kept_before
    assert (folder / "CREDITS.csv").read_bytes() == credited


def test_a_rebuild_that_was_refused_begins_anew(folder: Path):
    """When the rebuild ends at a list of credits it cannot read, the next one with a good list knows everything."""
    credited = (folder / "CREDITS.csv").read_bytes()
    (folder / "catalog.db").unlink()
    (folder / "CREDITS.csv").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DatasetError, match="put a good copy in its place"):
            datasets.status(folder, say=silent)
    (folder / "CREDITS.csv").write_bytes(credited)
    assert kept(folder) == {"circle": 6, "square": 6}
    assert (folder / "CREDITS.csv").read_bytes() == credited


def test_an_images_folder_that_is_gone_is_not_taken_for_a_mass_deletion(folder: Path):
    """When images/ is missing altogether byod stops with a line, and nothing is marked as deleted."""
    (folder / "images").rename(folder / "elsewhere")
    with pytest.raises(DatasetError, match="is gone"):
        datasets.status(folder, say=silent)
    (folder / "elsewhere").rename(folder / "images")
    assert kept(folder) == {"circle": 6, "square": 6}


def test_class_folders_get_names_that_every_system_can_hold(folder: Path, tmp_path: Path):
    """A folder named by hand like a Windows device, or in decomposed Unicode, is renamed and loses no file."""
    draw_classes(tmp_path / "more", classes=("circle", "square"), per_class=2, size=(300, 300), seed=79)
    new = files(tmp_path, "more")
    for name, file in zip(("con", "Bu\u0308rste", "B\u00fcrste"), new, strict=False):
        (folder / "images" / name).mkdir()
        shutil.copy(file, folder / "images" / name / "same name.jpg")
    assert kept(folder) == {"circle": 6, "square": 6, "B\u00fcrste": 2, "con": 1}
    assert len(files(folder, "images/B\u00fcrste")) == 2
    assert len(files(folder, "images/_con")) == 1
    assert kept(folder) == {"circle": 6, "square": 6, "B\u00fcrste": 2, "con": 1}


def test_a_deleted_copy_never_takes_the_place_of_the_kept_one(folder: Path, tmp_path: Path):
    """Emptying rejected/ loses nothing: what stands in class folders stays there at the next settlement."""
    more = tmp_path / "copies" / "circle"
    more.mkdir(parents=True)
    for number, file in enumerate(files(folder, "images/circle")):
        with Image.open(file) as image:
            image.resize((640, 480)).save(more / f"{number}.jpg", quality=95)
    with Dataset(folder, TASKS) as dataset:
        recipe = dataset.recipe
    adding.add([more.parent], None, folder, recipe, say=silent, watch=lambda tallies: None)
    assert kept(folder)["circle"] == 6
    aside = files(folder, "rejected/duplicate")
    assert len(aside) == 6
    for file in aside:
        file.unlink()
    assert kept(folder)["circle"] == 6
    datasets.dedupe(folder, say=silent)
    assert kept(folder)["circle"] == 6
    assert len(files(folder, "images/circle")) == 6


def put(folder: Path, name: bytes, size: int) -> None:
    """A picture of its own under a name that is any bytes."""
    path = os.fsencode(folder) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        Image.effect_noise((size, 250), 90).convert("RGB").save(file, "JPEG")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_no_text_are_passed_over(folder: Path):
    """Files whose names are not UTF-8 stay where they lie, and are counted and named; all else is taken up."""
    strange = [
        b"images/circle/\xff.jpg",
        b"images/\xfe/1.jpg",
        b"rejected/duplicate/\xfd.jpg",
        b"rejected/\xfc/1.jpg",
    ]
    for number, name in enumerate(strange):
        put(folder, name, 300 + number)
    put(folder, b"images/circle/new\nline\x1b]0;x.jpg", 320)
    said: list[str] = []
    snapshot = datasets.status(folder, say=said.append)
    assert {name: sum(s.label == name for s in snapshot.kept) for name in snapshot.classes} == {
        "circle": 7,
        "square": 6,
    }
    (line,) = (line for line in said if "passed over" in line)
    assert line.startswith("4 passed over, since their names are not UTF-8: images/circle/\\xff.jpg")
    assert all(os.path.exists(os.fsencode(folder) + b"/" + name) for name in strange)
    for verb in (datasets.dedupe, datasets.split, datasets.status):
        verb(folder, say=silent)
    datasets.check(folder, None, say=silent)
    datasets.export(folder, "hf", folder.parent / "out", links=False, say=silent)


@pytest.mark.parametrize(
    "name", ["circle\u200b", "a\u202eb", "c\x1b]0;x", "n\nl", "__reject__", "con .x", "COM¹"]
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_class_folder_gets_a_name_to_be_seen(folder: Path, name: str):
    """A class made by hand whose name hides something or is no safe one gets one, beside those that are there."""
    put(folder, f"images/{name}/1.jpg".encode(), 300)
    counts = kept(folder)
    (new,) = set(counts) - {"circle", "square"}
    assert counts[new] == 1
    shown = {entry.name for entry in recipes.read(folder).classes.values()}
    assert len(shown) == 3
    assert all(one.isprintable() for one in shown)
    assert kept(folder) == counts
