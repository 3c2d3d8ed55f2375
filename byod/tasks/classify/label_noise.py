"""The probability that each label is wrong, told apart from pictures that are only hard: a model of both at once.

A picture may have an unlikely label for two reasons. Either the probe is less sure than it says, about all pictures
(a temperature), or a share of the labels was given without looking (after Mnih and Hinton 2012,
https://www.cs.toronto.edu/~vmnih/docs/noisy_maps.pdf). Both are fitted together to all labels: where a probe is bad at
its classes the temperature explains every mistake, and no label is doubted; where it is good and a few labels are far
from all it says, only wrong labels explain them. A wrong label may be of any class, so with many classes a label must
be much less likely to be doubted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from byod.training.statistics import Labels, Numbers, softmax

PRIOR = 0.25
"""How far the logarithm of the temperature is expected to be from 0: one was fitted on validation pictures before."""
MOST = 0.5
"""No more than this share of labels is taken to be wrong: most of what a folder holds is what it says."""
TEMPERATURES = np.exp(np.linspace(np.log(0.05), np.log(20.0), 121))
_HALVINGS = 40


class Doubts(NamedTuple):
    """What is thought of the labels.

    `given` is float64 [N, C], the probabilities at the `temperature` that was fitted; `wrong` float64 [N], how likely
    each label is wrong; `rate` the share of labels that are thought to be.
    """

    given: Numbers
    wrong: Numbers
    temperature: float
    rate: float


def doubts(said: Numbers, labels: Labels) -> Doubts:
    """Fit temperature and share of wrong labels, by maximum likelihood, to what was said from outside of each fold.

    `said` is float [N, C], probabilities with the temperature of the validation pictures; `labels` int64 [N].
    """
    logits = np.log(np.clip(said, 1e-38, 1.0))
    rows = np.arange(len(labels))
    others = logits.shape[1] - 1
    best = (np.inf, 1.0, 0.0)
    for temperature in TEMPERATURES:
        own = softmax(logits / temperature)[rows, labels]
        rate = _rate(own, (1 - own) / others)
        likely = (1 - rate) * own + rate * (1 - own) / others
        loss = -np.log(np.clip(likely, 1e-300, 1.0)).sum() + np.log(temperature) ** 2 / (2 * PRIOR**2)
        best = min(best, (float(loss), float(temperature), rate))
    _, temperature, rate = best
    given = softmax(logits / temperature)
    own = given[rows, labels]
    blind = rate * (1 - own) / others
    return Doubts(given, blind / np.maximum((1 - rate) * own + blind, 1e-300), temperature, rate)


def _rate(right: Numbers, wrong: Numbers) -> float:
    """The share of wrong labels under which the labels are likeliest (their likelihood has one peak), by halving."""
    low, high = 0.0, MOST
    gain = wrong - right

    def rising(rate: float) -> bool:
        return bool((gain / np.maximum(right + rate * gain, 1e-300)).sum() > 0)

    if not rising(0.0):
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) else (low, middle)
    return (low + high) / 2
