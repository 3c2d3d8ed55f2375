"""Taking up the folders: 100,000 unchanged files beside a bare walk over the same tree that only asks for stat.

    python benchmarks/reconcile.py [--files 100000]

Goal: at most 2 s.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from byod.dataset.dataset_folder import Dataset
from byod.dataset.sync import sync
from byod.schema.recipe import Recipe
from byod.schema.records import Sample, Status
from byod.tasks import TASKS


def fill(folder: Path, number: int) -> None:
    """A dataset of ten classes with small files; their rows are as if they had been collected."""
    recipe = Recipe()
    for label in range(10):
        recipe = recipe.with_class(f"class {label}")
    with Dataset.create(folder, recipe, TASKS) as dataset, dataset.catalog.transaction():
        for count in range(number):
            content = str(count).encode()
            sha256 = hashlib.sha256(content).hexdigest()
            path = f"images/class {count % 10}/{sha256[:20]}.jpg"
            (dataset.folder / path).write_bytes(content)
            sample = Sample(
                sha256=sha256, label=f"class {count % 10}", status=Status.KEPT, path=path, size=len(content)
            )
            mtime_ns = (dataset.folder / path).stat().st_mtime_ns
            dataset.catalog.samples.add(sample, position=count, mtime_ns=mtime_ns)


def walk(folder: Path) -> int:
    """The least that any look at the folders must do: one stat for each file."""
    count = 0
    for room in os.scandir(folder / "images"):
        for entry in os.scandir(room.path):
            entry.stat(follow_symlinks=False)
            count += 1
    return count


def main() -> None:
    """Fill once, then time both in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dataset"
        fill(folder, options.files)
        ours, bare = [], []
        for _ in range(5):
            start = time.perf_counter()
            walk(folder)
            bare.append(time.perf_counter() - start)
            with Dataset(folder, TASKS) as dataset:
                start = time.perf_counter()
                changes = sync(dataset)
                ours.append(time.perf_counter() - start)
                if changes.any:
                    raise SystemExit(f"nothing was touched, and byod found {changes.counts}")
        mine, least = statistics.median(ours), statistics.median(bare)
        print(
            f"{options.files} unchanged files: byod {mine:.2f} s, bare walk {least:.2f} s, ratio {mine / least:.1f}"
        )


if __name__ == "__main__":
    main()
