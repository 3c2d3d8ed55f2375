"""Pictures that hold nothing of what is looked for: a folder that is no class, and is marked by itself."""

import json
import shutil

import pytest
from library_place import sources
from marked_pictures import cat_files, jpeg, keypoints, laid_out
from typer.testing import CliRunner

from byod.cli import app
from byod.schema import recipe
from byod.schema.keypoints import read_keypoints
from byod.testing import draw_classes


def run(*arguments, code=0):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def cats(tmp_path, monkeypatch):
    """A dataset of four marked cats, made in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    laid_out(tmp_path / "in", cat_files({"CAT_00": 4}))
    run("convert", "cats", "in", "--into", "cats")
    return tmp_path / "cats"


@pytest.fixture
def others(tmp_path):
    """Three pictures without a cat."""
    return laid_out(tmp_path / "others", {f"{n}.jpg": jpeg(900 + n) for n in range(3)})


def empty(dataset):
    """The names of the pictures that are marked as holding nothing."""
    return {name for name, said in keypoints(dataset).items() if said["heads"] == []}


def standing(dataset):
    return {path.stem for path in (dataset / "images" / "nothing").iterdir()}


def test_own_pictures_without_a_cat_are_marked_by_themselves(cats, others):
    """`byod add --nothing` puts pictures into images/nothing and marks each as holding no object."""
    said = json.loads(run("add", others, "--nothing", "--into", cats, "--json").stdout)
    assert said["classes"] == {"cat": 4, "nothing": 3}
    assert (said["points"]["marked"], said["points"]["heads"]) == (7, 4)
    assert empty(cats) == standing(cats)
    assert len(empty(cats)) == 3


def test_a_conversion_takes_them_along(tmp_path, cats, others):
    """`byod convert --negatives` makes one dataset of both, and the same command again adds nothing."""
    for _ in range(2):
        run("convert", "cats", "in", "--negatives", others, "--into", "both")
        assert len(keypoints(tmp_path / "both")) == 7
        assert empty(tmp_path / "both") == standing(tmp_path / "both")


def test_links_among_them_are_passed_over(tmp_path, cats, others):
    """A link in a folder of such pictures is not followed, and is said, as with every folder that is added."""
    outside = laid_out(tmp_path / "outside", {"secret.jpg": jpeg(950)})
    (others / "link.jpg").symlink_to(outside / "secret.jpg")
    said = run("convert", "cats", "in", "--negatives", others, "--into", "both").stderr
    assert len(empty(tmp_path / "both")) == 3
    assert "link" in said


def test_what_is_moved_there_by_hand_is_marked_at_the_next_command(cats, others):
    """A picture put into images/nothing in a file manager is marked by the next command, without JSON by hand."""
    shutil.copytree(others, cats / "images" / "nothing")
    run("status", cats)
    assert empty(cats) == standing(cats)
    assert len(empty(cats)) == 3


def test_a_marked_cat_moved_there_keeps_its_points(cats):
    """A picture with points that somebody moves into images/nothing is not overwritten: its points stay."""
    picture = sorted((cats / "images" / "cat").iterdir())[0]
    (cats / "images" / "nothing").mkdir()
    picture.rename(cats / "images" / "nothing" / picture.name)
    run("status", cats)
    assert empty(cats) == set()
    assert keypoints(cats)[picture.stem]["heads"]


def test_a_file_that_says_nothing_but_no_objects_is_enough(cats, others):
    """The documented `{"heads": []}` is read as it stands, beside a picture of any size."""
    name = sorted((cats / "images" / "cat").iterdir())[0].stem
    file = cats / "points" / f"{name}.json"
    file.write_text('{"heads": []}')
    read = read_keypoints(file)
    assert read is not None
    assert read.heads == ()
    assert read.fits(123, 45)
    assert json.loads(run("status", cats, "--json").stdout)["points"]["marked"] == 4


def test_they_are_collected_with_words_of_their_own(cats, tmp_path, monkeypatch):
    """`byod collect dog fox --nothing` searches these words alone, keeps licences, and marks what comes."""
    draw_classes(tmp_path / "drawn", classes=("dog", "fox"), per_class=3, size=(220, 210))
    with sources(tmp_path / "drawn", {"dog": "dog", "fox": "fox"}) as web:
        for name, value in web.environment().items():
            monkeypatch.setenv(name, value)
        command = [
            "collect",
            "dog",
            "fox",
            "--nothing",
            "--into",
            cats,
            "--source",
            "openverse",
            "--per-class",
            "6",
        ]
        said = json.loads(run(*command, "--json").stdout)
    assert said["classes"] == {"cat": 4, "nothing": 6}
    assert {row["query"] for row in said["yield"] if row["class"] == "nothing"} == {"dog", "fox"}
    assert said["licences"]["CC-BY-4.0"] == 6
    assert empty(cats) == standing(cats)
    assert recipe.read(cats).classes["nothing"].queries == ("dog", "fox")


def test_an_empty_folder_of_such_pictures_is_no_gap(cats):
    """`byod check` does not miss pictures in a folder that is no class, however empty it is."""
    (cats / "images" / "nothing").mkdir()
    run("check", cats)
    page = (cats / "check.html").read_text()
    assert "has no pictures" not in page


@pytest.mark.parametrize("arguments", [["collect", "dog"], ["add", "others"]])
def test_only_a_dataset_of_points_has_such_pictures(cats, others, tmp_path, arguments):
    """In a dataset of classes there is nothing that a picture could be without: refused in a line that says where."""
    done = run(*arguments, "--nothing", "--into", "classes", code=2)
    assert "--nothing is for datasets of objects with points" in done.stderr
    assert not (tmp_path / "classes").exists()
