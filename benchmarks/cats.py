"""Eyes on real cats: five-fold by duplicate group through byod's own verbs, from scratch and pretrained.

    BYOD_TEST_DATA=… python benchmarks/cats.py [--only KIND] [--folds 5] [--drawn 0] [--seed 0] [--plugin torch]
                                               [--set KEY=VALUE]

The photos of `cat-eyes` (eyes and faces) and `cats` (nine points) are converted into one dataset, as `byod convert`
does, and trained on as `byod train` does, five times; every picture is tested once, by a model that saw none of its
near-duplicates. `--drawn N` has each fold learn from N drawn pictures as well; none of them is ever tested. Printed
are errors in shares of the inter-ocular distance with 95 % intervals (bootstrap over duplicate groups), on crops around
the true heads and through the whole pipeline, where a miss is a failure; the mean face on the same crops; how many
photos of vegetables and of dogs (`dogs`; none is learned from) a fold's model calls a cat; seconds of training a fold
(both nets, with their export), and
milliseconds a picture.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from byod.api import convert
from byod.collection.importers import archives
from byod.dataset import dataset_folder, splits
from byod.schema import recipe
from byod.schema.keypoints import Keypoints, KeypointSet
from byod.schema.records import Example, Split
from byod.tasks import TASKS
from byod.tasks.keypoints import evaluated_examples, learning
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.importers import cat_dataset, voc
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.training_set import TrainingSet, labelled
from byod.testing import draw_heads
from byod.training import protocol
from byod.training.run_training import train

VALIDATION = 8  # one part of so many of what is not tested validates
SQUEEZENET = "weights/squeezenet1_1.pth"
EYES = ("eye_image_left", "eye_image_right")
KINDS: Mapping[str, Mapping[str, str]] = {
    "pretrained": {"weights": SQUEEZENET},
    "scratch": {"from_scratch": "true"},
    "direct": {"weights": SQUEEZENET, "head": "direct"},
}
AIMS = {"pretrained": 0.032, "scratch": 0.048}


@dataclass
class Measured:
    """What one kind of training brought, over all folds."""

    lines: list[evaluated_examples.PredictionRow] = field(default_factory=list)
    false_finds: int = 0
    pictures: int = 0
    strangers: list[float] = field(default_factory=list)
    dogs: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def converted(place: Path, into: Path) -> None:
    """The photos as one dataset of keypoints."""
    quiet = {"say": lambda _: None, "watch": lambda _: None}
    with archives.opened([place / "cats"]) as stores:
        convert.convert(cat_dataset.read(stores), into, **quiet)
    with archives.opened([place / "cat-eyes"]) as stores:
        convert.convert(voc.read(stores, {"cat_eyes": EYES}, "cat_face", "cat"), into, **quiet)


def drawn(folder: Path, number: int) -> list[tuple[Example, Keypoints]]:
    """So many drawn pictures to learn from, and what is marked in them."""
    return [
        (
            Example(
                sha256=keypoints.sha256, path=file, label="cat", split=Split.TRAIN, group=keypoints.sha256
            ),
            keypoints,
        )
        for file, keypoints in (draw_heads(folder, number) if number else [])
    ]


def folds(examples: Sequence[Example], count: int, seed: int) -> list[list[Example]]:
    """The same pictures once for each fold, with their part in it."""
    items = [splits.Item(sha256=e.sha256, label=e.label, group=e.group) for e in examples]
    found = []
    for number, tested in enumerate(splits.folds(items, count, seed)):
        rest = [item for item in items if item.sha256 not in tested]
        valid = splits.folds(rest, VALIDATION, seed)[number % VALIDATION]
        parts = {**dict.fromkeys(valid, Split.VALID), **dict.fromkeys(tested, Split.TEST)}
        found.append([e.model_copy(update={"split": parts.get(e.sha256, Split.TRAIN)}) for e in examples])
    return found


def measure(
    folder: Path,
    kind: Mapping[str, str],
    strangers: Sequence[Path],
    dogs: Sequence[Path],
    asked: argparse.Namespace,
) -> Measured:
    """Train and test each fold."""
    with dataset_folder.Dataset(folder, TASKS) as opened:
        snapshot = opened.snapshot()
        examples = opened.examples(snapshot)
    marked = labelled(snapshot, examples)
    known, keypoints = marked.points, marked.keypoints
    more = drawn(folder.parent / "drawn", asked.drawn)
    keypoints = {**keypoints, **{marked.sha256: marked for _, marked in more}}
    done = Measured()
    for number, parts in enumerate(folds(examples, 5, asked.seed)[: asked.folds]):
        run = folder.parent / f"run-{number}-{time.monotonic_ns()}"
        whole = TrainingSet((*parts, *(example for example, _ in more)), keypoints, known)
        card: Any = train(
            learning, whole, protocol.load(asked.plugin), kind, folder=run, seed=asked.seed,
            device=asked.device, cache=folder.parent / "pixels",
        )  # fmt: skip
        own = evaluated_examples.read_predictions(run, known)
        done.lines += own
        done.false_finds += card.metrics.false_finds
        done.pictures += card.metrics.pictures
        done.seconds.append(card.seconds)
        done.milliseconds.append(_milliseconds(run, [e.path for e in parts if e.split is Split.TEST]))
        done.strangers.append(_taken_for_cats(run, strangers) / len(strangers))
        done.dogs.append(_taken_for_cats(run, dogs))
        print(
            f"  fold {number + 1}: {len(own)} heads, median {_percent(card.metrics.crops.median)} on crops, glasses "
            f"{_percent(card.metrics.crops.glasses)}; pipeline {_percent(card.metrics.pipeline.glasses)}; "
            f"vegetables {_percent(done.strangers[-1])}; dogs {done.dogs[-1]} of {len(dogs)}; {card.seconds:.0f} s",
            flush=True,
        )
    return done


def _milliseconds(run: Path, paths: Sequence[Path]) -> float:
    predictor = KeypointsPredictor(run)
    list(predictor.predict(paths[:2]))
    started = time.perf_counter()
    list(predictor.predict(paths))
    return (time.perf_counter() - started) / len(paths) * 1000


def _taken_for_cats(run: Path, strangers: Sequence[Path]) -> int:
    """The number of pictures without a cat in which the model finds one."""
    return sum(bool(said.heads) for said in KeypointsPredictor(run).predict(strangers))


def _percent(value: float | None) -> str:
    return "    -" if value is None or not np.isfinite(value) else f"{value:5.1%}"


def table(name: str, done: Measured, known: KeypointSet) -> float:
    """Print one kind's figures; the median on true crops."""
    lines = done.lines
    alone = [line for line in lines if line.alone]
    rows = [
        ("true crops", lines, lambda n: n.crop, lambda n: n.crop_glasses),
        ("whole pipeline", lines, lambda n: n.pipeline, lambda n: n.pipeline_glasses),
        ("  one-cat photos", alone, lambda n: n.pipeline, lambda n: n.pipeline_glasses),
    ]
    print(f"\n{name}: {len(lines)} heads in {done.pictures} pictures, {done.false_finds} false finds")
    print("                       n  median  (95 %)           mean   >10 %  glasses OK (95 %)")
    medians = []
    for what, some, errors, glasses in rows:
        nme = np.array([np.nanmean(errors(line)) for line in some])
        sits = np.array([glasses(line) for line in some], np.float64)
        groups = [line.group for line in some]
        low, high = metrics.median_interval(nme, groups)
        worse, better = _interval(sits, groups)
        medians.append(float(np.median(nme)))
        print(
            f"{what:18s} {len(some):5d}  {_percent(medians[-1])}  ({_percent(low)} to {_percent(high)})  "
            f"{_percent(float(nme[np.isfinite(nme)].mean()))}  {_percent(float((nme > 0.1).mean()))}  "
            f"{_percent(float(sits.mean()))} ({_percent(worse)} to {_percent(better)})"
        )
    mean = np.array([line.mean_face_error for line in lines])
    print(f"{'mean face, crops':18s} {len(lines):5d}  {_percent(float(np.median(mean)))}")
    print(
        f"vegetables called a cat: {_percent(float(np.mean(done.strangers)))} "
        f"({', '.join(_percent(each).strip() for each in done.strangers)}); dogs: a median of "
        f"{np.median(done.dogs):.0f} ({', '.join(map(str, done.dogs))})"
    )
    print(
        f"{np.mean(done.seconds):.0f} s of training a fold ({min(done.seconds):.0f} to {max(done.seconds):.0f}), "
        f"{np.median(done.milliseconds):.0f} ms a picture"
    )
    return medians[0]


