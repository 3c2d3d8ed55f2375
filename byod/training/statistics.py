"""Statistics of a model: counts, rates, an honest interval, and how much its probabilities can be believed.

Throughout, `truth` is int64 [N] (class numbers), `logits` float [N, C], `probabilities` float [N, C] with rows
that sum to 1. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byod.schema.intervals import student_t, wilson
from byod.schema.model_card import ClassScore, Paired

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

RESAMPLES = 2000
BINS = 15

FEW = 20
"""With fewer groups than this, how much the pictures of one have in common cannot be told from them."""
CORRELATIONS = np.array([0.001, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99])
"""How alike right and wrong may be within a group: 0 as among strangers, 1 all alike; each is as likely before."""

FOLDS = 5
"""Parts of the groups by which a temperature is tried on pictures that it was not fitted on."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How much of the temperature that fits best may be used, in its logarithm."""
PRIOR = 0.5
"""How far the logarithm of a temperature is expected to be from 0, before any picture is seen."""


def class_numbers(labels: Sequence[str], classes: Sequence[str]) -> Labels:
    """Class numbers, int64 [N], in the order of `classes`."""
    number = {name: at for at, name in enumerate(classes)}
    return np.array([number[label] for label in labels], np.int64)


def softmax(logits: ArrayLike) -> Numbers:
    """Rows of logits to rows of probabilities."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def confusion(truth: Labels, said: Labels, classes: int) -> Labels:
    """int64 [C, C]: how many pictures of class i were called class j."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, said), 1)
    return table


def accuracy(table: Labels) -> float:
    """The share of pictures called by their right class, 0..1."""
    return float(np.trace(table) / table.sum())


def class_scores(table: Labels, classes: Sequence[str]) -> dict[str, ClassScore]:
    """Precision, recall and F1 of each class; None where there was nothing to count."""
    scores = {}
    for number, name in enumerate(classes):
        hits, there, called = table[number, number], table[number].sum(), table[:, number].sum()
        scores[name] = ClassScore(
            precision=_share(hits, called),
            recall=_share(hits, there),
            f1=_share(2 * hits, there + called),
            pictures=int(there),
        )
    return scores


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


def macro_f1(scores: dict[str, ClassScore]) -> float:
    """The mean F1 of the classes that were there or were called, 0..1."""
    known = [score.f1 for score in scores.values() if score.f1 is not None]
    return float(np.mean(known))


