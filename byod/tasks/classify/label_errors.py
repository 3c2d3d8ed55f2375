"""Labels that are probably wrong: what the other pictures say of each one, and how many of them to report.

Confident learning (Northcutt, Jiang and Chuang 2021, https://doi.org/10.1613/jair.1.12125) in two rounds: what
looks wrong to the first one is left out of what the second one learns from, which sees more clearly without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from byod.schema.errors import TrainerError
from byod.schema.model_card import LabelIssue
from byod.schema.records import Example, Sha256
from byod.tasks.classify.evaluated_examples import EvaluatedExample, probabilities
from byod.training import statistics
from byod.training.run_folder import short_path

ROUNDS = 2


def find_label_issues(
    predict: Callable[[Collection[Sha256]], list[EvaluatedExample]], classes: Sequence[str]
) -> tuple[LabelIssue, ...]:
    """The suspects of a set, worst first.

    `predict` cross-validates by duplicate group: it is given the SHA-256s of pictures not to learn from (they are
    tested all the same), and answers for all pictures, each by a model that saw nothing like it.

    Raises:
        TrainerError: cleanlab is not installed.
    """
    found: tuple[LabelIssue, ...] = ()
    for _ in range(ROUNDS):
        evaluated = predict({suspect.sha256 for suspect in found})
        examples = [each.example for each in evaluated]
        labels = statistics.class_numbers([e.label for e in examples], classes)
        found = find_in_one_round(probabilities(evaluated, classes), labels, examples, classes)
        if not found:
            break
    return found


def find_in_one_round(
    said: statistics.Numbers,
    labels: statistics.Labels,
    examples: Sequence[Example],
    classes: Sequence[str],
) -> tuple[LabelIssue, ...]:
    """The suspects by one set of out-of-fold probabilities (float [N, C]; labels int64 [N]), worst first.

    Their number is cleanlab's estimate of how many labels of each class are wrong (`prune_by_noise_rate`,
    https://docs.cleanlab.ai/stable/cleanlab/filter.html); a picture whose own label is the likeliest is none.

    Raises:
        TrainerError: cleanlab is not installed.
    """
    if len(set(labels.tolist())) < 2:
        return ()
    own = said[np.arange(len(labels)), labels]
    others = said.copy()
    others[np.arange(len(labels)), labels] = -1.0
    best = others.argmax(axis=1)
    rival = others.max(axis=1)
    quality = own / np.maximum(own + rival, 1e-12)
    issues = np.flatnonzero(_issues(said, labels) & (rival > own))
    ranked = sorted(issues.tolist(), key=lambda at: (quality[at], own[at], examples[at].sha256))
    return tuple(
        LabelIssue(
            sha256=examples[at].sha256,
            file=short_path(examples[at].path),
            label=classes[labels[at]],
            suggested=classes[best[at]],
            quality=float(quality[at]),
        )
        for at in ranked
    )


def _issues(probabilities: statistics.Numbers, labels: statistics.Labels) -> Any:
    """bool [N]: cleanlab's word; classes without a picture are left out of what it sees."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise TrainerError(
            "looking for wrong labels needs cleanlab, which the probe brings; "
            "from a clone of byod: uv pip install -e plugins/byod-sklearn"
        ) from error
    there, numbered = np.unique(labels, return_inverse=True)
    seen = np.clip(probabilities[:, there], 1e-12, None)
    seen = seen / seen.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cleanlab warns where it finds nothing to prune, which is an answer
        # one process: more of them cost more than they save on some thousand pictures, and start anew on Windows
        return find_label_issues(numbered, seen, filter_by="prune_by_noise_rate", n_jobs=1)
