"""Labels that are probably wrong: who is named, in what order, and that a second round sees more than the first."""

from pathlib import Path

import numpy as np
import pytest
from colour_trainer import Colour, coloured
from hypothesis import given, settings
from hypothesis import strategies as st

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


def _plain(count=60, wrong=(), sure=0.999):
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
    found = label_errors.find_in_one_round(probabilities, labels, examples, CLASSES).doubtful
    assert {int(s.sha256, 16) for s in found} == {4, 11, 30}
    assert {(s.label, s.suggested) for s in found} == {("red", "green"), ("green", "red")}
    assert all(s.quality < 0.01 and s.doubt > 0.8 for s in found)


def test_the_worst_come_first():
    """Suspects stand in the order of their quality, the least believable label first."""
    probabilities, labels, examples = _plain(wrong=(4, 11, 30))
    for at, own in ((4, 0.0004), (11, 0.0001), (30, 0.0002)):
        probabilities[at, labels[at]], probabilities[at, 1 - labels[at]] = own, 1 - own
    found = label_errors.find_in_one_round(probabilities, labels, examples, CLASSES).doubtful
    assert [int(s.sha256, 16) for s in found] == [11, 30, 4]
    assert [s.quality for s in found] == sorted(s.quality for s in found)


def test_a_suspect_does_not_name_this_machine():
    """Only the end of a path is kept."""
    found = label_errors.find_in_one_round(*_plain(wrong=(4,)), CLASSES).doubtful
    assert found[0].file == "images/green/4.jpg"


def test_a_set_without_wrong_labels_has_no_suspects():
    """Nobody is named where model and labels agree."""
    assert label_errors.find_in_one_round(*_plain(), CLASSES) == ((), ())


def test_a_class_without_pictures_is_no_obstacle():
    """Names of classes that no picture carries may stand between those that do."""
    probabilities, labels, examples = _plain(wrong=(4,))
    wider = np.insert(probabilities, 1, 0.0, axis=1)
    found = label_errors.find_in_one_round(
        wider, np.where(labels == 1, 2, 0), examples, ("red", "nobody", "green")
    ).doubtful
    assert [(s.label, s.suggested) for s in found] == [("green", "red")]


def test_one_class_alone_is_doubted_by_nobody():
    """With a single class there is nothing a picture could be instead."""
    examples = [_example(at, "red") for at in range(5)]
    assert label_errors.find_in_one_round(
        np.tile([0.4, 0.6], (5, 1)), np.zeros(5, np.int64), examples, CLASSES
    ) == ((), ())


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
    both = (*found.doubtful, *found.hard)
    assert len({s.sha256 for s in both}) == len(both)
    for suspect in both:
        row = probabilities[int(suspect.sha256, 16)]
        assert 0 <= suspect.quality < 0.5
        likeliest = max(sorted(set(labels.tolist())), key=lambda at, row=row: row[at])
        assert names[likeliest] == suspect.suggested != suspect.label


def test_the_second_round_learns_without_what_the_first_one_took_for_another_class():
    """The first question is about everything; the second leaves out what was taken otherwise, and its answer counts."""
    first, _, examples = _plain(wrong=(4, 11))
    first[20] = first[20][::-1]  # the first model takes this right label for wrong
    second, _, _ = _plain()
    asked = []

    def ask(issues):
        asked.append({int(sha, 16) for sha in issues})
        return _said(second if issues else first, examples)

    found = label_errors.find_label_issues(ask, CLASSES)
    assert asked == [set(), {4, 11, 20}]
    assert {int(s.sha256, 16) for s in found.doubtful} == {4, 11}
    assert found.hard == ()


def test_without_a_suspect_there_is_no_second_round():
    """One question is enough where nothing is doubted."""
    asked = []

    def ask(issues):
        asked.append(issues)
        probabilities, _, examples = _plain()
        return _said(probabilities, examples)

    assert label_errors.find_label_issues(ask, CLASSES) == ((), ())
    assert len(asked) == 1


def _hard(count, classes, seed, sure, bold=1.0):
    """Right labels, and a probe that knows its classes as well as it is `sure`, and says so `bold` times too surely."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (count, classes))
    logits[np.arange(count), rng.integers(0, classes, count)] += rng.gamma(2, sure, count)
    known = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in known])
    said = np.exp(bold * logits)
    names = [f"class {at}" for at in range(classes)]
    examples = [_example(at, names[label]) for at, label in enumerate(labels)]
    return said / said.sum(axis=1, keepdims=True), labels, examples, names


@pytest.mark.parametrize("seed", range(5))
def test_a_probe_that_is_bad_at_its_classes_names_hardly_anybody(seed):
    """Of 800 right labels of 20 classes some 150 are mistaken: a handful are named, and the others are hard."""
    said, labels, examples, names = _hard(800, 20, seed, 3.0, bold=1.3)
    found = label_errors.find_in_one_round(said, labels, examples, names)
    assert len(found.doubtful) <= 4
    assert len(found.hard) > 100
    assert not {s.sha256 for s in found.doubtful} & {s.sha256 for s in found.hard}


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_among_hard_pictures_are_named(seed):
    """Of forty labels given blindly among 800 of 20 classes most are named, and of those named most are wrong."""
    said, labels, examples, names = _hard(800, 20, seed, 8.0)
    wrong = set(np.random.default_rng(seed).choice(800, 40, replace=False).tolist())
    noisy = np.array(
        [(label + 1 + at % 19) % 20 if at in wrong else label for at, label in enumerate(labels)]
    )
    found = label_errors.find_in_one_round(said, noisy, examples, names)
    named = {int(s.sha256, 16) for s in found.doubtful}
    assert len(named & wrong) >= 28
    assert len(named & wrong) >= 0.75 * len(named)


def test_two_classes_that_the_probe_confuses_are_not_doubted():
    """Where most pictures of a class that are taken for another are only hard, none of that pair is named."""
    probabilities, labels, examples = _plain(count=200, wrong=(4, 11, 30, 41, 50), sure=0.99999)
    names = ("red", "green", "blue", "teal")
    said = np.hstack([probabilities, np.full((200, 2), 1e-4)])
    torn = np.tile([1e-4, 1e-4, 0.45, 0.55], (30, 1))
    torn[0] = [1e-6, 1e-6, 1e-6, 1.0]  # one of them is far more of the other class than of its own
    teal = np.tile([1e-4, 1e-4, 0.4, 0.6], (30, 1))
    examples = [*examples, *(_example(1000 + at, "blue" if at < 30 else "teal") for at in range(60))]
    numbers = np.concatenate([labels, np.full(30, 2), np.full(30, 3)])
    found = label_errors.find_in_one_round(np.vstack([said, torn, teal]), numbers, examples, names)
    assert {int(s.sha256, 16) for s in found.doubtful} == {4, 11, 30, 41, 50}
    assert len(found.hard) == 30


def test_who_only_one_view_takes_for_another_class_is_hard():
    """A picture that the other cross-validation takes for what it is called is not named."""
    probabilities, labels, examples = _plain(wrong=(4, 11, 30))
    agreed = {examples[at].sha256 for at in (4, 11)}
    found = label_errors.find_in_one_round(probabilities, labels, examples, CLASSES, agreed)
    assert {int(s.sha256, 16) for s in found.doubtful} == {4, 11}
    assert {int(s.sha256, 16) for s in found.hard} == {30}


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
