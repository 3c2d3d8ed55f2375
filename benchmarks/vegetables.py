"""Five-fold accuracy on the real vegetables, by duplicate group, beside plain fastai on the same split.

    BYOD_TEST_DATA=… python benchmarks/vegetables.py [--only KIND] [--no-peer] [--seed 0]

Every picture is tested once, by a model that saw none of its near-duplicates. byod's seconds are those of the
trainer with its export; the whole run (calibration, measuring, report) stands beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byod.dataset import dedup, splits
from byod.images.decode import Rules, inspect
from byod.schema.records import Example, Split
from byod.tasks.classify import evaluated_examples, learning
from byod.tasks.classify.class_set import ClassSet
from byod.training import protocol, statistics
from byod.training.run_training import train

FOLDS = 5
VALIDATION = 8  # one part of so many of what is not tested validates
SQUEEZENET = "weights/squeezenet1_1.pth"
KINDS = {
    "default": ("fastai", {}),
    "default-torch": ("torch", {}),
    "default-probe": ("sklearn", {}),
    "pretrained": ("fastai", {"arch": "squeezenet1_1", "weights": SQUEEZENET, "size": "128"}),
    "scratch": ("fastai", {"arch": "resnet18", "from_scratch": "true", "size": "96"}),
    "probe": ("sklearn", {"weights": SQUEEZENET}),
    "descriptor": ("sklearn", {"from_scratch": "true"}),
    "torch": ("torch", {"weights": SQUEEZENET}),
    "torch-scratch": ("torch", {"arch": "resnet18", "from_scratch": "true"}),
    "keras": ("keras", {"weights": "squeezenet1_1.safetensors"}),
    "keras-scratch": ("keras", {"from_scratch": "true"}),
}
PEERS = ("pretrained", "scratch")  # what plain fastai is measured beside
AIMS = {"default": 0.98, "default-torch": 0.98, "default-probe": 0.985, "pretrained": 0.975, "scratch": 0.94}


def examples(folder: Path) -> list[Example]:
    """All pictures with their duplicate groups, found as `collect` finds them."""
    found, paths = [], {}
    for path in sorted(folder.glob("*/*.jpg")):
        content = path.read_bytes()
        seen, _ = inspect(content, Rules(min_side=100))
        sha256 = hashlib.sha256(content).hexdigest()
        paths[sha256] = path
        found.append(
            dedup.Picture(
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
    deduplicated = dedup.deduplicate(found)
    group = {member: g.key for g in deduplicated.groups for member in g.members}
    print(
        f"{len(found)} pictures, {len(deduplicated.groups)} duplicate groups, {len(deduplicated.drops)} surplus copies"
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


@dataclass(frozen=True)
class Fold:
    """One training: right or wrong for each test picture, the trainer's seconds, and all seconds."""

    right: list[bool]
    seconds: float
    whole: float = 0.0
    probabilities: np.ndarray | None = None
    truth: np.ndarray | None = None


def ours(way: list[Example], classes: list[str], plugin: str, options: dict[str, str], seed: int) -> Fold:
    """What the run's own predictions.csv says of the test pictures."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        started = time.perf_counter()
        labelled = ClassSet(tuple(way), tuple(classes))
        card = train(learning, labelled, protocol.load(plugin), options, folder=run, seed=seed)
        whole = time.perf_counter() - started
        lines = {line.sha256: line for line in evaluated_examples.read_predictions(run, classes)}
    test = [e for e in way if e.split is Split.TEST]
    return Fold(
        right=[lines[e.sha256].predicted == e.label for e in test],
        seconds=card.seconds,
        whole=whole,
        probabilities=np.array([[lines[e.sha256].probabilities[name] for name in classes] for e in test]),
        truth=statistics.class_numbers([e.label for e in test], classes),
    )


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
    low, high = statistics.interval(pooled, groups)
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
    for kind in KINDS:
        if asked.only in (None, kind):
            compare(kind, ways, groups, classes, data, asked)


def compare(
    kind: str,
    ways: list[list[Example]],
    groups: list[str],
    classes: list[str],
    data: Path,
    asked: argparse.Namespace,
) -> None:
    """byod, and plain fastai in turn on each fold where it is a peer; then a line for each."""
    plugin, options = KINDS[kind]
    print(f"{kind}: {plugin}, " + ", ".join(f"{key}={value}" for key, value in options.items()))
    with tempfile.TemporaryDirectory() as folder:
        options = options | (
            {"weights": weights(options["weights"], data, Path(folder))} if "weights" in options else {}
        )
        mine, theirs = [], []
        beside = kind in PEERS and not asked.no_peer
        for number, way in enumerate([ways[0], *ways]):  # the first one warms both up and is not counted
            fold = ours(way, classes, plugin, options, asked.seed)
            peer = Fold(*plain(way, kind, data, asked.seed)) if beside else Fold([], 0.0)
            if number:
                mine.append(fold)
                theirs.append(peer)
    reached = show(f"byod, {plugin}", [f.right for f in mine], groups, [f.seconds for f in mine])
    error = statistics.calibration_error(
        np.concatenate([f.probabilities for f in mine]), np.concatenate([f.truth for f in mine])
    )
    aim = (
        f"aim {AIMS[kind]:.1%}: {'reached' if reached >= AIMS[kind] else 'MISSED'}; " if kind in AIMS else ""
    )
    print(f"  {'':13} {aim}ECE {error:.1%}; whole run {np.median([f.whole for f in mine]):.1f} s")
    if beside:
        show("plain fastai", [f.right for f in theirs], groups, [f.seconds for f in theirs])
        ratio = np.median([f.seconds for f in theirs]) / np.median([f.seconds for f in mine])
        print(f"  plain fastai takes {ratio:.2f} x the time of byod's trainer")


def weights(name: str, data: Path, folder: Path) -> str:
    """Where given weights lie; Keras reads the same tensors as .safetensors."""
    if not name.endswith(".safetensors"):
        return str(data / name)
    import torch
    from safetensors.torch import save_file

    save_file(torch.load(data / SQUEEZENET, weights_only=True), folder / name)
    return str(folder / name)


if __name__ == "__main__":
    main()
