"""A dataset folder that somebody else made: whatever lies in it, nothing outside of it is touched."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from own_catalog import trusted

from byod.api import datasets
from byod.dataset import feedback_inbox
from byod.dataset.dataset_folder import Dataset
from byod.schema.errors import DatasetError
from byod.schema.recipe import Recipe
from byod.tasks import TASKS
from byod.testing import draw_classes

SECRET = b"PRIVATE KEY"


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A dataset of two classes of four pictures, as byod leaves it."""
    place = tmp_path_factory.mktemp("made")
    draw_classes(place / "own", classes=("cat", "dog"), per_class=4, size=(320, 240))
    datasets.add([place / "own"], None, place / "set", Recipe(), say=silent, watch=lambda tallies: None)
    return place / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    return shutil.copytree(made, tmp_path / "set")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the person who opens it, beside it."""
    (tmp_path / "victim" / "sub").mkdir(parents=True)
    (tmp_path / "victim" / "id_rsa").write_bytes(SECRET)
    (tmp_path / "victim" / "sub" / "thesis.txt").write_text("thesis")
    return tmp_path / "victim"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def written(folder: Path, sql: str, *values: str) -> None:
    """Change the catalog behind byod's back."""
    connection = sqlite3.connect(folder / "catalog.db")
    with connection:
        connection.execute(sql, values)
    connection.close()


def refused(folder: Path, victim: Path, words: str) -> None:
    """Every verb says why in one line, and nothing outside the folder changes, nor do the pictures in it."""
    outside, pictures = contents(victim), contents(folder / "images")
    for verb in (datasets.status, datasets.dedupe):
        with pytest.raises(DatasetError, match=words) as caught:
            verb(folder, say=silent)
        assert "\n" not in str(caught.value)
    assert contents(victim) == outside
    assert contents(folder / "images") == pictures


SOURCES_AND_TARGETS: list[Callable[[Path], tuple[str, str]]] = [
    lambda victim: ("images/cat/note.txt", f"{victim}/id_rsa"),
    lambda victim: (f"{victim}/id_rsa", "images/cat/k.jpg"),
    lambda victim: ("../victim/id_rsa", "images/cat/k.jpg"),
    lambda victim: ("images/cat/note.txt", "images/../../victim/new"),
    lambda victim: ("images/cat/note.txt", "elsewhere/new"),
    lambda victim: ("elsewhere/id_rsa", "images/cat/k.jpg"),
]


@pytest.mark.parametrize("number", range(len(SOURCES_AND_TARGETS)))
def test_a_promised_move_never_leads_out(folder: Path, victim: Path, number: int):
    """A move in the catalog's journal that is absolute, has `..` or meets a link is refused, and no other one made."""
    (folder / "images" / "cat" / "note.txt").write_text("evil")
    (folder / "elsewhere").symlink_to(victim)
    source, target = SOURCES_AND_TARGETS[number](victim)
    first = next((folder / "images" / "dog").iterdir())
    for move in ((f"images/dog/{first.name}", f"rejected/duplicate/{first.name}"), (source, target)):
        written(folder, "INSERT INTO moves (source, target) VALUES (?, ?)", *move)
    trusted(folder)
    refused(
        folder, victim, "is a link" if "elsewhere" in source + target else "leads|not a place for a picture"
    )
    assert first.exists()


MADE_ELSEWHERE = [
    "INSERT INTO moves (source, target) VALUES ('images/cat/note.txt', '{victim}/id_rsa')",
    "UPDATE samples SET path = '{victim}/id_rsa', status = 'waiting'",
    "CREATE TRIGGER t AFTER INSERT ON verdicts BEGIN UPDATE samples SET label = 'dog'; END",
    "UPDATE samples SET label = 'dog', path = 'images/dog/' || substr(path, 12) WHERE label = 'cat'",
    "UPDATE samples SET status = 'nonsense', size = 'many'",
    "DROP TABLE addresses",
    "DELETE FROM verdicts",
]


@pytest.mark.parametrize("sql", MADE_ELSEWHERE)
def test_a_catalog_that_was_not_made_here_is_not_believed(folder: Path, victim: Path, sql: str):
    """What a stranger wrote into the catalog is set aside; folders, log and credits say all that counts."""
    outside, pictures, credited = (
        contents(victim),
        contents(folder / "images"),
        (folder / "CREDITS.csv").read_bytes(),
    )
    with Dataset(folder, TASKS) as dataset:
        said = dataset.catalog.verdicts.after(0)
    written(folder, sql.format(victim=victim))
    lines: list[str] = []
    datasets.status(folder, say=lines.append)
    assert any("not as byod left it on this machine" in line for line in lines)
    assert contents(victim) == outside
    assert contents(folder / "images") == pictures
    assert (folder / "CREDITS.csv").read_bytes() == credited
    with Dataset(folder, TASKS) as dataset:
        assert dataset.catalog.verdicts.after(0) == said
        assert dataset.catalog.verdicts.holding() == {}
        assert dataset.catalog.samples.kept() == {"cat": 4, "dog": 4}


