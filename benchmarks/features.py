"""Pictures to features with byod's store against a bare loop over onnxruntime, side by side in one run.

    python benchmarks/features.py [--rounds 3] [--pictures 400]

Both open each file, bring it to the input of `lite0` with the same filter, and run the same graph on the same batches
with onnxruntime's own threads; byod's store also checks, halves and keeps every vector. Rounds alternate, each into an
empty store; the ratio is the median of the rounds' ratios, at least 0.9. Then the same once more, from the store.
Pictures are those of BYOD_TEST_DATA where it names the folder, else drawn ones.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from byod.images.feature_store import BATCH
from byod.schema.records import Example, Split
from byod.testing import draw_classes
from byod.training import extractors

LEAST = 0.9


def pictures(count: int, folder: Path) -> list[Example]:
    """So many files: real ones of several sizes, or drawn ones."""
    real = Path(os.environ.get("BYOD_TEST_DATA", ""))
    if os.environ.get("BYOD_TEST_DATA") and real.is_dir():
        files = sorted([*real.glob("vegetables/*/*.jpg"), *real.glob("grocery-part/train/*/*.jpg")])
        files = files[:: max(1, len(files) // count)][:count]
    else:
        drawn = draw_classes(folder, ("circle", "square"), per_class=(count + 1) // 2)
        files = [file for some in drawn.values() for file in some][:count]
    return [
        Example(
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            path=file,
            label="a",
            split=Split.TRAIN,
            group="a",
        )
        for file in files
    ]


def bare(graph: extractors.FeatureGraph, examples: list[Example]) -> tuple[float, np.ndarray]:
    """What somebody would write who keeps nothing: pictures a second, and the features."""
    session = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    side = (graph.card.input.width, graph.card.input.height)
    started, found = time.perf_counter(), []
    for at in range(0, len(examples), BATCH):
        images = np.stack(
            [
                np.asarray(Image.open(one.path).convert("RGB").resize(side, Image.Resampling.BILINEAR))
                for one in examples[at : at + BATCH]
            ]
        )
        batch = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
        found.append(session.run(None, {"image": batch})[0])
    return len(examples) / (time.perf_counter() - started), np.concatenate(found)


def stored(graph: extractors.FeatureGraph, examples: list[Example]) -> tuple[float, np.ndarray]:
    """The same through byod's store: pictures a second, and the features."""
    started = time.perf_counter()
    found = graph.features(examples)
    return len(examples) / (time.perf_counter() - started), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=400)
    asked = parser.parse_args()
    graph = extractors.extractor("lite0", {}, print)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        examples = pictures(asked.pictures, Path(folder) / "drawn")
        print(f"{len(examples)} pictures, {graph.card.arch}, {graph.card.input.width} px")
        bare(graph, examples[:32])  # warm
        for number in range(asked.rounds):
            os.environ["BYOD_CACHE"] = str(Path(folder) / f"cache{number}")
            theirs, wanted = bare(graph, examples)
            mine, found = stored(graph, examples)
            again, _ = stored(graph, examples)
            off = float(np.abs(found - wanted).max())
            ratios.append(mine / theirs)
            print(
                f"  bare loop {theirs:6.1f} a second, byod {mine:6.1f} ({mine / theirs:.2f} x; largest difference "
                f"{off:.1e}), from the store {again:,.0f}"
            )
    ratio = statistics.median(ratios)
    print(f"byod / bare loop: {ratio:.2f} (at least {LEAST}: {'reached' if ratio >= LEAST else 'MISSED'})")


if __name__ == "__main__":
    main()
