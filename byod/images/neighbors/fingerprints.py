"""Fingerprints by name, to be compared with one picture at a time, as they are added."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from byod.schema.records import Fingerprint


class Near(NamedTuple):
    """Pictures near another: names, bits of phash and dhash apart, mean difference of the colours (0..255)."""

    names: list[str]
    phash: NDArray[np.int64]
    dhash: NDArray[np.int64]
    colour: NDArray[np.float64]


class Fingerprints:
    """Those that say something: a flat one is near to nothing, so it is left out."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._hashes: NDArray[np.uint64] = np.zeros((2, 64), np.uint64)
        self._rgb: NDArray[np.uint8] = np.zeros((64, 192), np.uint8)

    def add(self, name: str, fingerprint: Fingerprint | None) -> None:
        """Take one more in."""
        if fingerprint is None or fingerprint.flat:
            return
        count = len(self._names)
        if count == len(self._rgb):
            self._hashes = np.concatenate((self._hashes, np.zeros_like(self._hashes)), axis=1)
            self._rgb = np.concatenate((self._rgb, np.zeros_like(self._rgb)))
        self._hashes[:, count] = int(fingerprint.phash, 16), int(fingerprint.dhash, 16)
        self._rgb[count] = np.frombuffer(fingerprint.rgb, np.uint8)
        self._names.append(name)

    def near(self, one: Fingerprint | None, limits: tuple[int, int]) -> Near:
        """Those within so many bits of phash and dhash, in the order they were added."""
        count = 0 if one is None or one.flat else len(self._names)
        if one is None or count == 0:
            return Near([], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        phash = np.bitwise_count(self._hashes[0, :count] ^ np.uint64(int(one.phash, 16))).astype(np.int64)
        dhash = np.bitwise_count(self._hashes[1, :count] ^ np.uint64(int(one.dhash, 16))).astype(np.int64)
        (found,) = np.nonzero((phash <= limits[0]) & (dhash <= limits[1]))
        rgb = np.frombuffer(one.rgb, np.uint8).astype(np.int16)
        colour = np.abs(self._rgb[found] - rgb).mean(axis=1)
        return Near([self._names[number] for number in found.tolist()], phash[found], dhash[found], colour)
