"""One training of points to a run folder, with a real, small trainer: two nets, the rule between them, the numbers."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from direct_training import compare as compare_keypoints
from direct_training import evaluate_run, train_keypoints
from spot_trainer import BESIDE, POINTS, Spot, spotted

from byod.schema.errors import ModelError, TrainerError, UsageError
from byod.schema.keypoints import Instance, KeypointSet
from byod.schema.model_card import KeypointsCard, KeypointsPrediction, Measured, Stage, Unreadable
from byod.schema.records import Split, Task
from byod.tasks.keypoints import calibrate, evaluated_examples, label_errors
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.run import keypoints_card
from byod.tasks.keypoints.training_set import TrainingSet
from byod.training.provenance import Provenance

FIXTURES = Path(__file__).parents[2] / "fixtures"

pytestmark = pytest.mark.slow  # real trainings, many of them


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """90 pictures with a disc, two or none, and their marks."""
    return spotted(tmp_path_factory.mktemp("spots") / "images" / "cat", 90, beside=BESIDE)


@pytest.fixture(scope="module")
def run(drawn, tmp_path_factory):
    """A finished run on them."""
    folder = tmp_path_factory.mktemp("home") / "runs" / "first"
    train(drawn, folder)
    return folder


def train(drawn, folder, options=None, trainer=None, **more) -> KeypointsCard:
    return train_keypoints(*drawn, POINTS, trainer or Spot(), options or {}, folder=folder, **more)


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_run_folder_is_complete(drawn, tmp_path):
    """Both models, card, report and tables are there, and nothing else, not even beside the folder."""
    folder = tmp_path / "runs" / "first"
    about = Provenance(fingerprint="abc", licences={"CC0-1.0": 90}, command="byod train")
    card = train(drawn, folder, about=about)
    assert {file.name for file in folder.iterdir()} == {
        "model.onnx",
        "heads.onnx",
        "model.json",
        "report.html",
        "history.csv",
        "predictions.csv",
        "examples.csv",
        "suspects.csv",
    }
    assert [each.name for each in folder.parent.iterdir()] == ["first"]
    assert keypoints_card(folder) == card
    assert card.task == Task.KEYPOINTS
    assert card.counts[Split.TEST] == {"pictures": 25, "heads": 25, "empty": 5}
    assert (card.fingerprint, card.command, card.licences) == ("abc", "byod train", {"CC0-1.0": 90})


def test_what_is_learned_shows_in_the_numbers(run):
    """The trained points beat the mean face by far, on true crops and through the whole pipeline."""
    card = keypoints_card(run)
    metrics = card.metrics
    assert metrics.measured_on is Measured.TEST
    assert (metrics.crops.heads, metrics.pipeline.found, metrics.false_finds) == (25, 25, 0)
    assert metrics.crops.median < 0.06 < card.baseline.median
    assert metrics.pipeline.glasses > 0.9 > card.baseline.glasses
    assert metrics.single.heads == 15
    assert calibrate.FLOOR <= card.heads.threshold < 0.7
    assert card.typicality.pictures > 0


def test_the_files_say_what_the_run_says(drawn, run):
    """A fresh KeypointsPredictor finds in each test picture what predictions.csv counts as found."""
    examples, keypoints = drawn
    rows = table(run / "predictions.csv")
    tested = [e for e in examples if e.split is Split.TEST]
    assert {row["sha256"] for row in rows} == {e.sha256 for e in tested if keypoints[e.sha256].heads}
    found = list(KeypointsPredictor(run).predict([e.path for e in tested]))
    heads = sum(len(each.heads) for each in found)
    assert heads == sum(bool(row["confidence"]) for row in rows) == 25
    for row in rows:
        errors = [float(row[f"pipeline({name})"]) for name in POINTS.names]
        assert float(row["pipeline_error"]) == pytest.approx(np.mean(errors), abs=1e-5)


def test_no_trainer_sees_a_test_picture(drawn, tmp_path):
    """Examples and marks of the test part reach neither stage."""
    trainer = Spot()
    train(drawn, tmp_path / "run", trainer=trainer)
    test = {e.sha256 for e in drawn[0] if e.split is Split.TEST}
    assert [seen.stage for seen in trainer.seen] == [Stage.DETECTION, Stage.POINTS]
    for seen in trainer.seen:
        assert seen.task == Task.KEYPOINTS
        assert seen.points == POINTS
        assert not test & {e.sha256 for e in (*seen.train, *seen.valid)}
        assert not test & set(seen.keypoints)
        assert set(seen.keypoints) == {e.sha256 for e in (*seen.train, *seen.valid)}


def test_few_test_heads_lead_to_cross_validation(tmp_path):
    """With fewer than 20 test heads each head is tested once, by a model that saw none of its group."""
    drawn = spotted(tmp_path / "images" / "cat", 40)
    trainer, said = Spot(), []
    card = train(drawn, tmp_path / "run", trainer=trainer, say=said.append)
    rows = table(tmp_path / "run" / "predictions.csv")
    assert card.metrics.measured_on is Measured.CROSS_VALIDATION
    assert len(card.metrics.folds) == 5
    assert any("only 10 test objects" in line and "cross-validating" in line for line in said)
    assert len(rows) == card.metrics.crops.heads == 40
    for number, seen in enumerate(trainer.seen[0:10:2], start=1):
        tested = {row["group"] for row in rows if row["part"] == f"fold {number}/5"}
        assert tested
        assert not tested & {e.group for e in (*seen.train, *seen.valid)}


@pytest.mark.long
def test_cross_validation_can_be_asked_for(drawn, tmp_path):
    """With `crossed` every head is tested, though the test part would do."""
    card = train(drawn, tmp_path / "run", crossed=True)
    assert card.metrics.measured_on is Measured.CROSS_VALIDATION
    assert card.metrics.crops.heads == 90


@pytest.mark.long
def test_pictures_with_eyes_alone_train_the_same_model(tmp_path):
    """Where only the eyes are marked, the mouth is masked: it is neither learned from nor measured there."""
    only = ("eye_image_left", "eye_image_right")
    drawn = spotted(tmp_path / "images" / "cat", 90, only=only, beside=BESIDE)
    card = train(drawn, tmp_path / "run")
    counted = {name: score.heads for name, score in card.metrics.crops.per_point.items()}
    assert counted["eye_image_left"] == counted["eye_image_right"] == 25
    assert counted["mouth"] < 15
    assert card.metrics.crops.per_point["mouth"].median < 0.06
    rows = table(tmp_path / "run" / "predictions.csv")
    assert sum(row["crop(mouth)"] == "" for row in rows) == 25 - counted["mouth"]


def test_pictures_without_a_file_of_points_are_left_out(drawn, tmp_path):
    """A picture that nobody marked says nothing of heads: it is neither learned from nor counted as empty."""
    examples, keypoints = drawn
    unmarked = {examples[0].sha256}
    said, trainer = [], Spot()
    known = {sha: each for sha, each in keypoints.items() if sha not in unmarked}
    train((examples, known), tmp_path / "run", trainer=trainer, say=said.append)
    assert any("1 pictures have no file of points" in line for line in said)
    assert not unmarked & {e.sha256 for seen in trainer.seen for e in (*seen.train, *seen.valid)}


def test_a_blind_finder_counts_as_failure_everywhere(drawn, tmp_path):
    """Heads that are missed fail: no glasses, no finite median, although the crops are as good as ever."""
    card = train(drawn, tmp_path / "run", {"blind": "true"})
    pipeline = card.metrics.pipeline
    assert (pipeline.found, pipeline.glasses, pipeline.fr, pipeline.median) == (0, 0.0, 1.0, None)
    assert card.metrics.crops.glasses > 0.9
    assert card.heads.threshold == calibrate.USUAL
    assert json.loads((tmp_path / "run" / "model.json").read_text())["metrics"]["pipeline"]["median"] is None
    assert keypoints_card(tmp_path / "run") == card


def test_an_unfaithful_export_is_refused(drawn, tmp_path):
    """When the exported file says something else than the trained net, there is no run."""
    with pytest.raises(TrainerError, match=r"exported model \(points\) differs"):
        train(drawn, tmp_path / "runs" / "run", {"spoil": "0.01"})
    assert not list((tmp_path / "runs").rglob("model.json"))


def test_a_trainer_of_classes_is_refused(drawn, tmp_path):
    """A trainer that knows no points is named in one line, and nothing is written."""
    from colour_trainer import Colour

    with pytest.raises(TrainerError, match="colour does not train for the task keypoints") as caught:
        train(drawn, tmp_path / "runs" / "run", trainer=Colour())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e, m: (e, {}), "no picture has its points marked"),
        (
            lambda e, m: (e, {s: each.model_copy(update={"heads": ()}) for s, each in m.items()}),
            "no object in the dataset has both",
        ),
        (lambda e, m: ([x for x in e if x.split is not Split.TEST][:2], m), "too few"),
        (lambda e, m: ([x for x in e if x.split is not Split.VALID], m), "in the validation part"),
    ],
)
def test_too_little_is_said_in_one_line(drawn, tmp_path, change, line):
    """No marks, no eyes, a handful of pictures, an empty part: one line that says what is missing."""
    with pytest.raises(TrainerError, match=line) as caught:
        train(change(*drawn), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_objects_without_a_known_point_are_refused(drawn, tmp_path):
    """Where none of the recipe's points is marked there is nothing to measure."""
    with pytest.raises(TrainerError, match="no object in the dataset has a point marked inside the picture"):
        train_keypoints(*drawn, KeypointSet(names=("nose",)), Spot(), {}, folder=tmp_path / "run")


