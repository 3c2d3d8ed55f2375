"""Collecting: draw candidates, fetch them, look at each, place them, and go on until every class has enough.

Each candidate is written down before it is fetched, each picture within a tenth of a second, and each placing as a
whole: a kill at any point is made good by running the same command again. Sources are asked while what they offered
first is being fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from byod.collection.search import CandidateSearch, Drawn
from byod.dataset import originals
from byod.dataset.catalog.candidates import Offer
from byod.dataset.catalog.verdicts import ADDED, SEARCH
from byod.dataset.dataset_folder import Dataset
from byod.dataset.own_places import INCOMING, REJECTED
from byod.dataset.placement import place_samples
from byod.images import decode, formats
from byod.images.decode import NO_LIMIT, Rules
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason
from byod.schema.recipe import Recipe
from byod.schema.records import Candidate, Fetched, Inspected, Miss, Sample, Status, Verdict

REJECTED_BYTES = 500_000_000
"""How many bytes of refused pictures a dataset keeps; beyond that only their rows are kept."""

BATCH = 5000
"""So many candidates of a list make a round."""
_REFUSED = frozenset({401, 402, 403, 407, 429, 451})
"""Answers that depend on who asks: that is kept beside them."""

_NOTING = 0.1
"""Seconds for which outcomes wait at most until they are written down together."""

Fetch = Callable[
    [Iterable[Candidate | None], Callable[[Fetched, bytes], "Arrival"], Callable[[], None]],
    Generator[tuple[Fetched | Miss, "Arrival | None"], None, None],
]
"""Fetches candidates and shows each body to a function: over the network, or from files of this machine.

