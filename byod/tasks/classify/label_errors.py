"""Labels that are probably wrong, and pictures that are hard: what the other pictures say of each one.

Two cross-validations with other folds must take a picture for another class: the second learned nothing from what the
first one took so. Of these, who is named is for the model of `label_noise` to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from byod.schema.label_issue import LabelIssue
from byod.schema.records import Example, Sha256
from byod.tasks.classify import label_noise
from byod.tasks.classify.evaluated_examples import EvaluatedExample, probabilities
from byod.tasks.classify.label_noise import Doubts
from byod.training import statistics
from byod.training.run_folder import short_path

RIGHTLY = 0.8
"""Of those named so many are expected to be named rightly, at least (the expected rate of false discoveries)."""
LEAST = 0.2
"""Who is less likely than this to have a wrong label is not named, however sure the others are."""
OF_PAIR = 0.5
"""Of the pictures of a class that are taken for one other class at least this share must be doubted, on the mean: where
most of them are only hard, the probe cannot tell these two apart, and nobody could tell by it."""


class LabelFindings(NamedTuple):
    """Pictures that are taken for another class: labels that look wrong, and pictures that are only hard.

    Both begin with the likeliest to be wrong.
    """

    doubtful: tuple[LabelIssue, ...] = ()
    hard: tuple[LabelIssue, ...] = ()


def find_label_issues(
    predict: Callable[[Collection[Sha256]], list[EvaluatedExample]], classes: Sequence[str]
) -> LabelFindings:
    """The case of the others against the labels of a set.

    `predict` cross-validates by duplicate group: it is given the SHA-256s of pictures not to learn from (they are
    tested all the same), and answers for all pictures, each by a model that saw nothing like it.
    """
    first = _one_round(predict(()), classes, None)
    taken = frozenset(issue.sha256 for issue in (*first.doubtful, *first.hard))
    return _one_round(predict(taken), classes, taken) if taken else first


def _one_round(
    evaluated: Sequence[EvaluatedExample], classes: Sequence[str], agreed: Collection[Sha256] | None
) -> LabelFindings:
    examples = [each.example for each in evaluated]
    labels = statistics.class_numbers([e.label for e in examples], classes)
    return find_in_one_round(probabilities(evaluated, classes), labels, examples, classes, agreed)


def find_in_one_round(
    said: statistics.Numbers,
    labels: statistics.Labels,
    examples: Sequence[Example],
    classes: Sequence[str],
    agreed: Collection[Sha256] | None = None,
) -> LabelFindings:
    """The case of one set of out-of-fold probabilities against the labels.

    Args:
        said: float [N, C].
        labels: int64 [N].
        examples: the pictures.
        classes: the names of the classes.
        agreed: the pictures that another view takes for another class too; nobody else is named (None: no other view).
    """
    there, numbered = np.unique(labels, return_inverse=True)
    if len(there) < 2:
        return LabelFindings()
    found = label_noise.doubts(said[:, there], numbered)
    rows = np.arange(len(labels))
    own = found.given[rows, numbered]
    others = found.given.copy()
    others[rows, numbered] = -1.0
    best, rival = others.argmax(axis=1), others.max(axis=1)
    quality = own / np.maximum(own + rival, 1e-12)
    taken = np.flatnonzero(rival > own)
    ranked = sorted(taken.tolist(), key=lambda at: (quality[at], own[at], examples[at].sha256))
    seen = np.array([agreed is None or example.sha256 in agreed for example in examples], np.bool_)
    named = _named(found, numbered, best, taken, seen)
    issues = {
        at: LabelIssue(
            sha256=examples[at].sha256,
            file=short_path(examples[at].path),
            label=classes[labels[at]],
            suggested=classes[there[best[at]]],
            quality=float(quality[at]),
            doubt=float(found.wrong[at]),
        )
        for at in ranked
    }
    return LabelFindings(
        tuple(issue for at, issue in issues.items() if at in named),
        tuple(issue for at, issue in issues.items() if at not in named),
    )


def _named(
    found: Doubts,
    labels: statistics.Labels,
    best: statistics.Labels,
    taken: NDArray[np.int64],
    seen: NDArray[np.bool_],
) -> set[int]:
    """The rows that are named, of those `taken` for another class: as many as are expected to be named rightly."""
    pairs: dict[tuple[int, int], list[float]] = defaultdict(list)
    for at in taken.tolist():
        pairs[int(labels[at]), int(best[at])].append(float(found.wrong[at]))
    likely = [
        at
        for at in taken.tolist()
        if seen[at]
        and found.wrong[at] >= LEAST
        and float(np.mean(pairs[int(labels[at]), int(best[at])])) >= OF_PAIR
    ]
    likely.sort(key=lambda at: -float(found.wrong[at]))
    rightly = np.cumsum(found.wrong[likely]) / np.arange(1, len(likely) + 1)
    return set(likely[: int((rightly >= RIGHTLY).sum())])
