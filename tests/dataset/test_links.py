"""An honest user's links: a dataset, a class folder or a picture behind one."""

import os
import shutil
from pathlib import Path

import pytest
from command import byod as command
from PIL import Image

import byod
from byod.schema import recipe
from byod.schema.errors import DatasetError
from byod.schema.picture_files import following, readable, told_to_follow
from byod.schema.recipe import OwnRecipe
from byod.testing import draw_classes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A dataset of two classes of four pictures."""
    place = tmp_path_factory.mktemp("made")
    draw_classes(place / "own", classes=("circle", "square"), per_class=4, size=(240, 220))
    byod.add(place / "own", into=place / "set", progress=False)
    return place / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "set")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A bigger disk."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def on_disk(folder: Path, disk: Path, name: str) -> Path:
    """Move a class folder or a picture to the other disk, and leave a link."""
    place = disk / Path(name).name
    shutil.move(folder / name, place)
    (folder / name).symlink_to(place)
    return place


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_class_on_a_bigger_disk_is_refused_in_one_line_and_read_when_told(folder, disk):
    """The line names --follow-links; with it the pictures count as before, without a verdict, and nothing changes."""
    on_disk(folder, disk, "images/circle")
    before, log = contents(disk), (folder / "labels.jsonl").read_bytes()
    with pytest.raises(DatasetError, match=r"images/circle is a link.*--follow-links"):
        byod.Dataset(folder).status(progress=False)
    dataset = byod.Dataset(folder, follow_links=True)
    assert dataset.counts == {"circle": 4, "square": 4}
    assert dataset.check(progress=False).page.read_text("utf-8").count("data:image/jpeg") >= 4
    exported = dataset.export(into=folder.parent / "exported", links=True, progress=False)
    pictures = [path for path in exported.rglob("*.jpg") if "circle" in path.parts]
    assert len(pictures) == 4
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in pictures)
    assert contents(disk) == before
    assert (folder / "labels.jsonl").read_bytes() == log


def test_the_environment_says_it_for_good(folder, disk, monkeypatch):
    """BYOD_FOLLOW_LINKS=1 is the same as the option at each command; what a folder says of itself does not count."""
    on_disk(folder, disk, "images/circle")
    (folder / ".byod" / "follow-links").write_text("1")
    with (folder / "byod.toml").open("a") as recipe:
        recipe.write("\n[links]\nfollow_links = true\nBYOD_FOLLOW_LINKS = 1\n")
    with pytest.raises(DatasetError, match="is a link"):
        byod.Dataset(folder).status(progress=False)
    monkeypatch.setenv("BYOD_FOLLOW_LINKS", "1")
    assert byod.Dataset(folder).counts == {"circle": 4, "square": 4}


def test_pictures_that_are_links_are_passed_over_counted_and_come_back(folder, disk, caplog):
    """A picture moved to another disk is out of sight, not deleted: no verdict is made, and it is back when told."""
    names = [f"images/square/{path.name}" for path in sorted((folder / "images" / "square").iterdir())[:2]]
    for name in names:
        on_disk(folder, disk, name)
    log = (folder / "labels.jsonl").read_bytes()
    with caplog.at_level("INFO", logger="byod"):
        assert byod.Dataset(folder).counts == {"circle": 4, "square": 2}
    (line,) = [one for one in caplog.messages if "passed over" in one]
    assert line.startswith("2 links are passed over; --follow-links")
    assert names[0] in line
    assert byod.Dataset(folder, follow_links=True).counts == {"circle": 4, "square": 4}
    assert byod.Dataset(folder).counts == {"circle": 4, "square": 2}
    assert (folder / "labels.jsonl").read_bytes() == log


def test_a_new_class_behind_a_link_is_taken_up_when_told(folder, disk, caplog):
    """Without being told, its folder is passed over; with it, its pictures are read and stay where they lie."""
    draw_classes(disk, classes=("star",), per_class=3, size=(240, 220))
    (folder / "images" / "star").symlink_to(disk / "star")
    before = contents(disk)
    with caplog.at_level("INFO", logger="byod"):
        assert byod.Dataset(folder).counts == {"circle": 4, "square": 4}
    assert [line for line in caplog.messages if "1 links are passed over" in line and "images/star" in line]
    assert byod.Dataset(folder, follow_links=True).counts == {"circle": 4, "square": 4, "star": 3}
    assert contents(disk) == before


def test_nothing_moves_from_behind_a_link(folder, disk, caplog):
    """A copy behind a link counts as one, and stays where it is; a line says so, and what to do."""
    place = on_disk(folder, disk, "images/circle")
    shutil.copyfile(next((folder / "images" / "square").iterdir()), place / "again.jpg")
    first = next(path for path in sorted(place.iterdir()) if path.name != "again.jpg")
    Image.open(first).save(place / "near.png")
    before = contents(disk)
    recipe.write(folder, recipe.read(folder).model_copy(update={"own": OwnRecipe(duplicates="near")}))
    dataset = byod.Dataset(folder, follow_links=True)
    with caplog.at_level("INFO", logger="byod"):
        done = dataset.dedupe(progress=False)
    assert contents(disk) == before
    aside = [sample.path for sample in done.snapshot.samples if sample.reason == "duplicate"]
    assert [path for path in aside if path.startswith("images/circle/")]
    assert [line for line in caplog.messages if "stay where they are" in line and "by hand" in line]
    assert dataset.restore("duplicate", progress=False) == len(aside)
    assert contents(disk) == before


def test_nothing_is_collected_or_added_behind_a_link(folder, disk, monkeypatch):
    """What would lie behind a link waits, and is not lost; collecting into such a class is refused at once."""
    place = on_disk(folder, disk, "images/circle")
    monkeypatch.setenv("BYOD_FOLLOW_LINKS", "1")
    draw_classes(disk / "more", classes=("circle",), per_class=2, size=(240, 220), seed=5)
    before = contents(place)
    byod.add(disk / "more" / "circle", label="circle", into=folder, progress=False)
    assert contents(place) == before
    assert len(list((folder / ".byod" / "incoming").iterdir())) == 2
    assert byod.Dataset(folder).counts == {"circle": 4, "square": 4}
    assert len(list((folder / ".byod" / "incoming").iterdir())) == 2
    with pytest.raises(DatasetError, match=r"images/circle is a link.*writes nothing behind"):
        byod.collect(recipe=folder, progress=False)
    (folder / "images" / "circle").unlink()
    shutil.copytree(place, folder / "images" / "circle")
    assert byod.Dataset(folder).counts == {"circle": 6, "square": 4}


def test_a_dataset_behind_a_link_is_a_dataset(folder):
    """A dataset that is itself reached through a link works as any other."""
    alias = folder.parent / "alias"
    alias.symlink_to(folder)
    dataset = byod.Dataset(alias)
    assert dataset.counts == {"circle": 4, "square": 4}
    assert dataset.check(progress=False).page.resolve() == (folder / "check.html").resolve()


def test_links_in_a_folder_to_add_are_passed_over_unless_told(folder, disk, caplog):
    """Pictures and class folders that are links are counted and left out of what is added; --follow-links adds them."""
    draw_classes(disk, classes=("star", "cross"), per_class=2, size=(240, 220), seed=3)
    (folder.parent / "more" / "star").mkdir(parents=True)
    (folder.parent / "more" / "cross").symlink_to(disk / "cross")
    for path in (disk / "star").iterdir():
        (folder.parent / "more" / "star" / path.name).symlink_to(path)
    with caplog.at_level("INFO", logger="byod"):
        added = byod.add(folder.parent / "more", into=folder, progress=False)
    assert added.counts.get("star", 0) == added.counts.get("cross", 0) == 0
    assert [line for line in caplog.messages if line.startswith("4 links are passed over")]
    added = byod.add(folder.parent / "more", into=folder, follow_links=True, progress=False)
    assert (added.counts["star"], added.counts["cross"]) == (2, 2)


def test_links_in_a_circle_end(folder):
    """A class folder that leads back into the dataset is no trouble."""
    (folder / "images" / "round").symlink_to(folder / "images")
    (folder / "images" / "again").symlink_to(folder / "images" / "circle")
    assert byod.Dataset(folder, follow_links=True).counts["square"] == 4
    assert byod.Dataset(folder, follow_links=True).counts["square"] == 4


def test_following_ends_with_its_block(folder, disk):
    """What one call was told does not hold for the next one."""
    assert not told_to_follow()
    with following(True):
        assert told_to_follow()
        with following(False):
            assert told_to_follow()
    assert not told_to_follow()
    on_disk(folder, disk, "images/circle")
    with pytest.raises(DatasetError):
        byod.Dataset(folder).status(progress=False)


def test_a_picture_is_readable_where_it_lies(folder, disk):
    """A path that leads out, a link, a pipe and what is not there have no file to be read."""
    name = next((folder / "images" / "circle").iterdir()).name
    assert readable(folder, f"images/circle/{name}", follow=False) == folder / "images" / "circle" / name
    on_disk(folder, disk, "images/circle")
    assert readable(folder, f"images/circle/{name}", follow=False) is None
    assert readable(folder, f"images/circle/{name}", follow=True) == folder / "images" / "circle" / name
    os.mkfifo(folder / "images" / "square" / "pipe.jpg")
    for path in (
        "images/square/pipe.jpg",
        "",
        "../disk/circle/" + name,
        str(disk / "circle" / name),
        "byod.toml",
    ):
        assert readable(folder, path, follow=True) is None


@pytest.mark.slow
def test_the_option_stands_at_the_commands(folder, disk):
    """`byod status --follow-links` reads what `byod status` refuses with exit code 1 and one line."""
    on_disk(folder, disk, "images/circle")
    refused = command("status", str(folder), folder=folder.parent, check=1)
    (line,) = refused.stderr.splitlines()
    assert "images/circle is a link" in line
    assert "--follow-links" in line
    read = command("status", str(folder), "--follow-links", folder=folder.parent)
    assert "circle" in read.stdout