def test_a_point_that_is_never_marked_is_refused(drawn, tmp_path):
    """A point of byod.toml that no picture shows cannot be learned."""
    points = KeypointSet(names=(*POINTS.names, "tail"), flips=POINTS.flips)
    with pytest.raises(TrainerError, match="tail is marked in no picture"):
        train_keypoints(*drawn, points, Spot(), {}, folder=tmp_path / "run")


def test_marks_of_another_size_are_refused(drawn, tmp_path):
    """A picture whose marks belong to another size is named."""
    examples, keypoints = drawn
    test = next(e for e in examples if e.split is Split.TEST)
    wrong = {**keypoints, test.sha256: keypoints[test.sha256].model_copy(update={"width": 999})}
    with pytest.raises(TrainerError, match=f"{test.path.name} is .* but its points were marked on 999"):
        train((examples, wrong), tmp_path / "run")


def test_a_vanished_test_picture_is_counted(tmp_path):
    """A test picture that cannot be opened any more is reported, and the others are measured."""
    drawn = spotted(tmp_path / "images" / "cat", 90)
    gone = next(e for e in drawn[0] if e.split is Split.TEST)
    gone.path.write_bytes(b"not a picture")
    card = train(drawn, tmp_path / "run")
    assert (card.metrics.pictures, card.metrics.unreadable) == (24, 1)


