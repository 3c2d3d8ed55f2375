"""What older versions wrote, opened by the public ways: nothing old is refused, and nothing in it is lost."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from json_documents import holds
from old_artefacts import FORMATS, KEPT, run_of, unpacked

from byod import exports
from byod.api import datasets, evaluate, feedback, runs
from byod.exports import MARK
from byod.report import dataset_statistics
from byod.schema import recipe as recipes
from byod.schema.keypoints import keypoints_file, read_keypoints
from byod.schema.model_card import Measured
from byod.schema.records import Split, Task
from byod.tasks import TASKS
from byod.tasks.classify.run import classifier_card
from byod.tasks.keypoints.run import keypoints_card
from byod.training.run_folder import read_examples
from byod.web.static_site import site_folder


def quiet(*_: object) -> None:
    """Say nothing."""


@pytest.fixture(params=FORMATS)
def home(request, tmp_path: Path) -> Path:
    """A copy of what was kept of a format."""
    return unpacked(request.param, tmp_path / "home")


def test_what_is_kept_is_small():
    """All of a format takes less than 300 kB."""
    for folder in KEPT.glob("format-*"):
        assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 300_000


def test_a_dataset_of_classes_stands_as_it_stood(home):
    """Pictures, rejected ones with their reasons, origins, verdicts and split are those that were written."""
    said: list[str] = []
    snapshot = datasets.status(home / "shapes", say=said.append)
    assert said == []
    assert snapshot.task == Task.CLASSIFY
    assert Counter(sample.label for sample in snapshot.kept) == {"circle": 8, "Quadrat (eckig)": 12}
    reasons = {one.reason: len(one.samples) + one.addresses for one in dataset_statistics.refusals(snapshot)}
    assert reasons == {
        "broken": 1, "conflict": 1, "deleted": 1, "duplicate": 1, "not-found": 1, "too-small": 1,
    }  # fmt: skip
    assert dict(dataset_statistics.licence_counts(snapshot)) == {None: 13, "CC-BY-4.0": 4, "CC0-1.0": 3}
    assert set(snapshot.splits.values()) == set(Split)
    page, _, _ = datasets.check(home / "shapes", home / "check.html", say=said.append)
    assert page.is_file()
    assert said == []


def test_a_dataset_of_points_stands_as_it_stood(home):
    """Every picture has its points, in pixels of the picture."""
    snapshot = datasets.status(home / "spots", say=quiet)
    assert snapshot.task == Task.KEYPOINTS
    assert len(snapshot.kept) == 24
    marks = [read_keypoints(home / "spots" / keypoints_file(sample.path)) for sample in snapshot.kept]
    assert sum(len(each.heads) for each in marks) == 24
    assert [each.sha256 for each in marks] == [sample.sha256 for sample in snapshot.kept]


@pytest.mark.parametrize("name", ["shapes", "spots"])
def test_a_lost_catalog_is_rebuilt_from_the_old_text(home, name):
    """The label log, the folders and CREDITS.csv of an older byod give every picture back that was kept."""
    before = datasets.status(home / name, say=quiet)
    (home / name / "catalog.db").unlink()
    log = (home / name / "labels.jsonl").read_bytes()
    after = datasets.status(home / name, say=quiet)
    labels = {sample.sha256: sample.label for sample in after.kept}
    for sample in before.kept:
        assert labels[sample.sha256] == sample.label
        assert len(after.origins[sample.sha256]) == 1
    assert (home / name / "labels.jsonl").read_bytes().startswith(log)


def test_an_old_recipe_goes_on(home):
    """It says what it said, and a class that is added leaves all other lines as they are."""
    file = home / "shapes" / recipes.FILE
    before = file.read_text(encoding="utf-8")
    recipe = recipes.read(file.parent)
    assert recipe.classes["circle"].queries == ("Kreis", "circle shape")
    recipes.write(file.parent, recipe.with_class("star"))
    assert file.read_text(encoding="utf-8").startswith(before.rstrip("\n"))


def test_an_old_run_of_classes_predicts_and_says_what_it_said(home):
    """Card, tables and model are read; what the model says agrees with what the run wrote down of its measure."""
    run = run_of(home / "shapes")
    card = classifier_card(run)
    assert card.metrics.measured_on is Measured.CROSS_VALIDATION
    assert card.classes == ("circle", "Quadrat (eckig)")
    assert len(read_examples(run)) == 20
    pictures = sorted((home / "shapes" / "images").rglob("*.jpg"))
    said = list(evaluate.predict(run, pictures))
    assert [each.path for each in said] == [str(picture) for picture in pictures]
    assert all(abs(sum(each.probabilities.values()) - 1) < 1e-5 for each in said)


@pytest.mark.parametrize("how", ["squish", "crop", "pad"])
def test_an_old_run_goes_on_decoding_and_resizing_as_it_was_trained(how, tmp_path):
    """A run of before there were two rules for pixels says the same of photos many times its input, and no more."""
    kept = KEPT / "reduced-pixels"
    run = shutil.copytree(kept / "run", tmp_path / "run")
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    assert "pixels" not in card["input"]
    (run / "model.json").write_text(json.dumps(card | {"input": card["input"] | {"resize": how}}))
    said = json.loads((kept / "said.json").read_text(encoding="utf-8"))[how]
    for one in evaluate.predict(run, sorted((kept / "pictures").iterdir())):
        assert one.probabilities == pytest.approx(said[Path(one.path).name], abs=1e-6)


def test_an_old_run_of_points_finds_what_it_found(home):
    """The heads found in each picture are as many as the run wrote down."""
    run = run_of(home / "spots")
    card = keypoints_card(run)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == card.metrics.pipeline.heads == 24
    pictures = sorted((home / "spots" / "images").rglob("*.jpg"))
    said = list(evaluate.predict(run, pictures))
    assert all(set(head.points) == set(card.points.names) for each in said for head in each.heads)
    assert sum(len(each.heads) for each in said) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes", "spots"])
def test_old_runs_are_compared(home, name):
    """A comparison reads the cards and the tables of two runs."""
    run = run_of(home / name)
    twin = run.with_name("20261130-130000-twin")
    shutil.copytree(run, twin)
    card = json.loads((twin / "model.json").read_text(encoding="utf-8"))
    (twin / "model.json").write_text(json.dumps({**card, "run": twin.name}), encoding="utf-8")
    found = evaluate.compare([run, twin], home / "compare.html")
    assert len(found.runs) == 2
    assert (home / "compare.html").is_file()


@pytest.mark.parametrize(("name", "format"), [("shapes", "hf"), ("shapes", "folders"), ("spots", "coco")])
def test_an_old_export_is_replaced(home, name, format):
    """The mark of an earlier export is known again, so that the new one may take its place."""
    place = home / "exports" / format
    before = json.loads((place / MARK).read_text(encoding="utf-8"))
    datasets.export(home / name, format, place, links=False, say=quiet)
    after = json.loads((place / MARK).read_text(encoding="utf-8"))
    assert after["files"] == before["files"]
    assert (after["dataset"], after["format"]) == (before["dataset"], before["format"])


def test_every_export_of_then_is_one_of_now(home):
    """No layout has gone, and each says of which dataset it is."""
    layouts = {file.parent.name for file in (home / "exports").glob(f"*/{MARK}")}
    assert layouts == set(exports.formats(TASKS)) & layouts
    assert len(layouts) == 7


@pytest.mark.parametrize(("name", "net"), [("shapes", "model.onnx"), ("spots", "heads.onnx")])
def test_an_old_run_is_exported(home, name, net):
    """Its card leaves as it is, and the page that runs it in a browser says at least what it said then."""
    run = run_of(home / name)
    out = runs.export_run(run, "onnx", home / "out")
    assert (out / net).read_bytes() == (run / net).read_bytes()
    kept = json.loads((home / "exports" / f"{name}-onnx" / "model.json").read_text(encoding="utf-8"))
    assert json.loads((out / "model.json").read_text(encoding="utf-8")) == kept
    page = site_folder.write(run, home / "page", {})
    then, now = (
        json.loads((folder / "model.json").read_text(encoding="utf-8"))
        for folder in (home / "exports" / f"{name}-web", page)
    )
    assert now.pop("nets").keys() == then.pop("nets").keys()  # which files they are, the page alone reads
    assert holds(now, then)


@pytest.mark.parametrize("name", ["shapes", "spots"])
def test_old_reports_are_taken_in(home, name):
    """What somebody reported to an older byod comes into the dataset."""
    found = feedback.import_feedback(home / name, say=quiet, watch=quiet)
    assert (found.taken, found.left) == (1, 0)
    assert not list((home / name / ".byod" / "reports").glob("*.json"))
