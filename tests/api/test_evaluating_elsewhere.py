"""A model measured on other people's pictures: on which, near-copies, groups, and what cannot be opened."""

import json
import shutil
from pathlib import Path

import pytest
from command import byod
from PIL import Image

from byod.api import evaluate
from byod.api.train import other_pictures
from byod.collection.sources import folder as own_pictures
from byod.schema.errors import ByodError, UsageError
from byod.schema.model_card import Unreadable
from byod.schema.names import unreadable
from byod.tasks import TASKS, of_run
from byod.testing import draw_classes
from byod.training import learned_looks, run_folder

PROBE = ("train", "--plugin", "sklearn", "--from-scratch")


def silent(*_: object) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> tuple[Path, Path]:
    """A dataset of drawn classes with a run of the probe, which was measured on other drawn pictures at once."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOD_CONFIG", str(folder / "none.toml"))
        patch.setenv("BYOD_CACHE", str(folder / "cache"))
        draw_classes(folder / "own", ("circle", "square"), per_class=70, size=(160, 140))
        draw_classes(folder / "theirs", ("circle", "square"), per_class=12, size=(160, 140), seed=7)
        byod("add", "own", "--into", "datasets/shapes", folder=folder)
        copied(folder)
        done = byod(*PROBE, "--test", "theirs", "--json", folder=folder)
    return folder, folder / json.loads(done.stdout)["run"]


def copied(folder: Path) -> None:
    """Put two pictures among theirs that are smaller copies of pictures learned from."""
    images = folder / "datasets" / "shapes" / "images" / "circle"
    for number, path in enumerate(sorted(images.iterdir())[:40]):
        if number % 20 == 0:
            with Image.open(path) as picture:
                small = picture.convert("RGB").resize((120, 105))
            small.save(folder / "theirs" / "circle" / f"copy-{number}.jpg", quality=80)


pytestmark = pytest.mark.slow


def test_training_measures_on_another_folder_at_once(home):
    """Both numbers stand in the card, in what --json prints and in the report, in English and German."""
    folder, run = home
    card = json.loads((run / "model.json").read_text("utf-8"))
    elsewhere = card["elsewhere"]
    assert elsewhere["on"] == "theirs"
    assert elsewhere["metrics"]["pictures"] + elsewhere["learned"] >= 24
    assert elsewhere["metrics"]["measured_on"] == "folder"
    assert card["metrics"]["measured_on"] != "folder"
    page = (run / "report.html").read_text("utf-8")
    assert 'id="elsewhere"' in page
    assert "theirs" in page
    assert "Auf Bildern von anderswo" in page
    found = json.loads(byod("evaluate", str(run), "theirs", "--json", folder=folder).stdout)
    assert found["metrics"] == elsewhere["metrics"]
    assert found["near"] == elsewhere["near"]


def test_near_copies_of_what_was_learned_are_found_and_counted_apart(home, tmp_path):
    """Smaller copies of pictures learned from are near-copies; metrics stand with and without them."""
    folder, run = home
    learned = [s for s, (part, _) in run_folder.read_examples(run).items() if part != "test"]
    images = {p.name: p for p in (folder / "datasets" / "shapes" / "images").rglob("*.jpg")}
    by_sha = _by_sha(images.values())
    theirs = tmp_path / "theirs"
    draw_classes(theirs, ("circle", "square"), per_class=10, size=(160, 140), seed=11)
    copies = [by_sha[sha] for sha in learned if sha in by_sha][:6]
    for number, path in enumerate(copies):
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((110, 96))
        small.save(theirs / path.parent.name / f"copy-{number}.jpg", quality=75)
    said = byod("evaluate", str(run), str(theirs), folder=folder)
    found = json.loads(byod("evaluate", str(run), str(theirs), "--json", folder=folder).stdout)
    assert found["metrics"]["pictures"] == 26
    assert found["near"] >= 6
    assert found["apart"]["pictures"] == 26 - found["near"]
    assert f"on 26 pictures of {theirs}" in said.stdout
    assert "cross-validated" not in said.stdout
    assert f"{found['near']} of them are near-copies" in said.stderr


def _by_sha(paths) -> dict[str, Path]:
    from byod.schema import files

    return {files.sha256(path): path for path in paths}


def test_copies_in_the_folder_are_one_group_of_the_interval(home, tmp_path):
    """Six copies of a picture say no more than one: the interval is wider than that of pictures apart."""
    _, run = home
    task, _ = of_run(run)
    theirs = tmp_path / "theirs"
    draw_classes(theirs, ("circle", "square"), per_class=6, size=(160, 140), seed=5)
    with Image.open(sorted((theirs / "circle").iterdir())[0]) as picture:
        for number in range(6):
            picture.convert("RGB").save(theirs / "circle" / f"again{'x' * number}.jpg", quality=70 + number)
    others = other_pictures(task, theirs, silent)
    groups = {e.path.name: e.group for e in others.labelled.examples}
    assert len({group for name, group in groups.items() if name.startswith("again")}) == 1
    assert len(set(groups.values())) > 6


def test_a_run_that_does_not_say_how_its_pictures_look_says_so(home, tmp_path):
    """Without fingerprints nobody looks for near-copies, and the line says that; a damaged table is refused."""
    folder, run = home
    old = tmp_path / "runs" / "old"
    shutil.copytree(run, old)
    table = old / learned_looks.FILE
    table.write_text(table.read_text("utf-8").replace(",", ",z", 9), encoding="utf-8")
    assert "is not what byod wrote" in byod("evaluate", str(old), "theirs", folder=folder, check=1).stderr
    table.unlink()
    said = byod("evaluate", str(old), "theirs", folder=folder)
    assert "nobody looked for near-copies" in said.stderr


def test_a_dataset_is_measured_on_as_a_folder_is(home, tmp_path):
    """A dataset of somebody else gives its kept pictures, with their groups and fingerprints."""
    folder, run = home
    byod("add", "theirs", "--into", str(tmp_path / "set"), folder=folder)
    found = json.loads(byod("evaluate", str(run), str(tmp_path / "set"), "--json", folder=folder).stdout)
    assert found["metrics"]["pictures"] >= 20
    assert found["near"] is not None


def test_a_folder_without_the_classes_is_refused_before_training(home, tmp_path):
    """What cannot be measured on is said at once, and no run is made."""
    folder, _ = home
    draw_classes(tmp_path / "cars", ("truck",), per_class=2)
    before = sorted((folder / "datasets" / "shapes" / "runs").iterdir())
    refused = byod(*PROBE, "--test", str(tmp_path / "cars"), folder=folder, check=2)
    assert "it has truck" in refused.stderr
    assert "is not a folder" in byod(*PROBE, "--test", "nowhere", folder=folder, check=2).stderr
    assert sorted((folder / "datasets" / "shapes" / "runs").iterdir()) == before


@pytest.fixture
def spoiled(tmp_path, monkeypatch) -> Path:
    """A folder with a damaged picture, an empty one, a picture, a file and a folder that may not be read."""
    theirs = tmp_path / "spoiled"
    draw_classes(theirs, ("circle", "square"), per_class=8, size=(160, 140), seed=3)
    circles = sorted((theirs / "circle").iterdir())
    circles[0].write_bytes(circles[0].read_bytes()[:500])
    circles[1].write_bytes(b"")
    (theirs / "circle" / "notes").write_text("secret")
    (theirs / "square" / "more").mkdir()
    locked = {circles[2], theirs / "circle" / "notes"}
    opening, reading, scanning = Path.open, Path.read_bytes, own_pictures.os.scandir

    def refuse(place):
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: refuse(self) if self in locked else opening(self, *a, **k)
    )
    monkeypatch.setattr(Path, "read_bytes", lambda self: refuse(self) if self in locked else reading(self))
    monkeypatch.setattr(
        own_pictures.os,
        "scandir",
        lambda place: refuse(place) if Path(place) == theirs / "square" / "more" else scanning(place),
    )
    return theirs


def test_what_cannot_be_opened_is_counted_and_named_by_evaluate(home, spoiled):
    """A damaged picture, and what may not be read, are each named, and all others are measured."""
    _, run = home
    found = evaluate.evaluate(run, spoiled, None, say=silent)
    assert found.metrics.pictures == 13
    named = {Path(one.path).name for one in found.unreadable}
    assert {"notes", "more"} <= named
    assert len(found.unreadable) == found.metrics.unreadable == 5


def test_what_cannot_be_opened_is_counted_and_named_by_predict(home, spoiled):
    """Each is an `Unreadable` among the predictions of the others."""
    _, run = home
    said = list(evaluate.predict(run, [spoiled]))
    broken = [one for one in said if isinstance(one, Unreadable)]
    assert len(said) - len(broken) == 13
    assert {"notes", "more"} <= {Path(one.path).name for one in broken}
    assert len(broken) == 5


def test_a_folder_whose_names_alone_may_be_read_is_named(tmp_path, monkeypatch):
    """Where a folder may be listed and nothing in it be looked at, its files are noted, and nothing ends."""
    draw_classes(tmp_path / "own", ("circle", "square"), per_class=2)
    locked = tmp_path / "own" / "circle"
    asking = Path.is_file

    def refusing(self):
        if self.parent == locked:
            raise PermissionError(13, "Permission denied", str(self))
        return asking(self)

    monkeypatch.setattr(Path, "is_file", refusing)
    passed = unreadable()
    assert len(list(own_pictures.pictures(tmp_path / "own", passed=passed))) == 2
    assert len(passed.names) == 2
    with pytest.raises(ByodError, match="cannot be read"):
        list(own_pictures.pictures(tmp_path / "own"))


def test_points_take_a_dataset_and_nothing_else(tmp_path):
    """A folder without a dataset is refused for points, in one line."""
    with pytest.raises(UsageError, match="is not a dataset"):
        other_pictures(TASKS["keypoints"], tmp_path, silent)
