"""What the numbers in a report must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from byod.training import statistics

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(LABELS)
def test_confusion_counts_every_picture_once(pairs):
    """Each cell counts the pictures of its row's class that were called its column's class."""
    truth, said = (np.array(column) for column in zip(*pairs, strict=True))
    table = statistics.confusion(truth, said, 4)
    assert table.sum() == len(pairs)
    assert all(table[i, j] == pairs.count((i, j)) for i in range(4) for j in range(4))
    assert statistics.accuracy(table) == pytest.approx(np.mean(truth == said))


def test_class_scores_of_a_worked_example():
    """Precision, recall and F1 as computed by hand."""
    table = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    scores = statistics.class_scores(table, ["a", "b", "c"])
    assert scores["a"].precision == pytest.approx(8 / 9)
    assert scores["a"].recall == pytest.approx(0.8)
    assert scores["a"].f1 == pytest.approx(16 / 19)
    assert scores["c"].model_dump() == {"precision": None, "recall": None, "f1": None, "pictures": 0}
    assert statistics.macro_f1(scores) == pytest.approx((16 / 19 + 18 / 21) / 2)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 5))
def test_interval_holds_the_accuracy(right, wrong, seed):
    """The interval lies in 0..1 and holds the accuracy itself."""
    hits = np.array([True] * right + [False] * wrong)
    low, high = statistics.interval(hits, [str(n) for n in range(len(hits))], seed=seed)
    assert 0 <= low <= hits.mean() <= high <= 1


def test_interval_of_a_perfect_score_is_not_a_point():
    """Thirty right out of thirty do not prove 100 %."""
    low, high = statistics.interval(np.ones(30, bool), [str(n) for n in range(30)])
    assert 0.85 < low < 0.95
    assert high == 1


def test_interval_is_wider_for_near_duplicates():
    """Ten groups of ten count less than a hundred pictures."""
    hits = np.array(([True] * 90) + ([False] * 10))
    alone = statistics.interval(hits, [str(n) for n in range(100)])
    grouped = statistics.interval(hits, [str(n // 10) for n in range(100)])
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])


def test_interval_covers():
    """Over many draws with a known rate, about 95 % of the intervals hold it (never below 93 %)."""
    random = np.random.default_rng(0)
    names = [str(n) for n in range(60)]
    intervals = [statistics.interval(random.random(60) < 0.9, names, seed=n) for n in range(200)]
    assert np.mean([low <= 0.9 <= high for low, high in intervals]) > 0.93


@given(arrays(np.float64, (7, 3), elements=st.floats(-800, 800)))
def test_softmax_gives_probabilities(logits):
    """Rows sum to one and keep their order, whatever the logits."""
    rows = statistics.softmax(logits)
    assert np.isfinite(rows).all()
    assert rows.sum(axis=1) == pytest.approx(np.ones(7))
    assert (rows[np.arange(7), logits.argmax(axis=1)] == rows.max(axis=1)).all()


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_undoes_overconfidence(factor):
    """Logits that are `factor` times too large get about that temperature, and a smaller calibration error."""
    random = np.random.default_rng(1)
    honest = random.normal(0, 1.5, (4000, 3))
    truth = (statistics.softmax(honest).cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    found = statistics.temperature(honest * factor, truth)
    assert found == pytest.approx(factor, rel=0.1)
    after = statistics.calibration_error(statistics.softmax(honest * factor / found), truth)
    assert after < 0.03
    if factor != 1:
        assert after < statistics.calibration_error(statistics.softmax(honest * factor), truth) / 2


def test_temperature_of_a_faultless_set_stays_finite():
    """Without a single mistake, the model is not declared certain."""
    truth = np.arange(30) % 2
    logits = np.eye(2)[truth] * 3.0
    found = statistics.temperature(logits, truth)
    assert statistics.softmax(logits / found).max() < 0.99


def test_calibration_error_of_a_worked_example():
    """Ten pictures at 75 %, half of them right, are off by 25 points."""
    probabilities = np.tile([0.75, 0.25], (10, 1))
    assert statistics.calibration_error(probabilities, np.array([0, 1] * 5)) == pytest.approx(0.25)


def test_log_loss_of_a_worked_example():
    """The mean of -ln 0.5 and -ln 0.25."""
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25]])
    assert statistics.log_loss(probabilities, np.array([0, 1])) == pytest.approx((np.log(2) + np.log(4)) / 2)


@pytest.mark.parametrize("count", [4, 10, 50])
def test_a_few_pictures_do_not_move_the_temperature_far(count):
    """A small set without a mistake asks for no certainty, and one surprise in it for no despair."""
    truth = np.arange(count) % 2
    logits = np.where(np.eye(2)[truth] > 0, 2.0, -2.0)
    assert 0.4 < statistics.temperature(logits, truth) <= 1.0
    surprised = logits.copy()
    surprised[0] = -surprised[0]
    assert 0.8 < statistics.temperature(surprised, truth) < 2.2
