"""What the numbers in a report must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from byod.schema.intervals import student_t
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
    none = dict.fromkeys(("precision", "recall", "f1", "average_precision", "threshold"))
    assert scores["c"].model_dump() == {**none, "pictures": 0}
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


def drawn_in_groups(random, groups, rate, correlation, largest):
    """Right and wrong of pictures in groups: each group has an accuracy of its own, `rate` on the mean."""
    sizes = random.integers(1, largest + 1, groups)
    own = np.full(groups, rate)
    if correlation:
        spread = 1 / correlation - 1
        own = random.beta(rate * spread, (1 - rate) * spread, groups)
    right = random.random(sizes.sum()) < np.repeat(own, sizes)
    return right, np.repeat(np.arange(groups), sizes).astype(str)


def coverage(groups, rate, correlation, largest, sets=2000):
    """The share of so many drawn sets whose interval holds the true accuracy."""
    random = np.random.default_rng(7)
    drawn = [drawn_in_groups(random, groups, rate, correlation, largest) for _ in range(sets)]
    intervals = [statistics.interval(right, names) for right, names in drawn]
    return np.mean([low <= rate <= high for low, high in intervals])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "rate", "correlation", "largest"),
    [(20, 0.8, 0.5, 12), (30, 0.85, 0.2, 10), (40, 0.9, 0.3, 12), (60, 0.9, 0, 1), (100, 0.87, 0.2, 20)],
)
def test_the_interval_of_groups_holds_the_truth_in_95_of_100(groups, rate, correlation, largest):
    """Of 2,000 drawn sets, 93 to 97 % have the true accuracy in their interval, however alike the groups are."""
    assert 0.93 <= coverage(groups, rate, correlation, largest) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 3, 5, 10, 15])
@pytest.mark.parametrize(("rate", "correlation"), [(0.7, 0.9), (0.9, 0.3), (0.8, 0)])
def test_the_interval_of_few_groups_is_only_wider(groups, rate, correlation):
    """With fewer than 20 groups at least 93 of 100 intervals hold the truth."""
    assert coverage(groups, rate, correlation, 8, sets=500) >= 0.93


def test_pictures_apart_are_worth_themselves_and_alike_ones_their_group():
    """A hundred pictures alone are worth a hundred; ten groups all right or all wrong within are worth about ten."""
    right = np.repeat(np.arange(10) < 7, 10)
    assert statistics.worth_of(right, np.arange(100)) == pytest.approx(100)
    assert 9 < statistics.worth_of(right, np.arange(100) // 10) < 14
    mixed = np.tile(np.arange(10) < 7, 10)
    assert statistics.worth_of(mixed, np.arange(100) // 10) > 60


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 19, 500])
def test_student_t_is_that_of_the_tables(freedom):
    """The quantile is the one that tables give, to a part in a thousand."""
    tables = {1: 12.706, 2: 4.3027, 3: 3.1824, 4: 2.7764, 7: 2.3646, 19: 2.0930, 500: 1.9647}
    assert student_t(freedom) == pytest.approx(tables[freedom], rel=1e-3)


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


def test_a_group_of_copies_moves_the_temperature_like_one_picture():
    """Forty shots of one thing, all right and sure, ask for no more certainty than a few pictures do."""
    truth = np.arange(40) % 2
    logits = np.where(np.eye(2)[truth] > 0, 1.0, -1.0)
    apart = statistics.temperature(logits, truth)
    together = statistics.temperature(logits, truth, ["shelf"] * 20 + ["market"] * 20)
    assert apart < 0.6
    assert 0.7 < together <= 1.0


def test_a_temperature_that_does_not_help_other_groups_is_not_used():
    """What fits one large group alone, and makes all others worse, is left: the temperature is that of the others."""
    random = np.random.default_rng(3)
    truth = np.arange(240) % 2
    logits = random.normal(0, 1, (240, 2))
    logits[np.arange(240), truth] += np.where(np.arange(240) < 40, 8.0, 0.6)
    groups = ["shelf" if at < 40 else f"other {at}" for at in range(240)]
    grouped, alone = (statistics.temperature(logits, truth, names) for names in (groups, None))
    held_out = logits[40:], truth[40:]
    loss = [statistics.log_loss(statistics.softmax(held_out[0] / t), held_out[1]) for t in (grouped, 1.0)]
    assert loss[0] <= loss[1] + 0.01
    assert abs(np.log(grouped)) <= abs(np.log(alone)) + 1e-9


@pytest.mark.parametrize("count", [4, 10, 50])
def test_a_few_pictures_do_not_move_the_temperature_far(count):
    """A small set without a mistake asks for no certainty, and one surprise in it for no despair."""
    truth = np.arange(count) % 2
    logits = np.where(np.eye(2)[truth] > 0, 2.0, -2.0)
    assert 0.4 < statistics.temperature(logits, truth) <= 1.0
    surprised = logits.copy()
    surprised[0] = -surprised[0]
    assert 0.8 < statistics.temperature(surprised, truth) < 2.2
