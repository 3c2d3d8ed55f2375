"""Labels that are probably wrong: who is named, in what order, and that a second round sees more than the first."""

import sys
from pathlib import Path

import numpy as np
import pytest
from colour_trainer import Colour, coloured
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.schema.errors import TrainerError
from byod.schema.model_card import Prediction
from byod.schema.progress import silent
from byod.schema.records import Example, Split
from byod.tasks.classify import label_errors, learning
from byod.tasks.classify.class_set import ClassSet
from byod.tasks.classify.evaluated_examples import EvaluatedExample
from byod.training import protocol
from byod.training import run_training as training

CLASSES = ("red", "green")


def _example(number, label):
    path = Path("/somebody/at/home/images") / label / f"{number}.jpg"
    return Example(sha256=f"{number:064x}", path=path, label=label, split=Split.TRAIN, group=str(number))


def _plain(count=60, wrong=(), sure=0.95):
    """Probabilities of a good model, and labels of which some are wrong."""
    truth = np.arange(count) % 2
    labels = truth.copy()
    labels[list(wrong)] = 1 - labels[list(wrong)]
    probabilities = np.full((count, 2), 1 - sure)
    probabilities[np.arange(count), truth] = sure
    return probabilities, labels, [_example(at, CLASSES[label]) for at, label in enumerate(labels)]


def _said(probabilities, examples):
    """The same as a model's answers."""
    return [
        EvaluatedExample(
            example,
            Prediction(
                path="", label="", probability=0.0, probabilities=dict(zip(CLASSES, row, strict=True))
            ),
            1.0,
            "fold 1/5",
        )
        for example, row in zip(examples, probabilities, strict=True)
    ]


def asked_probe(examples, classes, probe, folder, options=None, cache=None):
    """What a cross-validated probe doubts."""
    usable = learning.usable(ClassSet(tuple(examples), tuple(classes)), silent)
    work = training.probe_work(probe, options or {}, folder, 0, cache)
    return learning.find_issues(usable, (), training.out_of_fold(learning, work, usable), silent).found


def test_wrong_labels_are_named_and_no_others():
    """Three labels against a sure model are the three suspects, each with what it should be called."""
    probabilities, labels, examples = _plain(wrong=(4, 11, 30))
    found = label_errors.find_in_one_round(probabilities, labels, examples, CLASSES)
    assert {int(s.sha256, 16) for s in found} == {4, 11, 30}
    assert {(s.label, s.suggested) for s in found} == {("red", "green"), ("green", "red")}
    assert all(s.quality == pytest.approx(0.05) for s in found)


def test_the_worst_come_first():
    """Suspects stand in the order of their quality, the least believable label first."""
    probabilities, labels, examples = _plain(wrong=(4, 11, 30))
    for at, own in ((4, 0.04), (11, 0.01), (30, 0.02)):
        probabilities[at, labels[at]], probabilities[at, 1 - labels[at]] = own, 1 - own
    found = label_errors.find_in_one_round(probabilities, labels, examples, CLASSES)
    assert [int(s.sha256, 16) for s in found] == [11, 30, 4]
    assert [s.quality for s in found] == sorted(s.quality for s in found)


def test_a_suspect_does_not_name_this_machine():
    """Only the end of a path is kept."""
    found = label_errors.find_in_one_round(*_plain(wrong=(4,)), CLASSES)
    assert found[0].file == "images/green/4.jpg"


def test_a_set_without_wrong_labels_has_no_suspects():
    """Nobody is named where model and labels agree."""
    assert label_errors.find_in_one_round(*_plain(), CLASSES) == ()


def test_a_class_without_pictures_is_no_obstacle():
    """Names of classes that no picture carries may stand between those that do."""
    probabilities, labels, examples = _plain(wrong=(4,))
    wider = np.insert(probabilities, 1, 0.0, axis=1)
    found = label_errors.find_in_one_round(
        wider, np.where(labels == 1, 2, 0), examples, ("red", "nobody", "green")
    )
    assert [(s.label, s.suggested) for s in found] == [("green", "red")]


