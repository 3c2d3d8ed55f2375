"""byod's search for near hashes against NumPy brute force: CPU time, side by side in one run.

    python benchmarks/radius.py [--count 100000]

70 % random hashes, 30 % in clusters of 2 to 6 whose members are 0 to 6 bits off the centre. Brute force is timed
on a part of the rows and scaled up; its pairs on that part must be those of byod. Then `settle` on as many pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import time

import numpy as np

from byod.dataset.dedup import Picture, deduplicate
from byod.images.hashing import SPEC
from byod.images.neighbors import hamming
from byod.schema.records import Fingerprint


def clustered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    alone = rng.integers(0, 2**64, count * 7 // 10, dtype=np.uint64)
    found = [alone]
    left = count - len(alone)
    while left:
        size = min(left, int(rng.integers(2, 7)))
        members = np.full(size, rng.integers(0, 2**64, dtype=np.uint64))
        for member in range(size):
            for bit in rng.choice(64, rng.integers(0, 7), replace=False):
                members[member] ^= np.uint64(1) << np.uint64(bit)
        found.append(members)
        left -= size
    return rng.permutation(np.concatenate(found))


def by_force(hashes: np.ndarray, most: int, rows: int) -> set[tuple[int, int]]:
    found = set()
    for row in range(rows):
        near = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= most) + row + 1
        found.update((row, int(other)) for other in near)
    return found


def search(count: int) -> None:
    hashes = clustered(count, 1)
    print(f"{count:,} hashes, all pairs")
    for most in (4, 8, 10, 12):
        start = time.process_time()
        found = hamming.pairs(hashes, most)
        ours = time.process_time() - start
        rows = min(count, 1000)
        start = time.process_time()
        expected = by_force(hashes, most, rows)
        share = sum(count - row for row in range(rows)) / (count * (count - 1) / 2)
        force = (time.process_time() - start) / share
        same = expected == {(one, other) for one, other in found.tolist() if one < rows}
        print(
            f"  radius {most:2d}: byod {ours:6.2f} s   brute force {force:7.2f} s   x {force / ours:5.1f}"
            f"   {len(found):,} pairs, {'equal' if same else 'DIFFERENT'} on {rows:,} rows"
        )


def equal(count: int) -> None:
    pictures = [one_of(number, 1, count) for number in range(count)]
    start = time.process_time()
    drops = len(deduplicate(pictures).drops)
    print(f"{count:,} pictures of one look settled in {time.process_time() - start:.2f} s: {drops:,} dropped")


def one_of(number: int, look: int, count: int) -> Picture:
    rng = np.random.default_rng(look)
    bits = np.zeros(64, np.uint8)
    bits[rng.choice(64, 32, replace=False)] = 1
    return Picture(
        sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        label=str(look % 5),
        fingerprint=Fingerprint(
            phash=np.packbits(bits).tobytes().hex(),
            mirror=np.packbits(rng.permutation(bits)).tobytes().hex(),
            dhash=rng.bytes(8).hex(),
            rgb=rng.bytes(192),
            spread=40.0,
            top_colour=0.1,
            white_ring=0.0,
            spec=SPEC,
        ),
        order=number,
        width=800,
        height=600,
        size=90_000,
        addresses=(f"http://host{number % count}.example/{number}.jpg",),
    )


def settlement(count: int) -> None:
    rng = np.random.default_rng(2)
    looks = rng.integers(0, count * 9 // 10, count)
    pictures = [one_of(number, int(look), count) for number, look in enumerate(looks)]
    start = time.process_time()
    deduplicated = deduplicate(pictures)
    print(
        f"{count:,} pictures settled in {time.process_time() - start:.2f} s: {len(deduplicated.drops):,} dropped, "
        f"{len(deduplicated.groups):,} groups"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    search(count // 10)
    search(count)
    settlement(count)
    equal(10_000)


if __name__ == "__main__":
    main()
