"""Weigh the classes where some have many more pictures than others, so that the small ones count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

UNEVEN = 1.5
"""From this ratio of the largest to the smallest class on, a set counts as imbalanced."""


def class_weights(labels: Sequence[int], classes: int) -> list[float] | None:
    """A weight for the loss of each class, by which all classes count alike; None when the set is balanced.

    `labels` are class numbers from 0. A weight is pictures / (classes x pictures of the class), so that the mean
    over the pictures is 1; a class without pictures gets 0 (it cannot appear).
    """
    counts = Counter(labels)
    there = [counts[number] for number in range(classes) if counts[number]]
    if max(there) < UNEVEN * min(there):
        return None
    return [
        len(labels) / (len(there) * counts[number]) if counts[number] else 0.0 for number in range(classes)
    ]


def words(labels: Sequence[int], names: Sequence[str]) -> str:
    """The line that says why classes are weighted."""
    counts = Counter(labels)
    most = max(range(len(names)), key=lambda number: counts[number])
    least = min((n for n in range(len(names)) if counts[n]), key=lambda number: counts[number])
    return (
        f"{names[most]} has {counts[most]} training pictures and {names[least]} {counts[least]}: "
        "the loss weighs the classes so that all count alike"
    )
