"""A run on other people's class folders."""

import direct_training as training
import pytest
from colour_trainer import Colour, coloured
from PIL import Image

from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import Measured
from byod.tasks.classify import evaluation


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    examples = coloured(folder / "images", per_class=60)
    # the names of the examples are made up; here they must be those of the bytes
    real = {e.path: e for e in evaluation.pictures_in(folder / "images").examples}
    examples = [e.model_copy(update={"sha256": real[e.path].sha256}) for e in examples]
    training.train(examples, ("red", "green"), Colour(), {"epochs": "4"}, folder=folder / "runs" / "one")
    return folder / "runs" / "one"


def evaluate(run, folder):
    return training.evaluate_run(run, evaluation.pictures_in(folder), str(folder))


def test_class_folders_from_elsewhere_are_measured(run, tmp_path):
    """Accuracy, interval and scores are those of the model's answers on these pictures."""
    coloured(tmp_path / "theirs", per_class=30, seed=9)
    found, evaluated = evaluate(run, tmp_path / "theirs")
    assert found.metrics.pictures == 60
    assert found.metrics.measured_on is Measured.FOLDER
    assert found.metrics.accuracy == pytest.approx(sum(j.right for j in evaluated) / 60)
    assert found.metrics.accuracy > 0.8
    assert (found.unknown, found.absent, found.learned, found.unreadable) == ({}, (), 0, ())


def test_unknown_absent_and_unreadable_are_said(run, tmp_path):
    """Folders of other classes are counted and left out, a class without pictures is named, broken files are listed."""
    coloured(tmp_path / "theirs", ("red", "blue"), per_class=10, seed=9)
    (tmp_path / "theirs" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    found, _ = evaluate(run, tmp_path / "theirs")
    assert found.unknown == {"blue": 10}
    assert found.absent == ("green",)
    assert found.metrics.pictures == 10
    assert [one.path.endswith("broken.jpg") for one in found.unreadable] == [True]
    assert found.metrics.per_class["green"].recall is None


def test_pictures_of_kinds_that_it_does_not_know_are_asked_about_and_said(run, tmp_path):
    """They are no part of the accuracy, and a line says how many there are and of how many it says "none of these"."""
    coloured(tmp_path / "theirs", ("red", "green", "blue"), per_class=10, seed=9)
    found, evaluated = evaluate(run, tmp_path / "theirs")
    assert (found.others.kinds, found.others.pictures) == ({"blue": 10}, 10)
    assert len(evaluated) == found.metrics.pictures == 20
    told = " ".join(evaluation.table(found)[2])
    assert "10 pictures are of something that the model does not know" in told
    assert "blue (10)" in told
    assert f"({found.others.none_of_these} of 10)" in told or found.others.none_of_these is None


def test_pictures_it_learned_from_are_left_out(run, tmp_path):
    """The same bytes under another name are no test."""
    coloured(tmp_path / "theirs", per_class=10, seed=9)
    for number, path in enumerate(sorted((run.parent.parent / "images" / "red").iterdir())[:5]):
        (tmp_path / "theirs" / "red" / f"copy{number}.jpg").write_bytes(path.read_bytes())
    found, _ = evaluate(run, tmp_path / "theirs")
    assert found.learned == 5
    assert found.metrics.pictures == 20
    everything = evaluation.pictures_in(run.parent.parent / "images")
    train = everything.of(e for e in everything.examples if int(e.path.stem) < 30)
    with pytest.raises(UsageError, match="learned from all"):
        training.evaluate_run(run, train, "there")


def test_a_picture_stored_on_its_side_is_turned(run, tmp_path):
    """EXIF orientation is heeded, as everywhere in byod."""
    side = tmp_path / "theirs" / "red"
    side.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGB", (60, 40), (70, 160, 70))
    picture.paste((170, 70, 60), (0, 0, 60, 39))
    picture.save(side / "turned.jpg", exif=exif)
    _, evaluated = evaluate(run, tmp_path / "theirs")
    assert evaluated[0].said.label == "red"


def test_folders_go_by_the_safe_name_too(tmp_path):
    """A class whose shown name is not a folder name is found by the folder byod gives it."""
    examples = coloured(tmp_path / "images", per_class=60)
    examples = [e.model_copy(update={"label": {"red": "Café: rot"}.get(e.label, e.label)}) for e in examples]
    run = tmp_path / "runs" / "one"
    training.train(examples, ("Café: rot", "green"), Colour(), {}, folder=run)
    coloured(tmp_path / "theirs", per_class=5, seed=9)
    from byod.schema.folder_names import safe_folder

    (tmp_path / "theirs" / "red").rename(tmp_path / "theirs" / safe_folder("Café: rot"))
    found, _ = evaluate(run, tmp_path / "theirs")
    assert found.metrics.per_class["Café: rot"].pictures == 5


def test_nothing_to_measure_on_is_one_line(run, tmp_path):
    """No folder, an empty one, only strangers: what is wrong and what it takes."""
    with pytest.raises(UsageError, match="is not a folder"):
        evaluate(run, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        evaluate(run, tmp_path / "empty")
    coloured(tmp_path / "theirs", ("blue",), per_class=2)
    with pytest.raises(UsageError, match="is called red or green; it has blue"):
        evaluate(run, tmp_path / "theirs")


def test_a_model_that_was_changed_is_refused(run, tmp_path):
    """model.onnx must be the file that model.json describes."""
    import shutil

    shutil.copytree(run, tmp_path / "runs" / "two")
    (tmp_path / "runs" / "two" / "model.onnx").write_bytes(b"something else")
    coloured(tmp_path / "theirs", per_class=2)
    with pytest.raises(ModelError, match="is not the file"):
        evaluate(tmp_path / "runs" / "two", tmp_path / "theirs")
