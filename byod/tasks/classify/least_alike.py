"""The test pictures least like anything learned from: what a model does there says most of what it does elsewhere.

Shots of one shelf, seconds apart, may lie on both sides of a split that knows nothing of them; a number over all test
pictures is then too good. The features are those that the probe has computed already.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from byod.schema.least_alike_score import LeastAlike
from byod.schema.records import Example
from byod.tasks.classify.evaluated_examples import EvaluatedExample
from byod.training import extractors, statistics

SHARE = 0.2
FEWEST = 10
"""With fewer tested pictures a fifth of them says nothing."""
MOST = 2_000_000_000
"""So many pairs of pictures are compared within seconds."""
_ROWS = 512


def measure(
    evaluated: Sequence[EvaluatedExample], learned: Sequence[Example], probe: str, *, seed: int
) -> LeastAlike | None:
    """Measure a model on the fifth of the tested pictures that is least like anything learned from.

    Args:
        evaluated: what was said of each tested picture, and in which part of a cross-validation.
        learned: the pictures that the model learned from, where there was one model; empty in a cross-validation,
            where a picture's are those of the other parts.
        probe: the name of the net whose features the probe had; None is measured where they are of another extractor.
        seed: changes nothing of the interval.
    """
    graph = extractors.kept(extractors.DEFAULT)
    pairs = len(evaluated) * (len(learned) or len(evaluated))
    if graph is None or not probe.startswith(graph.card.arch) or len(evaluated) < FEWEST or pairs > MOST:
        return None
    tested = _directions(graph.features([each.example for each in evaluated]))
    near = (
        _nearest(tested, _directions(graph.features(learned)))
        if learned
        else _nearest_elsewhere(tested, [each.part for each in evaluated])
    )
    order = np.argsort(near, kind="stable")
    chosen, rest = np.split(order, [max(1, round(SHARE * len(order)))])
    right = np.array([each.right for each in evaluated], np.bool_)
    groups = [evaluated[number].example.group for number in chosen]
    low, high = statistics.interval(right[chosen], groups, seed=seed)
    return LeastAlike(
        extractor=graph.card.arch,
        pictures=len(chosen),
        accuracy=float(right[chosen].mean()),
        interval=(low, high),
        likeness=float(near[chosen].max()),
        others=float(right[rest].mean()),
    )


def _directions(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Rows of length 1."""
    whole = vectors.astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(whole, axis=1, keepdims=True)
    return np.asarray(whole / np.maximum(lengths, np.float32(1e-12)), np.float32)


def _nearest(tested: NDArray[np.float32], learned: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each row the greatest cosine with one of the others."""
    parts = [(tested[at : at + _ROWS] @ learned.T).max(axis=1) for at in range(0, len(tested), _ROWS)]
    return np.concatenate(parts)


def _nearest_elsewhere(tested: NDArray[np.float32], parts: Sequence[str]) -> NDArray[np.float32]:
    """For each row the greatest cosine with one of another part of the cross-validation."""
    names = np.asarray(parts)
    near = np.zeros(len(tested), np.float32)
    for name in np.unique(names):
        own = names == name
        near[own] = _nearest(tested[own], tested[~own])
    return near
