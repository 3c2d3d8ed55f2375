"""How time and memory grow with a dataset: drawn catalogs of 10^4, 10^5 and 10^6 samples, with their (empty) files.

    python benchmarks/scale.py [--sizes 10000 100000] [--steps open status place around split credits] [--keep FOLDER]

One sample in twenty is nearly a copy of another one. Each step runs in a process of its own, on a dataset that was
placed once; printed are its seconds, its peak of memory, and the exponent by which its seconds grow. Goals on
two cores at 10^6: place 60 s and 4 GB, around 3 s, status 10 s, split and credits 30 s, exponents 1.15.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "fixtures"))

from drawn_datasets import CLASSES, draw

from byod.api import datasets
from byod.dataset import placement
from byod.dataset.assign_splits import assign
from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.report import attribution
from byod.schema.records import Status, Verdict
from byod.tasks import TASKS

_SAID = 100


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