def interval(right: NDArray[np.bool_], groups: Sequence[str], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of an accuracy whose pictures come in groups: one group says less than as many pictures apart.

    It is Wilson's score interval (https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval) for the
    number of independent pictures that the groups are worth, with Student's t in place of the normal distribution,
    since that number is an estimate. With fewer than FEW groups it is at least as wide as that of the groups alone.
    `seed` changes nothing: nothing is drawn.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rate, worth = float(right.mean()), worth_of(right, member)
    low, high = wilson(rate, worth, student_t(worth - 1))
    if len(names) < FEW:
        outer = wilson(rate, len(names))
        return min(low, outer[0]), max(high, outer[1])
    return low, high


def worth_of(right: NDArray[np.bool_], member: Labels) -> float:
    """The number of independent pictures that pictures in groups (`member` numbers them) are worth, 1 to N.

    What pictures of one group have in common is their correlation within groups; each one that is possible counts by
    how likely it makes what was seen, if right and wrong are beta-binomially distributed
    (https://en.wikipedia.org/wiki/Beta-binomial_distribution). From it follows Kish's design effect
    (https://en.wikipedia.org/wiki/Design_effect).
    """
    sizes = np.bincount(member)
    hits = np.bincount(member, weights=right).astype(np.int64)
    count, rate = int(sizes.sum()), (hits.sum() + 0.5) / (sizes.sum() + 1)
    spread = 1 / CORRELATIONS - 1
    likelihood = (
        _rising(rate * spread, hits) + _rising((1 - rate) * spread, sizes - hits) - _rising(spread, sizes)
    )
    weights = np.exp(likelihood - likelihood.max())
    correlation = float((weights * CORRELATIONS).sum() / weights.sum())
    effect = 1 + (float((sizes.astype(np.float64) ** 2).sum()) / count - 1) * correlation
    return count / effect


def _rising(start: Numbers, counts: Labels) -> Numbers:
    """Of each start, the sum over the groups of log(start) + log(start + 1) + …, as many terms as each counts."""
    terms = np.log(start[:, None] + np.arange(int(counts.max()) if len(counts) else 0))
    sums = np.concatenate([np.zeros((len(start), 1)), terms.cumsum(axis=1)], axis=1)
    return np.asarray(sums[:, counts].sum(axis=1))


def paired(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: Sequence[str], *, seed: int = 0
) -> Paired:
    """Test whether two models, right or wrong on the same pictures (bool [N] each), differ by more than chance.

    The test is an exact, two-sided sign test over the duplicate groups on which one of them is right more often
    (McNemar's test where every picture is its own group,
    https://en.wikipedia.org/wiki/McNemar%27s_test#Variations).
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    ahead = first.astype(np.float64) - second.astype(np.float64)
    sums = np.bincount(member, weights=ahead, minlength=len(names))
    sizes = np.bincount(member, minlength=len(names)).astype(np.float64)
    chosen = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
    drawn = sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    better, worse = int((sums > 0).sum()), int((sums < 0).sum())
    return Paired(
        pictures=len(first),
        difference=float(ahead.mean()),
        interval=(float(low), float(high)),
        only_first=int((first & ~second).sum()),
        only_second=int((second & ~first).sum()),
        p_value=_sign_test(better, worse),
    )


def _sign_test(one: int, other: int) -> float:
    """The chance of a split at least as uneven as this one, were both sides equally likely."""
    tail = sum(math.comb(one + other, k) for k in range(min(one, other) + 1))
    return float(min(1.0, 2 * tail / 2 ** (one + other)))


def log_loss(probabilities: Numbers, truth: Labels) -> float:
    """Mean negative logarithm of the probability given to the right class (nats)."""
    given = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(given, 1e-12, 1.0)).mean())


def calibration_error(probabilities: Numbers, truth: Labels, bins: int = BINS) -> float:
    """Expected calibration error of the likeliest class, 0..1 (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    where = np.minimum((sure * bins).astype(np.int64), bins - 1)
    gaps = [
        (where == b).mean() * abs(right[where == b].mean() - sure[where == b].mean())
        for b in np.unique(where)
    ]
    return float(sum(gaps))


def temperature(logits: ArrayLike, truth: Labels, groups: Sequence[str] | None = None) -> float:
    """The number (0.05..20) that logits are divided by so that probabilities can be believed.

    It minimises the log loss on validation pictures (Guo et al. 2017), with a prior that keeps it near 1 until enough
    pictures speak against that: log T is taken for normally distributed around 0 with deviation PRIOR. So a small
    set without a single mistake does not ask for certainty. Pictures of one group count as what they are worth
    (`worth_of`), and of the temperature so much is used as helps most with groups that it was not fitted on: where
    it does not help them, it is 1.
    """
    values = np.asarray(logits, np.float64)
    names = np.arange(len(values)) if groups is None else np.asarray(groups)
    _, member = np.unique(names, return_inverse=True)
    worth = worth_of(values.argmax(axis=1) == truth, member) / len(values)
    best = _fitted(values, truth, worth)
    held_out = np.zeros(len(SHARES))
    parts = member % FOLDS
    for part in np.unique(parts):
        fitted = np.log(_fitted(values[parts != part], truth[parts != part], worth))
        left = values[parts == part], truth[parts == part]
        held_out += [_loss(*left, share * fitted) for share in SHARES]
    return float(best ** SHARES[int(held_out.argmin())])


def _fitted(values: Numbers, truth: Labels, worth: float) -> float:
    """The temperature that fits best; each picture counts as `worth` (0..1) of one."""

    def loss(log_temperature: float) -> float:
        prior = log_temperature**2 / (2 * PRIOR**2)
        return prior + worth * _loss(values, truth, log_temperature)

    return float(np.exp(_lowest(loss, np.log(0.05), np.log(20.0))))


def _loss(values: Numbers, truth: Labels, log_temperature: float) -> float:
    """The log loss of logits divided by a temperature, summed over the pictures (nats)."""
    given = softmax(values / np.exp(log_temperature))[np.arange(len(values)), truth]
    return float(-np.log(np.clip(given, 1e-300, 1.0)).sum())


def _lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search: where a function with one valley is lowest."""
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(30):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float((low + high) / 2)
