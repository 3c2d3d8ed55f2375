"""Features kept: each computed once, bounded, whole after any kill, and never a number that was not written."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byod.images import feature_store
from byod.images.feature_store import FeatureStore
from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule
from byod.schema.records import Example, Split

RULE = InputRule(width=16, height=12)
WIDTH = 6
RECORD = 2 * WIDTH + 4


def draw(folder, numbers):
    folder.mkdir(exist_ok=True)
    examples = []
    for number in numbers:
        path = folder / f"{number}.png"
        Image.new("RGB", (20, 15), (number, 2 * number % 256, 7)).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        examples.append(Example(sha256=sha256, path=path, label="a", split=Split.TRAIN, group=sha256))
    return examples


class Means:
    """An extractor: means and deviations of the colours. It counts its pictures."""

    def __init__(self):
        self.pictures = 0

    def __call__(self, images):
        self.pictures += len(images)
        return np.concatenate([images.mean(axis=(2, 3)), images.std(axis=(2, 3))], axis=1)


def vectors(folder, examples, compute, kind="means", **more):
    return FeatureStore(folder, **more).vectors(examples, kind, WIDTH, RULE, compute)


@pytest.fixture
def pictures(tmp_path):
    return draw(tmp_path / "own", range(20))


def test_each_picture_is_computed_once(tmp_path, pictures):
    """Another set, another order: only what is new is computed, and the rest is the same."""
    compute = Means()
    first = vectors(tmp_path / "cache", pictures[:12], compute)
    assert (first.shape, first.dtype) == ((12, WIDTH), np.float16)
    again = vectors(tmp_path / "cache", pictures[::-1], compute)
    assert compute.pictures == 20
    assert np.array_equal(again[::-1][:12], first)
    np.testing.assert_allclose(first[3, :2], [3 / 255, 6 / 255], atol=1e-3)
    assert vectors(tmp_path / "cache", [], compute).shape == (0, WIDTH)


def test_the_same_bytes_are_one_picture(tmp_path, pictures):
    """Under two names a picture is computed once, and both get its vector."""
    compute = Means()
    found = vectors(tmp_path / "cache", [pictures[0], pictures[1], pictures[0]], compute)
    assert compute.pictures == 2
    assert np.array_equal(found[0], found[2])


def test_extractors_are_not_mixed_up(tmp_path, pictures):
    """What one said is not taken for what another says."""
    vectors(tmp_path / "cache", pictures, Means())
    other = vectors(tmp_path / "cache", pictures, lambda images: np.ones((len(images), WIDTH)), kind="ones")
    assert (other == 1).all()


def test_any_flipped_byte_is_computed_anew(tmp_path, pictures):
    """Damage anywhere in either file changes no number: what was not written as it is read is computed again."""
    rng = np.random.default_rng(0)
    truth, again = vectors(tmp_path / "cache", pictures, Means()), 0
    for name in ("means.f16", "means.keys"):
        file = tmp_path / "cache" / name
        for at in rng.integers(0, file.stat().st_size, 12):
            content = bytearray(file.read_bytes())
            content[at] ^= 1 << rng.integers(8)
            file.write_bytes(content)
            compute = Means()
            assert np.array_equal(vectors(tmp_path / "cache", pictures, compute), truth)
            assert compute.pictures <= 1  # 0: it hit what was replaced before
            assert np.array_equal(vectors(tmp_path / "cache", pictures, compute), truth)
            assert compute.pictures <= 1
            again += compute.pictures
    assert again > 12


@pytest.mark.parametrize("keys", [0, 31, 32, 200, 640])
@pytest.mark.parametrize("content", [0, 5, RECORD, 100, 20 * RECORD])
def test_files_cut_anywhere_are_mended(tmp_path, pictures, keys, content):
    """Whatever a kill or a full disk leaves of the two files, the same vectors come back; a lost file too."""
    truth = vectors(tmp_path / "cache", pictures, Means())
    for name, end in (("means.keys", keys), ("means.f16", content)):
        with (tmp_path / "cache" / name).open("ab") as file:
            file.truncate(end)
    assert np.array_equal(vectors(tmp_path / "cache", pictures, Means()), truth)
    (tmp_path / "cache" / "means.f16").unlink()
    assert np.array_equal(vectors(tmp_path / "cache", pictures, Means()), truth)


def test_the_store_never_outgrows_its_bound(tmp_path, pictures, monkeypatch):
    """Past the bound what was used least lately goes; what there is no room for is computed, and not kept."""
    monkeypatch.setattr(feature_store, "BATCH", 3)
    for kind in ("one", "two", "three"):
        store = FeatureStore(tmp_path / "cache")
        store._bound = 15 * (RECORD + 32)
        found = store.vectors(pictures, kind, WIDTH, RULE, Means())
        assert len(found) == 20
        used = sum(file.stat().st_size for file in (tmp_path / "cache").iterdir())
        assert used <= store._bound
    compute = Means()
    store.vectors(pictures, "three", WIDTH, RULE, compute)
    assert compute.pictures == 5


def test_it_says_how_far_it_is(tmp_path, pictures, monkeypatch):
    """While features are computed a line says how many there are, and for how long it goes on."""
    monkeypatch.setattr(feature_store, "TOLD", 0.0)
    said = []
    vectors(tmp_path / "cache", pictures, Means(), say=said.append)
    assert said[0].startswith("features of 8 of 20 pictures, about ")
    vectors(tmp_path / "cache", pictures, Means(), say=said.append)
    assert len(said) == 3


def test_what_cannot_be_computed_is_one_line_and_the_rest_is_kept(tmp_path, pictures):
    """A picture that is gone is named, numbers beyond float16 are refused; what was computed before stays."""
    compute = Means()
    pictures[17].path.unlink()
    with pytest.raises(TrainerError, match=r"17\.png cannot be opened any more"):
        vectors(tmp_path / "cache", pictures, compute)
    assert compute.pictures == 16
    vectors(tmp_path / "cache", pictures[:16], compute)
    assert compute.pictures == 16
    with pytest.raises(TrainerError, match="float16"):
        vectors(tmp_path / "cache", pictures[:2], lambda i: np.full((len(i), WIDTH), 1e5), kind="large")


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_feature_store import Means, draw, vectors
import numpy as np
found = vectors(Path(sys.argv[2]) / "cache", draw(Path(sys.argv[2]) / sys.argv[3], range(250)), Means())
print(found.shape, flush=True)
"""


@pytest.mark.slow
def test_two_processes_fill_one_store_and_a_third_is_killed(tmp_path):
    """Writers take turns; one that is killed in the middle leaves nothing that is read as something else."""
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(tmp_path)]
    killed = subprocess.Popen([*command, "killed"])
    keys = tmp_path / "cache" / "means.keys"
    while killed.poll() is None and not (keys.exists() and keys.stat().st_size):
        pass
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    both = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    assert [one.communicate()[0].strip() for one in both] == ["(250, 6)"] * 2
    assert keys.stat().st_size == 250 * 32
    pictures, compute = draw(tmp_path / "a", range(250)), Means()
    found = vectors(tmp_path / "cache", pictures, compute)
    assert compute.pictures == 0
    assert np.array_equal(found, vectors(tmp_path / "fresh", pictures, Means()))
