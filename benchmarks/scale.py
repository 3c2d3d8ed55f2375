"""How time and memory grow with a dataset: drawn catalogs of 10^4, 10^5 and 10^6 samples, with their (empty) files.

    python benchmarks/scale.py [--sizes 10000 100000] [--steps open status place around split credits] [--keep FOLDER]

One sample in twenty is nearly a copy of another one. Each step runs in a process of its own, on a dataset that was
placed once; printed are its seconds, its peak of memory, and the exponent by which its seconds grow. Goals on
two cores at 10^6: place 60 s and 4 GB, around 3 s, status 10 s, split and credits 30 s, exponents 1.15.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from byod.api import datasets
from byod.dataset import placement
from byod.dataset.assign_splits import assign
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.images.registration import Alignment
from byod.report import attribution
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Fetched, Fingerprint, Sample, Status, Verdict
from byod.tasks import TASKS

CLASSES = 20
_PART = 10_000
_NEAR = 0.05
_SAID = 100


def balanced(rng: np.random.Generator, number: int) -> NDArray[np.uint64]:
    """Hashes [number] of 64 bits of which 32 are set, as every real picture's phash has them."""
    order = np.argsort(rng.random((number, 64), np.float32), axis=1)
    bits = np.zeros((number, 64), np.uint8)
    np.put_along_axis(bits, order[:, :32], 1, axis=1)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def swapped(rng: np.random.Generator, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same hashes with one bit set more and another one less."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    for value in (0, 1):
        place = np.where(bits == value, rng.random(bits.shape, np.float32), -1).argmax(axis=1)
        bits[np.arange(len(bits)), place] = 1 - value
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def drawn(number: int, seed: int = 0) -> Iterator[tuple[Sample, Candidate]]:
    """Samples with their fingerprints, and where each was offered."""
    rng = np.random.default_rng(seed)
    for start in range(0, number, _PART):
        count = min(_PART, number - start)
        phash, mirror = balanced(rng, count), balanced(rng, count)
        dhash = rng.integers(0, 1 << 63, count, np.uint64)
        rgb = rng.integers(0, 256, (count, 192), np.uint8)
        near = rng.choice(count, round(_NEAR * count), replace=False)
        of = rng.choice(count, len(near))
        phash[near], dhash[near], rgb[near] = swapped(rng, phash[of]), dhash[of], rgb[of]
        for at in range(count):
            yield _sample(start + at, f"{phash[at]:016x}", f"{mirror[at]:016x}", f"{dhash[at]:016x}", rgb[at])


def _sample(at: int, phash: str, mirror: str, dhash: str, rgb: NDArray[np.uint8]) -> tuple[Sample, Candidate]:
    sha256 = hashlib.sha256(str(at).encode()).hexdigest()
    label = f"class {at % CLASSES}"
    shown = Fingerprint(
        phash=phash, mirror=mirror, dhash=dhash, rgb=rgb.tobytes(), spread=50.0, top_colour=0.1,
        white_ring=0.0, spec="drawn",
    )  # fmt: skip
    sample = Sample(
        sha256=sha256, label=label, status=Status.KEPT, path=f"images/{label}/{sha256[:20]}.jpg", format="JPEG",
        width=640 + at % 100, height=480, size=0, fingerprint=shown,
    )  # fmt: skip
    offer = Candidate(
        url=f"https://pictures.example/{at % 1000}/{sha256[:20]}.jpg", label=label, source="drawn", terms=label,
        rank=at, page=f"https://pictures.example/page/{at}", title=f"picture {at}", creator=f"somebody {at % 5000}",
        licence="CC-BY-4.0",
    )  # fmt: skip
    return sample, offer


def draw(folder: Path, number: int) -> None:
    """Write a dataset of so many samples; its rows are as if they had been collected."""
    recipe = Recipe()
    for label in range(CLASSES):
        recipe = recipe.with_class(f"class {label}")
    with Dataset.create(folder, recipe, TASKS) as dataset:
        catalog = dataset.catalog
        coming = drawn(number)
        position = 0
        while part := list(itertools.islice(coming, _PART)):
            with catalog.transaction():
                catalog.candidates.add([(offer, None) for _, offer in part], 1)
                for sample, offer in part:
                    position += 1
                    file = folder / sample.path
                    file.touch()
                    mtime_ns = file.stat().st_mtime_ns
                    catalog.samples.add(sample, position=position, mtime_ns=mtime_ns)
                    fetched = Fetched(url=offer.url, final_url=offer.url, sha256=sample.sha256, size=0)
                    catalog.candidates.fetched(fetched, sample=sample.sha256)
            with catalog.transaction():
                catalog.samples.set_compared(_compared([sample for sample, _ in part]))
        placement.place_samples(dataset)


def _compared(samples: Sequence[Sample]) -> dict[tuple[str, str], Alignment]:
    """What came of laying copies over one another: the same shot each time, as if their files held pictures."""
    alike: defaultdict[bytes, list[str]] = defaultdict(list)
    for sample in samples:
        if sample.fingerprint is not None:
            alike[sample.fingerprint.rgb].append(sample.sha256)
    pairs = (pair for together in alike.values() for pair in itertools.combinations(sorted(together), 2))
    return dict.fromkeys(pairs, Alignment(moved=False, left=0.01))


def _said(dataset: Dataset) -> set[str]:
    """A hundred verdicts for another class, as a person gives them who goes through the pictures."""
    samples = [sample for sample in dataset.catalog.samples.all() if sample.status is Status.KEPT][::7][
        :_SAID
    ]
    now = datetime.now(UTC)
    verdicts = [
        Verdict(sha256=sample.sha256, label=_next(sample.label), who="somebody", when=now)
        for sample in samples
    ]
    with dataset.catalog.transaction():
        dataset.catalog.verdicts.add(verdicts)
    return {sample.sha256 for sample in samples}


def _next(label: str) -> str:
    return f"class {(int(label.split()[1]) + 1) % CLASSES}"


def _place(dataset: Dataset) -> Callable[[], object]:
    return lambda: placement.place_samples(dataset)


def _around(dataset: Dataset) -> Callable[[], object]:
    placement.place_samples(dataset)
    said = _said(dataset)
    return lambda: placement.place_samples(dataset, around=said)


def _split(dataset: Dataset) -> Callable[[], object]:
    return lambda: assign(dataset)


def _credits(dataset: Dataset) -> Callable[[], object]:
    return lambda: attribution.write_credits(dataset.snapshot())


WITHIN = {"place": _place, "around": _around, "split": _split, "credits": _credits}
"""Steps within an open dataset: what is made ready, and then timed."""


def step(name: str, folder: Path) -> None:
    """Run one step and print its seconds and its peak of memory in GB as JSON."""
    start = time.perf_counter()
    if name == "open":
        with Dataset(folder, TASKS) as dataset:
            sync(dataset)
            seconds = time.perf_counter() - start
    elif name == "status":
        datasets.status(folder, say=lambda line: None)
        seconds = time.perf_counter() - start
    else:
        with Dataset(folder, TASKS) as dataset:
            timed = WITHIN[name](dataset)
            start = time.perf_counter()
            timed()
            seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "memory": _peak() / (1 << 20)}))


