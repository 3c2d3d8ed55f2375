"""Statements that a picture is no copy, made by bringing it back: of what it was taken for, and of others like it."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from byod.dataset.catalog.samples import Samples
from byod.schema.reasons import Reason
from byod.schema.records import Sample


class NoCopies:
    """The statements made by bringing samples back, one after the other, from what the last placing found.

    Whatever may be a copy of a sample is in its group. Those that came back before are among those that stand, so each
    pair is stated once.
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

    def stated_by(self, sample: Sample) -> tuple[str, ...]:
        """The samples of which this one is no copy, now that it comes back; none, unless it was rejected as a copy."""
        group = self._standing[self._groups[sample.sha256]] if sample.sha256 in self._groups else set()
        stated: set[str] = set()
        if sample.reason is Reason.DUPLICATE:
            stated = group | ({sample.keeper} if sample.keeper else set())
        group.add(sample.sha256)
        return tuple(sorted(stated - {sample.sha256}))