def _interval(values: np.ndarray, groups: Sequence[str]) -> tuple[float, float]:
    """The 95 % interval of a mean by bootstrap over groups."""
    names, member = np.unique(groups, return_inverse=True)
    totals, counts = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(0).integers(0, len(names), (2000, len(names)))
    low, high = np.percentile(totals[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Convert once, train each kind, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--folds", type=int, default=5, help="stop after so many of the five")
    parser.add_argument("--drawn", type=int, default=0, help="so many drawn pictures more to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plugin", default="torch")
    parser.add_argument("--device")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    place = Path(os.environ["BYOD_TEST_DATA"])
    strangers = sorted((place / "vegetables").rglob("*.jpg"))[::3]
    dogs = sorted((place / "dogs").rglob("*.jpg"))
    more = dict(setting.split("=", 1) for setting in asked.set)
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room) / "cats"
        converted(place, folder)
        known = recipe.read(folder).points
        for name in [asked.only] if asked.only else ["pretrained", "scratch"]:
            kind = {**KINDS[name], **more}
            if "weights" in kind:
                kind["weights"] = str(place / kind["weights"])
            median = table(name, measure(folder, kind, strangers, dogs, asked), known)
            if name in AIMS:
                print(f"aim: a median of {AIMS[name]:.1%}; ratio {median / AIMS[name]:.2f}")


if __name__ == "__main__":
    main()
