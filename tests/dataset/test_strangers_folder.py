"""A dataset folder that somebody else made: whatever lies in it, nothing outside of it is touched."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from own_catalog import trusted

from byod.api import adding, datasets, feedback
from byod.dataset import feedback_inbox
from byod.dataset.dataset_folder import Dataset
from byod.schema import files
from byod.schema.errors import DatasetError
from byod.schema.recipe import Recipe
from byod.tasks import TASKS
from byod.testing import draw_classes
from byod.training import run_folder

SECRET = b"PRIVATE KEY"


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A dataset of two classes of four pictures, as byod leaves it."""
    place = tmp_path_factory.mktemp("made")
    draw_classes(place / "own", classes=("cat", "dog"), per_class=4, size=(320, 240))
    adding.add([place / "own"], None, place / "set", Recipe(), say=silent, watch=lambda tallies: None)
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
    adding.add([tmp_path / "own"], None, folder, recipe, say=silent, watch=lambda tallies: None)
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


def test_a_journal_that_names_another_file_is_refused(folder: Path, victim: Path):
    """SQLite would open, and then remove, the file that a journal names as its own; it never comes so far."""
    named = str(victim / "id_rsa").encode()
    page = 512 * b"\0"
    head = bytes.fromhex("d9d505f920a163d7") + (0).to_bytes(4, "big") * 2
    head += ((folder / "catalog.db").stat().st_size // 4096).to_bytes(4, "big")
    head += (512).to_bytes(4, "big") + (4096).to_bytes(4, "big")
    record = len(named).to_bytes(4, "big") + sum(named).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
    journal = head + page[len(head) :] + (1073741824 // 4096 + 1).to_bytes(4, "big") + named + record
    (folder / "catalog.db-journal").write_bytes(journal)
    refused(folder, victim, "names a file elsewhere")


@pytest.mark.parametrize(
    "what",
    ["TRIGGER t AFTER INSERT ON verdicts BEGIN UPDATE samples SET path = 'x'; END", "VIEW v AS SELECT 1"],
)
def test_a_catalog_with_a_will_of_its_own_is_refused(folder: Path, victim: Path, what: str):
    """A trigger could change paths after they were looked at; a catalog with one, or a view, is none of byod's."""
    written(folder, f"CREATE {what}")
    trusted(folder)
    refused(folder, victim, "none of byod's")


@pytest.mark.parametrize("label", ["../../victim", "a/b", ".byod", "{}"])
@pytest.mark.parametrize("table", ["samples", "verdicts"])
def test_a_class_is_the_name_of_a_folder(folder: Path, victim: Path, table: str, label: str):
    """A class in the catalog that is no name of a folder is refused, since pictures would move there."""
    written(folder, f"UPDATE {table} SET label = ?", label.format(victim))
    trusted(folder)
    refused(folder, victim, "not a place for a picture")


def test_a_verdict_of_the_log_for_no_class_is_left_out(folder: Path, victim: Path):
    """A line of the label log whose class would lead elsewhere is said, and the other ones rebuild the catalog."""
    (folder / "catalog.db").unlink()
    lines = (folder / "labels.jsonl").read_text().splitlines()
    (folder / "labels.jsonl").write_text(
        "\n".join([lines[0].replace('"cat"', '"../victim"'), *lines[1:]]) + "\n"
    )
    said: list[str] = []
    snapshot = datasets.status(folder, say=said.append)
    assert len(snapshot.kept) == 8
    assert [line for line in said if "no verdict could be read from line 1" in line]


def test_files_of_this_machine_are_read_only_where_they_are_named(folder: Path, victim: Path, tmp_path: Path):
    """A picture outside that the catalog says is still to be fetched is not; what is named now is, whatever it says."""
    drawn = draw_classes(tmp_path / "own", classes=("cat", "dog"), per_class=4, size=(320, 240), seed=8)
    private, mine = drawn["dog"][0], drawn["cat"][0]
    for url in (private.as_uri(), mine.as_uri()):
        record = {"url": url, "path": str(private), "label": "cat", "source": "folder", "terms": "cat"}
        written(
            folder,
            "INSERT INTO candidates (label, url, source, terms, round, record)"
            " VALUES ('cat', ?, 'folder', 'cat', 9, ?)",
            url,
            json.dumps(record),
        )
        written(folder, "INSERT INTO addresses (url) VALUES (?)", url)
    with Dataset(folder, TASKS) as dataset:
        recipe = dataset.recipe
    adding.add([mine], "cat", folder, recipe, say=silent, watch=lambda tallies: None)
    inside = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert private.read_bytes() not in inside
    assert mine.read_bytes() in inside


def test_a_report_that_is_a_link_is_not_taken_up(folder: Path, victim: Path):
    """The picture of a waiting report that is a link to one elsewhere is refused by its name."""
    picture = next((folder / "images" / "cat").iterdir()).read_bytes()
    kept = feedback_inbox.keep(folder, picture, run="r", label="dog", marks=None)
    place, _ = feedback_inbox.files_of(folder, kept.sha256)
    place.unlink()
    place.symlink_to(victim / "id_rsa")
    with pytest.raises(DatasetError, match="is a link"):
        feedback.import_feedback(folder, say=silent, watch=lambda tallies: None)
    assert place.is_symlink()


def test_an_unfinished_training_is_not_taken_up_through_links(folder: Path, victim: Path):
    """A folder of a training cut off that holds a link is refused, and nothing in it is written or removed."""
    runs = folder / "runs"
    with pytest.raises(KeyboardInterrupt), run_folder.unfinished(runs / "first", {"a": 1}) as part:
        raise KeyboardInterrupt
    (part / "work" / "own").symlink_to(victim)
    outside = contents(victim)
    with pytest.raises(DatasetError, match="is a link"), run_folder.unfinished(runs / "first", {"a": 1}):
        pytest.fail("it was taken up")
    part.rename(victim.parent / "away")
    part.symlink_to(victim)
    for anew in (False, True):
        taken = run_folder.unfinished(runs / "first", {"a": 1}, fresh=anew)
        with pytest.raises(DatasetError, match="is a link"), taken:
            pytest.fail("it was taken up")
    assert contents(victim) == outside


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "examples.csv", "predictions.csv"])
def test_a_run_is_read_through_no_link(victim: Path, tmp_path: Path, name: str):
    """A file of a run that is a link is refused by its name, and one for copying is not copied."""
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(victim / "id_rsa")
    reads = {
        "model.json": lambda: run_folder.task_of(run),
        "model.onnx": lambda: run_folder.model_file(run / name, "0" * 64),
        "examples.csv": lambda: run_folder.read_examples(run),
        "predictions.csv": lambda: run_folder.read_lines(run, dict),
    }
    with pytest.raises(DatasetError, match=f"{name} is a link"):
        reads[name]()
    with pytest.raises(DatasetError, match=f"{name} is a link"):
        files.copy(run / name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