def _peak() -> int:
    """The peak of this process's memory in KB; `ru_maxrss` would count that of the process it was made by."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measured(name: str, folder: Path) -> dict[str, float]:
    """What a step costs in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, "--step", name, str(folder)], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Draw a dataset of each size, and run each step on it."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    asked.add_argument("--steps", nargs="+", default=["open", "status", *WITHIN])
    asked.add_argument(
        "--keep", type=Path, help="a folder in which the drawn datasets stay for the next time"
    )
    asked.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.step:
        step(told.step[0], Path(told.step[1]))
        return
    before: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = told.keep or Path(temporary)
        print(f"{'samples':>9} {'step':8} {'seconds':>8} {'GB':>6} {'exponent':>8}")
        for size in told.sizes:
            folder = root / str(size)
            if not folder.exists():
                draw(folder, size)
            for name in told.steps:
                found = measured(name, folder)
                growth = "" if name not in before else _exponent(before[name], (size, found["seconds"]))
                print(
                    f"{size:9} {name:8} {found['seconds']:8.2f} {found['memory']:6.2f} {growth:>8}",
                    flush=True,
                )
                before[name] = (size, found["seconds"])


def _exponent(one: tuple[int, float], other: tuple[int, float]) -> str:
    return f"{math.log(other[1] / one[1]) / math.log(other[0] / one[0]):.2f}"


if __name__ == "__main__":
    main()
