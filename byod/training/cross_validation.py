"""Cross-validation: each picture is tested once, by a model that was trained on the other parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from byod.dataset import splits
from byod.dataset.grouping import FEWEST
from byod.schema.model_card import Unreadable
from byod.schema.records import Example, Sha256

MIN_TEST = 20
"""With fewer test pictures (or objects) than this, a set is cross-validated."""
MIN_GROUPS = FEWEST
"""Different pictures that a class needs: one each to train on, to validate and to test."""
FOLDS = 5

Part = tuple[Example, ...]
Tested = TypeVar("Tested")
Fold = Callable[[Part, Part, Part, str], tuple[list[Tested], list[Unreadable]]]
"""Trains on the first part, validates on the second and tests the third; the text names the fold ("fold 2/5")."""


def folds(
    examples: Sequence[Example], label: Callable[[Example], str], count: int, seed: int
) -> tuple[Part, ...]:
    """Parts for a cross-validation: whole duplicate groups, each label spread alike."""
    items = [splits.Item(sha256=e.sha256, label=label(e), group=e.group) for e in examples]
    by_sha = {example.sha256: example for example in examples}
    return tuple(tuple(by_sha[sha] for sha in part) for part in splits.folds(items, count, seed))


def cross_validate(
    parts: Sequence[Part], fold: Fold[Tested], leave_out: Collection[Sha256] = ()
) -> tuple[list[Tested], list[Unreadable]]:
    """Test each part once with a model that was trained on the others, of which the next one validates.

    Pictures to `leave_out` are tested, and nothing is learned from them.
    """
    tested: list[Tested] = []
    unreadable: list[Unreadable] = []
    clean = [tuple(e for e in part if e.sha256 not in leave_out) for part in parts]
    for number, test in enumerate(parts):
        valid = (number + 1) % len(parts)
        train = tuple(e for n, part in enumerate(clean) if n not in (number, valid) for e in part)
        some, broken = fold(train, clean[valid], test, f"fold {number + 1}/{len(parts)}")
        tested += some
        unreadable += broken
    return tested, unreadable


def last_model(parts: Sequence[Part]) -> tuple[Part, Part]:
    """The parts that the kept model trains on, and validates on: all parts but the first, and the first."""
    return tuple(example for part in parts[1:] for example in part), parts[0]
