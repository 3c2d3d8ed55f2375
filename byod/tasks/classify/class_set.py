"""The pictures of class folders, as a classifier learns from them and is measured on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from byod.schema.errors import TrainerError
from byod.schema.progress import Say
from byod.schema.records import Example, Snapshot
from byod.training.cross_validation import MIN_GROUPS
from byod.training.run_training import digest


@dataclass(frozen=True)
class ClassSet:
    """Pictures, each with the class it is labelled as, and the classes in the order of the probabilities."""

    examples: tuple[Example, ...]
    classes: tuple[str, ...]

    def of(self, examples: Iterable[Example]) -> ClassSet:
        """The same classes with these pictures alone."""
        return replace(self, examples=tuple(examples))

    def measured(self, examples: Sequence[Example]) -> int:
        """Count the pictures: each has its label."""
        return len(examples)

    def count(self, examples: Sequence[Example]) -> dict[str, int]:
        """Pictures by class."""
        return dict(Counter(example.label for example in examples))

    def plan(self) -> dict[str, JsonValue]:
        """The classes, and every picture with its class, part and group."""
        lines = [f"{e.sha256} {e.label} {e.split} {e.group}" for e in self.examples]
        return {"classes": list(self.classes), "examples": digest(lines)}


def labelled(snapshot: Snapshot, examples: Sequence[Example]) -> ClassSet:
    """The pictures of a dataset: their class folders are their labels."""
    return ClassSet(tuple(examples), tuple(snapshot.classes))


def usable(labelled: ClassSet, say: Say) -> ClassSet:
    """The set with the classes that have pictures, in the order given; refuses what no trainer could learn from.

    Raises:
        TrainerError: fewer than two classes, or one with too few different pictures.
    """
    groups: dict[str, set[str]] = {name: set() for name in labelled.classes}
    for example in labelled.examples:
        groups.setdefault(example.label, set()).add(example.group)
    used = tuple(name for name, members in groups.items() if members)
    if not used:
        raise TrainerError(
            "there is nothing to train on: no class holds a picture; fill one with byod collect or byod add"
        )
    if len(used) == 1:
        raise TrainerError(
            f"there is only one class with pictures ({used[0]}); a model needs a second one to tell it from"
        )
    fewest = min(used, key=lambda name: len(groups[name]))
    if len(groups[fewest]) < MIN_GROUPS:
        raise TrainerError(
            f"{len(labelled.examples)} pictures are too few: {fewest} has {len(groups[fewest])} different from each "
            f"other, and a class needs at least {MIN_GROUPS} (some 50 for a result worth having)"
        )
    for name in groups.keys() - set(used):
        say(f"{name} has no pictures and is left out")
    return replace(labelled, classes=used)


def see_all_classes(train: Sequence[Example], valid: Sequence[Example], classes: Sequence[str]) -> None:
    """Refuse a split that leaves a class nothing to learn from, or nothing to validate on.

    Raises:
        TrainerError: it does.
    """
    missing = [name for name in classes if name not in {example.label for example in train}]
    if missing:
        raise TrainerError(
            f"no picture of {missing[0]} is in the training part; collect more of them, or split again"
        )
    if not valid:
        raise TrainerError("the validation part is empty; split again (byod split)")
