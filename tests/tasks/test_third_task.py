"""A third task, written in a folder of its own, goes the whole road without a change outside of it."""

import ast
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHTNESS, interchange, learning, pages, predict, storage
from brightness.trainer import Line
from PIL import Image

from byod.api import adding, datasets, evaluate, train
from byod.cli import result_tables
from byod.schema.errors import UsageError
from byod.schema.task import Exchange, Pages, Storage
from byod.schema.task_learning import Learning, Predicting
from byod.tasks import TASKS

FOLDER = Path(interchange.__file__).parent


@pytest.fixture
def third_task(monkeypatch):
    """The task in the one table, and its trainer."""
    monkeypatch.setitem(TASKS, BRIGHTNESS.name, BRIGHTNESS)
    monkeypatch.setattr(train, "find_trainer", lambda wanted: Line())


@pytest.fixture
def measured(tmp_path):
    """Pictures of different brightness with noise in them, and a CSV file that says how bright each is."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    rows = []
    for number in range(60):
        value = float(random.uniform(0.1, 0.9))
        noise = random.normal(0, 20, (48, 64, 3)) + 255 * value
        name = f"{number:03}.png"
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / "photos" / name)
        rows.append((name, round(value, 4)))
    with (tmp_path / "values.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "value"), *rows[:-2]])
    return tmp_path / "values.csv"


def quiet(*_):
    """Nothing to say."""


@pytest.mark.slow
def test_a_third_task_goes_the_whole_road(third_task, measured, tmp_path):
    """Pictures with numbers come in, are learned, reported, predicted and exported; a moved picture keeps its own."""
    folder = tmp_path / "set"
    snapshot = adding.add_labelled(
        measured, [tmp_path / "photos"], folder, "brightness", say=quiet, watch=quiet
    ).snapshot
    assert (snapshot.task, len(snapshot.kept)) == ("brightness", 60)
    assert len(list((folder / "values").glob("*.json"))) == 58
    assert "58 pictures have a value; 2 have none." in (folder / "README.md").read_text("utf-8")
    page, _, _ = datasets.check(folder, None, say=quiet)
    assert "58 pictures have a value" in page.read_text("utf-8")
    # storage is asked as well: labels follow their picture
    moved = next((folder / "images" / "pictures").iterdir())
    moved.rename(moved.with_name("another.png"))
    before = storage.read(folder / "values" / f"{moved.stem}.json")
    after = datasets.status(folder, say=quiet)
    if before is not None:
        assert storage.read(folder / "values" / "another.json") == before
    assert after.fingerprint == snapshot.fingerprint

    run, card = train.train(folder, train.TrainRequest(plugin="line"), say=quiet, log=quiet)
    assert card.metrics.error < 0.05
    assert card.task == "brightness"
    report = (run / "report.html").read_text("utf-8")
    assert "the mean error of" in report
    assert f"run {card.run}" in report
    said = list(evaluate.predict(run, [tmp_path / "photos" / "000.png"]))
    rows = list(csv.DictReader(measured.open(encoding="utf-8")))
    assert said[0].value == pytest.approx(float(rows[0]["value"]), abs=0.05)
    assert result_tables.predictions_table(run, said)[0] == ("picture", "value")
    out = datasets.export(folder, "csv", tmp_path / "out", links=False, say=quiet)
    assert len(list(csv.reader((out / "values.csv").open(encoding="utf-8")))) == 59
    assert json.loads((out / ".byod-export.json").read_text("utf-8"))["format"] == "csv"


def test_what_a_task_does_not_know_is_refused_in_one_line(third_task, measured, tmp_path):
    """A part that a task lacks, a format that it has not, and a task that there is not: each a line, no traceback."""
    folder = tmp_path / "set"
    adding.add_labelled(measured, [tmp_path / "photos"], folder, "brightness", say=quiet, watch=quiet)
    with pytest.raises(UsageError, match=r"no export format 'coco' for these; use one of csv"):
        datasets.export(folder, "coco", tmp_path / "out", links=False, say=quiet)
    with pytest.raises(
        UsageError, match=r"cannot do this for the task brightness: it has no part 'labeling_tasks'"
    ):
        _ = BRIGHTNESS.reviewing
    with pytest.raises(UsageError, match=r"no task is called 'weight'; there are classify"):
        adding.add_labelled(measured, [], folder, "weight", say=quiet, watch=quiet)
    with pytest.raises(UsageError, match=r"is for the task brightness, not classify"):
        adding.add_labelled(measured, [], folder, "classify", say=quiet, watch=quiet)


def test_a_task_is_small(third_task):
    """All of the third task takes less than two hundred lines of code."""
    lines = 0
    for file in FOLDER.glob("*.py"):
        if file.name != "trainer.py":
            tree = ast.parse(file.read_text("utf-8"))
            texts = {
                number
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
            }
            code = enumerate(file.read_text("utf-8").splitlines(), start=1)
            lines += sum(bool(line.strip()) and number not in texts for number, line in code)
    assert lines < 200


@pytest.mark.parametrize("name", ["classify", "keypoints"])
def test_the_modules_of_a_task_are_the_parts_that_the_protocols_ask_for(name):
    """Every name of each protocol is there, and takes the same arguments."""
    import inspect

    from byod.schema.review_tasks import Reviewing
    from byod.schema.serving import Serving
    from byod.schema.task_learning import Comparing, Evaluating

    task = TASKS[name]
    parts = {
        Learning: task.learning,
        Evaluating: task.evaluating,
        Predicting: task.predicting,
        Comparing: task.comparing,
        Serving: task.serving,
        Reviewing: task.reviewing,
        Pages: task.pages,
        Exchange: task.exchange,
        **({Storage: task.storage} if task.stored else {}),
    }
    for protocol, module in parts.items():
        for known, asked in vars(protocol).items():
            if known.startswith("_"):
                continue
            assert hasattr(module, known), f"{module.__name__} has no {known}"
            if inspect.isfunction(asked):
                wanted = [p for p in inspect.signature(asked).parameters if p != "self"]
                assert list(inspect.signature(getattr(module, known)).parameters) == wanted, known


def test_the_parts_of_the_third_task_are_what_the_protocols_ask_for():
    """What it has of them is whole enough to be used."""
    assert {"labelled", "usable", "fit", "report", "summary"} <= set(vars(learning))
    assert {"predictor", "table", "files"} <= set(vars(predict))
    assert {"hub", "least_classes", "label_count", "drawing"} <= set(vars(pages))
