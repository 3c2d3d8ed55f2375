"""Wrong labels put into the real vegetables on purpose: how many byod names, and what removing them is worth.

    BYOD_TEST_DATA=… python benchmarks/label_errors.py [--rates 0.2 0.1 0.05 0] [--flips 5] [--fine-tune]

Five-fold by duplicate group, fold seed 0. In each fold some labels of the training and validation pictures are flipped
(five flip seeds; the test pictures keep their true ones), and the probe is asked which labels of that part look wrong,
as `byod check --suspects` asks. Precision and recall are counted at the number of suspects that byod itself proposes.
The errors are those on all test pictures, once by models trained on true labels, once on flipped ones, once on what is
left after the suspects are removed: by the probe itself, and with --fine-tune by a fine-tuned net.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import vegetables

from byod.schema.progress import silent
from byod.schema.records import Example, Split
from byod.tasks.classify import learning
from byod.tasks.classify.class_set import ClassSet
from byod.training import protocol
from byod.training.protocol import Trainer
from byod.training.run_folder import TEST
from byod.training.run_training import out_of_fold, probe_work

AIM = 0.85
FINE_TUNE = {"arch": "squeezenet1_1", "size": "128"}


@dataclass
class Bench:
    """What all measurements of one call share; the probe remembers the features of every picture."""

    classes: list[str]
    cache: Path
    probe: Trainer
    options: dict[str, str]
    spent: list[float] = field(default_factory=list)

    def suspects(self, examples: list[Example]) -> set[str]:
        """The SHA-256s of the pictures whose labels byod doubts."""
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            usable = learning.usable(ClassSet(tuple(examples), tuple(self.classes)), silent)
            work = probe_work(self.probe, self.options, Path(folder), 0, self.cache)
            issues = learning.find_issues(usable, (), out_of_fold(learning, work, usable), silent)
            found = issues.found if issues else ()
        self.spent.append(time.perf_counter() - started)
        return {suspect.sha256 for suspect in found}

    def errors(
        self, trainer: Trainer, options: dict[str, str], known: list[Example], test: list[Example]
    ) -> int:
        """How many test pictures a model trained on `known` calls by another name than their true one."""
        with tempfile.TemporaryDirectory() as folder:
            work = probe_work(trainer, options, Path(folder), 0, self.cache)
            labelled = ClassSet(tuple(known), tuple(self.classes))
            train, valid = (tuple(e for e in known if e.split is s) for s in (Split.TRAIN, Split.VALID))
            model = learning.fit(work, labelled, train, valid, "")
            evaluated, _ = learning.evaluate_on(labelled, learning.loaded(labelled, model, train), test, TEST)
        return sum(not each.right for each in evaluated)


def flipped(examples: list[Example], classes: list[str], rate: float, seed: int) -> list[Example]:
    """The same pictures, a share of them under another class's name."""
    rng = np.random.default_rng(seed)
    chosen = set(rng.choice(len(examples), round(rate * len(examples)), replace=False).tolist())
    shift = rng.integers(1, len(classes), len(examples))
    return [
        e.model_copy(update={"label": classes[(classes.index(e.label) + int(shift[at])) % len(classes)]})
        if at in chosen
        else e
        for at, e in enumerate(examples)
    ]


@dataclass
class Counts:
    """What one flip seed gave, over all folds."""

    flipped: int = 0
    named: int = 0
    right: int = 0
    errors: dict[str, list[int]] = field(default_factory=dict)

    def add(self, before: list[Example], after: list[Example], issues: set[str]) -> None:
        """One fold: the true labels, the flipped ones, and what byod doubts."""
        wrong = {b.sha256 for b, a in zip(before, after, strict=True) if b.label != a.label}
        self.flipped += len(wrong)
        self.named += len(issues)
        self.right += len(wrong & issues)


