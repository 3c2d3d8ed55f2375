"""Like the pictures a classifier learned from, or not: a number for each, and the threshold for "none of these".

With features: minus the distance to the nearest class mean under one covariance that all classes share (Mahalanobis;
Lee et al. 2018, https://arxiv.org/abs/1807.03888), which is shrunk so that few pictures suffice (Ledoit and Wolf 2004,
https://doi.org/10.1016/S0047-259X(03)00096-4). Without: minus the energy of the logits (Liu et al. 2020,
https://arxiv.org/abs/2010.03759).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byod.schema.model_graph import Typicality, TypicalityKind

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

FALSE_ALARMS = 0.05
"""The share of pictures of the classes themselves that may count as none of them."""
MOST_PICTURES = 4000
"""From so many pictures at the most the means and the covariance are computed."""
FLOOR = 0.3
"""A feature that hardly varies counts as varying by this share of what all vary by on the mean."""
MOST_DIRECTIONS = 128
"""In so many directions the covariance is kept; in all others the features are taken to vary alike."""
FEW = 19
"""With fewer pictures than this none lies at the edge of 5 %, and the spread of all of them says where that is."""


@dataclass(frozen=True)
class Likeness:
    """The distance to class means, in the form in which a graph computes it.

    Of z = (features - middle) * scale, float64 [D], the squared distance to class c is
    `least` * |z|² - |z @ directions|² + z @ slopes[:, c] + offsets[c], never below 0.
    """

    middle: Numbers
    scale: Numbers
    least: float
    directions: Numbers
    slopes: Numbers
    offsets: Numbers

    def typicality(self, features: NDArray[np.float32]) -> Numbers:
        """Minus the distance to the nearest class mean, float64 [N], of features [N, D]."""
        z = (features - self.middle) * self.scale
        whole = self.least * (z**2).sum(axis=1) - ((z @ self.directions) ** 2).sum(axis=1)
        squares = whole[:, None] + z @ self.slopes + self.offsets
        return np.asarray(-np.sqrt(np.maximum(squares.min(axis=1), 0.0)))


def chosen(labels: Labels) -> Labels:
    """The numbers of the pictures to compute from: all, or of each class every so many."""
    if len(labels) <= MOST_PICTURES:
        return np.arange(len(labels))
    step = -(-len(labels) // MOST_PICTURES)
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[::step] for label in np.unique(labels)]))


def likeness(features: NDArray[np.float32], labels: Labels) -> Likeness | None:
    """The class means and the covariance around them, of features [N, D]; None where they say nothing.

    They say nothing where they do not vary within the classes, or are no numbers.
    """
    given = features.astype(np.float64)
    means = np.stack([given[labels == label].mean(axis=0) for label in np.unique(labels)])
    around = given - means[np.unique(labels, return_inverse=True)[1]]
    variances = (around**2).mean(axis=0)
    if not np.isfinite(given).all() or not variances.any():
        return None
    scale = 1 / np.sqrt(variances + FLOOR**2 * variances.mean())
    values, directions = _covariance(around * scale)
    kept = min(MOST_DIRECTIONS, directions.shape[1])
    rest = len(scale) - kept
    least = 1 / (float(values[kept:].sum()) / rest if rest else float(values[-1]))
    weights = least - 1 / values[:kept]
    middle = means.mean(axis=0)
    places = (means - middle) * scale
    along = places @ directions[:, :kept]
    precise = least * places - (along * weights) @ directions[:, :kept].T
    return Likeness(
        middle=middle,
        scale=scale,
        least=least,
        directions=directions[:, :kept] * np.sqrt(np.maximum(weights, 0.0)),
        slopes=-2 * precise.T,
        offsets=(places * precise).sum(axis=1),
    )


def _covariance(around: Numbers) -> tuple[Numbers, Numbers]:
    """The shrunk covariance of rows of mean 0: all its variances, the largest first, and the directions of those.

    There are as many variances as columns; of the directions only those that the rows span.
    """
    count, size = around.shape
    if count < size:
        values, inner = np.linalg.eigh(around @ around.T / count)
        held = values > 1e-9 * values[-1]
        directions = around.T @ inner[:, held] / np.sqrt(count * values[held])
        values = values[held]
    else:
        values, directions = np.linalg.eigh(around.T @ around / count)
    values, directions = np.maximum(values[::-1], 0.0), directions[:, ::-1]
    whole = np.concatenate([values, np.zeros(size - len(values))])
    mean = float(whole.mean())
    apart = float(((whole - mean) ** 2).sum())
    spread = float(((around**2).sum(axis=1) ** 2).mean() - (whole**2).sum()) / count
    share = min(1.0, max(spread, 0.0) / apart) if apart > 0 else 1.0
    share = max(share, 1e-3)  # so that it can be inverted, however many pictures there are
    return (1 - share) * whole + share * mean, directions


def energy(logits: NDArray[np.float32]) -> Numbers:
    """Minus the energy of logits [N, classes]: the logarithm of the sum of their exponentials, float64 [N]."""
    most = logits.max(axis=1, keepdims=True).astype(np.float64)
    return np.asarray(most[:, 0] + np.log(np.exp(logits - most).sum(axis=1)))


def measured(values: Numbers, features: int | None) -> Typicality:
    """What a card says: the kind, and the threshold below which one in twenty pictures of the classes lies at the most.

    `values` are the typicalities of validation pictures; `features` says how many numbers they are made of (None: of
    the logits).
    """
    ordered = np.sort(values)
    rank = int(FALSE_ALARMS * (len(ordered) + 1))
    edge = float(ordered[max(rank - 1, 0)])
    if len(ordered) < FEW:
        edge = min(edge, float(ordered.mean() - 2 * ordered.std()))
    kind = TypicalityKind.ENERGY if features is None else TypicalityKind.MAHALANOBIS
    # the graph computes in single precision: the picture at the edge itself is on the side of the others
    edge -= 1e-4 * max(1.0, abs(edge))
    return Typicality(
        kind=kind, threshold=edge, false_alarms=FALSE_ALARMS, pictures=len(ordered), features=features or 0
    )
