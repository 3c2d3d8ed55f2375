"""The probe's word before a training: seconds for many fine classes, once the features of the pictures are there.

    python benchmarks/probe.py [--classes 81] [--pictures 2900]

Small pictures are drawn, each class in its own two colours with much noise; their features are computed first (lite0).
Then, as `byod train` does before anything is fine-tuned: the probe on its split, and the labels that look wrong (two
rounds of five folds); and as `byod split --show-leak` does, two cross-validations. At most 30 s each on two cores.
"""

from __future__ import annotations

import argparse
import colorsys
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from byod.schema.progress import silent
from byod.schema.records import Example, Split
from byod.tasks.classify import leakage, learning
from byod.tasks.classify.class_set import ClassSet
from byod.training import extractors, protocol
from byod.training.run_training import out_of_fold, probe_work, train_and_evaluate

MOST = 30.0


def drawn(folder: Path, classes: int, count: int) -> list[Example]:
    """Pictures of stripes in the colours of their class."""
    examples = []
    parts = [Split.TRAIN] * 6 + [Split.VALID] * 2 + [Split.TEST] * 2
    for number in range(count):
        label, rng = number % classes, np.random.default_rng(number)
        colours = [colorsys.hsv_to_rgb((label * step) % 1, 0.7, 0.8) for step in (0.618, 0.382)]
        stripes = (np.arange(96) // (4 + label % 7)) % 2
        pixels = np.array(colours)[stripes][None].repeat(96, 0) * 255 + rng.normal(0, 70, (96, 96, 3))
        path = folder / f"{number}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        part = parts[number // classes % 10]
        examples.append(Example(sha256=sha256, path=path, label=f"c{label:02}", split=part, group=sha256))
    return examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=81)
    parser.add_argument("--pictures", type=int, default=2900)
    asked = parser.parse_args()
    probe = protocol.load("sklearn")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "images").mkdir()
        examples = drawn(folder / "images", asked.classes, asked.pictures)
        labelled = ClassSet(tuple(examples), tuple(sorted({e.label for e in examples})))
        started = time.perf_counter()
        extractors.extractor("lite0", {}, print).features(examples, print)
        print(
            f"features of {len(examples)} pictures of {asked.classes} classes: {time.perf_counter() - started:.1f} s"
        )
        work = probe_work(probe, {}, folder / "work", 0, folder / "pixels")
        started, cpu = time.perf_counter(), time.process_time()
        outcome = train_and_evaluate(learning, work, labelled)
        first = time.perf_counter() - started
        issues = learning.find_issues(labelled, (), out_of_fold(learning, work, labelled, outcome), silent)
        whole, used = time.perf_counter() - started, time.process_time() - cpu
        print(
            f"before a training: {whole:.1f} s ({used:.1f} s of CPU; the probe itself {first:.1f} s, "
            f"{outcome.metrics.accuracy:.1%} right, {len(issues.found)} labels named); at most {MOST:.0f}: "
            f"{'reached' if whole <= MOST else 'MISSED'}"
        )
        started, cpu = time.perf_counter(), time.process_time()
        leakage.measure(
            labelled, probe, folder / "leak", options={}, seed=0, cache=folder / "pixels", say=silent
        )
        whole, used = time.perf_counter() - started, time.process_time() - cpu
        print(f"--show-leak: {whole:.1f} s ({used:.1f} s of CPU): {'reached' if whole <= MOST else 'MISSED'}")


if __name__ == "__main__":
    main()
