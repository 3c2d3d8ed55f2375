"""`byod split --by features`: groups proposed from features are written down, and then they are facts."""

import numpy as np
import pytest

import byod
from byod.dataset import captures
from byod.testing import draw_classes
from byod.training import extractors
from byod.training.extractors import FeatureGraph


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """Two classes of twelve pictures; by their features (a stand-in) four of each were taken together."""
    draw_classes(tmp_path / "drawn", ("circle", "square"), per_class=12)
    made = byod.add(tmp_path / "drawn", into=tmp_path / "set", progress=False)
    rng = np.random.default_rng(0)

    def features(graph, examples, say=print):
        vectors = rng.normal(0, 1, (len(examples), 64))
        for label in ("circle", "square"):
            own = [at for at, each in enumerate(examples) if each.label == label][:4]
            vectors[own] = vectors[own[0]] + rng.normal(0, 0.1, (4, 64))
        return vectors.astype(np.float16)

    monkeypatch.setattr(extractors, "extractor", lambda name, given, say: FeatureGraph(b"", None))
    monkeypatch.setattr(FeatureGraph, "features", features)
    return made


def test_groups_are_written_down_and_stay(dataset, monkeypatch):
    """The column says who belongs together, the split keeps to it, and without asking again it stays as it is."""
    done = dataset.split(by="features", progress=False)
    assert "column" in done.by
    lines = captures.read(dataset.folder)
    noted = {sha: line.more["features"] for sha, line in lines.items() if line.more.get("features")}
    assert max(list(noted.values()).count(name) for name in set(noted.values())) >= 4
    monkeypatch.setattr(extractors, "extractor", None)
    again = dataset.split(progress=False)
    assert (again.by, again.counts, again.moved) == (done.by, done.counts, 0)
    text = (dataset.folder / "captures.csv").read_text("utf-8")
    dataset.split(by="none", progress=False)
    assert (dataset.folder / "captures.csv").read_text("utf-8") == text
