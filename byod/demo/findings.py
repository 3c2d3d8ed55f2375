"""Compare what byod found with what was planted: the demo's answer to "does it work?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

from byod.demo.scenes import Kind, Planted, PlantedPicture
from byod.schema.reasons import Reason
from byod.schema.records import Record, Sample, Snapshot, Status

_REFUSED = {
    Kind.TRUNCATED: {Reason.BROKEN},
    Kind.ZEROED: {Reason.BROKEN},
    Kind.GARBAGE: {Reason.NOT_A_PICTURE, Reason.BROKEN},
    Kind.HTML: {Reason.NOT_A_PICTURE},
    Kind.TINY: {Reason.TOO_SMALL},
    Kind.PLACEHOLDER: {Reason.PLACEHOLDER},
    Kind.OPTED_OUT: {Reason.OPTED_OUT},
    Kind.NOT_FOUND: {Reason.NOT_FOUND},
    Kind.SERVER_ERROR: {Reason.SERVER_ERROR},
    Kind.BOTH_CLASSES: {Reason.CONFLICT},
}
"""The reasons that name a trouble rightly."""

_COPIES = (Kind.EXACT, Kind.RESIZED, Kind.RECOMPRESSED, Kind.CAPTIONED, Kind.MIRRORED)
_LOOKALIKES = (Kind.CAPTIONED, Kind.MIRRORED)
"""Copies that may stay in the dataset, as long as they never sit on both sides of a split."""


class DemoLine(Record):
    """One kind of offer: how many were planted, how many of them were found (for good pictures: kept)."""

    kind: Kind
    planted: int
    found: int
    note: str = ""


def compare(planted: Planted, snapshot: Snapshot, misses: Mapping[str, str]) -> list[DemoLine]:
    """Hold a collection against what was planted, one line a kind, in the order of `Kind`.

    `misses` maps each address that gave no picture to its reason. Addresses are compared by their path, since the
    ports of a stand change from run to run.
    """
    evidence = _Evidence(planted, snapshot, misses)
    return [evidence.line(kind, planted.of(kind)) for kind in planted.counts]


class _Evidence:
    """Everything the snapshot says, by the path of an offer."""

    def __init__(self, planted: Planted, snapshot: Snapshot, misses: Mapping[str, str]) -> None:
        self._samples = {sample.sha256: sample for sample in snapshot.samples}
        self._planted = {offer.path: offer for offer in planted.pictures}
        self._shas = {
            urlsplit(origin.url).path: sha256
            for sha256, origins in snapshot.origins.items()
            for origin in origins
        }
        self._misses = {urlsplit(url).path: reason for url, reason in misses.items()}
        self._conflicting = {sha256 for conflict in snapshot.conflicts for sha256 in conflict}
        self._group = {sha256: group.key for group in snapshot.groups for sha256 in group.members}

    def line(self, kind: Kind, pictures: tuple[PlantedPicture, ...]) -> DemoLine:
        if kind is Kind.GOOD:
            return self._good(pictures)
        hits = [offer for offer in pictures if self._found(offer)]
        notes = Counter(self._note(offer) for offer in pictures)
        words = ", ".join(f"{count} {note}" for note, count in sorted(notes.items()) if note)
        return DemoLine(kind=kind, planted=len(pictures), found=len(hits), note=words)

    def _good(self, pictures: tuple[PlantedPicture, ...]) -> DemoLine:
        """A good picture is kept when it, or the copy that was preferred to it, stands in a class folder."""
        fates = Counter(self._fate(offer) for offer in pictures)
        kept = fates.pop("", 0)
        note = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
        return DemoLine(kind=Kind.GOOD, planted=len(pictures), found=kept, note=note)

    def _fate(self, offer: PlantedPicture) -> str:
        """The reason that a good picture is not kept; empty when it is."""
        sample = self._sample(offer.path)
        if sample is None:
            return self._misses.get(offer.path, "not asked for")
        keeper = self._keeper(sample)
        if keeper is not sample and not self._planted_pair(offer.path, keeper):
            return "near-duplicates of other good ones"
        return "" if keeper.status is Status.KEPT else str(keeper.reason or keeper.status)

    def _planted_pair(self, path: str, keeper: Sample) -> bool:
        """True if the keeper is a planted copy of the picture at `path`."""
        return any(
            offer.original == path and self._shas.get(offer.path) == keeper.sha256
            for offer in self._planted.values()
        )

    def _found(self, offer: PlantedPicture) -> bool:
        if offer.kind in _COPIES:
            return self._paired(offer) != ""
        sample = self._sample(offer.path)
        if offer.kind is Kind.BOTH_CLASSES and sample is not None and sample.sha256 in self._conflicting:
            return True
        reason = self._misses.get(offer.path) or (sample.reason if sample else None)
        return reason in _REFUSED[offer.kind]

    def _paired(self, offer: PlantedPicture) -> str:
        """The way a copy was recognised: "dropped", "tied" (kept, in one split group), or not at all (empty)."""
        copy, original = self._sample(offer.path), self._sample(offer.original or "")
        if copy is None or original is None:
            return ""
        if self._keeper(copy).sha256 == self._keeper(original).sha256:
            return "dropped"
        ends = [self._keeper(each).sha256 for each in (copy, original)]
        groups = [self._group.get(end) for end in ends]
        tied = groups[0] is not None and groups[0] == groups[1]
        return "tied" if tied and offer.kind in _LOOKALIKES else ""

    def _note(self, offer: PlantedPicture) -> str:
        if offer.kind in _COPIES:
            words = {"dropped": "", "tied": "kept in one split group", "": "missed"}
            return words[self._paired(offer)]
        if self._found(offer):
            return ""
        sample = self._sample(offer.path)
        outcome = self._misses.get(offer.path) or (str(sample.reason or sample.status) if sample else "")
        return outcome or "not asked for"

    def _sample(self, path: str) -> Sample | None:
        return self._samples.get(self._shas.get(path, ""))

    def _keeper(self, sample: Sample) -> Sample:
        """The sample that stands for this one: its keeper, the keeper's keeper, and so on."""
        seen = {sample.sha256}
        while sample.keeper is not None and sample.keeper in self._samples and sample.keeper not in seen:
            sample = self._samples[sample.keeper]
            seen.add(sample.sha256)
        return sample
