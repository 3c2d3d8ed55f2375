"""Pictures of other kinds: how many a model of two vegetables calls "none of these", at 5 % false alarms.

    BYOD_TEST_DATA=… python benchmarks/out_of_distribution.py [--only KIND] [--seeds 3]

A model learns cauliflower and broccoli, and is asked about 200 cats, dogs and groceries, and about its own test
pictures, none of which it has seen. Beside it stands what the probabilities alone would say: the share whose likeliest
class is below 0.7.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from byod.schema.model_card import Prediction, Unreadable
from byod.schema.records import Split
from byod.tasks.classify import learning
from byod.tasks.classify.class_set import ClassSet
from byod.tasks.classify.predict import Predictor
from byod.training import protocol
from byod.training.run_training import train

SQUEEZENET = "weights/squeezenet1_1.pth"
KINDS = {
    "fastai": ("fastai", {"arch": "squeezenet1_1", "weights": SQUEEZENET}),
    "torch": ("torch", {"arch": "squeezenet1_1", "weights": SQUEEZENET}),
    "probe": ("sklearn", {"weights": SQUEEZENET, "features": "body"}),
    "descriptor": ("sklearn", {"features": "descriptor"}),
    "keras-scratch": ("keras", {"from_scratch": "true"}),
}
OTHERS = {"cats": ("cat-eyes/images", "cats"), "dogs": ("dogs",), "groceries": ("grocery-part/val",)}
PICTURES = 200
UNSURE = 0.7


@dataclass(frozen=True)
class Found:
    """The shares of pictures (0..1) that count as none of the classes, and those that do by their probability alone."""

    others: dict[str, float]
    all: float
    false_alarms: float
    by_probability: float
    wrong_of_own: int
    kind: str


def others(folder: Path, seed: int) -> dict[str, list[Path]]:
    """Pictures of other kinds, 200 in all: as many of each as there are, or their share."""
    chance = random.Random(seed)
    chosen = {}
    left = PICTURES
    for number, (name, places) in enumerate(sorted(OTHERS.items(), key=lambda item: item[0] != "dogs")):
        files = sorted(
            path
            for place in places
            for path in (folder / place).rglob("*")
            if path.suffix.lower() in (".jpg", ".png")
        )
        chosen[name] = chance.sample(files, min(len(files), left // (len(OTHERS) - number)))
        left -= len(chosen[name])
    return chosen


def measured(folder: Path, kind: str, seed: int, place: Path) -> Found:
    """Train one model, and ask it."""
    from vegetables import examples

    plugin, told = KINDS[kind]
    options = {key: str(folder / value) if key == "weights" else value for key, value in told.items()}
    whole = split(examples(folder / "vegetables"), seed)
    card = train(
        learning,
        ClassSet(tuple(whole), tuple(sorted({e.label for e in whole}))),
        protocol.load(plugin),
        options,
        folder=place / f"{kind}-{seed}",
        seed=seed,
        device="cpu",
    )
    predictor = Predictor(place / f"{kind}-{seed}")
    said = {name: answers(predictor, files) for name, files in others(folder, seed).items()}
    everything = [one for some in said.values() for one in some]
    metrics = card.metrics
    return Found(
        others={name: share(some) for name, some in said.items()},
        all=share(everything),
        false_alarms=metrics.none_of_these / metrics.pictures,
        by_probability=sum(one.probability < UNSURE for one in everything) / len(everything),
        wrong_of_own=round((1 - metrics.accuracy) * metrics.pictures),
        kind=str(card.typicality.kind),
    )


def split(examples: Sequence, seed: int) -> list:
    """Whole duplicate groups: 70 % to learn from, 15 % to validate, 15 % to test."""
    groups = sorted({e.group for e in examples})
    random.Random(seed).shuffle(groups)
    part = {
        group: Split.TRAIN
        if at < 0.7 * len(groups)
        else Split.VALID
        if at < 0.85 * len(groups)
        else Split.TEST
        for at, group in enumerate(groups)
    }
    return [e.model_copy(update={"split": part[e.group]}) for e in examples]


def answers(predictor: Predictor, files: Sequence[Path]) -> list[Prediction]:
    """What it says of those that can be opened."""
    return [one for one in predictor.predict(files) if not isinstance(one, Unreadable)]


def share(some: Sequence[Prediction]) -> float:
    """The share that counts as none of the classes."""
    return sum(bool(one.none_of_these) for one in some) / len(some)


def main() -> None:
    """Print a line for each kind of model and seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    folder = Path(os.environ["BYOD_TEST_DATA"])
    with tempfile.TemporaryDirectory() as place:
        for kind in [given.only] if given.only else KINDS:
            for seed in range(given.seeds):
                found = measured(folder, kind, seed, Path(place))
                each = ", ".join(f"{name} {value:.0%}" for name, value in found.others.items())
                print(
                    f"{kind}, seed {seed} ({found.kind}): found {found.all:.1%} ({each}); false alarms "
                    f"{found.false_alarms:.1%}; by probability below {UNSURE}: {found.by_probability:.1%}; "
                    f"{found.wrong_of_own} wrong of its own",
                    flush=True,
                )


if __name__ == "__main__":
    main()
