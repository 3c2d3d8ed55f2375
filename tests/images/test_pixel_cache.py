"""Decoded pictures: each decoded once, shared, bounded, and whole after any kill."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from byod.images import pixel_cache
from byod.images.pixel_cache import PixelCache
from byod.images.resize import pixels
from byod.schema.errors import TrainerError
from byod.schema.model_card import InputRule, Resize
from byod.schema.records import Example, Split

RULE = InputRule(width=16, height=12)
RECORD = 16 * 12 * 3


def draw(folder, numbers):
    folder.mkdir(exist_ok=True)
    examples = []
    for number in numbers:
        path = folder / f"{number}.png"
        noise = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(noise).save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        examples.append(Example(sha256=sha256, path=path, label="a", split=Split.TRAIN, group=sha256))
    return examples


def truth(examples, rule=RULE):
    return np.stack([pixels(e.path, rule) for e in examples])


def decodes(monkeypatch):
    """The paths decoded from now on."""
    seen = []
    real = pixel_cache.pixels
    monkeypatch.setattr(pixel_cache, "pixels", lambda path, rule: seen.append(path) or real(path, rule))
    return seen


def test_pixels_are_those_of_the_resize_rule(tmp_path):
    """What comes out of the cache is what opening and resizing gives, in the order asked for."""
    examples = draw(tmp_path / "own", range(9))
    found = PixelCache(tmp_path / "cache").pixels(examples, RULE)
    assert found.shape == (9, 12, 16, 3)
    assert np.array_equal(found.all(), truth(examples))
    assert np.array_equal(found.rows([7, 0, 7]), truth([examples[7], examples[0], examples[7]]))


def test_a_picture_is_decoded_once_for_all(tmp_path, monkeypatch):
    """Another trainer, another order, another set: only what is new is opened."""
    examples = draw(tmp_path / "own", range(12))
    PixelCache(tmp_path / "cache").pixels(examples[:8], RULE).all()
    seen = decodes(monkeypatch)
    found = PixelCache(tmp_path / "cache").pixels(examples[::-1], RULE)
    assert sorted(seen) == sorted(e.path for e in examples[8:])
    assert np.array_equal(found.all(), truth(examples[::-1]))
    assert len(seen) == 4


def test_size_and_rule_have_caches_of_their_own(tmp_path):
    """Pixels of another size or another way of resizing are never mixed up."""
    examples = draw(tmp_path / "own", range(3))
    cache = PixelCache(tmp_path / "cache")
    for rule in (RULE, InputRule(width=12, height=16), InputRule(width=16, height=12, resize=Resize.PAD)):
        assert np.array_equal(cache.pixels(examples, rule).all(), truth(examples, rule))


def test_the_same_bytes_are_one_picture(tmp_path):
    """Two paths of one content stand in the cache once."""
    (first,) = draw(tmp_path / "own", [1])
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.path.read_bytes())
    found = PixelCache(tmp_path / "cache").pixels([first, first.model_copy(update={"path": copy})], RULE)
    assert np.array_equal(found.rows([0]), found.rows([1]))
    assert next((tmp_path / "cache").glob("*.u8")).stat().st_size == RECORD


def test_a_picture_that_cannot_be_opened_is_named(tmp_path):
    """One line with the file, and the others are not lost for the next time."""
    examples = draw(tmp_path / "own", range(3))
    examples[1].path.write_bytes(b"<html>")
    with pytest.raises(TrainerError, match=r"1\.png cannot be opened"):
        PixelCache(tmp_path / "cache").pixels(examples, RULE)
    rest = [examples[0], examples[2]]
    assert np.array_equal(PixelCache(tmp_path / "cache").pixels(rest, RULE).all(), truth(rest))


def bound(cache, kilobytes):
    cache._bound = kilobytes * 1000  # the option counts in megabytes
    return cache


def test_the_cache_never_outgrows_its_bound(tmp_path):
    """Pictures beyond the bound are decoded when asked for, are right all the same, and that is said."""
    examples = draw(tmp_path / "own", range(10))
    said = []
    found = bound(PixelCache(tmp_path / "cache", say=said.append), 3).pixels(examples, RULE)
    assert np.array_equal(found.all(), truth(examples))
    assert sum(f.stat().st_size for f in (tmp_path / "cache").glob("*.*")) <= 3000
    assert any("decoded anew in each epoch" in line for line in said)


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    """Room is made from other sizes, oldest first, and then from pictures nobody asks for."""
    examples = draw(tmp_path / "own", range(6))
    old, newer = InputRule(width=12, height=12), InputRule(width=14, height=12)
    for rule, age in ((old, 500), (newer, 100)):
        PixelCache(tmp_path / "cache").pixels(examples, rule)
        for file in (tmp_path / "cache").glob(f"{rule.width}x*.keys"):
            os.utime(file, (file.stat().st_mtime - age,) * 2)
    bound(PixelCache(tmp_path / "cache"), 7).pixels(examples, RULE)
    there = {file.name.split("-")[0] for file in (tmp_path / "cache").glob("*.u8")}
    assert there == {"14x12", "16x12"}
    others = draw(tmp_path / "more", range(10, 16))
    small = bound(PixelCache(tmp_path / "cache"), 4)
    assert np.array_equal(small.pixels(others, RULE).all(), truth(others))
    assert np.array_equal(small.pixels(others, RULE).rows([5]), truth(others[5:]))


@settings(max_examples=30, deadline=None)
@given(keys=st.integers(0, 300), content=st.integers(0, 300))
def test_files_cut_anywhere_are_mended(tmp_path_factory, keys, content):
    """However short a kill left the two files, the next one decodes what is missing and gives the right pixels."""
    folder = tmp_path_factory.mktemp("cut")
    examples = draw(folder / "own", range(8))
    PixelCache(folder / "cache").pixels(examples, RULE)
    names, pictures = next((folder / "cache").glob("*.keys")), next((folder / "cache").glob("*.u8"))
    os.truncate(names, min(keys, names.stat().st_size))
    os.truncate(pictures, min(content * 16, pictures.stat().st_size))
    found = PixelCache(folder / "cache").pixels(examples, RULE)
    assert np.array_equal(found.all(), truth(examples))


@pytest.mark.slow
def test_two_processes_fill_one_cache(tmp_path):
    """Both wait for each other's turn, and each picture stands there once."""
    examples = draw(tmp_path / "own", range(40))
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nfrom test_pixel_cache import *\n"
        f"folder = Path({str(tmp_path)!r})\nexamples = draw(folder / 'own', [])\n"
        "import hashlib\n"
        "for p in sorted((folder / 'own').iterdir()):\n"
        "    s = hashlib.sha256(p.read_bytes()).hexdigest()\n"
        "    examples.append(Example(sha256=s, path=p, label='a', split=Split.TRAIN, group=s))\n"
        "assert np.array_equal(PixelCache(folder / 'cache').pixels(examples, RULE).all(), truth(examples))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert next((tmp_path / "cache").glob("*.u8")).stat().st_size == len(examples) * RECORD
