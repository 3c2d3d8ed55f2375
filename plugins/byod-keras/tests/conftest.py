"""Drawn pictures for the tests of byod-keras."""

from __future__ import annotations

import pytest

from byod.schema.records import Example, Split
from byod.testing import draw_classes
from byod.training.protocol import TrainingData


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """80 circles and 80 squares: half to train, a quarter each to validate and to test."""
    examples = []
    for label, paths in draw_classes(tmp_path_factory.mktemp("drawn"), per_class=80).items():
        for number, path in enumerate(paths):
            split = (Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST)[number % 4]
            sha256 = f"{len(examples):064x}"
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    return examples


@pytest.fixture(scope="session")
def small(drawn):
    """A training on a few of them, by how many of each class it learns from (half as many validate)."""

    def some(count=8, classes=("circle", "square")):
        def of(split, number):
            return tuple(
                e for c in classes for e in [e for e in drawn if (e.label, e.split) == (c, split)][:number]
            )

        return TrainingData(classes=classes, train=of(Split.TRAIN, count), valid=of(Split.VALID, count // 2))

    return some