def test_a_state_from_elsewhere_fits_no_catalog(folder: Path, monkeypatch, tmp_path: Path):
    """A copy is trusted where its key lies and nowhere else, whether byod closed the dataset or was killed in it."""
    again = shutil.copytree(folder, tmp_path / "again")
    with Dataset(again, TASKS) as dataset:
        assert dataset.rebuilt == ""
        with dataset.catalog.transaction():
            dataset.catalog.samples.touched([])
            killed = shutil.copytree(again, tmp_path / "killed")
    with Dataset(shutil.copytree(killed, tmp_path / "killed here"), TASKS) as dataset:
        assert dataset.rebuilt == ""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another machine"))
    for number, copy in enumerate((again, killed)):
        with Dataset(shutil.copytree(copy, tmp_path / str(number)), TASKS) as dataset:
            assert "not as byod left it" in dataset.rebuilt


@pytest.mark.parametrize("status", ["kept", "waiting", "rejected"])
@pytest.mark.parametrize(
    "path",
    ["{}/id_rsa", "../victim/id_rsa", ".byod/../../victim/id_rsa", "images/cat/../../../victim/id_rsa"],
)
def test_a_picture_never_lies_elsewhere(folder: Path, victim: Path, path: str, status: str):
    """A picture whose path in the catalog leads out is refused when the dataset is opened, whatever its state."""
    written(
        folder,
        "UPDATE samples SET path = ?, status = ? WHERE sha256 = (SELECT MIN(sha256) FROM samples)",
        path.format(victim),
        status,
    )
    trusted(folder)
    refused(folder, victim, "not a place for a picture")


@pytest.mark.parametrize(
    "name",
    [
        ".byod",
        ".byod/incoming",
        ".byod/lock",
        ".byod/written",
        ".byod/reports",
        "labels.jsonl",
        "catalog.db",
        "catalog.db-wal",
        "CREDITS.csv",
        "README.md",
        "images",
        "images/cat",
        "rejected",
        "rejected/duplicate",
        "runs",
    ],
)
def test_nothing_is_changed_through_a_link(folder: Path, victim: Path, name: str):
    """A link in the place of anything that byod writes to, clears, renames or moves is refused by its name."""
    place, kept = folder / name, folder.parent / "kept"
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(kept)
    is_file = kept.is_file() or name in (".byod/lock", ".byod/written", "catalog.db-wal")
    place.symlink_to(victim / "id_rsa" if is_file else victim)
    refused(folder, victim, f"{name} is a link")


@pytest.mark.parametrize("name", ["docs", "a:b", "CON"])
def test_a_class_folder_that_is_a_link_is_passed_over_and_said(folder: Path, victim: Path, name: str):
    """A link among the class folders is neither read nor renamed, and a line tells of it."""
    (folder / "images" / name).symlink_to(victim)
    outside, lines = contents(victim), []
    snapshot = datasets.status(folder, say=lines.append)
    assert contents(victim) == outside
    assert (folder / "images" / name).is_symlink()
    assert [line for line in lines if name in line and "link" in line]
    assert set(snapshot.classes) == {"cat", "dog"}


def test_no_temporary_name_lies_in_wait(folder: Path, victim: Path):
    """Links planted under the names that byod once gave to unfinished files are followed by none of its writes."""
    planted = ["byod.toml.part", ".CREDITS.csv.part", ".README.md.part"]
    planted += [
        f".{name}.{os.getpid()}.part" for name in ("CREDITS.csv", "README.md", "byod.toml", "check.html")
    ]
    for name in planted:
        (folder / name).symlink_to(victim / "id_rsa")
    (folder / "images" / "new").mkdir()
    draw_classes(folder.parent / "more", classes=("new",), per_class=1, size=(320, 240))
    shutil.copytree(folder.parent / "more" / "new", folder / "images" / "new", dirs_exist_ok=True)
    datasets.status(folder, say=silent)
    datasets.check(folder, None, say=silent)
    assert (victim / "id_rsa").read_bytes() == SECRET
    assert "classes.new" in (folder / "byod.toml").read_text(encoding="utf-8")


def test_refused_pictures_are_written_through_no_link(folder: Path, victim: Path, tmp_path: Path):
    """What is refused as it arrives lands in rejected/ itself, also where a link lies under the name it will get."""
    import hashlib

    content = b"no picture at all"
    (tmp_path / "own" / "cat").mkdir(parents=True)
    (tmp_path / "own" / "cat" / "x.jpg").write_bytes(content)
    name = f"{hashlib.sha256(content).hexdigest()[:20]}.bin"
    (folder / "rejected" / "not-a-picture").mkdir(parents=True)
    (folder / "rejected" / "not-a-picture" / name).symlink_to(victim / "id_rsa")
    with Dataset(folder, TASKS) as dataset:
        recipe = dataset.recipe
    datasets.add([tmp_path / "own"], None, folder, recipe, say=silent, watch=lambda tallies: None)
    assert (victim / "id_rsa").read_bytes() == SECRET
    assert (folder / "rejected" / "not-a-picture" / name).read_bytes() == content


def test_a_reported_picture_goes_through_no_link(folder: Path, victim: Path):
    """A server that takes reports in keeps none behind a link."""
    (folder / ".byod" / "reports").symlink_to(victim)
    picture = next((folder / "images" / "cat").iterdir()).read_bytes()
    before = contents(victim)
    with pytest.raises(DatasetError, match="reports is a link"):
        feedback_inbox.keep(folder, picture, run="r", label="cat", marks=None)
    assert contents(victim) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(folder: Path, victim: Path):
    """A named pipe where byod expects a file of its own is refused instead of waited for."""
    (folder / "labels.jsonl").unlink()
    os.mkfifo(folder / "labels.jsonl")
    refused(folder, victim, "not an ordinary file")