def test_exchanged_sides_and_moved_marks_are_suspected(drawn, tmp_path):
    """A head marked with left for right, one marked elsewhere and one not marked at all are found, in this order."""
    examples, keypoints = drawn
    tested = [e for e in examples if e.split is Split.TEST and len(keypoints[e.sha256].heads) == 1]
    swapped, moved, unmarked = tested[:3]
    wrong = dict(keypoints)
    left, right = POINTS.names[:2]

    def changed(example, **points):
        (head,) = keypoints[example.sha256].heads
        other = Instance(points={**head.points, **points}, box=head.box)
        return keypoints[example.sha256].model_copy(update={"heads": (other,)})

    points = keypoints[swapped.sha256].heads[0].points
    wrong[swapped.sha256] = changed(swapped, **{left: points[right], right: points[left]})
    mouth = keypoints[moved.sha256].heads[0].points["mouth"]
    wrong[moved.sha256] = changed(moved, mouth=mouth.model_copy(update={"x": mouth.x + 15}))
    wrong[unmarked.sha256] = keypoints[unmarked.sha256].model_copy(update={"heads": ()})
    card = train((examples, wrong), tmp_path / "run")
    rows = table(tmp_path / "run" / "suspects.csv")
    found = [(row["sha256"], row["why"], row["point"]) for row in rows]
    assert found[0][:2] == (swapped.sha256, label_errors.IssueKind.EXCHANGED)
    assert (moved.sha256, label_errors.IssueKind.FAR, "mouth") in found
    assert card.suspects == len(rows)
    assert card.metrics.false_finds == 1
    assert card.metrics.deceived == 1


def test_clean_marks_are_not_suspected(run):
    """Where all marks are right, none is doubted."""
    assert table(run / "suspects.csv") == []


def test_the_history_has_both_stages(run):
    """history.csv holds the epochs of the finder and of the points, one after the other."""
    rows = table(run / "history.csv")
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        (stage, str(epoch)) for stage in ("heads", "points") for epoch in range(3)
    ]


def test_epochs_are_logged_with_their_stage(drawn, tmp_path):
    """Each epoch reaches the caller with the stage it belongs to."""
    epochs = []
    train(drawn, tmp_path / "run", {"epochs": "2"}, log=epochs.append)
    assert [(e["part"], e["epoch"]) for e in epochs] == [
        ("heads", 0),
        ("heads", 1),
        ("points", 0),
        ("points", 1),
    ]


