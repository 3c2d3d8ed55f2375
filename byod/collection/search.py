"""Search the sources for each class, interleaved, in rounds until a class has enough.

Sources are asked side by side (one thread for each source, so that no source is asked twice at once), but what
is drawn depends only on their answers, never on which of them was faster.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from byod.collection import sources, translations
from byod.collection.http.api_client import ApiClient
from byod.schema import licences
from byod.schema.errors import ByodError, ContactMissing, KeyMissing, KeyRefused, RateLimited, SourceError
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Query, SearchOptions

Ended = Callable[[str, str, str, str, str], None]
"""Told how a query ended: class folder, source, terms, one word, a line for people."""


@dataclass
class _RunningQuery:
    """One query at one source: what is drawn from it and not yet used, and whether more may come."""

    source: str
    query: Query
    answers: Iterator[Candidate]
    waiting: deque[Candidate] = field(default_factory=deque)
    offered: int = 0
    accepted: int = 0
    open: bool = True
    error: SourceError | None = None

    def fill(self, wanted: int) -> None:
        """Ask until `wanted` candidates wait or the source has no more."""
        while self.open and len(self.waiting) < wanted:
            try:
                self.waiting.append(next(self.answers))
                self.offered += 1
            except StopIteration:
                self.open = False
            except SourceError as error:
                self.open, self.error = False, error


def refusal(candidate: Candidate, options: SearchOptions) -> Reason | None:
    """The reason not even to fetch a candidate (its licence, or a size the source itself states), or None.

    A person's own pictures need no licence.
    """
    reason = None if candidate.path is not None else licences.allows(options.policy, candidate.licence)
    stated = min(candidate.width or 0, candidate.height or 0)
    if reason is None and 0 < stated < options.min_side:
        return Reason.TOO_SMALL
    return reason


class CandidateSearch:
    """The candidates for a set of classes.

    Args:
        queries: for each class folder the terms its sources are asked.
        known: for each class folder the addresses offered before; they are passed over when counting.
        language_codes: languages to translate the terms into once they fall short; empty: never.
        ended: told once how each query ended.
    """

    def __init__(
        self,
        queries: Mapping[str, Sequence[str]],
        source_names: Sequence[str],
        options: SearchOptions,
        client: ApiClient,
        *,
        known: Mapping[str, set[str]],
        language_codes: Sequence[str],
        ended: Ended,
    ) -> None:
        self._searches = {name: sources.get(name) for name in source_names}
        self._options, self._client, self._ended = options, client, ended
        self._known = {label: set(urls) for label, urls in known.items()}
        self._languages = {label: list(terms) for label, terms in queries.items() if language_codes}
        self._codes = language_codes
        self._silent: dict[str, SourceError] = {}
        self._running: dict[str, list[_RunningQuery]] = {}
        for label, terms in queries.items():
            self._running[label] = [running for term in terms for running in self._start(label, term, None)]

    def _start(self, label: str, terms: str, language: str | None) -> Iterator[_RunningQuery]:
        query = Query(label=label, terms=terms, language=language)
        for name, search in self._searches.items():
            yield _RunningQuery(name, query, search(query, self._options, self._client))

    def draw(self, wanted: Mapping[str, int]) -> list[tuple[Candidate, Reason | None]]:
        """The next candidates: for each class as many new, acceptable ones as wanted, or all there are.

        Refused candidates and repeats of known addresses come along and do not count.
        """
        drawn: list[tuple[Candidate, Reason | None]] = []
        missing = {label: number for label, number in wanted.items() if number > 0}
        while missing:
            self._fill(missing)
            for label in list(missing):
                taken, fresh = self._take(label, missing[label])
                drawn += taken
                missing[label] -= fresh
                if missing[label] <= 0 or (not taken and not self._translate(label)):
                    del missing[label]
        return drawn

    def _live(self, label: str) -> list[_RunningQuery]:
        return [running for running in self._running[label] if running.open or running.waiting]

    def _fill(self, missing: Mapping[str, int]) -> None:
        jobs: dict[str, list[tuple[_RunningQuery, int]]] = {}
        for label, number in missing.items():
            live = self._live(label)
            for running in live:
                if running.open and running.source not in self._silent:
                    jobs.setdefault(running.source, []).append((running, -(-number // len(live))))
        self._fill_side_by_side(jobs)
        for label in missing:
            for running in self._running[label]:
                if running.source in self._silent:
                    running.open = False
                    running.error = running.error or self._silent[running.source]
                self._report_end(label, running)

    def _fill_side_by_side(self, jobs: Mapping[str, list[tuple[_RunningQuery, int]]]) -> None:
        """A thread a source; daemons, so that one that keeps somebody waiting does not hold up Ctrl-C."""
        finished: set[str] = set()
        refusals: list[ByodError] = []

        def options(name: str, work: list[tuple[_RunningQuery, int]]) -> None:
            try:
                self._fill_source(name, work)
            except ByodError as error:
                refusals.append(error)
            finished.add(name)

        threads = [threading.Thread(target=options, args=job, daemon=True) for job in jobs.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if refusals:
            raise refusals[0]
        if failed := sorted(set(jobs) - finished):
            raise RuntimeError(f"asking {failed[0]} failed; the traceback above says where")

    def _fill_source(self, name: str, work: list[tuple[_RunningQuery, int]]) -> None:
        for running, number in work:
            running.fill(number)
            if isinstance(running.error, KeyMissing | ContactMissing | KeyRefused | RateLimited):
                self._silent[name] = running.error  # it will say the same to every other query
                return

    def _report_end(self, label: str, running: _RunningQuery) -> None:
        if running.open:
            return
        if running.error is not None:
            word, detail = running.error.word, str(running.error)
        elif running.offered and not running.accepted and not running.waiting:
            word, detail = "filtered", "all that was offered was refused"
        else:
            word, detail = ("exhausted", "") if running.offered else ("empty", "")
        self._ended(label, running.source, running.query.terms, word, detail)

    def _take(self, label: str, number: int) -> tuple[list[tuple[Candidate, Reason | None]], int]:
        """Take from the class's queries in turn until `number` fresh ones are taken or none waits."""
        taken: list[tuple[Candidate, Reason | None]] = []
        fresh = 0
        known = self._known.setdefault(label, set())
        while fresh < number:
            row = [running for running in self._running[label] if running.waiting]
            if not row:
                break
            for running in row:
                candidate = running.waiting.popleft()
                refused = refusal(candidate, self._options)
                taken.append((candidate, refused))
                running.accepted += refused is None
                if refused is None and candidate.url not in known:
                    fresh += 1
                known.add(candidate.url)
                if fresh >= number:
                    break
        return taken, fresh

    def _translate(self, label: str) -> bool:
        """Ask on in other languages once the class's own terms are used up; whether there is anything to ask."""
        terms = self._languages.pop(label, [])
        before = {running.query.terms.casefold() for running in self._running[label]}
        found = False
        for term in terms:
            try:
                translated = translations.translations(term, self._codes, self._client)
            except SourceError as error:
                self._ended(label, "wikidata", term, error.word, str(error))
                self._languages.clear()  # it has been asked patiently; the other classes need not wait for it too
                break
            for language, words in translated:
                if words.casefold() not in before:
                    before.add(words.casefold())
                    self._running[label] += self._start(label, words, language)
                    found = True
        return found

    def close(self, enough: Mapping[str, bool]) -> None:
        """Say of the queries that were not used up that the class had enough (or that the run ended)."""
        for label, queries in self._running.items():
            for running in queries:
                if running.open:
                    word = "enough" if enough.get(label) else "not finished"
                    self._ended(label, running.source, running.query.terms, word, "")
                self._report_end(label, running)
