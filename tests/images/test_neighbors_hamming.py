"""Tests of byod.images.neighbors.hamming: the pairs that comparing each with each would find, and no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.images.neighbors import hamming
from byod.images.neighbors.hamming import Buckets, cross, pairs


def clustered(count, seed):
    """Random hashes, three in ten of them in clusters whose members are up to 14 bits apart."""
    rng = np.random.default_rng(seed)
    alone = rng.integers(0, 2**64, count * 7 // 10, dtype=np.uint64)
    centres = np.repeat(rng.integers(0, 2**64, count // 10 + 1, dtype=np.uint64), 3)[: count - len(alone)]
    often = rng.random(len(centres)) ** 2
    for _ in range(7):
        flips = np.uint64(1) << rng.integers(0, 64, len(centres), dtype=np.uint64)
        centres = np.where(rng.random(len(centres)) < often, centres ^ flips, centres)
    return rng.permutation(np.concatenate((alone, centres)))


def by_force(hashes, most):
    near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= most
    return np.stack(np.nonzero(np.triu(near, 1)), axis=1)


@pytest.mark.parametrize("most", range(13))
def test_pairs_equal_those_of_brute_force(most):
    """For every radius 0..12, over 5,000 clustered hashes: the same pairs, in order."""
    hashes = clustered(5000, most)
    assert hamming._plan(5000, 5000, most, 1.3) is not None
    found = pairs(hashes, most)
    assert len(found) > 10
    assert np.array_equal(found, by_force(hashes, most))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(0, 2**32), st.integers(0, 64))
def test_pairs_of_any_hashes_equal_those_of_brute_force(values, seed, most):
    """Few, equal, extreme and near hashes, any radius."""
    rng = np.random.default_rng(seed)
    hashes = np.array(values, np.uint64)
    near = hashes ^ (np.uint64(1) << rng.integers(0, 64, len(hashes), dtype=np.uint64))
    hashes = rng.permutation(np.concatenate((hashes, near, hashes[: len(hashes) // 2])))
    assert np.array_equal(pairs(hashes, most), by_force(hashes, most))


@pytest.mark.parametrize(
    ("blocks", "most"),
    [(3, 0), (3, 8), (4, 3), (4, 12), (5, 0), (5, 8), (5, 13), (7, 3), (7, 12), (16, 8), (16, 13)],
)
def test_every_way_to_cut_the_hashes_finds_the_same(blocks, most, monkeypatch):
    """The number of blocks is a matter of speed alone."""
    edges = [64 * number // blocks for number in range(blocks + 1)]
    flips = [(most + 1) // blocks - 1 + (number < (most + 1) % blocks) for number in range(blocks)]
    plan = [
        (low, high - low, flip) for low, high, flip in zip(edges, edges[1:], flips, strict=False) if flip >= 0
    ]
    monkeypatch.setattr(hamming, "_plan", lambda *_: plan)
    hashes = np.unique(clustered(1500, 77))
    assert np.array_equal(pairs(hashes, most), by_force(hashes, most))


@pytest.mark.parametrize("most", [0, 7, 8, 12])
@pytest.mark.parametrize("sizes", [(3000, 4000), (4000, 50), (1, 3), (0, 5)])
def test_cross_equals_brute_force(most, sizes):
    """Between two sets: the same pairs, in order."""
    hashes = clustered(9000, 5)
    left, right = hashes[: sizes[0]], hashes[-sizes[1] :]
    near = np.bitwise_count(left[:, None] ^ right[None, :]) <= most
    assert np.array_equal(cross(left, right, most), np.stack(np.nonzero(near), axis=1))


def test_equal_hashes_are_searched_for_once():
    """2,000 equal ones among others give all their pairs."""
    hashes = np.concatenate((clustered(3000, 3), np.full(2000, 12345, np.uint64)))
    found = pairs(hashes, 8)
    assert (found[:, 0] >= 3000).sum() == 2000 * 1999 // 2
    assert np.array_equal(found[found[:, 1] < 3000], by_force(hashes[:3000], 8))


def test_a_radius_must_be_one():
    """Less than 0 and more than 64 bits are refused."""
    for most in (-1, 65):
        with pytest.raises(ValueError, match=r"0\.\.64"):
            pairs(np.array([1, 2], np.uint64), most)
    assert pairs(np.empty(0, np.uint64), 8).shape == (0, 2)
    assert pairs(np.array([1, 2], np.uint64), 64).tolist() == [[0, 1]]


def test_buckets_hold_their_positions():
    """Positions are found by their bucket, empty ones included."""
    buckets = Buckets.of(np.array([2, 0, 2, 4]), 5)
    assert [buckets.members(bucket).tolist() for bucket in range(5)] == [[1], [], [0, 2], [], [3]]
    assert buckets.members_of(np.array([4, 1, 2])).tolist() == [3, 0, 2]