None among the candidates says that there is none just now: come back for more after a while. The last function is
called again and again while there is no outcome yet."""


@dataclass(frozen=True)
class Arrival:
    """The outcome of one body: a picture waiting under `path`, or the reason it was refused.

    `original` is the file that it stands for, where the body itself was none that libraries for training read.
    """

    sha256: str
    size: int
    path: str
    mtime_ns: int
    inspected: Inspected | None = None
    reason: Reason | None = None
    detail: str = ""
    original: str = ""


@dataclass
class ClassTally:
    """The running count of one class, for progress: candidates offered, fetched, kept, and refused by reason."""

    wanted: int | None = None
    offered: int = 0
    fetched: int = 0
    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)


Watch = Callable[[Mapping[str, ClassTally]], None]


class Collection:
    """One run of collecting into an open, locked dataset."""

    def __init__(
        self,
        dataset: Dataset,
        fetch: Fetch,
        watch: Watch,
        *,
        per_class: int | None,
        asker: Callable[[str], str | None] = lambda source: None,
        by: str | None = None,
        classes: Iterable[str] | None = None,
    ) -> None:
        """Collect what a search found; or what somebody brought, whom `by` names: hardly any of it is refused.

        `classes` are those that are searched for (None: all of the recipe).
        """
        recipe = dataset.recipe
        self.dataset = dataset
        self.per_class = per_class
        self.tallies = {label: ClassTally(per_class) for label in recipe.classes}
        self._fetch, self._watch, self._asker = fetch, watch, asker
        self._by = by
        self._searched = tuple(recipe.classes if classes is None else classes)
        self._rules = rules_of(recipe, own=by is not None)
        self.new: set[str] = set()
        self.refused: list[tuple[Candidate, Reason, str]] = []
        """What somebody brought: the samples that are new, and what could not be taken, with what is the matter."""
        self._arrivals = itertools.count()
        self._made: set[str] = set()
        self._root = str(dataset.folder)
        self._offered: dict[str, Candidate] = {}
        self._drawn: list[int] = []
        self._rejected_bytes = dataset.catalog.samples.rejected_bytes()
        self._unplaced = self._standing = 0
        self._noted: list[tuple[Fetched | Miss, Arrival | None, int, Candidate]] = []
        self._noted_at = 0.0

    def run(self, search: CandidateSearch) -> None:
        """Collect until every class has `per_class` pictures or its sources have no more."""
        enough: dict[str, bool] = {}
        try:
            self.fetch_pending()
            while True:
                missing = self._missing()
                enough = {label: number <= 0 for label, number in missing.items()}
                drawn = search.draw({label: self._batch(label, n) for label, n in missing.items()})
                if not self.fetch_round(drawn):
                    break
        finally:
            with self.dataset.catalog.transaction():
                search.close(enough)

    def take(self, candidates: Iterable[tuple[Candidate, Reason | None]], batch: int = BATCH) -> None:
        """Collect all candidates of a list, `batch` of them to a round.

        They are placed once as many have come as half of those that stand: all in all in a time that grows with their
        number, and not with its square.
        """
        self.fetch_pending()
        coming = iter(candidates)
        while waiting := list(itertools.islice(coming, batch)):
            new = self.write_round(waiting)
            # an address that is known already may be offered for another class
            self._unplaced += sum(offer.refused is None and not offer.unasked for offer in new)
            if self._offered:
                self._fetch_pending()
            else:
                self._fetch_offers((offer.number, offer.candidate) for offer in new if offer.unasked)
            if self._unplaced >= max(batch, self._standing // 2):
                self._place()
            else:
                self.dataset.flush_arrivals()
        if self._unplaced:
            self._place()

    def write_round(self, drawn: Sequence[tuple[Candidate, Reason | None]]) -> list[Offer]:
        """Write the round of a list down; returns what of it was not known before."""
        candidates = self.dataset.catalog.candidates
        self._offered |= {candidate.url: candidate for candidate, _ in drawn if candidate.path is not None}
        with self.dataset.catalog.transaction():
            new = candidates.add(drawn, candidates.last_round() + 1)
        self._count(new)
        return new

    def fetch_round(self, drawn: Iterable[list[Drawn]]) -> bool:
        """Write a round down as its candidates come, each before it is fetched, and fetch them meanwhile.

        Returns whether it holds anything that was not known before.
        """
        catalog = self.dataset.catalog
        with catalog.transaction():
            number = catalog.candidates.begin_round()
        known = len(self._drawn)

        def come() -> Iterator[tuple[int, Candidate] | None]:
            for batch in drawn:
                if not batch:
                    yield None
                    continue
                self._note_all()  # before what it made known is offered again
                with catalog.transaction():
                    new = catalog.candidates.add(
                        [(candidate, reason) for candidate, reason, _ in batch],
                        number,
                        [order for *_, order in batch],
                    )
                self._count(new)
                self._drawn += [offer.number for offer in new]
                yield from ((offer.number, offer.candidate) for offer in new if offer.unasked)

        self._fetch_offers(come())
        with catalog.transaction():
            catalog.candidates.end_round()
        self._place()
        return len(self._drawn) > known

    def _count(self, new: Iterable[Offer]) -> None:
        for offer in new:
            tally = self.tallies.setdefault(offer.candidate.label, ClassTally(self.per_class))
            tally.offered += 1
            if offer.refused is not None:
                tally.refused[offer.refused] += 1
        self._watch(self.tallies)

    def fetch_pending(self) -> None:
        """Fetch what is written down and not fetched yet, then place it."""
        self._fetch_pending()
        self._place()

    def _fetch_pending(self) -> None:
        candidates = self.dataset.catalog.candidates
        numbers = candidates.pending()
        parts = (numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH))
        # what the catalog says of files of this machine a stranger may have written: they must have been named now
        self._fetch_offers(
            (number, self._offered.get(candidate.url, candidate))
            for part in parts
            for number, candidate in candidates.numbered(part)
            if candidate.path is None or candidate.url in self._offered
        )

    def _fetch_offers(self, offers: Iterable[tuple[int, Candidate] | None]) -> None:
        """Fetch candidates as they come (None: there is none just now), and note what became of each."""
        by_url: dict[str, tuple[int, Candidate]] = {}

        def candidates() -> Iterator[Candidate | None]:
            for offer in offers:
                if offer is not None:
                    by_url[offer[1].url] = offer
                yield None if offer is None else offer[1]

        self._watch(self.tallies)
        outcomes = self._fetch(candidates(), self._receive, self._note_some)
        try:
            # a kill takes nothing noted back; what a power cut takes is fetched again
            with (
                self.dataset.catalog.unflushed(),
                self.dataset.files.held_open(),
                contextlib.ExitStack() as done,
                contextlib.closing(outcomes),
            ):
                done.callback(self._note_all)
                for outcome, arrival in outcomes:
                    self._noted.append((outcome, arrival, *by_url.pop(outcome.url)))
                    self._note_some()
        except KeyboardInterrupt:
            self._place()  # what has arrived is put where it can be seen
            raise

    def _note_some(self) -> None:
        """Write down what came of addresses, several at a time, and none of them much later."""
        if time.monotonic() - self._noted_at > _NOTING:
            self._note_all()

    def _note_all(self) -> None:
        noted, self._noted = self._noted, []
        if noted:
            with self.dataset.catalog.transaction():
                for each in noted:
                    self._note(*each)
            self._watch(self.tallies)
        self._noted_at = time.monotonic()

    def _place(self) -> None:
        self.dataset.flush_arrivals()
        placed = place_samples(self.dataset, per_class=self.per_class)
        self._unplaced, self._standing = 0, sum(placed.kept.values())
        for label, tally in self.tallies.items():
            tally.kept = placed.kept.get(label, 0)
        self._watch(self.tallies)

    def _missing(self) -> dict[str, int]:
        kept = self.dataset.catalog.samples.kept()
        wanted = self.per_class or 0
        return {label: wanted - kept.get(label, 0) for label in self._searched}

    def _batch(self, label: str, missing: int) -> int:
        """The number of candidates to draw for the missing pictures, going by the share kept so far."""
        if missing <= 0:
            return 0
        asked, kept = self.dataset.catalog.candidates.counts(label)
        share = min(1.0, max(0.25, (kept + 4) / (asked + 5)))
        return int(missing / share) + 2

    def _receive(self, fetched: Fetched, content: bytes) -> Arrival:
        """Look at a body and put it where placing will find it; runs on a worker thread."""
        try:
            inspected, kept = decode.inspect(content, self._rules, max_side=self.dataset.recipe.max_side)
        except PictureError as error:
            return self._refuse(fetched, content, error)
        sha256 = fetched.sha256 if kept is content else hashlib.sha256(kept).hexdigest()
        # a name of its own: the same bytes may be arriving on another thread
        path = f"{INCOMING}/{next(self._arrivals)}-{sha256[:20]}{inspected.suffix}"
        mtime_ns = self._write(path, kept)
        original = originals.keep(self.dataset, content, inspected.original) if inspected.original else ""
        return Arrival(sha256, len(kept), path, mtime_ns, inspected, original=original)

    def _refuse(self, fetched: Fetched, content: bytes, error: PictureError) -> Arrival:
        path, mtime_ns = "", 0
        self._rejected_bytes += len(content)
        if self._rejected_bytes <= REJECTED_BYTES:
            path = f"{REJECTED}/{error.reason}/{fetched.sha256[:20]}{formats.suffix(content)}"
            mtime_ns = self._write(path, content)
        return Arrival(fetched.sha256, len(content), path, mtime_ns, None, error.reason, error.detail)

    def _write(self, path: str, content: bytes) -> int:
        room = os.path.dirname(path)
        if room not in self._made:
            self.dataset.files.make(room)
            self._made.add(room)
        try:
            self.dataset.files.create(path, content)
        except FileExistsError:  # the same bytes were refused before, or a kill left them
            self.dataset.files.replace(path, content)
        return os.stat(f"{self._root}/{path}").st_mtime_ns

    def _note(
        self, outcome: Fetched | Miss, arrival: Arrival | None, number: int, candidate: Candidate
    ) -> None:
        catalog = self.dataset.catalog
        tally = self.tallies.setdefault(candidate.label, ClassTally(self.per_class))
        if isinstance(outcome, Miss) or arrival is None:
            if isinstance(outcome, Miss):
                asker = None if outcome.status not in _REFUSED else self._asker(candidate.source)
                catalog.candidates.missed(outcome, asker)
                self._refused(candidate, outcome.reason, outcome.detail)
            return
        tally.fetched += 1
        self._unplaced += 1
        catalog.candidates.fetched(outcome, arrival.sha256)
        if arrival.reason is not None:
            self._refused(candidate, arrival.reason, arrival.detail)
        known = catalog.samples.get(arrival.sha256)
        if self._by is not None and known is not None and known.fingerprint is None and arrival.inspected:
            known = None  # a stricter rule refused it before: it is taken now
        labels = self.dataset.label_file(arrival.sha256[:20] if known is None else known.path)
        if labels is not None and not (self.dataset.folder / labels).exists():
            labels = None
        if labels is not None or (known is None and arrival.path):
            catalog.samples.arrived(arrival.sha256, "" if known is not None else arrival.path, labels)
        if known is not None:
            if arrival.path and arrival.path != known.path:
                self.dataset.files.remove(arrival.path)
            return
        catalog.samples.add(sample_of(arrival, candidate.label), position=number, mtime_ns=arrival.mtime_ns)
        if arrival.inspected is not None:
            if self._by is not None:
                self.new.add(arrival.sha256)
            who, note = self._by or SEARCH, ADDED if self._by else ""
            said = {"sha256": arrival.sha256, "label": candidate.label, "who": who, "note": note}
            catalog.verdicts.add([Verdict(**said, when=datetime.now(UTC))])

    def _refused(self, candidate: Candidate, reason: Reason, detail: str) -> None:
        self.tallies[candidate.label].refused[reason] += 1
        if self._by is not None:
            self.refused.append((candidate, reason, detail))


def rules_of(recipe: Recipe, *, own: bool) -> Rules:
    """The rules that a recipe has for what a search found, or for what somebody brought."""
    side, aspect = (
        (recipe.own.min_side, recipe.own.max_aspect or NO_LIMIT)
        if own
        else (recipe.min_side, recipe.max_aspect)
    )
    return Rules(
        min_side=side,
        max_aspect=aspect,
        max_pixels=recipe.max_pixels,
        refuse_animated=recipe.refuse_animated,
        refuse_blank=not own,
    )


def sample_of(arrival: Arrival, label: str) -> Sample:
    """The sample an arrival becomes: waiting for placing, or refused for what it is."""
    inspected = arrival.inspected
    sample = Sample(
        sha256=arrival.sha256,
        label=label,
        status=Status.WAITING if inspected is not None else Status.REJECTED,
        reason=arrival.reason,
        detail=arrival.detail,
        path=arrival.path,
        size=arrival.size,
        original=arrival.original,
    )
    return sample if inspected is None else sample.measured(inspected)