def test_a_killed_training_goes_on_where_it_was(drawn, tmp_path):
    """Killed in the second stage, the finished first one is not trained again, and the result is the same."""

    class KilledError(Exception):
        pass

    class Dying(Spot):
        def train(self, data, options, run):
            def log(epoch):
                run.log(epoch)
                if data.stage is Stage.POINTS and epoch["epoch"] == 1:
                    raise KilledError

            return super().train(data, options, replace(run, log=log))

    folder = tmp_path / "runs" / "run"
    with pytest.raises(KilledError):
        train(drawn, folder, trainer=Dying())
    assert not folder.exists()
    trainer, epochs, said = Spot(), [], []
    card = train(drawn, folder, trainer=trainer, log=epochs.append, say=said.append)
    assert [seen.stage for seen in trainer.seen] == [Stage.POINTS]
    assert [e["epoch"] for e in epochs] == [1, 2]
    assert any("going on after 1 finished epochs" in line for line in said)
    assert len(table(folder / "history.csv")) == 6
    again = train(drawn, tmp_path / "other" / "run")
    assert card.model_sha256 == again.model_sha256
    assert card.metrics == again.metrics
    assert [each.name for each in folder.parent.iterdir()] == ["run"]


@pytest.mark.long
def test_kill_9_in_the_middle_leaves_no_run(tmp_path):
    """A process that dies in a stage leaves no folder that looks complete, and the same name can be trained again."""
    script = tmp_path / "train.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(FIXTURES)!r})\n"
        "from pathlib import Path\n"
        "from spot_trainer import POINTS, Spot, spotted\n"
        "from direct_training import train_keypoints as train\n"
        f"drawn = spotted(Path({str(tmp_path / 'images')!r}), 90)\n"
        "print('ready', flush=True)\n"
        "train(*drawn, POINTS, Spot(), {'epochs': '1000000'}, folder=Path(sys.argv[1]))\n",
        encoding="utf-8",
    )
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [sys.executable, str(script), str(runs / "one")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "ready"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(runs.glob(".*.unfinished/work/heads/history.jsonl")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert list(runs.glob(".*.unfinished/work/heads/history.jsonl"))
    assert not (runs / "one").exists()
    assert train(spotted(tmp_path / "again", 90), runs / "one").run == "one"


def test_the_card_names_no_folder_of_this_machine(run):
    """model.json, tables and report can be given away."""
    for file in run.iterdir():
        if file.suffix in {".json", ".csv", ".html"}:
            assert str(run.parent.parent) not in file.read_text("utf-8")


def test_a_damaged_heads_file_is_refused(run, tmp_path):
    """heads.onnx must be the file that the card names."""
    import shutil

    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "heads.onnx").write_bytes((copy / "heads.onnx").read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"heads\.onnx is not the file that model\.json describes"):
        KeypointsPredictor(copy)


def test_each_reader_refuses_the_other_kind(run):
    """A run for points is none for classes."""
    from byod.tasks.classify.predict import Predictor

    with pytest.raises(ModelError, match="is a model for keypoints, not for classes"):
        Predictor(run)


def test_predictions_come_in_order_and_broken_pictures_are_rows(drawn, run, tmp_path):
    """Several pictures, one of them broken: an answer for each, in order."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    paths = [drawn[0][0].path, broken, drawn[0][4].path]
    found = list(KeypointsPredictor(run).predict(paths))
    assert [each.path for each in found] == [str(path) for path in paths]
    assert isinstance(found[0], KeypointsPrediction)
    assert isinstance(found[1], Unreadable)
    assert found[2].heads == ()


def test_evaluating_on_other_pictures(drawn, run, tmp_path):
    """Other marked pictures are measured; those learned from and those not marked are left out and counted."""
    others, more = spotted(tmp_path / "others", 30, seed=7)
    examples, keypoints = drawn
    learned = [e for e in examples if e.split is Split.TRAIN][:3]
    known = {**keypoints, **more}
    del known[others[0].sha256]
    found, evaluated = evaluate_run(run, TrainingSet((*others, *learned), known, POINTS), "elsewhere")
    assert (found.learned, found.unmarked) == (3, 1)
    assert found.metrics.measured_on is Measured.FOLDER
    assert found.metrics.pictures == len(evaluated) == 29
    assert found.metrics.crops.median < 0.12
    assert found.baseline.median > found.metrics.crops.median
    with pytest.raises(UsageError, match="has learned from all 3 pictures"):
        evaluate_run(run, TrainingSet(tuple(learned), known, POINTS), "there")


def test_comparing_runs_on_the_same_heads(drawn, run, tmp_path, monkeypatch):
    """Metrics of each run are those of its own card on the same heads; the blind one is really worse."""
    other = tmp_path / "home" / "runs" / "blind"
    train(drawn, other, {"blind": "true"})
    (tmp_path / "home" / "images").symlink_to(drawn[0][0].path.parent.parent, target_is_directory=True)
    monkeypatch.setenv("BYOD_FOLLOW_LINKS", "1")
    home = tmp_path / "home" / "runs" / "first"
    import shutil

    shutil.copytree(run, home)
    found = compare_keypoints([home, other])
    first, second = found.runs
    assert found.heads == 25
    assert first.crops.median == pytest.approx(keypoints_card(run).metrics.crops.median, abs=1e-5)
    assert first.pipeline.glasses == keypoints_card(run).metrics.pipeline.glasses
    assert second.pipeline.found == 0
    ((one, two, pair),) = found.pairs
    assert (one, two) == ("first", "blind")
    assert pair.p_value < 0.001
    with pytest.raises(UsageError, match="named twice"):
        compare_keypoints([home, home])


def finds(*pairs, weight=1.0):
    return [calibrate.Find(confidence, hit, weight) for confidence, hit in pairs]


def test_the_threshold_is_where_f1_is_best():
    """Hits above false finds: the threshold lies between them; nothing found: the usual one."""
    found = finds((0.9, True), (0.8, True), (0.6, True), (0.3, False), (0.2, False))
    assert calibrate.choose(found, 3) == pytest.approx((0.3 * 1.25 + 0.6 / 1.25) / 2, rel=0.02)
    assert calibrate.FLOOR <= calibrate.choose(finds((0.9, True), (0.5, False), (0.4, True)), 2) < 0.4
    assert calibrate.choose([], 3) == calibrate.USUAL
    assert calibrate.choose(finds((0.4, False)), 0) == calibrate.USUAL


def test_what_is_found_where_nothing_is_raises_the_threshold():
    """Finds in parts without a head count by their weight: many of them outweigh a weak hit, a few do not."""
    hits = finds(*[(0.6 + n / 100, True) for n in range(20)], (0.2, True))
    false = [(0.22 + n / 1000, False) for n in range(8)]
    assert calibrate.choose(hits + finds(*false, weight=0.05), 21) < 0.2
    assert 0.23 < calibrate.choose(hits + finds(*false, weight=0.5), 21) < 0.6


def test_the_threshold_is_chosen_on_finds(drawn, run):
    """Validation heads are hit in most views by what the whole model finds; the threshold is that of the card."""
    examples, keypoints = drawn
    marked = TrainingSet(tuple(examples), keypoints, POINTS)
    valid = [example for example in examples if example.split is Split.VALID]
    finder = KeypointsPredictor(run).finder
    finder.rule = replace(finder.rule, threshold=calibrate.FLOOR)
    found, there = calibrate.scores(finder, marked, valid)
    assert there == sum(len(keypoints[e.sha256].heads) for e in valid)
    assert 0.9 * there < sum(find.weight for find in found if find.hit) <= there
    assert calibrate.choose(found, there) == keypoints_card(run).heads.threshold


def test_what_predictions_csv_holds_can_be_read_again(run):
    """Errors and glasses read from the file are those of the card."""
    card = keypoints_card(run)
    lines = evaluated_examples.read_predictions(run, POINTS)
    errors = evaluated_examples.errors_of(lines, POINTS, crops=True)
    assert float(np.median(errors.nme)) == pytest.approx(card.metrics.crops.median, abs=1e-5)
    assert errors.glasses.mean() == card.metrics.crops.glasses
    kept = (run / "predictions.csv").read_text(encoding="utf-8")
    (run / "predictions.csv").rename(run / "away.csv")
    try:
        head, first, *rest = kept.splitlines()
        error = f"crop({POINTS.names[0]})"
        for column, value in (("confidence", "nan"), ("crop_oks", "3"), ("head", "-1"), (error, "-1")):
            cells = first.split(",")
            cells[head.split(",").index(column)] = value
            (run / "predictions.csv").write_text("\n".join([head, ",".join(cells), *rest]), encoding="utf-8")
            with pytest.raises(ModelError, match=r"predictions\.csv is not what byod wrote"):
                evaluated_examples.read_predictions(run, POINTS)
        (run / "predictions.csv").unlink()
        with pytest.raises(ModelError, match=r"has no predictions\.csv"):
            evaluated_examples.read_predictions(run, POINTS)
    finally:
        (run / "away.csv").rename(run / "predictions.csv")