def measure(
    bench: Bench,
    ways: list[list[Example]],
    clean: dict[str, list[int]],
    rate: float,
    flips: int,
    learners: dict[str, tuple[Trainer, dict[str, str]]],
) -> None:
    """One rate: the median of all flip seeds, with each seed's figures."""
    seeds = []
    for seed in range(flips if rate else 1):
        counts = Counts(errors={name: [0, 0] for name in learners})
        for number, way in enumerate(ways):
            known = [e for e in way if e.split is not Split.TEST]
            test = [e for e in way if e.split is Split.TEST]
            noisy = flipped(known, bench.classes, rate, 100 * seed + number)
            issues = bench.suspects(noisy)
            counts.add(known, noisy, issues)
            for name, (trainer, options) in learners.items():
                left = [e for e in noisy if e.sha256 not in issues]
                counts.errors[name][0] += bench.errors(trainer, options, noisy, test)
                counts.errors[name][1] += bench.errors(trainer, options, left, test)
        seeds.append(counts)
        print(
            f"  {rate:.0%}, flip seed {seed}: {counts.flipped} flipped, {counts.named} named, {counts.right} rightly",
            flush=True,
        )
    show(
        rate,
        seeds,
        {name: sum(errors) for name, errors in clean.items()},
        sum(1 for w in ways for _ in w) // 5,
    )


def show(rate: float, seeds: list[Counts], clean: dict[str, int], pictures: int) -> None:
    """Precision and recall with the aim, and the errors of each learner."""
    if not rate:
        print(
            f"no label flipped: {[c.named for c in seeds]} of {pictures * 4} named in five folds", flush=True
        )
        return
    precision = [c.right / max(1, c.named) for c in seeds]
    recall = [c.right / c.flipped for c in seeds]
    both = float(np.median(precision)), float(np.median(recall))
    verdict = "reached" if min(both) >= AIM else "MISSED"
    print(
        f"{rate:.0%} flipped: precision {both[0]:.1%} ({min(precision):.1%} to {max(precision):.1%}), "
        f"recall {both[1]:.1%} ({min(recall):.1%} to {max(recall):.1%}); aim {AIM:.0%} each: {verdict}"
    )
    for name, true in clean.items():
        noisy, left = (sum(c.errors[name][at] for c in seeds) / len(seeds) for at in (0, 1))
        bound = true + (noisy - true) / 2
        each = [c.errors[name] for c in seeds]
        reached = "reached" if left <= bound else "MISSED"
        print(
            f"    {name}: of {pictures} test pictures wrong: {true} with true labels, {noisy:.1f} with flipped ones,"
        )
        print(f"        {left:.1f} without the suspects (at most {bound:.1f}: {reached}); {each}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.2, 0.1, 0.05, 0.0])
    parser.add_argument("--flips", type=int, default=5)
    parser.add_argument("--features", choices=("body", "descriptor"), default="body")
    parser.add_argument("--fine-tune", metavar="PLUGIN", nargs="?", const="fastai")
    asked = parser.parse_args()
    if not os.environ.get("BYOD_TEST_DATA"):
        print("BYOD_TEST_DATA does not name the folder of real pictures: nothing to measure on")
        return
    source = Path(os.environ["BYOD_TEST_DATA"])
    weights = {"weights": str(source / vegetables.SQUEEZENET)}
    options = weights if asked.features == "body" else {"features": "descriptor"}
    pictures = vegetables.examples(source / "vegetables")
    ways = vegetables.folds(pictures, 0)
    with tempfile.TemporaryDirectory() as cache:
        probe = protocol.load("sklearn")
        bench = Bench(sorted({e.label for e in pictures}), Path(cache), probe, options)
        learners = {"the probe": (probe, options)}
        if asked.fine_tune:
            learners[f"fine-tuned ({asked.fine_tune})"] = (
                protocol.load(asked.fine_tune),
                FINE_TUNE | weights,
            )
        clean = {
            name: [bench.errors(*learner, *_sides(way)) for way in ways] for name, learner in learners.items()
        }
        for name, errors in clean.items():
            shares = 1 - np.array(errors) / [len(_sides(way)[1]) for way in ways]
            print(
                f"true labels, {name}: accuracy {1 - sum(errors) / len(pictures):.2%}, "
                f"folds {shares.min():.1%} to {shares.max():.1%}",
                flush=True,
            )
        for rate in asked.rates:
            measure(bench, ways, clean, rate, asked.flips, learners)
        print(
            f"looking for suspects among {len(pictures) * 4 // 5} pictures took {np.median(bench.spent):.1f} s"
        )


def _sides(way: list[Example]) -> tuple[list[Example], list[Example]]:
    """What a model may learn from, and what it is tested on."""
    return [e for e in way if e.split is not Split.TEST], [e for e in way if e.split is Split.TEST]


if __name__ == "__main__":
    main()
