"""Logistic regression on standardised features; how strongly it is regularised is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

STRENGTHS = (3e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths that are tried, strongest regularisation first."""
MIDDLING = 0.01
"""What is taken where there is too little to choose by."""
PARTS = 5
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

    One thread computes: the matrices are small, threads that wait for each other made it thirty times slower on a busy
    machine, and the result does not depend on how many there are.

    `features` is float64 [N, F], `labels` int64 [N]; every class must be there.
    """
    from threadpoolctl import threadpool_limits

    counts = np.bincount(labels, minlength=classes)
    weighted = bool(counts.max() > UNEVEN * counts.min())
    with threadpool_limits(1):
        chosen = strength or _strength(features, labels, groups, weighted, seed)
        weight, bias = _fit(features, labels, chosen, weighted)
    return Regression(weight, bias, chosen, weighted)


def log_loss(logits: Numbers, labels: Labels) -> Numbers:
    """Of each row its own: minus the logarithm of the probability given to its label (nats), float64 [N]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


def _strength(features: Numbers, labels: Labels, groups: Sequence[str], weighted: bool, seed: int) -> float:
    from sklearn.model_selection import StratifiedGroupKFold

    members = [set(np.asarray(groups)[labels == label]) for label in np.unique(labels)]
    fewest = min(len(names) for names in members)
    if fewest < 2:
        return MIDDLING
    parts = StratifiedGroupKFold(min(PARTS, fewest), shuffle=True, random_state=seed)
    losses = np.zeros(len(STRENGTHS))
    for used, left in parts.split(features, labels, groups):
        if len(set(labels[used])) < len(members):
            continue
        for number, strength in enumerate(STRENGTHS):
            weight, bias = _fit(features[used], labels[used], strength, weighted)
            losses[number] += log_loss(features[left] @ weight.T + bias, labels[left]).sum()
    return STRENGTHS[int(losses.argmin())] if losses.any() else MIDDLING


def _fit(features: Numbers, labels: Labels, strength: float, weighted: bool) -> tuple[Numbers, Numbers]:
    """Weight and bias for features as they come."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    model = LogisticRegression(C=strength, class_weight="balanced" if weighted else None, max_iter=1000)
    model.fit((features - mean) / scale, labels)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return weight, bias - weight @ mean
