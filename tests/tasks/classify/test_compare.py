"""Runs side by side: the same pictures, the right labels, and no picture that any of them learned from."""

import csv
import json
import math
import os
import shutil

import numpy as np
import pytest
from colour_trainer import Colour, coloured
from direct_training import compare, train_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_graphs import run_folder, with_if

from byod.api import adding, runs, train
from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import Measured
from byod.schema.recipe import Recipe
from byod.schema.records import Split
from byod.tasks.classify import evaluated_examples
from byod.tasks.classify.run import classifier_card
from byod.training import statistics
from byod.training.provenance import Provenance


def trained(examples, folder, classes=("red", "green"), **options):
    train_classes(examples, classes, Colour(), options, folder=folder)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A dataset folder with two runs on the same split, one of them hardly trained."""
    folder = tmp_path_factory.mktemp("set")
    examples = coloured(folder / "images", per_class=60)
    trained(examples, folder / "runs" / "good", epochs="4")
    trained(examples, folder / "runs" / "tiny", size="8", epochs="1")
    return folder, examples


def test_two_runs_on_one_split_are_compared_on_its_test_pictures(home):
    """Each contender has the accuracy its own card says, on all test pictures, and the pair is tested."""
    folder, examples = home
    runs = [folder / "runs" / "good", folder / "runs" / "tiny"]
    found = compare(runs)
    test = [e for e in examples if e.split is Split.TEST]
    assert found.pictures == len(test)
    for run, contender in zip(runs, found.runs, strict=True):
        card = classifier_card(run)
        assert contender.accuracy == pytest.approx(card.metrics.accuracy)
        assert contender.interval == pytest.approx(card.metrics.interval)
        assert contender.model_bytes == (run / "model.onnx").stat().st_size
        assert contender.milliseconds > 0
    ((first, second, pair),) = found.pairs
    assert (first, second) == ("good", "tiny")
    assert pair.difference == pytest.approx(found.runs[0].accuracy - found.runs[1].accuracy)
    assert pair.only_first - pair.only_second == round(pair.difference * pair.pictures)


def test_what_a_later_version_learned_from_is_left_out(tmp_path):
    """When a test picture of one run (or its near-copy) was trained on by another, it is not compared on."""
    examples = coloured(tmp_path / "images", per_class=120, pairs=True)
    first = trained(examples, tmp_path / "runs" / "first", epochs="2")
    test = [e for e in examples if e.split is Split.TEST]
    taken = test[0]
    changed = [e.model_copy(update={"split": Split.TRAIN}) if e is taken else e for e in examples]
    second = trained(changed, tmp_path / "runs" / "second", epochs="2")
    found = compare([first, second])
    group = [e for e in test if e.group == taken.group]
    assert len(group) == 2
    assert found.pictures == len(test) - 2


def test_the_latest_labels_count(tmp_path):
    """After a relabelling, both runs are measured by the new label, and the note says how many changed."""
    examples = coloured(tmp_path / "images", per_class=120)
    first = trained(examples, tmp_path / "runs" / "first", epochs="4")
    flipped = next(e for e in examples if e.split is Split.TEST and e.label == "red")
    changed = [e.model_copy(update={"label": "green"}) if e is flipped else e for e in examples]
    second = tmp_path / "runs" / "second"
    train_classes(
        changed,
        ("red", "green"),
        Colour(),
        {"epochs": "4"},
        folder=second,
        about=Provenance(fingerprint="new"),
    )
    found = compare([first, second])
    assert "different versions" in found.note
    assert "1 answer" in found.note
    card = classifier_card(first)
    assert found.runs[0].accuracy < card.metrics.accuracy


@pytest.mark.slow
def test_rounds_are_in_the_order_of_the_verdicts(tmp_path):
    """Runs between which people changed the dataset are rounds, by verdicts and not by name; others are none."""
    examples = coloured(tmp_path / "set" / "images", per_class=120)

    def trained(name, home="set", **about):
        folder = tmp_path / home / "runs" / name
        known = Provenance(**about)
        train_classes(examples, ("red", "green"), Colour(), {"epochs": "1"}, folder=folder, about=known)
        return folder

    last = trained("a-last", fingerprint="b", reviewed=30)
    first = trained("b-first", fingerprint="a")
    middle = trained("c-middle", fingerprint="a", reviewed=12)
    again = trained("d-again", fingerprint="a", reviewed=12)
    found = compare([last, first, again, middle])
    assert found.rounds == ("b-first", "c-middle", "d-again", "a-last")
    assert [run.reviewed for run in found.runs] == [30, 0, 12, 12]
    assert classifier_card(last).reviewed == 30
    assert compare([middle, again]).rounds == ()
    shutil.copytree(tmp_path / "set" / "images", tmp_path / "elsewhere" / "images")
    elsewhere = trained("e-other", home="elsewhere", fingerprint="c", reviewed=99)
    assert compare([elsewhere, first]).rounds == ()


@pytest.mark.slow
def test_a_run_knows_how_many_verdicts_people_had_given(tmp_path, monkeypatch):
    """Searching and adding are no verdicts; a picture moved by hand is one, and one taken out another."""
    coloured(tmp_path / "own", per_class=60)
    recipe = Recipe(min_side=16).with_class("red").with_class("green")
    folder = tmp_path / "set"
    adding.add([tmp_path / "own"], None, folder, recipe, say=str, watch=lambda tallies: None)
    monkeypatch.setattr(train, "find_trainer", lambda wanted: Colour())
    wanted = train.TrainRequest(plugin="colour", probe=False)
    run, before = train.train(folder, wanted, say=str, log=lambda epoch: None)
    run.rename(run.with_name("first"))  # or the second would have its name, were it made in the same second
    moved, gone = sorted((folder / "images" / "red").iterdir())[:2]
    moved.rename(folder / "images" / "green" / moved.name)
    gone.unlink()
    _, after = train.train(folder, wanted, say=str, log=lambda epoch: None)
    assert (before.reviewed, after.reviewed) == (0, 2)
    assert before.fingerprint != after.fingerprint


@pytest.mark.slow
def test_cross_validated_runs_are_compared_on_every_picture(tmp_path):
    """Each answer is by a model that had not seen the picture, so all of them count."""
    examples = coloured(tmp_path / "images", per_class=20)
    runs = [trained(examples, tmp_path / "runs" / name, epochs="2") for name in ("a", "b")]
    found = compare(runs)
    assert found.pictures == 40
    assert "cross-validated" in found.note
    assert found.pairs[0][2].difference == 0
    assert found.pairs[0][2].p_value == 1


def test_what_cannot_be_compared_is_refused(home, tmp_path):
    """One run, other classes, nothing in common, no notes of what was learned: one line each."""
    folder, _ = home
    good = folder / "runs" / "good"
    with pytest.raises(UsageError, match="two runs"):
        compare([good])
    with pytest.raises(UsageError, match="named twice"):
        compare([good, good])
    others = coloured(tmp_path / "images", ("red", "blue"), per_class=60)
    other = trained(others, tmp_path / "runs" / "other", classes=("red", "blue"), epochs="1")
    with pytest.raises(ModelError, match="cannot be compared: one tells red, blue apart"):
        compare([good, other])
    strangers = coloured(tmp_path / "more", per_class=60, seed=5)
    strangers = [e.model_copy(update={"sha256": f"{n:064x}"}) for n, e in enumerate(strangers)]
    stranger = trained(strangers, tmp_path / "runs" / "stranger", epochs="1")
    with pytest.raises(ModelError, match="0 test pictures in common"):
        compare([good, stranger])
    shutil.copytree(good, tmp_path / "runs" / "old")
    (tmp_path / "runs" / "old" / "examples.csv").unlink()
    with pytest.raises(ModelError, match=r"no examples\.csv"):
        compare([good, tmp_path / "runs" / "old"])
    with pytest.raises(ModelError, match="is not a run"):
        compare([good, tmp_path])


@pytest.mark.parametrize(
    "damage", ["", "file\nx\n", "file,sha256,group,part,label,predicted,probability\na,b,c,d,e,f,g\n"]
)
def test_a_damaged_table_of_predictions_is_one_line(home, tmp_path, damage):
    """A predictions.csv that is not what byod wrote is named."""
    folder, _ = home
    shutil.copytree(folder / "runs" / "good", tmp_path / "runs" / "bad")
    (tmp_path / "runs" / "bad" / "predictions.csv").write_text(damage)
    with pytest.raises(ModelError) as caught:
        compare([folder / "runs" / "good", tmp_path / "runs" / "bad"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["probability", "p(red)", "label", "predicted"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "7", "-0.5", "blue", "\x1b[31m"])
def test_a_prediction_that_cannot_be_is_one_line(home, tmp_path, column, value):
    """Probabilities that are no numbers in 0..1, and classes that the model has not, are named with their file."""
    folder, _ = home
    shutil.copytree(folder / "runs" / "good", tmp_path / "runs" / "bad")
    file = tmp_path / "runs" / "bad" / "predictions.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    rows[3][head.index(column)] = value
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([head, *rows])
    with pytest.raises(ModelError, match=r"predictions\.csv is not what byod wrote") as caught:
        compare([folder / "runs" / "good", tmp_path / "runs" / "bad"])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("table", ["predictions.csv", "examples.csv"])
def test_a_table_without_end_is_one_line(home, tmp_path, table):
    """A table of many gigabytes, most of them holes, is not read."""
    folder, _ = home
    shutil.copytree(folder / "runs" / "good", tmp_path / "runs" / "bad")
    os.truncate(tmp_path / "runs" / "bad" / table, 40_000_000_000)
    with pytest.raises(ModelError, match=rf"{table} is not what byod wrote \(more than 1 GB\)"):
        compare([folder / "runs" / "good", tmp_path / "runs" / "bad"])


ODD_CARDS = {
    "accuracy NaN": lambda card: card["metrics"].update(accuracy=math.nan),
    "accuracy beyond 1": lambda card: card["metrics"].update(accuracy=7),
    "loss infinite": lambda card: card["metrics"].update(log_loss=math.inf),
    "temperature infinite": lambda card: card.update(temperature=math.inf),
    "seconds NaN": lambda card: card.update(seconds=math.nan),
    "a confusion of one class": lambda card: card["metrics"].update(confusion=[[1]]),
    "no score of a class": lambda card: card["metrics"]["per_class"].pop("red"),
    "a name of a million letters": lambda card: card.update(run="r" * 1_000_000),
    "a class more": lambda card: card["classes"].append("blue"),
}


@pytest.mark.parametrize("kind", ODD_CARDS)
def test_a_card_with_numbers_that_cannot_be_is_one_line(home, tmp_path, kind):
    """A card whose numbers are none, out of their range or about other classes is refused by whoever reads it."""
    folder, _ = home
    shutil.copytree(folder / "runs" / "good", tmp_path / "runs" / "bad")
    file = tmp_path / "runs" / "bad" / "model.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    ODD_CARDS[kind](card)
    file.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json is not a byod model card") as caught:
        compare([folder / "runs" / "good", tmp_path / "runs" / "bad"])
    assert "\n" not in str(caught.value)


def test_runs_are_compared_whatever_zone_their_times_are_in(home, tmp_path):
    """A time without a zone counts as UTC, and is no reason to fail."""
    folder, _ = home
    shutil.copytree(folder, tmp_path / "set")
    file = tmp_path / "set" / "runs" / "tiny" / "model.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**card, "created": "2026-01-02T03:04:05"}), encoding="utf-8")
    assert len(compare([tmp_path / "set" / "runs" / name for name in ("good", "tiny")]).runs) == 2


def test_a_model_that_byod_does_not_run_is_not_given_away(tmp_path):
    """A run is exported only if whoever gets it could use it: one line, and no folder."""
    run = run_folder(tmp_path / "odd", with_if(folded=True))
    with pytest.raises(ModelError, match="run odd: the model has the operator If"):
        runs.export_run(run, "onnx", tmp_path / "out")
    (run / "model.onnx").rename(run / "away")
    with pytest.raises(ModelError, match=r"there is no model\.onnx"):
        runs.export_run(run, "onnx", tmp_path / "out")
    (run / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"is not the file that model\.json describes"):
        runs.export_run(run, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_predictions_come_back_as_they_were_written(home):
    """Reading predictions.csv gives what the file's own rows say."""
    folder, _ = home
    run = folder / "runs" / "good"
    lines = evaluated_examples.read_predictions(run, ("red", "green"))
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert (row["sha256"], row["label"], row["predicted"]) == (line.sha256, line.label, line.predicted)
        assert line.probabilities["green"] == pytest.approx(float(row["p(green)"]))
        assert sum(line.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert classifier_card(run).metrics.measured_on is Measured.TEST


rights = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 30)), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(rights)
def test_a_paired_test_is_fair_to_both_sides(rows):
    """Changing sides changes the sign and nothing else; no difference is no evidence."""
    first = np.array([a for a, _, _ in rows])
    second = np.array([b for _, b, _ in rows])
    groups = [str(g) for _, _, g in rows]
    one, other = statistics.paired(first, second, groups), statistics.paired(second, first, groups)
    assert one.difference == pytest.approx(-other.difference)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert (one.only_first, one.only_second) == (other.only_second, other.only_first)
    assert one.p_value == other.p_value
    assert 0 < one.p_value <= 1
    assert statistics.paired(first, first, groups).p_value == 1


def test_a_paired_test_counts_groups_and_agrees_with_the_exact_test():
    """Ten pictures that only one model gets are strong evidence, unless they are ten copies of one."""
    from scipy.stats import binomtest

    first, second = np.ones(30, bool), np.array([False] * 10 + [True] * 20)
    apart = statistics.paired(first, second, [str(n) for n in range(30)])
    assert apart.p_value == pytest.approx(binomtest(10, 10).pvalue)
    copies = statistics.paired(first, second, ["same"] * 10 + [str(n) for n in range(20)])
    assert copies.p_value == 1
    mixed = statistics.paired(
        np.array([True] * 3 + [False] * 9), np.array([False] * 3 + [True] * 9), list("abcdefghijkl")
    )
    assert mixed.p_value == pytest.approx(binomtest(3, 12).pvalue)
