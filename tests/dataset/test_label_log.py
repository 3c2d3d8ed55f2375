"""The label log as text: whatever a person, an editor or a power cut left in it, its verdicts come back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.dataset import label_log
from byod.dataset.catalog import Catalog
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.schema.files import Folder
from byod.schema.recipe import Recipe
from byod.schema.records import Verdict
from byod.tasks import TASKS

WHEN = datetime(2026, 11, 30, tzinfo=UTC)


def verdicts(number, note="because"):
    return [
        Verdict(sha256=f"{n:064x}", label="cat", who="me", when=WHEN, note=f"{note} {n}")
        for n in range(number)
    ]


def written(folder: Path, said) -> Path:
    """The log of some verdicts."""
    catalog, place = Catalog(folder / "catalog.db"), Folder(folder)
    with catalog.transaction():
        catalog.verdicts.add(said)
    label_log.LabelLog(place, catalog).write()
    catalog.close()
    place.close()
    return folder / label_log.FILE


def restored(folder: Path) -> tuple[list[tuple[int, Verdict]], tuple[str, ...]]:
    """What an empty catalog gets back, and what is said of the rest."""
    (folder / "catalog.db").unlink(missing_ok=True)
    catalog, place = Catalog(folder / "catalog.db"), Folder(folder)
    with catalog.transaction():
        lines = label_log.LabelLog(place, catalog).restore()
    found = catalog.verdicts.after(0)
    catalog.close()
    place.close()
    return found, lines


def test_a_last_line_that_an_editor_did_not_end_is_kept(tmp_path):
    """A whole verdict is one, with or without the line feed, and the next one gets a line of its own."""
    file = written(tmp_path, verdicts(3))
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert restored(tmp_path) == ([(n + 1, v) for n, v in enumerate(verdicts(3))], ())
    written(tmp_path, verdicts(1))
    assert [json.loads(line)["id"] for line in file.read_bytes().splitlines()] == [1, 2, 3, 4]


@pytest.mark.parametrize("zeros", [0, 100])
def test_a_torn_or_zeroed_end_is_cut_off(tmp_path, zeros):
    """Half a line, or the zeros that a file system leaves, end nothing: the lines before are taken."""
    file = written(tmp_path, verdicts(5))
    content = file.read_bytes()
    file.write_bytes(content[:-100] + bytes(zeros))
    found, lines = restored(tmp_path)
    assert (found, lines) == ([(n + 1, v) for n, v in enumerate(verdicts(4))], ())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_note_comes_back(tmp_path_factory, notes):
    """U+2028, U+0085 and the like end no line."""
    folder = tmp_path_factory.mktemp("log")
    said = [v.model_copy(update={"note": note}) for v, note in zip(verdicts(len(notes)), notes, strict=True)]
    written(folder, said)
    assert restored(folder) == ([(n + 1, v) for n, v in enumerate(said)], ())


@pytest.mark.parametrize("note", ["a\u2028b", "a\u0085b", "a\x0bb\x0c\x1c\x1d\x1e"])
def test_line_ends_of_other_alphabets_are_text(tmp_path, note):
    """Those that Python's splitlines knows beside the line feed."""
    written(tmp_path, verdicts(3, note))
    assert restored(tmp_path) == ([(n + 1, v) for n, v in enumerate(verdicts(3, note))], ())


def test_lines_that_are_no_verdicts_are_named_and_the_others_taken(tmp_path):
    """A byte that is not UTF-8, prose, a wrong field; a second verdict of one number gets a new one; the file stays."""
    file = written(tmp_path, verdicts(6))
    lines = file.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"because", b"\xff")
    lines[2] = b"sorry"
    lines[3] = lines[3].replace(b'"who": "me"', b'"who": 5')
    lines[5] = lines[5].replace(b'"id": 6', b'"id": 1')
    lines[5:5] = [lines[0]] * 3  # the same block twice is no trouble
    file.write_bytes(b"\n".join(lines))
    before = file.read_bytes()
    found, said = restored(tmp_path)
    assert [number for number, _ in found] == [1, 5, 6]
    (line,) = said
    assert "no verdict could be read from line 2, 3, 4;" in line
    assert file.read_bytes() == before


def test_a_person_hears_of_it(tmp_path):
    """Where the catalog is lost, the next command says which lines it could not read."""
    with Dataset.create(tmp_path / "set", Recipe().with_class("cat"), TASKS) as dataset:
        dataset.catalog.verdicts.add(verdicts(3))
    (tmp_path / "set" / "catalog.db").unlink()
    file = tmp_path / "set" / label_log.FILE
    file.write_bytes(b"mine\n" + file.read_bytes())
    with Dataset(tmp_path / "set", TASKS) as dataset:
        (line,) = sync(dataset).lines
        assert len(dataset.catalog.verdicts.after(0)) == 3
    assert "from line 1;" in line


def test_many_bad_lines_are_counted(tmp_path):
    """The line that names them stays readable."""
    file = written(tmp_path, verdicts(2))
    file.write_bytes(b"x\n" * 500 + file.read_bytes())
    found, (line,) = restored(tmp_path)
    assert len(found) == 2
    assert line.count(",") < 15
    assert "and 490 more" in line


def test_new_verdicts_follow_the_last_that_can_be_read(tmp_path):
    """Rubbish at the end, longer than what is read at once, does not stop the log."""
    file = written(tmp_path, verdicts(3))
    with file.open("ab") as text:
        text.write(b"x" * 70_000 + b"\n" + b"y\n" * 40_000)
    written(tmp_path, verdicts(1))
    assert json.loads(file.read_bytes().splitlines()[-1])["id"] == 4
    assert file.read_bytes().count(b'"id"') == 4
