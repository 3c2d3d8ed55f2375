"""Five-fold accuracy on the real vegetables, by duplicate group, beside plain fastai on the same split.

    BYOD_TEST_DATA=… python benchmarks/vegetables.py [--only pretrained|scratch] [--no-peer] [--seed 0]

Every picture is tested once, by a model that saw none of its near-duplicates. byod's seconds are those of the
trainer with its export; the whole run (calibration, measuring, report) stands beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from byod import duplicates, measures, splits, trainers, training
from byod.pictures import Rules, inspect
from byod.records import Example, Split

FOLDS = 5
VALIDATION = 8  # one part of so many of what is not tested validates
SQUEEZENET = "weights/squeezenet1_1.pth"
KINDS = {
    "pretrained": {"arch": "squeezenet1_1", "weights": SQUEEZENET, "size": "128"},
    "scratch": {"arch": "resnet18", "from_scratch": "true", "size": "96"},
}
AIMS = {"pretrained": 0.97, "scratch": 0.94}


def examples(folder: Path) -> list[Example]:
    """All pictures with their duplicate groups, found as `collect` finds them."""
    found, paths = [], {}
    for path in sorted(folder.glob("*/*.jpg")):
        content = path.read_bytes()
        seen, _ = inspect(content, Rules(min_side=100))
        sha256 = hashlib.sha256(content).hexdigest()
        paths[sha256] = path
        found.append(
            duplicates.Picture(
                sha256=sha256,
                label=path.parent.name,
                fingerprint=seen.fingerprint,
                order=len(found),
                width=seen.width,
                height=seen.height,
                size=len(content),
                by_hand=False,
                licence=False,
                addresses=(),
            )
        )
    settled = duplicates.settle(found)
    group = {member: g.key for g in settled.groups for member in g.members}
    print(
        f"{len(found)} pictures, {len(settled.groups)} duplicate groups, {len(settled.drops)} surplus copies"
    )
    return [
        Example(
            sha256=p.sha256,
            path=paths[p.sha256],
            label=p.label,
            split=Split.TRAIN,
            group=group.get(p.sha256, p.sha256),
        )
        for p in found
    ]


def folds(pictures: list[Example], seed: int) -> list[list[Example]]:
    """The whole set five times, each time with another part to test, and one to validate."""
    by_sha = {e.sha256: e for e in pictures}

    def cut(some: list[Example], count: int, number: int) -> tuple[tuple[str, ...], ...]:
        return splits.folds(
            [splits.Item(sha256=e.sha256, label=e.label, group=e.group) for e in some], count, number
        )

    ways = []
    for tested in cut(pictures, FOLDS, seed):
        rest = [e for e in pictures if e.sha256 not in set(tested)]
        validating = set(cut(rest, VALIDATION, seed)[0])
        part = (
            dict.fromkeys(by_sha, Split.TRAIN)
            | dict.fromkeys(validating, Split.VALID)
            | dict.fromkeys(tested, Split.TEST)
        )
        ways.append([e.model_copy(update={"split": part[e.sha256]}) for e in pictures])
    return ways


def ours(
    way: list[Example], classes: list[str], options: dict[str, str], seed: int
) -> tuple[list[bool], float, float]:
    """Right or wrong per test picture (from the run's own predictions.csv), trainer's seconds, all seconds."""
    import csv

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        started = time.perf_counter()
        card = training.train_run(way, classes, trainers.load("fastai"), options, folder=run, seed=seed)
        whole = time.perf_counter() - started
        with (run / "predictions.csv").open(encoding="utf-8", newline="") as lines:
            said = {row["sha256"]: row["predicted"] for row in csv.DictReader(lines)}
    return [said[e.sha256] == e.label for e in way if e.split is Split.TEST], card.seconds, whole


def plain(way: list[Example], kind: str, data: Path, seed: int) -> tuple[list[bool], float]:
    """The same with fastai as its tutorial has it: from files, with its own transforms and defaults."""
    import torch
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        IndexSplitter,
        Resize,
        accuracy,
        aug_transforms,
        resnet18,
        set_seed,
        squeezenet1_1,
        vision_learner,
    )  # fmt: skip

    set_seed(seed)
    started = time.perf_counter()
    used = [e for e in way if e.split is not Split.TEST]
    test = [e for e in way if e.split is Split.TEST]
    label = {e.path: e.label for e in way}
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda items: items,
        get_y=lambda path: label[path],
        splitter=IndexSplitter([at for at, e in enumerate(used) if e.split is Split.VALID]),
        item_tfms=Resize(128 if kind == "pretrained" else 96),
        batch_tfms=aug_transforms(),
    )
    loaders = block.dataloaders([e.path for e in used], bs=64 if kind == "pretrained" else 32)
    arch = squeezenet1_1 if kind == "pretrained" else resnet18
    learner = vision_learner(loaders, arch, pretrained=False, normalize=False, metrics=accuracy)
    with learner.no_bar(), learner.no_logging():
        if kind == "pretrained":
            whole = squeezenet1_1(weights=None)
            whole.load_state_dict(torch.load(data / SQUEEZENET, weights_only=True))
            learner.model[0][0].load_state_dict(whole.features.state_dict())
            learner.fine_tune(3, freeze_epochs=1)
        else:
            learner.fit_one_cycle(5, 1e-3)
        seconds = time.perf_counter() - started
        rows, _ = learner.get_preds(dl=loaders.test_dl([e.path for e in test]))
    said = [loaders.vocab[n] for n in rows.argmax(dim=1).tolist()]
    return [s == e.label for s, e in zip(said, test, strict=True)], seconds


def show(name: str, right: list[list[bool]], groups: list[str], seconds: list[float]) -> float:
    """One line: pooled accuracy with interval, the folds' spread, the seconds of one training."""
    pooled = np.concatenate([np.array(part) for part in right])
    low, high = measures.interval(pooled, groups)
    parts = [float(np.mean(part)) for part in right]
    print(
        f"  {name:13} {pooled.mean():7.2%}  ({pooled.sum()}/{len(pooled)}; 95 %: {low:.1%} to {high:.1%}; "
        f"folds {min(parts):.1%} to {max(parts):.1%})  {np.median(seconds):5.1f} s a training "
        f"({min(seconds):.1f} to {max(seconds):.1f})",
        flush=True,
    )
    return float(pooled.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if not os.environ.get("BYOD_TEST_DATA"):
        print("BYOD_TEST_DATA does not name the folder of real pictures: nothing to measure on")
        return
    data = Path(os.environ["BYOD_TEST_DATA"])
    pictures = examples(data / "vegetables")
    classes = sorted({e.label for e in pictures})
    ways = folds(pictures, asked.seed)
    groups = [e.group for way in ways for e in way if e.split is Split.TEST]
    for kind, options in KINDS.items():
        if asked.only in (None, kind):
            compare(kind, options, ways, groups, classes, data, asked)


def compare(
    kind: str,
    options: dict[str, str],
    ways: list[list[Example]],
    groups: list[str],
    classes: list[str],
    data: Path,
    asked: argparse.Namespace,
) -> None:
    """byod and plain fastai in turn on each fold, then both lines and the ratio of their seconds."""
    options = options | ({"weights": str(data / SQUEEZENET)} if "weights" in options else {})
    print(f"{kind}: " + ", ".join(f"{key}={value}" for key, value in (KINDS[kind]).items()))
    mine, theirs, whole = [], [], []
    for number, way in enumerate([ways[0], *ways]):  # the first one warms both up and is not counted
        right, seconds, all_seconds = ours(way, classes, options, asked.seed)
        peer = ([], 0.0) if asked.no_peer else plain(way, kind, data, asked.seed)
        if number:
            mine.append((right, seconds))
            whole.append(all_seconds)
            theirs.append(peer)
    reached = show("byod", [r for r, _ in mine], groups, [s for _, s in mine])
    verdict = "reached" if reached >= AIMS[kind] else "MISSED"
    print(f"  {'':13} aim {AIMS[kind]:.0%}: {verdict}; whole run {np.median(whole):.1f} s")
    if not asked.no_peer:
        show("plain fastai", [r for r, _ in theirs], groups, [s for _, s in theirs])
        ratio = np.median([s for _, s in theirs]) / np.median([s for _, s in mine])
        print(f"  plain fastai takes {ratio:.2f} x the time of byod's trainer")


if __name__ == "__main__":
    main()
