"""A JPEG stands for each file that libraries for training do not read; the file is never lost, nor given away."""

import csv
import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from made_pictures import heic
from own_catalog import trusted
from PIL import Image

from byod.api import adding, datasets
from byod.schema.errors import DatasetError
from byod.schema.recipe import Recipe
from byod.schema.records import Snapshot
from byod.testing import draw_classes


def silent(*_: object) -> None:
    """Nobody listens."""


def original_of(content: bytes) -> str:
    return f"originals/{hashlib.sha256(content).hexdigest()}.heic"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two drawn classes and a photo of a phone, whose name says JPEG."""
    own = tmp_path / "own"
    draw_classes(own, classes=("circle", "square"), per_class=4, size=(320, 240))
    (own / "circle" / "IMG_0001.JPG").write_bytes(heic("turned"))
    target = tmp_path / "set"
    adding.add([own], None, target, Recipe(), say=silent, watch=silent)
    return target


def looked_at(folder: Path) -> Snapshot:
    return datasets.status(folder, say=silent)


def originals_in_credits(folder: Path) -> dict[str, str]:
    with (folder / "CREDITS.csv").open(encoding="utf-8", newline="") as text:
        return {row["file"]: row["original"] for row in csv.DictReader(text) if row["original"]}


def test_a_jpeg_is_the_sample_and_the_file_lies_beside(folder: Path):
    """In the class folder stands an upright JPEG; the file lies whole in originals/, and CREDITS.csv names it."""
    (sample,) = [sample for sample in looked_at(folder).kept if sample.original]
    assert Image.open(folder / sample.path).format == "JPEG"
    assert Image.open(folder / sample.path).size == (240, 320)
    assert sample.original == original_of(heic("turned"))
    assert (folder / sample.original).read_bytes() == heic("turned")
    assert originals_in_credits(folder) == {sample.path: sample.original}
    assert not list((folder / "images").rglob("*.[hH]*"))


def test_it_leaves_with_no_export_unless_asked(folder: Path, tmp_path: Path):
    """An export holds the JPEG alone, and says nothing of the file; when asked for, the file goes along."""
    plain = datasets.export(folder, "folders", tmp_path / "plain", links=False, say=silent)
    assert not list(plain.rglob("*.heic"))
    assert not originals_in_credits(plain)
    whole = datasets.export(folder, "folders", tmp_path / "whole", links=False, originals=True, say=silent)
    (named,) = originals_in_credits(whole).values()
    assert (whole / named).read_bytes() == heic("turned")
    (folder / named).unlink()
    with pytest.raises(DatasetError, match="without --originals"):
        datasets.export(folder, "folders", tmp_path / "third", links=False, originals=True, say=silent)


def test_one_dropped_into_a_class_folder_is_taken_in(folder: Path):
    """By hand as by `byod add`: its JPEG stands in the class, under its name, and the file is an original."""
    (folder / "images" / "square" / "Küche.HEIC").write_bytes(heic("grid"))
    (sample,) = [s for s in looked_at(folder).kept if s.original == original_of(heic("grid"))]
    assert sample.path == "images/square/Küche.jpg"
    assert sample.label == "square"
    assert (folder / sample.original).read_bytes() == heic("grid")
    assert not (folder / "images" / "square" / "Küche.HEIC").exists()


def test_a_damaged_one_dropped_in_is_set_aside_whole(folder: Path):
    """One that cannot be opened goes to rejected/broken/ as it is."""
    (folder / "images" / "square" / "a.heic").write_bytes(heic("grid")[:-400])
    looked_at(folder)
    assert (folder / "rejected" / "broken" / "a.heic").read_bytes() == heic("grid")[:-400]


def test_a_lost_catalog_is_rebuilt_with_its_originals(folder: Path):
    """Without the catalog the folders and CREDITS.csv say which file each picture stands for."""
    before = originals_in_credits(folder)
    for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
        (folder / name).unlink(missing_ok=True)
    assert {s.path: s.original for s in looked_at(folder).kept if s.original} == before
    assert originals_in_credits(folder) == before


def test_one_that_an_older_byod_refused_comes_back(folder: Path):
    """One that lies in rejected/unsupported/ since HEIC was not taken is restored as its JPEG, once."""
    content = heic("grid")
    (folder / "rejected" / "unsupported").mkdir(parents=True)
    (folder / "rejected" / "unsupported" / "old.heic").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    with closing(sqlite3.connect(folder / "catalog.db")) as catalog, catalog:
        catalog.execute(
            "INSERT INTO samples (sha256, position, label, status, reason, detail, path, size, mtime_ns)"
            " VALUES (?, 99, 'square', 'rejected', 'unsupported', 'HEIC', 'rejected/unsupported/old.heic', ?, 0)",
            (sha256, len(content)),
        )
    trusted(folder)
    assert datasets.restore(folder, ["unsupported"], say=silent) == 1
    (sample,) = [s for s in looked_at(folder).kept if s.original == original_of(content)]
    assert (sample.label, sample.path) == ("square", "images/square/old.jpg")
    assert (folder / sample.original).read_bytes() == content
    with pytest.raises(Exception, match="nothing rejected"):
        datasets.restore(folder, [sha256], say=silent)


def test_those_of_one_name_keep_two_names(folder: Path):
    """Files whose names differ in the ending alone, or that lie beside their JPEG, become a picture each."""
    for name, content in (("a.heic", heic("grid")), ("a.HEIF", heic("burst")), ("a.hif", heic("plain"))):
        (folder / "images" / "square" / name).write_bytes(content)
    Image.new("RGB", (300, 200), "teal").save(folder / "images" / "square" / "a.jpg")
    looked_at(folder)
    assert len(list((folder / "originals").iterdir())) == 4
    made = [file.name for room in ("images", "rejected") for file in (folder / room).rglob("*.jpg")]
    assert {"a.jpg", "a-2.jpg", "a-3.jpg", "a-4.jpg"} <= set(made)


@pytest.mark.parametrize(
    "path", ["../../victim", "images/circle/x.heic", "originals/../../x.heic", "originals/a.heic"]
)
def test_an_original_never_lies_elsewhere(folder: Path, path: str):
    """A catalog of a stranger that names a file outside of originals/ is refused."""
    with closing(sqlite3.connect(folder / "catalog.db")) as catalog, catalog:
        catalog.execute("UPDATE samples SET original = ?", (path,))
    trusted(folder)
    with pytest.raises(DatasetError):
        looked_at(folder)


def test_originals_go_through_no_link(folder: Path, tmp_path: Path):
    """Where originals/ leads elsewhere nothing is opened, and nothing written there."""
    victim = tmp_path / "victim"
    victim.mkdir()
    shutil.move(folder / "originals", tmp_path / "moved")
    (folder / "originals").symlink_to(victim)
    (folder / "images" / "square" / "a.heic").write_bytes(heic("grid"))
    with pytest.raises(DatasetError, match="link"):
        looked_at(folder)
    assert not list(victim.iterdir())
