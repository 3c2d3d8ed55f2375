"""A model's number on the test pictures least like anything it learned from."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from byod.schema.least_alike_score import LeastAlike
from byod.schema.model_card import Prediction
from byod.schema.records import Example, Split
from byod.tasks.classify import learning, least_alike
from byod.tasks.classify.class_set import ClassSet
from byod.tasks.classify.evaluated_examples import EvaluatedExample
from byod.training import extractors

ARCH = "a net's features"


def example(number: int) -> Example:
    sha256 = f"{number:064x}"
    return Example(sha256=sha256, path=Path("a.jpg"), label="a", split=Split.TEST, group=sha256)


def evaluated(number: int, right: bool, part: str = "test") -> EvaluatedExample:
    said = Prediction(
        path="a", label="a" if right else "b", probability=1.0, probabilities={"a": 1.0, "b": 0.0}
    )
    return EvaluatedExample(example(number), said, 1.0, part)


@pytest.fixture
def seen(monkeypatch):
    """Features by picture, as a net would have given them: {sha256: angle in degrees from the first axis}."""
    angles: dict[str, float] = {}

    def features(examples):
        turns = np.deg2rad([angles[each.sha256] for each in examples])
        return np.stack([np.cos(turns), np.sin(turns)], 1).astype(np.float16)

    graph = SimpleNamespace(card=SimpleNamespace(arch=ARCH), features=features)
    monkeypatch.setattr(extractors, "kept", lambda name: graph)
    return angles


def test_it_is_measured_on_the_fifth_that_is_furthest_away(seen):
    """Of twenty tested pictures the four furthest from all learned ones are measured, and the others beside them."""
    learned = [example(100), example(101)]
    seen |= {learned[0].sha256: 0.0, learned[1].sha256: 2.0}
    tested = [evaluated(n, right=n not in (17, 18)) for n in range(20)]
    seen |= {one.example.sha256: 3.0 * n for n, one in enumerate(tested)}
    found = least_alike.measure(tested, learned, f"{ARCH} + logistic regression", seed=0)
    assert found is not None
    assert (found.pictures, found.accuracy, found.others) == (4, 0.5, 1.0)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.likeness == pytest.approx(np.cos(np.deg2rad(48 - 2)), abs=0.01)


def test_in_a_cross_validation_other_parts_were_learned_from(seen):
    """A picture whose only near-copy is in its own part is among the least alike."""
    tested = [evaluated(n, right=n != 9, part=f"part {n % 2}") for n in range(10)]
    seen |= {one.example.sha256: 0.0 for one in tested}
    for n in (7, 9):  # both of the same part, alike, and unlike all others
        seen[tested[n].example.sha256] = 80.0
    found = least_alike.measure(tested, (), f"{ARCH} + logistic regression", seed=0)
    assert found is not None
    assert (found.pictures, found.accuracy, found.others) == (2, 0.5, 1.0)


@pytest.mark.parametrize("probe", ["hand-made descriptor + logistic regression", ""])
def test_nothing_is_computed_for_it_alone(seen, probe):
    """Where the probe had other features, nothing is measured: these would have to be computed first."""
    tested = [evaluated(n, right=True) for n in range(20)]
    assert least_alike.measure(tested, [example(100)], probe, seed=0) is None


def test_a_fifth_of_a_few_pictures_says_nothing(seen):
    """With fewer than ten tested pictures nothing is measured."""
    seen |= {example(n).sha256: 1.0 for n in (0, 1, 100)}
    tested = [evaluated(n, right=True) for n in range(2)]
    assert least_alike.measure(tested, [example(100)], f"{ARCH} + x", seed=0) is None


def test_what_a_random_split_promises_stands_beside_what_groups_do():
    """The record counts the pictures that belong with another one, and both accuracies of the probe."""
    grouped = [evaluated(n, right=n > 4) for n in range(10)]
    together = {n: grouped[n].example.model_copy(update={"group": "0" * 64}) for n in (0, 1, 2)}
    grouped = [replace(one, example=together.get(n, one.example)) for n, one in enumerate(grouped)]
    alone = [evaluated(n, right=n > 0) for n in range(10)]
    labelled = ClassSet(tuple(one.example for one in grouped), ("a", "b"))
    found = learning.random_split(labelled, grouped, alone, "a probe")
    assert (found.pictures, found.together) == (10, 3)
    assert (found.grouped, found.random) == (0.5, 0.9)


@pytest.mark.parametrize(("others", "said"), [(0.97, 1), (0.75, 0)])
def test_a_training_says_what_is_owed_to_pictures_like_learned_ones(others, said):
    """Where the model is much better on those, a line names the command that keeps them together."""
    like = LeastAlike(
        extractor="a", pictures=20, accuracy=0.72, interval=(0.6, 0.8), likeness=0.9, others=others
    )
    lines = learning.warnings(SimpleNamespace(least_alike=like))
    assert len(lines) == said
    assert all("byod split --by features" in line for line in lines)
