"""Points through the command line: convert, train, predict, evaluate, compare, give away."""

import csv
import json
import os
from pathlib import Path

import pytest
from command import byod
from spot_trainer import BESIDE, POINTS, spotted

from byod.testing import draw_classes

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1] / "fixtures"


def plugin(site: Path) -> str:
    """Spot, installed in a folder of its own: what to set PYTHONPATH to."""
    about = site / "byod_spot-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: byod-spot\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[byod.trainers]\nspot = spot_trainer:Spot\n")
    return os.pathsep.join([str(site), str(HERE)])


def coco(folder: Path, number: int, seed: int) -> tuple[Path, Path]:
    """Pictures of spotted discs and their COCO annotations."""
    examples, keypoints = spotted(folder / "pictures", number, seed=seed, beside=BESIDE)
    images, annotations = [], []
    for at, example in enumerate(examples):
        marked = keypoints[example.sha256]
        images.append(
            {"id": at, "file_name": example.path.name, "width": marked.width, "height": marked.height}
        )
        for head in marked.heads:
            places = [
                value for name in POINTS.names for value in (head.points[name].x, head.points[name].y, 2)
            ]
            x0, y0, x1, y1 = head.box
            annotations.append(
                {"id": len(annotations), "image_id": at, "category_id": 1, "keypoints": places,
                 "bbox": [x0, y0, x1 - x0, y1 - y0]}
            )  # fmt: skip
    categories = [{"id": 1, "name": "cat", "keypoints": list(POINTS.names)}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "marks.json").write_text(json.dumps(document))
    return folder / "marks.json", folder / "pictures"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a dataset of spotted discs and two runs: (folder, runs, environment)."""
    folder = tmp_path_factory.mktemp("points")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOD_CONFIG", str(folder / "none.toml"))
        patch.setenv("BYOD_CACHE", str(folder / "cache"))
        path = {"PYTHONPATH": plugin(folder / "site"), "BYOD_CACHE": str(folder / "cache")}
        byod("convert", "coco", *map(str, coco(folder, 200, 0)), "--into", "datasets/cats", folder=folder)
        runs = []
        for epochs in ("1", "6"):
            done = byod(
                "train", "--task", "keypoints", "--plugin", "spot", "--epochs", epochs, "--json",
                folder=folder, **path,
            )  # fmt: skip
            runs.append(json.loads(done.stdout))
    return folder, runs, path


def test_train_says_what_it_reached(home):
    """The card names run, points, both measurements and the mean places; progress and verdict go to stderr."""
    folder, runs, _ = home
    card = runs[1]
    run = Path(card["run"])
    assert run.parent == folder / "datasets" / "cats" / "runs"
    for name in ("model.onnx", "heads.onnx", "model.json", "report.html", "predictions.csv", "suspects.csv"):
        assert (run / name).is_file(), name
    assert card["task"] == "keypoints"
    assert card["points"]["names"] == list(POINTS.names)
    assert card["metrics"]["crops"]["heads"] >= 20
    assert card["metrics"]["crops"]["median"] < card["baseline"]["median"]
    assert card["metrics"]["pipeline"]["glasses"] > 0.8
    assert card["options"] == {"epochs": 6}


def test_without_a_task_the_datasets_decides(home):
    """A dataset of keypoints is trained for points; a contradiction is refused in one line."""
    folder, _, path = home
    done = byod("train", "--plugin", "spot", "--epochs", "1", folder=folder, **path)
    assert "are found so well that glasses sit" in done.stderr
    refused = byod("train", "--task", "classify", "--plugin", "nosuch", folder=folder, check=2, **path)
    assert "is a dataset for the task keypoints: remove --task classify" in refused.stderr
    unknown = byod("train", "--task", "boxes", folder=folder, check=2, **path)
    assert "byod trains classify or keypoints" in unknown.stderr
    wrong = byod("train", "--plugin", "sklearn", folder=folder, check=1, **path)
    assert "the trainer sklearn does not train for the task keypoints" in wrong.stderr
    assert "Traceback" not in done.stderr + refused.stderr + unknown.stderr + wrong.stderr


def test_predict_gives_the_promised_json(home):
    """Each picture with its heads: confidence, box and points in pixels; and a table for people."""
    folder, _, path = home
    pictures = sorted((folder / "pictures").glob("*.png"))[:5]
    found = json.loads(byod("predict", *map(str, pictures), "--json", folder=folder, **path).stdout)
    assert [one["path"] for one in found] == [str(picture) for picture in pictures]
    assert [min(1, len(one["heads"])) for one in found] == [1, 1, 1, 1, 0]
    for one in found:
        for head in one["heads"]:
            assert 0 < head["confidence"] <= 1
            assert len(head["box"]) == 4
            assert set(head["points"]) == set(POINTS.names)
    table = byod("predict", *map(str, pictures), folder=folder, **path).stdout
    assert table.count(".png") == sum(max(1, len(one["heads"])) for one in found)
    assert "none" in table
    assert "eye_image_left" in table


def test_evaluate_measures_on_the_test_pictures_and_on_other_datasets(home, tmp_path):
    """The test pictures give what the card says; another dataset is measured whole; a folder of pictures is refused."""
    folder, runs, path = home
    run = runs[1]["run"]
    own = json.loads(byod("evaluate", run, "--json", folder=folder, **path).stdout)
    assert own["metrics"]["crops"] == runs[1]["metrics"]["crops"]
    assert own["baseline"] == runs[1]["baseline"]
    byod(
        "convert", "coco", *map(str, coco(tmp_path, 20, 5)), "--into", str(tmp_path / "other"), folder=folder
    )
    page = tmp_path / "page.html"
    done = byod("evaluate", run, str(tmp_path / "other"), "--report", str(page), folder=folder, **path)
    assert "mean places" in done.stdout
    assert "whole pictures" in done.stdout
    assert page.read_text("utf-8").count("<svg") > 5
    refused = byod("evaluate", run, str(tmp_path / "pictures"), folder=folder, check=2, **path)
    assert "is not a dataset" in refused.stderr


def test_compare_puts_runs_on_the_same_heads(home, tmp_path):
    """Two runs, their metrics and how they differ; a run for classes beside them is refused in one line."""
    folder, runs, path = home
    names = [run["run"] for run in runs]
    page = tmp_path / "compare.html"
    found = json.loads(byod("compare", *names, "--into", str(page), "--json", folder=folder, **path).stdout)
    assert [one["crops"]["heads"] for one in found["runs"]] == [found["heads"]] * 2
    assert found["runs"][1]["crops"]["median"] < found["runs"][0]["crops"]["median"]
    assert "Brille" in page.read_text("utf-8")
    assert (
        "glasses, whole pictures"
        in byod("compare", *names, "--into", str(page), folder=folder, **path).stdout
    )
    draw_classes(tmp_path / "own", ("circle", "square"), per_class=20, size=(260, 220))
    byod("add", "own", "--into", "datasets/shapes", folder=tmp_path)
    classes = byod("train", "--plugin", "sklearn", "--from-scratch", "--json", folder=tmp_path, **path)
    mixed = byod("compare", json.loads(classes.stdout)["run"], names[0], folder=folder, check=1, **path)
    assert "they cannot be compared" in mixed.stderr
    assert "Traceback" not in mixed.stderr


def test_a_run_is_given_away_whole(home, tmp_path):
    """Both nets go with the card."""
    folder, runs, path = home
    byod("export", runs[1]["run"], "--format", "onnx", "--into", str(tmp_path / "out"), folder=folder, **path)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"model.onnx", "heads.onnx", "model.json"}


def test_commands_for_labels_refuse_a_dataset_of_points(home):
    """Doubtful labels and leaks are asked of classes."""
    folder, _, path = home
    for arguments in (["check", "--suspects"], ["split", "--leak"]):
        done = byod(*arguments, folder=folder, check=None, **path)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr


def test_a_relabelled_point_counts_at_once(home):
    """A file of points that people moved is measured as it is now."""
    folder, runs, path = home
    run = Path(runs[1]["run"])
    with (run / "predictions.csv").open(encoding="utf-8") as lines:
        first = next(csv.DictReader(lines))
    file = folder / "datasets" / "cats" / "points" / f"{Path(first['file']).stem}.json"
    before = file.read_text()
    keypoints = json.loads(before)
    for head in keypoints["heads"]:
        for point in head["points"].values():
            point["x"] += 12
    file.write_text(json.dumps(keypoints))
    try:
        found = json.loads(byod("evaluate", str(run), "--json", folder=folder, **path).stdout)
    finally:
        file.write_text(before)
    assert found["metrics"]["crops"]["mean"] > runs[1]["metrics"]["crops"]["mean"]
