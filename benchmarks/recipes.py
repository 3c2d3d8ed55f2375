"""byod's recipes beside an ordinary torchvision loop and plain fastai: accuracy on pictures of other days.

    BYOD_TEST_DATA=… python benchmarks/recipes.py [--only NAME …] [--nets NAME …] [--seeds 0 1 2] [--epochs 8]
                                                  [--set PLUGIN.KEY=VALUE …] [--out FILE] [--table FILE]

All learn from the same pictures of `grocery-part/train` at 128 px, from the same weights and for the same number of
epochs; all are measured on `grocery-part/val`, which none of them sees. What byod keeps an epoch by are further
pictures of `grocery-part/train`, of other groups by likeness; the peers keep their last epoch, as they usually do.
Files are decoded once for the loop (in memory) and for byod (in its cache); plain fastai reads them as it always does.

`--set torch.epochs=4` (or fastai.…) tries something else. `--out` appends a line of JSON for each training, `--table`
measures nothing and shows what such a file holds: each of byod's beside each peer, all seeds together, with the
standard error of the difference over pictures, since each of them is answered by both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 128
EPOCHS = 8
SHARES = {"train": 0.85, "valid": 0.15}
NETS = {"lite0": "tf_efficientnet_lite0", "squeezenet": "squeezenet1_1"}
SQUEEZENET = "weights/squeezenet1_1.pth"
RATES = {"lite0": 1e-3, "squeezenet": 2e-4}
"""Of the loop's AdamW: a net without batch norms takes less."""
OURS, PEERS = ("torch", "fastai"), ("loop", "plain fastai")


@dataclass(frozen=True)
class Job:
    """One training: the pictures to learn from, to choose an epoch by, and to measure on, and how long it may learn."""

    train: list[Any]
    valid: list[Any]
    val: list[Any]
    classes: tuple[str, ...]
    net: str
    seed: int
    epochs: int
    data: Path
    cache: Path
    options: dict[str, str]

    def numbers(self, some: Sequence[Any]) -> list[int]:
        """The class number of each picture."""
        return [self.classes.index(each.label) for each in some]


def examples(folder: Path) -> list[Any]:
    """The pictures of class folders."""
    from byod.schema.records import Example, Split

    return [
        Example(
            sha256=(key := hashlib.sha256(path.read_bytes()).hexdigest()),
            path=path,
            label=path.parent.name,
            split=Split.TRAIN,
            group=key,
        )
        for path in sorted(folder.glob("*/*"))
    ]


def parts(found: list[Any]) -> tuple[list[Any], list[Any]]:
    """What is learned from, and what an epoch is chosen by: no group by likeness is in both."""
    from byod.dataset import likeness_groups, splits
    from byod.schema.records import Split
    from byod.training import extractors

    vectors = extractors.extractor(extractors.DEFAULT, {}, print).features(found, print)
    names = likeness_groups.proposed(vectors, [each.label for each in found])
    items = [
        splits.Item(sha256=each.sha256, label=each.label, group=name or each.group)
        for each, name in zip(found, names, strict=True)
    ]
    shares = {Split.TRAIN: SHARES["train"], Split.VALID: SHARES["valid"], Split.TEST: 0.0}
    plan = splits.split(items, None, shares).assigned
    valid = [each for each in found if plan[each.sha256] is not Split.TRAIN]
    return [each for each in found if plan[each.sha256] is Split.TRAIN], valid


def ours(plugin: str, job: Job) -> np.ndarray:
    """byod's trainer with its own recipe."""
    from byod.schema.model_card import InputRule
    from byod.training import protocol
    from byod.training.protocol import Run, TrainingData

    given = {"size": str(SIZE), "arch": NETS[job.net], "epochs": str(job.epochs - 1), **job.options}
    if job.net == "squeezenet":
        given["weights"] = str(job.data / SQUEEZENET)
    trainer = protocol.load(plugin)
    data = TrainingData(classes=job.classes, train=tuple(job.train), valid=tuple(job.valid))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), seed=job.seed, device="cpu", cache=job.cache)
        trained = trainer.train(data, protocol.options(trainer, given), run)
        pictures = run.pixels(job.val, InputRule(width=SIZE, height=SIZE, resize=trained.input.resize))
        images = pictures.all().transpose(0, 3, 1, 2).astype(np.float32) / 255
        return np.concatenate([trained.logits(images[at : at + 32]) for at in range(0, len(images), 32)])


