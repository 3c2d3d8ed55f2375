"""All pairs of 64-bit hashes within a Hamming radius: exact, and far from comparing each with each.

Pigeonhole (Norouzi et al., "Fast Exact Search in Hamming Space", https://arxiv.org/abs/1307.2982): cut the
hashes into blocks; two hashes that differ in few bits differ in very few bits of at least one block, so only
hashes whose blocks are that similar are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Pairs = NDArray[np.int64]

_AT_ONCE = 1 << 20
_NO_PAIRS: Pairs = np.empty((0, 2), np.int64)


def pairs(hashes: Hashes, radius: int) -> Pairs:
    """Find every pair of positions i < j whose hashes differ in at most `radius` bits.

    Args:
        hashes: uint64 [N]; equal ones are searched for once only, but all their pairs are listed.
        radius: 0..64.

    Returns:
        int64 [P, 2], each pair once, in ascending order.
    """
    values, members = np.unique(np.asarray(hashes, np.uint64), return_inverse=True)
    buckets = Buckets.of(members, len(values))
    found = _join(values, values, radius, same=True)
    apart = np.stack(products(found, buckets, buckets), axis=1)
    (repeated,) = np.nonzero(buckets.sizes > 1)
    one, other = products(np.stack((repeated, repeated), axis=1), buckets, buckets)
    equal = np.stack((one, other), axis=1)[one < other]
    both = np.concatenate((apart, equal))
    both.sort(axis=1)
    ordered: NDArray[np.int64] = both[np.lexsort((both[:, 1], both[:, 0]))]
    return ordered


def cross(left: Hashes, right: Hashes, radius: int) -> Pairs:
    """Find every pair (position in `left`, position in `right`) whose hashes differ in at most `radius` bits.

    Args:
        left: uint64 [N].
        right: uint64 [M]; many equal ones make this slow, on either side.
        radius: 0..64.

    Returns:
        int64 [P, 2], each pair once, in ascending order.
    """
    return _join(np.asarray(left, np.uint64), np.asarray(right, np.uint64), radius, same=False)


class Buckets(NamedTuple):
    """Positions sorted by the bucket they lie in: bucket b holds `order[starts[b] : starts[b] + sizes[b]]`."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, buckets: NDArray[np.integer[Any]], count: int) -> Buckets:
        """Sort positions by their bucket's number, 0..count-1."""
        sizes = np.bincount(buckets, minlength=count).astype(np.int64)
        return cls(np.argsort(buckets, kind="stable").astype(np.int64), np.cumsum(sizes) - sizes, sizes)

    def members(self, bucket: int) -> NDArray[np.int64]:
        """The positions in one bucket, in ascending order."""
        return self.order[self.starts[bucket] : self.starts[bucket] + self.sizes[bucket]]

    def members_of(self, buckets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions in several buckets, one after the other."""
        sizes = self.sizes[buckets]
        shift = self.starts[buckets] - (np.cumsum(sizes) - sizes)
        members: NDArray[np.int64] = self.order[np.repeat(shift, sizes) + np.arange(int(sizes.sum()))]
        return members


def products(found: Pairs, left: Buckets, right: Buckets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each pair of buckets, every position in the one beside every position in the other."""
    first, second = found[:, 0], found[:, 1]
    counts = left.sizes[first] * right.sizes[second]
    pair = np.repeat(np.arange(len(found)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(within, right.sizes[second][pair])
    return left.order[left.starts[first][pair] + row], right.order[right.starts[second][pair] + column]


def _join(left: Hashes, right: Hashes, radius: int, *, same: bool) -> Pairs:
    """Hashes with hashes; `same` takes each unordered pair of one array once."""
    if not 0 <= radius <= 64:
        raise ValueError(f"a radius is 0..64 bits, not {radius}")
    if not len(left) or not len(right):
        return _NO_PAIRS
    plan = _plan(len(left), len(right), radius, 1.3 if same else 2.5)
    if plan is None:
        found = list(_by_force(left, right, radius, same=same))
    else:
        found = [part for block in plan for part in _by_block(left, right, radius, block, same=same)]
    codes = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return np.stack(np.divmod(codes, len(right)), axis=1)


def _plan(left: int, right: int, radius: int, compare: float) -> list[tuple[int, int, int]] | None:
    """The cheapest blocks as (lowest bit, width, flips to try); None where comparing all is cheaper.

    A pair within the radius differs, in at least one block, by no more than that block's flips: else it would
    differ by at least the sum of (flips + 1), which is chosen to be radius + 1. The costs are nanoseconds, as
    measured; `compare` is that of one comparison.
    """
    best: list[tuple[int, int, int]] | None = None
    least = 2 * compare * left * right + 20_000
    for blocks in range(3, 17):
        edges = [64 * number // blocks for number in range(blocks + 1)]
        flips = [(radius + 1) // blocks - 1 + (number < (radius + 1) % blocks) for number in range(blocks)]
        plan = [
            (low, high - low, flip)
            for low, high, flip in zip(edges[:-1], edges[1:], flips, strict=True)
            if flip >= 0
        ]
        if max(width for _, width, _ in plan) > 22:
            continue
        cost = 0.0
        for _, width, flip in plan:
            tries = sum(comb(width, bits) for bits in range(flip + 1))
            cost += tries * (20_000 + 9.0 * left + compare * left * right / 2**width)
        if cost < least:
            best, least = plan, cost
    return best


def _by_force(left: Hashes, right: Hashes, radius: int, *, same: bool) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _AT_ONCE // len(right))
    for top in range(0, len(left), rows):
        near = np.bitwise_count(left[top : top + rows, None] ^ right[None, :]) <= radius
        one, other = np.nonzero(near)
        one += top
        if same:
            one, other = one[one < other], other[one < other]
        yield one.astype(np.int64) * len(right) + other


def _by_block(
    left: Hashes, right: Hashes, radius: int, block: tuple[int, int, int], *, same: bool
) -> Iterator[NDArray[np.int64]]:
    """Compare the hashes whose bits of one block differ by at most the block's flips."""
    low, width, flips = block
    in_left, left_keys = _by_key(left, low, width)
    in_right, right_keys = (in_left, left_keys) if same else _by_key(right, low, width)
    starts = np.searchsorted(right_keys, np.arange(2**width + 1)).astype(np.int32)
    sorted_left, sorted_right = left[in_left], right[in_right]
    for flip in _flips(width, flips):
        partner = left_keys ^ flip
        begin = starts[partner]
        count = starts[partner + 1] - begin
        if same and flip == 0:
            own = np.arange(1, len(left) + 1, dtype=np.int32)
            count = count + begin - own
            begin = own
        elif same:
            count[partner < left_keys] = 0
        for one, other in _near(sorted_left, sorted_right, begin, count, radius):
            first, second = in_left[one], in_right[other]
            if same:
                first, second = np.minimum(first, second), np.maximum(first, second)
            yield first * len(right) + second


def _by_key(hashes: Hashes, low: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The order of the hashes by their bits of one block, and these bits in that order."""
    keys = ((hashes >> np.uint64(low)) & np.uint64(2**width - 1)).astype(np.int32)
    order = np.argsort(keys, kind="stable").astype(np.int64)
    return order, keys[order]


def _flips(width: int, most: int) -> Iterator[np.int32]:
    """Every number of `width` bits with at most so many ones."""
    for bits in range(most + 1):
        for ones in combinations(range(width), bits):
            yield np.int32(sum(1 << one for one in ones))


def _near(
    left: Hashes, right: Hashes, begin: NDArray[np.int32], count: NDArray[np.int32], radius: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Compare each hash on the left with its own stretch of those on the right, a million pairs at a time."""
    (busy,) = np.nonzero(count)
    ends = np.cumsum(count[busy], dtype=np.int64)
    at = 0
    while at < len(busy):
        done = int(ends[at - 1]) if at else 0
        until = max(at + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
        some = busy[at:until]
        counts = count[some]
        shift = begin[some] - (ends[at:until] - counts - done)
        other = np.repeat(shift, counts)
        other += np.arange(len(other))
        differing = np.bitwise_count(np.repeat(left[some], counts) ^ right[other])
        (hits,) = np.nonzero(differing <= radius)
        if len(hits):
            yield some[np.searchsorted(ends[at:until] - done, hits, side="right")], other[hits]
        at = until