def test_one_class_alone_is_doubted_by_nobody():
    """With a single class there is nothing a picture could be instead."""
    examples = [_example(at, "red") for at in range(5)]
    assert (
        label_errors.find_in_one_round(np.tile([0.4, 0.6], (5, 1)), np.zeros(5, np.int64), examples, CLASSES)
        == ()
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 4), st.integers(2, 40), st.integers(0, 10_000))
def test_any_probabilities_give_suspects_whose_label_is_not_the_likeliest(classes, count, seed):
    """Whatever a model says, nobody is named whose own label is the likeliest, and nobody twice."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.3), count)
    labels = rng.integers(0, classes, count)
    names = [f"class {at}" for at in range(classes)]
    examples = [_example(at, names[label]) for at, label in enumerate(labels)]
    found = label_errors.find_in_one_round(probabilities, labels, examples, names)
    assert len({s.sha256 for s in found}) == len(found)
    for suspect in found:
        row = probabilities[int(suspect.sha256, 16)]
        assert 0 <= suspect.quality < 0.5
        assert names[int(row.argmax())] == suspect.suggested != suspect.label


def test_the_second_round_learns_without_the_first_ones_suspects():
    """The first question is about everything; the second leaves out what was doubted, and its answer counts."""
    first, _, examples = _plain(wrong=(4, 11))
    first[11] = first[11][::-1]  # the first model believes this wrong label
    second, _, _ = _plain()
    asked = []

    def ask(issues):
        asked.append({int(sha, 16) for sha in issues})
        return _said(second if issues else first, examples)

    found = label_errors.find_label_issues(ask, CLASSES)
    assert asked == [set(), {4}]
    assert {int(s.sha256, 16) for s in found} == {4, 11}


def test_without_a_suspect_there_is_no_second_round():
    """One question is enough where nothing is doubted."""
    asked = []

    def ask(issues):
        asked.append(issues)
        probabilities, _, examples = _plain()
        return _said(probabilities, examples)

    assert label_errors.find_label_issues(ask, CLASSES) == ()
    assert len(asked) == 1


def test_without_cleanlab_the_way_to_it_is_said(monkeypatch):
    """The one line names what to install."""
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(TrainerError, match="plugins/byod-sklearn"):
        label_errors.find_in_one_round(*_plain(wrong=(4,)), CLASSES)


def test_a_trainer_names_the_pictures_under_a_wrong_name(tmp_path):
    """Of red and green pictures eight lie under the wrong name: most of them are named, and few others."""
    examples = coloured(tmp_path / "images", per_class=40)
    wrong = {e.sha256 for e in examples[3:40:10] + examples[45:80:10]}
    other = {"red": "green", "green": "red"}
    mixed = [e.model_copy(update={"label": other[e.label]}) if e.sha256 in wrong else e for e in examples]
    found = asked_probe(mixed, CLASSES, Colour(), tmp_path / "work")
    named = {s.sha256 for s in found}
    assert len(named & wrong) >= 7
    assert len(named - wrong) <= 1


def test_what_is_doubted_is_not_learned_from(tmp_path):
    """What the first round doubts is in no training or validation part of the second, and is named all the same."""
    examples = coloured(tmp_path / "images", per_class=40)
    wrong = {e.sha256 for e in examples[3:40:10]}
    mixed = [e.model_copy(update={"label": "green"}) if e.sha256 in wrong else e for e in examples]
    trainer = Colour()
    found = asked_probe(mixed, CLASSES, trainer, tmp_path / "work")
    rounds = [trainer.seen[:5], trainer.seen[5:]]
    assert [len(each) for each in rounds] == [5, 5]
    learned = [{e.sha256 for seen in each for e in (*seen.train, *seen.valid)} for each in rounds]
    assert learned[0] == {e.sha256 for e in mixed}
    left_out = learned[0] - learned[1]
    assert left_out & wrong
    assert len(left_out) <= len(wrong) + 2
    assert left_out & {s.sha256 for s in found}


@pytest.mark.slow
@pytest.mark.data
def test_flipped_labels_of_real_vegetables_are_found(real_pictures, tmp_path):
    """With a fifth of the labels flipped, the probe on a frozen body names most of them and few others."""
    paths = sorted((real_pictures / "vegetables").glob("*/*.jpg"))[::2]
    classes = ("blumenkohl", "brokkoli")
    flipped = set(np.random.default_rng(0).choice(len(paths), len(paths) // 5, replace=False).tolist())
    examples = []
    for number, path in enumerate(paths):
        label = classes[(path.parent.name == classes[1]) ^ (number in flipped)]
        sha256 = f"{number:064x}"
        examples.append(Example(sha256=sha256, path=path, label=label, split=Split.TRAIN, group=sha256))
    found = asked_probe(
        examples,
        classes,
        protocol.load("sklearn"),
        tmp_path / "work",
        {"weights": str(real_pictures / "weights" / "squeezenet1_1.pth"), "size": "128"},
        tmp_path / "cache",
    )
    named = {int(s.sha256, 16) for s in found}
    assert len(named & flipped) / len(named) >= 0.8
    assert len(named & flipped) / len(flipped) >= 0.8