def loop(job: Job) -> np.ndarray:
    """What an ordinary script does with torchvision's transforms: whole net, AdamW, warm-up and cosine, last epoch."""
    import torch
    from torch.nn.functional import cross_entropy
    from torchvision.transforms import v2

    torch.manual_seed(job.seed)
    learned = [v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()]
    seen = [v2.Resize(SIZE * 8 // 7, antialias=True), v2.CenterCrop(SIZE)]
    train, val = _decoded(job.train), _decoded(job.val)
    labels, model = torch.tensor(job.numbers(job.train)), _whole(job)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATES[job.net], weight_decay=0.01)
    steps = len(train) // 32
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATES[job.net], total_steps=steps * job.epochs, pct_start=1 / job.epochs
    )
    changed, shown = v2.Compose(learned), v2.Compose(seen)
    for _ in range(job.epochs):
        model.train()
        for chosen in torch.randperm(len(train))[: steps * 32].split(32):
            batch = torch.stack([changed(train[at]) for at in chosen.tolist()]).float() / 255
            loss = cross_entropy(model(batch), labels[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
    model.eval()
    with torch.no_grad():
        pictures = torch.stack([shown(each) for each in val]).float() / 255
        return torch.cat([model(some) for some in pictures.split(32)]).numpy()


def _decoded(some: Sequence[Any]) -> list[Any]:
    from PIL import Image
    from torchvision.transforms.v2.functional import pil_to_tensor

    return [pil_to_tensor(Image.open(each.path).convert("RGB")) for each in some]


def _whole(job: Job) -> Any:
    """The net as its library builds it, for these classes, with the same weights and the same view of RGB 0..1."""
    from torch import nn

    body, classes = _net(job), len(job.classes)
    if job.net == "squeezenet":
        body.classifier[1] = nn.Conv2d(512, classes, 1)
        return body
    body.reset_classifier(classes)
    return nn.Sequential(_normalise(), body)


def _normalise() -> Any:
    from byod_torch.packaged_weights import STATS
    from torchvision.transforms.v2 import Normalize

    class Layer(Normalize):
        """A transform is a module already."""

    return Layer(mean=list(STATS[0]), std=list(STATS[1]))


def _net(job: Job) -> Any:
    import timm
    import torch
    import torchvision
    from byod_torch import packaged_weights

    if job.net == "squeezenet":
        body = torchvision.models.squeezenet1_1(weights=None)
        body.load_state_dict(torch.load(job.data / SQUEEZENET, weights_only=True))
        return body
    body = timm.create_model(NETS[job.net])
    body.load_state_dict(packaged_weights.read().tensors)
    return body


def plain_fastai(job: Job) -> np.ndarray:
    """fastai as its tutorial has it: from files, its own transforms, head and rates, `fine_tune`."""
    from byod_torch.packaged_weights import STATS
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        IndexSplitter,
        Normalize,
        Resize,
        aug_transforms,
        set_seed,
        squeezenet1_1,
        vision_learner,
    )  # fmt: skip

    set_seed(job.seed)
    label = {each.path: each.label for each in [*job.train, *job.valid, *job.val]}
    used = [*job.train, *job.valid]
    stats = [] if job.net == "squeezenet" else [Normalize.from_stats(*STATS, cuda=False)]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=list(job.classes))),
        get_items=lambda items: items,
        get_y=lambda path: label[path],
        splitter=IndexSplitter(list(range(len(job.train), len(used)))),
        item_tfms=Resize(SIZE * 8 // 7),
        batch_tfms=[*aug_transforms(size=SIZE, min_scale=0.75), *stats],
    )
    loaders = block.dataloaders([each.path for each in used], bs=32, num_workers=0)
    arch = squeezenet1_1 if job.net == "squeezenet" else NETS[job.net]
    learner = vision_learner(loaders, arch, pretrained=False, normalize=False)
    inner = learner.model[0]
    if job.net == "squeezenet":
        inner[0].load_state_dict(_net(job).features.state_dict())
    else:
        known = {name: value for name, value in _net(job).state_dict().items() if "classifier" not in name}
        inner.model.load_state_dict(known)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(job.epochs - 1, freeze_epochs=1)
        rows, _ = learner.get_preds(dl=loaders.test_dl([each.path for each in job.val], num_workers=0))
    return rows.numpy()


