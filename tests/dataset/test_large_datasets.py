"""Large datasets: what a verb holds in memory of each picture."""

import tracemalloc
from pathlib import Path

import pytest
from drawn_datasets import draw

from byod.dataset import placement
from byod.dataset.dataset_folder import Dataset
from byod.tasks import TASKS

SAMPLES = 10_000


@pytest.mark.slow
def test_placing_holds_little_of_each_picture(tmp_path: Path):
    """Placing holds at most 4 KB of each picture at a time, so that a million of them fit into memory."""
    draw(tmp_path / "d", SAMPLES)
    with Dataset(tmp_path / "d", TASKS) as dataset:
        tracemalloc.start()
        placed = placement.place_samples(dataset)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert sum(placed.kept.values()) > 0.9 * SAMPLES
    assert placed.changed == 0
    assert peak / SAMPLES < 4000
