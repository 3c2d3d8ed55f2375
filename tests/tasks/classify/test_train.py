"""One training from labelled pictures to a run folder, with a real, small trainer."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import direct_training as train
import numpy as np
import onnx
import pytest
from colour_trainer import Colour, coloured

from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import Measured, ModelCard
from byod.schema.records import Split
from byod.tasks.classify.predict import Predictor
from byod.training.provenance import Provenance

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def examples(tmp_path):
    return coloured(tmp_path / "images", per_class=60)


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "first"


def _train(examples, run, options=None, trainer=None, **more):
    trainer = trainer or Colour()
    return train.train(examples, ("red", "green"), trainer, options or {}, folder=run, **more)


def test_a_run_folder_is_complete(examples, run):
    """Model, card, report, history and predictions are there, and nothing else, not even beside the folder."""
    about = Provenance(fingerprint="abc", licences={"CC0-1.0": 120}, command="byod train")
    card = _train(examples, run, about=about)
    assert {file.name for file in run.iterdir()} == {
        "model.onnx",
        "model.json",
        "report.html",
        "history.csv",
        "predictions.csv",
        "examples.csv",
    }
    assert [folder.name for folder in run.parent.iterdir()] == ["first"]
    assert ModelCard.model_validate_json((run / "model.json").read_text("utf-8")) == card
    assert card.metrics.measured_on is Measured.TEST
    assert card.metrics.pictures == 24
    assert card.metrics.accuracy > 0.9
    assert card.counts[Split.TRAIN] == {"red": 36, "green": 36}
    assert (card.fingerprint, card.command, card.licences) == ("abc", "byod train", {"CC0-1.0": 120})
    with (run / "history.csv").open(encoding="utf-8") as lines:
        assert [row["epoch"] for row in csv.DictReader(lines)] == ["0", "1", "2"]


def test_the_trainer_never_sees_a_test_picture(examples, run):
    """Only training and validation examples are handed over."""
    trainer = Colour()
    _train(examples, run, trainer=trainer)
    (seen,) = trainer.seen
    assert {e.split for e in seen.train} == {Split.TRAIN}
    assert {e.split for e in seen.valid} == {Split.VALID}


def test_predictions_are_those_of_the_exported_file(examples, run):
    """Every test picture stands in predictions.csv with what a fresh Predictor says of it."""
    card = _train(examples, run)
    test = [e for e in examples if e.split is Split.TEST]
    with (run / "predictions.csv").open(encoding="utf-8") as lines:
        rows = {row["sha256"]: row for row in csv.DictReader(lines)}
    assert rows.keys() == {e.sha256 for e in test}
    said = list(Predictor(run).predict([e.path for e in test]))
    for example, answer in zip(test, said, strict=True):
        assert rows[example.sha256]["predicted"] == answer.label
        assert float(rows[example.sha256]["p(red)"]) == pytest.approx(answer.probabilities["red"], abs=1e-5)
    right = np.mean([e.label == s.label for e, s in zip(test, said, strict=True)])
    assert card.metrics.accuracy == pytest.approx(right)


def test_the_model_file_is_what_the_design_says(examples, run):
    """Input image [N, 3, H, W], outputs probabilities [N, classes] and typicality [N], temperature and softmax."""
    card = _train(examples, run)
    model = onnx.load(run / "model.onnx")
    kinds = [n.op_type for n in model.graph.node]
    assert kinds[kinds.index("Div") :][:2] == ["Div", "Softmax"]
    assert [o.name for o in model.graph.output] == ["probabilities", "typicality"]
    assert card.typicality.kind == "energy"  # this trainer names no features
    kept = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert float(kept["byod_temperature"]) == pytest.approx(card.temperature)
    assert {p.key: p.value for p in model.metadata_props}["classes"] == "red\ngreen"


def test_an_unfaithful_export_is_refused(examples, run):
    """When the exported file says something else than the trained model, there is no run, and no model that runs."""
    with pytest.raises(TrainerError, match="differs from the trained one"):
        _train(examples, run, {"spoil": "0.01"})
    assert not run.exists()
    assert not list(run.parent.rglob("*.json"))


def test_an_unknown_option_is_refused_before_anything_is_written(examples, run):
    """A typing error costs nothing."""
    with pytest.raises(UsageError):
        _train(examples, run, {"sise": "3"})
    assert not run.parent.exists()


def test_few_test_pictures_lead_to_cross_validation(tmp_path, run):
    """With fewer than 20 test pictures every picture is tested once, by a model that saw none of its group."""
    examples = coloured(tmp_path / "images", per_class=20, pairs=True)
    trainer, said = Colour(), []
    card = _train(examples, run, trainer=trainer, say=said.append)
    assert card.metrics.measured_on is Measured.CROSS_VALIDATION
    assert card.metrics.pictures == len(examples)
    assert len(card.metrics.folds) == 5
    assert "cross-validating" in said[0]
    with (run / "predictions.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert sorted(row["sha256"] for row in rows) == sorted(e.sha256 for e in examples)
    for number, seen in enumerate(trainer.seen[:5], start=1):
        tested = {row["group"] for row in rows if row["part"] == f"fold {number}/5"}
        assert tested
        assert not tested & {e.group for e in (*seen.train, *seen.valid)}
        assert not {e.group for e in seen.train} & {e.group for e in seen.valid}
    assert Split.TEST not in {k for k, v in card.counts.items() if v}


@pytest.mark.parametrize(
    ("classes", "kept", "line"),
    [
        (("red", "green"), 0, "nothing to train on"),
        (("red",), 20, "only one class"),
        (("red", "green"), 1, "2 pictures are too few"),
        (("red", "green"), 2, "4 pictures are too few"),
    ],
)
def test_too_little_is_said_in_one_line(tmp_path, run, classes, kept, line):
    """Nothing, one class, two pictures: one line that says what is missing."""
    examples = coloured(tmp_path / "images", classes=classes, per_class=kept) if kept else []
    with pytest.raises(TrainerError, match=line) as caught:
        _train(examples, run)
    assert "\n" not in str(caught.value)
    assert not run.exists()


def test_a_class_without_pictures_is_left_out_and_said(examples, run):
    """An empty class does not become an output of the model."""
    said = []
    card = train.train(examples, ("red", "blue", "green"), Colour(), {}, folder=run, say=said.append)
    assert card.classes == ("red", "green")
    assert any("blue has no pictures" in line for line in said)


def test_a_class_missing_from_training_is_said(tmp_path, run):
    """A split that leaves a class nothing to learn from is refused."""
    red = coloured(tmp_path / "a", classes=("red",), per_class=40)
    green = [
        e.model_copy(update={"split": Split.TEST})
        for e in coloured(tmp_path / "b", classes=("green",), per_class=30)
    ]
    with pytest.raises(TrainerError, match="no picture of green is in the training part"):
        _train(red + green, run)


def test_an_existing_run_is_not_overwritten(examples, run):
    """A name that is taken is refused, and what is there stays."""
    run.mkdir(parents=True)
    (run / "keep.txt").write_text("mine")
    with pytest.raises(TrainerError, match="already"):
        _train(examples, run)
    assert [file.name for file in run.iterdir()] == ["keep.txt"]


def test_a_vanished_test_picture_is_counted(examples, run):
    """A test picture that cannot be opened any more is reported, and the others are measured."""
    gone = next(e for e in examples if e.split is Split.TEST)
    gone.path.write_bytes(b"not a picture")
    card = _train(examples, run)
    assert (card.metrics.pictures, card.metrics.unreadable) == (23, 1)


def test_epochs_are_logged_as_they_come(examples, run):
    """Each epoch reaches the caller with its numbers."""
    epochs = []
    _train(examples, run, {"epochs": "2"}, log=epochs.append)
    assert [(e["epoch"], e["part"]) for e in epochs] == [(0, ""), (1, "")]
    assert epochs[1]["train_loss"] < epochs[0]["train_loss"]


@pytest.mark.slow
def test_a_killed_training_leaves_no_run(tmp_path):
    """kill -9 in the middle leaves no folder that looks complete, and the same name can be trained again."""
    script = tmp_path / "train.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(FIXTURES)!r})\n"
        "from pathlib import Path\n"
        "from colour_trainer import Colour, coloured\n"
        "from direct_training import train\n"
        f"examples = coloured(Path({str(tmp_path / 'images')!r}), per_class=60)\n"
        "print('ready', flush=True)\n"
        "train(examples, ('red', 'green'), Colour(), {'epochs': '1000000'}, folder=Path(sys.argv[1]))\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "runs" / "one")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "ready"
    runs = tmp_path / "runs"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(runs.glob(".*.unfinished/work/model/history.jsonl")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert list(runs.glob(".*.unfinished/work/model/history.jsonl"))
    assert not (runs / "one").exists()
    assert not list(runs.rglob("model.json"))
    card = _train(coloured(tmp_path / "again", per_class=60), runs / "one")
    assert (runs / "one" / "model.json").exists()
    assert card.run == "one"


def test_what_a_training_begins_with_is_part_of_its_plan(examples, run):
    """A run that was stopped is resumed with the same net and weights, and with no others."""

    class Beginning(Colour):
        start = "a net of 2026"

        def beginning(self, options):
            return self.start

        def train(self, data, options, run):
            raise KeyboardInterrupt

    trainer, said = Beginning(), []

    def again():
        said.clear()
        with pytest.raises(KeyboardInterrupt):
            _train(examples, run, trainer=trainer, say=said.append)
        return any("going on with it" in line for line in said)

    assert [again(), again()] == [False, True]
    trainer.start = "a net of 2027"
    assert [again(), again()] == [False, True]


def test_old_leftovers_go_and_young_ones_stay(examples, run):
    """What a run killed long ago left behind is cleared away; one that may still be at work is not touched."""
    run.parent.mkdir(parents=True)
    old, young = run.parent / ".a.1.unfinished", run.parent / ".b.2.unfinished"
    for folder in (old, young):
        folder.mkdir()
    long_ago = time.time() - 8 * 86_400
    os.utime(old, (long_ago, long_ago))
    _train(examples, run)
    assert not old.exists()
    assert young.exists()


def test_the_card_names_no_folder_of_this_machine(examples, run):
    """model.json, predictions.csv and report.html can be given away."""
    _train(examples, run)
    for name in ("model.json", "predictions.csv", "report.html", "history.csv"):
        assert str(run.parent.parent) not in (run / name).read_text("utf-8")
    assert json.loads((run / "model.json").read_text("utf-8"))["run"] == "first"


def test_a_loss_that_is_no_number_does_not_cost_the_run(examples, run):
    """An infinite loss is left out of history and report; the model is measured as any other."""

    class Overflowing(Colour):
        def train(self, data, options, run):
            def log(epoch):
                run.log({**epoch, "valid_loss": float("inf")} if epoch["epoch"] == 1 else epoch)

            return super().train(data, options, replace(run, log=log))

    card = _train(examples, run, trainer=Overflowing())
    with (run / "history.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["valid_loss"] != "" for row in rows] == [True, False, True]
    assert card.metrics.accuracy > 0.9
