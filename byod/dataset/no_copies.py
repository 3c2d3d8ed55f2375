"""Statements that a picture is no copy, made by bringing it back: nothing that stands has to go for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from byod.dataset.catalog.samples import Samples
from byod.images.neighbors.index import COLOUR, STRICT
from byod.schema.reasons import Reason
from byod.schema.records import Fingerprint, Sample, Status


class NoCopies:
    """The statements made by bringing samples back, one after the other, from what the last placing found.

    Whatever may be a copy of a sample that was rejected as one is in its group. One rejected for another reason may
    never have been compared: it is compared now. Those that came back before are among those that stand, so each pair
    is stated once.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._returned = _Standing()

    @cached_property
    def _groups(self) -> dict[str, str]:
        return self._samples.groups()

    @cached_property
    def _standing(self) -> defaultdict[str, set[str]]:
        standing: defaultdict[str, set[str]] = defaultdict(set)
        for sha256 in self._samples.kept_in_groups():
            standing[self._groups[sha256]].add(sha256)
        return standing

    @cached_property
    def _compared(self) -> _Standing:
        standing = _Standing()
        standing.add(sample for sample, _ in self._samples.comparable() if sample.status is Status.KEPT)
        return standing

    def stated_by(self, sample: Sample) -> tuple[str, ...]:
        """The samples of which this one, as it was rejected, is no copy, now that it comes back."""
        group = self._standing[self._groups[sample.sha256]] if sample.sha256 in self._groups else set()
        stated: set[str] = set()
        if sample.reason is Reason.DUPLICATE:
            stated = group | ({sample.keeper} if sample.keeper else set())
        elif sample.status is Status.REJECTED:
            stated = self._same_as(sample.sha256)
        group.add(sample.sha256)
        return tuple(sorted(stated - {sample.sha256}))

    def _same_as(self, sha256: str) -> set[str]:
        measured = self._samples.get(
            sha256
        )  # a sample that was never opened has its fingerprint since a moment
        if measured is None or measured.fingerprint is None:
            return set()
        same = self._compared.same_as(measured.fingerprint) | self._returned.same_as(measured.fingerprint)
        self._returned.add([measured])
        return same


class _Standing:
    """The fingerprints of what stands in class folders, to be compared with one at a time."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._phash: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._dhash: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._rgb: NDArray[np.uint8] = np.zeros((0, 192), np.uint8)

    def add(self, samples: Iterable[Sample]) -> None:
        """Take more in; those without a telling fingerprint are left out."""
        found = [(s.sha256, s.fingerprint) for s in samples if s.fingerprint and not s.fingerprint.flat]
        rgb = np.frombuffer(b"".join(one.rgb for _, one in found), np.uint8).reshape(-1, 192)
        self._names += [sha256 for sha256, _ in found]
        self._phash = np.append(self._phash, np.array([int(one.phash, 16) for _, one in found], np.uint64))
        self._dhash = np.append(self._dhash, np.array([int(one.dhash, 16) for _, one in found], np.uint64))
        self._rgb = np.append(self._rgb, rgb, axis=0)

    def same_as(self, one: Fingerprint) -> set[str]:
        """Those of which a picture is a copy by the strict rule, in whatever class; a flat one is a copy of none."""
        if one.flat:
            return set()
        near = np.bitwise_count(self._phash ^ np.uint64(int(one.phash, 16))) <= STRICT[0]
        near &= np.bitwise_count(self._dhash ^ np.uint64(int(one.dhash, 16))) <= STRICT[1]
        (likely,) = np.nonzero(near)
        rgb = np.frombuffer(one.rgb, np.uint8).astype(np.int16)
        apart = np.abs(self._rgb[likely] - rgb).mean(axis=1)
        return {self._names[number] for number in likely[apart <= COLOUR].tolist()}
