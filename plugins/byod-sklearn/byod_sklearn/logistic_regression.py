"""Logistic regression on standardised features; how strongly it is regularised is chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

STRENGTHS = (3e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths that are tried, strongest regularisation first."""
MIDDLING = 0.01
"""What is taken where there is too little to choose by."""
PARTS = 5
LARGE = 10_000_000
"""Rows times features times classes of a set on which seconds would become minutes (see `fit`)."""
FEW_STRENGTHS = (1e-3, 1e-2, 1e-1)
FEW_STEPS, FEW_DIRECTIONS = 30, 256
"""Of a large set: steps of the solver, and directions in which strengths are tried."""
UNEVEN = 1.5
"""Classes are weighted when the largest has more than this many times the pictures of the smallest."""


@dataclass(frozen=True)
class Regression:
    """logits = features @ weight.T + bias; the standardisation is multiplied in.

    `weight` is float64 [classes, F], `bias` float64 [classes]. With two classes scikit-learn gives one decision value
    d; their logits are -d/2 and d/2, whose softmax is d's sigmoid. `strength` is scikit-learn's C, the inverse of the
    regularisation's; `weighted` says whether small classes counted for more.
    """

    weight: Numbers
    bias: Numbers
    strength: float
    weighted: bool

    def logits(self, features: Numbers) -> Numbers:
        """float64 [N, F] to float64 [N, classes]."""
        return features @ self.weight.T + self.bias


def fit(
    features: Numbers, labels: Labels, groups: Sequence[str], classes: int, strength: float | None, seed: int
) -> Regression:
    """Fit on all of it; where `strength` is None, the one with the least log loss on groups left out is taken.

    One thread computes each: the matrices are small, threads that wait for each other made it thirty times slower on a
    busy machine, and the result does not depend on how many there are.

    A `LARGE` set is fitted in float32 and in few steps (after 793 pictures of 20 groceries others were recognised as
    well as with all of them); three strengths are tried, with one part left out instead of five in turn, in the
    directions in which the features differ most.

    `features` is float64 [N, F], `labels` int64 [N]; every class must be there.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    counts = np.bincount(labels, minlength=classes)
    weighted = bool(counts.max() > UNEVEN * counts.min())
    with threadpool_limits(1), warnings.catch_warnings():
        if _is_large(features, classes):
            warnings.simplefilter("ignore", ConvergenceWarning)  # few steps are meant
        chosen = strength or _strength(features, labels, groups, weighted, seed)
        weight, bias = _fit(features, labels, chosen, weighted)
    return Regression(weight, bias, chosen, weighted)


def log_loss(logits: Numbers, labels: Labels) -> Numbers:
    """Of each row its own: minus the logarithm of the probability given to its label (nats), float64 [N]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


def _strength(features: Numbers, labels: Labels, groups: Sequence[str], weighted: bool, seed: int) -> float:
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    members = [set(np.asarray(groups)[labels == label]) for label in np.unique(labels)]
    fewest = min(len(names) for names in members)
    if fewest < 2:
        return MIDDLING
    parts = StratifiedGroupKFold(min(PARTS, fewest), shuffle=True, random_state=seed)
    large = _is_large(features, len(members))
    whole = (
        (features[used], labels[used], features[left], labels[left])
        for used, left in parts.split(features, labels, groups)
        if len(set(labels[used])) == len(members)
    )
    tried = FEW_STRENGTHS if large else STRENGTHS
    ways = [_narrowed(*each, seed) for each in islice(whole, 1)] if large else list(whole)

    def loss(way: Way, strength: float) -> float:
        used, labels, left, truth = way
        with threadpool_limits(1):  # a thread of ours has limits of its own
            weight, bias = _fit(used, labels, strength, weighted, as_it_is=large)
        return float(log_loss(left @ weight.T + bias, truth).sum())

    with ThreadPoolExecutor(cpu_count() or 1) as threads:
        wanted = [[threads.submit(loss, way, strength) for way in ways] for strength in tried]
        losses = np.array([sum(each.result() for each in some) for some in wanted])
    return tried[int(losses.argmin())] if losses.any() else MIDDLING


Way = tuple[Numbers, Labels, Numbers, Labels]
"""What is fitted on, and what is left out: features and labels of each."""


def _narrowed(used: Numbers, labels: Labels, left: Numbers, truth: Labels, seed: int) -> Way:
    """The same standardised, in the directions in which `used` differs most."""
    from sklearn.utils.extmath import randomized_svd

    mean, scale = _spread(used)
    used, left = ((each - mean) / scale for each in (used, left))
    count = min(FEW_DIRECTIONS, *used.shape)
    _, _, directions = randomized_svd(used.astype(np.float32), count, n_iter=2, random_state=seed)
    return used @ directions.T, labels, left @ directions.T, truth


def _is_large(features: Numbers, classes: int) -> bool:
    return features.size * classes > LARGE


def _spread(features: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and deviation of each feature; one that never changes is divided by 1."""
    scale = features.std(axis=0)
    return features.mean(axis=0), np.where(scale > 1e-6, scale, 1.0)


def _fit(
    features: Numbers, labels: Labels, strength: float, weighted: bool, *, as_it_is: bool = False
) -> tuple[Numbers, Numbers]:
    """Weight and bias for features as they come; they are standardised in between, but for those left as they are."""
    from sklearn.linear_model import LogisticRegression

    large = as_it_is or _is_large(features, len(np.unique(labels)))
    mean, scale = (np.zeros(features.shape[1]), np.ones(features.shape[1])) if as_it_is else _spread(features)
    steps, kind = (FEW_STEPS, np.float32) if large else (1000, np.float64)
    model = LogisticRegression(C=strength, class_weight="balanced" if weighted else None, max_iter=steps)
    model.fit(((features - mean) / scale).astype(kind), labels)
    weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return weight, bias - weight @ mean
