"""Drawn sets with their places in the split: what a trainer is tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from byod.schema.errors import UsageError
from byod.schema.keypoints import Keypoints, KeypointSet
from byod.schema.records import Example, Sha256, Split, Task
from byod.schema.task_learning import LabelledSet
from byod.tasks.keypoints.importers.cat_file import POINTS
from byod.testing.drawn_classes import draw_classes
from byod.testing.drawn_heads import draw_heads

TESTED = 20
"""Test pictures (or heads) that byod needs, not to cross-validate instead."""


@dataclass(frozen=True)
class Drawn:
    """Examples of all parts; for the task keypoints what is marked in them, and which points a head has.

    `task` is the task's name.
    """

    task: str
    examples: tuple[Example, ...]
    classes: tuple[str, ...] = ()
    keypoints: Mapping[Sha256, Keypoints] = field(default_factory=dict)
    points: KeypointSet | None = None

    @property
    def labelled(self) -> LabelledSet:
        """The same as its task learns from it."""
        from byod.tasks.classify.class_set import ClassSet  # drawing needs none of it
        from byod.tasks.keypoints.training_set import TrainingSet

        if self.points is None:
            return ClassSet(self.examples, self.classes)
        return TrainingSet(self.examples, self.keypoints, self.points)

    @property
    def things(self) -> str:
        """The name of what is drawn, in the plural."""
        return "classes" if self.points is None else "heads"

    def part(self, split: Split) -> tuple[Example, ...]:
        """The examples of one part."""
        return tuple(example for example in self.examples if example.split is split)


def classes(folder: Path, names: Sequence[str], per_class: int, size: tuple[int, int], seed: int) -> Drawn:
    """Drawn classes: a fifth validates, a fifth tests (at least 20 in all).

    Raises:
        UsageError: there are too few pictures for that.
    """
    test = max(ceil(TESTED / len(names)), per_class // 5)
    valid = max(4, per_class // 5)
    if per_class < test + 2 * valid:
        raise UsageError(f"check_trainer needs at least {test + 2 * valid} pictures a class, not {per_class}")
    examples = []
    for number, (label, paths) in enumerate(draw_classes(folder, names, per_class, size, seed).items()):
        for at, path in enumerate(paths):
            split = Split.TEST if at < test else Split.VALID if at < test + valid else Split.TRAIN
            examples.append(example(path, label, split, number * per_class + at))
    return Drawn(Task.CLASSIFY, tuple(examples), tuple(names))


def heads(folder: Path, names: Sequence[str], per_class: int, size: tuple[int, int], seed: int) -> Drawn:
    """Drawn heads, as many as `classes` would draw pictures: a fifth validates, a fifth tests (at least 20 each).

    Raises:
        UsageError: there are too few pictures for that.
    """
    number = per_class * len(names)
    examples, keypoints = [], {}
    drawn = draw_heads(folder, number, size=size, seed=seed)
    part = max(ceil(number / 5), 20)
    if number < 3 * part:
        raise UsageError(f"check_trainer needs at least {3 * part} pictures with heads, not {number}")
    for at, (path, marked) in enumerate(drawn):
        split = Split.TEST if at < part else Split.VALID if at < 2 * part else Split.TRAIN
        one = example(path, "cat", split, at)
        examples.append(one)
        keypoints[one.sha256] = marked
    return Drawn(Task.KEYPOINTS, tuple(examples), keypoints=keypoints, points=POINTS)


OF_TASK = {Task.CLASSIFY.value: classes, Task.KEYPOINTS.value: heads}
"""Draws the pictures of a task, for those that byod can draw."""


def example(path: Path, label: str, split: Split, number: int) -> Example:
    """An example whose key is its number."""
    return Example(sha256=f"{number:064x}", path=path, label=label, split=split, group=path.name)