RUNS: dict[str, Callable[[Job], np.ndarray]] = {
    "torch": lambda job: ours("torch", job),
    "fastai": lambda job: ours("fastai", job),
    "loop": loop,
    "plain fastai": plain_fastai,
}


def measured(name: str, job: Job) -> dict[str, Any]:
    """One training: which pictures it answers rightly, and what it cost."""
    random.seed(job.seed)
    np.random.seed(job.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    said = RUNS[name](job).argmax(axis=1)
    right = said == np.array(job.numbers(job.val))
    found = {
        "name": name,
        "net": job.net,
        "seed": job.seed,
        "epochs": job.epochs,
        "options": job.options,
        "accuracy": float(right.mean()),
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "right": [int(each) for each in right],
    }
    print(
        f"{job.net:10} {name:12} seed {job.seed}  {found['accuracy']:6.1%}  {found['seconds']:5.0f} s "
        f"({found['cpu']:.0f} s of CPU)  {' '.join(f'{key}={value}' for key, value in job.options.items())}",
        flush=True,
    )
    return found


def table(found: Sequence[dict[str, Any]]) -> None:
    """A line for each net and recipe, and each of byod's beside each peer."""
    kinds = {(each["net"], each["name"], json.dumps(each["options"])) for each in found}
    grouped = {
        kind: [each for each in found if (each["net"], each["name"], json.dumps(each["options"])) == kind]
        for kind in sorted(kinds)
    }
    for (net, name, options), some in grouped.items():
        each = [f"{one['accuracy']:.1%}" for one in some]
        mean, cpu = np.mean([one["accuracy"] for one in some]), np.median([one["cpu"] for one in some])
        print(f"{net:10} {name:12} {mean:6.1%}  ({', '.join(each)})  {cpu:4.0f} s of CPU  {options}")
    for (net, name, options), mine in grouped.items():
        for (other, peer, _), theirs in grouped.items():
            if name in OURS and peer in PEERS and net == other:
                print(f"{net:10} {name:12} {options} {against(mine, theirs)} {peer}")


def against(mine: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> str:
    """The difference in points, all seeds together, with its standard error over pictures, and what that means."""
    gained = np.mean([one["right"] for one in mine], axis=0) - np.mean(
        [one["right"] for one in theirs], axis=0
    )
    mean, error = gained.mean(), gained.std(ddof=1) / np.sqrt(len(gained))
    word = "within noise of" if abs(mean) < 2 * error else "better than" if mean > 0 else "WORSE than"
    return f"{mean * 100:+.1f} points (standard error {error * 100:.1f}): {word}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of all, frozen ones included")
    parser.add_argument("--set", nargs="+", default=[], metavar="PLUGIN.KEY=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path)
    asked = parser.parse_args()
    if asked.table:
        table([json.loads(line) for line in asked.table.read_text().splitlines()])
        return
    if not os.environ.get("BYOD_TEST_DATA"):
        print("BYOD_TEST_DATA does not name the folder of real pictures: nothing to measure on")
        return
    found = list(trainings(asked, Path(os.environ["BYOD_TEST_DATA"])))
    table(found)


def trainings(asked: argparse.Namespace, data: Path) -> Any:
    """All trainings that were asked for, peers in turn with byod's."""
    import torch

    torch.set_num_threads(asked.threads)
    train, valid = parts(examples(data / "grocery-part/train"))
    val = examples(data / "grocery-part/val")
    classes = tuple(sorted({each.label for each in train}))
    print(
        f"{len(train)} pictures to learn from, {len(valid)} to choose by, {len(val)} of other days",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as cache:
        for seed in asked.seeds:
            for net in asked.nets:
                for name in asked.only:
                    given = [
                        each.removeprefix(f"{name}.") for each in asked.set if each.startswith(f"{name}.")
                    ]
                    options = dict(each.split("=", 1) for each in given)
                    job = Job(
                        train, valid, val, classes, net, seed, asked.epochs, data, Path(cache), options
                    )  # fmt: skip
                    found = measured(name, job)
                    if asked.out:
                        with asked.out.open("a") as file:
                            file.write(json.dumps(found) + "\n")
                    yield found


if __name__ == "__main__":
    main()
