"""Statements that a picture is no copy, made by bringing it back: nothing that stands has to go for it."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from byod.dataset.catalog.samples import Samples
from byod.images.neighbors.fingerprints import Fingerprints
from byod.images.neighbors.index import COLOUR, STRICT
from byod.schema.reasons import Reason
from byod.schema.records import Sample, Status


class NoCopies:
    """The statements made by bringing samples back, one after the other, from what the last placing found.

    Whatever may be a copy of a sample that was rejected as one is in its group. One rejected for another reason may
    never have been compared: it is compared now. Those that came back before are among those that stand, so each pair
    is stated once.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

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
    def _compared(self) -> Fingerprints:
        standing = Fingerprints()
        for sample in self._samples.all():
            if sample.status is Status.KEPT:
                standing.add(sample.sha256, sample.fingerprint)
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
        # the catalog's, since one that was never opened has its fingerprint only since a moment
        measured = self._samples.get(sha256)
        if measured is None:
            return set()
        near = self._compared.near(measured.fingerprint, STRICT)
        self._compared.add(sha256, measured.fingerprint)
        return {name for name, apart in zip(near.names, near.colour, strict=True) if apart <= COLOUR}
