"""Search the sources for each class, interleaved, in rounds until a class has enough.

Sources are asked side by side (one thread for each source, so that no source is asked twice at once). What is drawn,
and the order of it, depends only on their answers, never on which of them was faster; but what is sure to be drawn is
handed out as soon as it is there, so that it can be fetched while other sources are still asked.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from byod.collection import sources, translations
from byod.collection.http.api_client import ApiClient
from byod.schema import licences
from byod.schema.errors import ByodError, KeyMissing, KeyRefused, NoAnswer, RateLimited, SourceError
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Query, SearchOptions

Drawn = tuple[Candidate, Reason | None, int]
"""A candidate, why it is refused unfetched, and its place in the order of its round."""

Ended = Callable[[str, str, str, str, str], None]
"""Told how a query ended: class folder, source, terms, one word, a line for people."""


@dataclass
class _RunningQuery:
    """One query at one source: what is drawn from it and not yet used, and whether more may come.

    The first `early` of those that wait were handed out already; `taken` counts those before them. `step` is higher for
    queries that were thought of later: what they bring stands behind the rest of its round.
    """

    source: str
    query: Query
    answers: Iterator[Candidate]
    waiting: deque[Candidate] = field(default_factory=deque)
    offered: int = 0
    accepted: int = 0
    early: int = 0
    taken: int = 0
    step: int = 0
    open: bool = True
    error: SourceError | None = None

    def fill(self, wanted: int, client: ApiClient) -> None:
        """Ask until `wanted` candidates wait or the source has no more."""
        while self.open and len(self.waiting) < wanted:
            try:
                self.waiting.append(next(self.answers))
                self.offered += 1
                client.memory.came_to_something()
            except StopIteration:
                self.open = False
                client.memory.came_to_nothing()
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
        say: told at once which source is left aside.
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
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._searches = {name: sources.get(name) for name in source_names}
        self._options, self._client, self._told = options, client, ended
        self._endings: deque[tuple[str, str, str, str, str]] = deque()
        self._say, self._asides = say, deque[str]()
        self._classes = {label: number for number, label in enumerate(queries)}
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

    def draw(self, wanted: Mapping[str, int]) -> Iterator[list[Drawn]]:
        """The next candidates, as they come: for each class as many new, acceptable ones as wanted, or all there are.

        Refused candidates and repeats of known addresses come along and do not count. An empty list means that
        nothing has come since the last one, and that sources are still asked.
        """
        missing = {label: number for label, number in wanted.items() if number > 0}
        while missing:
            yield from self._fill(missing)
            for label in list(missing):
                taken, number, fresh = self._take(label, missing[label])
                yield taken
                missing[label] -= fresh
                if missing[label] <= 0 or not (number or (yield from self._translated(label))):
                    del missing[label]
            self._tell()

    def _tell(self) -> None:
        """Say how queries ended and who is left aside: here, on the thread that draws, not on those that ask."""
        while self._asides:
            self._say(self._asides.popleft())
        while self._endings:
            self._told(*self._endings.popleft())

    def _ended(self, label: str, source: str, terms: str, word: str, detail: str) -> None:
        self._endings.append((label, source, terms, word, detail))

    def _translated(self, label: str) -> Generator[list[Drawn], None, bool]:
        """Find out, while other things go on, if there is anything to ask in other languages."""
        found: list[bool] = []
        if not self._languages.get(label):
            return self._translate(label)
        before = len(self._running[label])
        yield from _meanwhile([lambda: found.append(self._translate(label))], list)
        for running in self._running[label][before:]:
            running.step = self._running[label][before - 1].step + 1
        return found[0]

    def _live(self, label: str) -> list[_RunningQuery]:
        return [running for running in self._running[label] if running.open or running.waiting]

    def _fill(self, missing: Mapping[str, int]) -> Iterator[list[Drawn]]:
        jobs: dict[str, list[tuple[_RunningQuery, int]]] = {}
        rows = {label: self._live(label) for label in missing}
        for label, number in missing.items():
            for running in rows[label]:
                if running.open and running.source not in self._silent:
                    jobs.setdefault(running.source, []).append((running, -(-number // len(rows[label]))))
        yield from self._fill_side_by_side(jobs, lambda: self._sure(rows, missing))
        for label in missing:
            for running in self._running[label]:
                if running.source in self._silent:
                    running.open = False
                    running.error = running.error or self._silent[running.source]
                self._report_end(label, running)

    def _sure(self, rows: Mapping[str, list[_RunningQuery]], missing: Mapping[str, int]) -> list[Drawn]:
        """Those that have come and will be taken, whatever else comes.

        Queries are taken from in turn, so before one of them only so many can be taken as there are queries, times
        the turns before its own.
        """
        self._tell()
        sure: list[Drawn] = []
        for label, row in rows.items():
            for place, running in enumerate(row):
                until = -(-(missing[label] - place) // len(row))
                for index in range(running.early, min(until, len(running.waiting))):
                    sure.append(self._drawn(label, running, running.waiting[index], index))
                    running.early = index + 1
        return sure

    def _drawn(self, label: str, running: _RunningQuery, candidate: Candidate, index: int) -> Drawn:
        place = next(n for n, each in enumerate(self._running[label]) if each is running)
        order = (self._classes[label] << 32) + (running.step << 28) + (running.taken + index << 12) + place
        return candidate, refusal(candidate, self._options), order

    def _fill_side_by_side(
        self, jobs: Mapping[str, list[tuple[_RunningQuery, int]]], sure: Callable[[], list[Drawn]]
    ) -> Iterator[list[Drawn]]:
        """A thread a source, and what is `sure` while they ask."""
        yield from _meanwhile([partial(self._fill_source, *job) for job in jobs.items()], sure)

    def _fill_source(self, name: str, work: list[tuple[_RunningQuery, int]]) -> None:
        for running, number in work:
            running.fill(number, self._client)
            if isinstance(running.error, KeyMissing | KeyRefused | RateLimited | NoAnswer):
                self._silent[name] = running.error  # it will say the same to every other query
                if isinstance(running.error, NoAnswer):
                    self._asides.append(f"{running.error}; {name} is left aside for this run")
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

    def _take(self, label: str, number: int) -> tuple[list[Drawn], int, int]:
        """Take from the class's queries in turn until `number` fresh ones are taken or none waits.

        Returns those not handed out before, how many were taken in all, and how many of them are fresh.
        """
        taken: list[Drawn] = []
        total = fresh = 0
        known = self._known.setdefault(label, set())
        while fresh < number:
            row = [running for running in self._running[label] if running.waiting]
            if not row:
                break
            for running in row:
                drawn = self._drawn(label, running, running.waiting[0], 0)
                running.waiting.popleft()
                running.taken += 1
                if running.early:
                    running.early -= 1
                else:
                    taken.append(drawn)
                candidate, refused, _ = drawn
                total += 1
                running.accepted += refused is None
                if refused is None and candidate.url not in known:
                    fresh += 1
                known.add(candidate.url)
                if fresh >= number:
                    break
        return taken, total, fresh

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
        self._tell()


def _meanwhile(
    jobs: Sequence[Callable[[], object]], come: Callable[[], list[Drawn]]
) -> Iterator[list[Drawn]]:
    """Do jobs side by side, and give what has `come` while they are done; the error of one is raised when all are.

    The threads are daemons, so that one that keeps somebody waiting does not hold up Ctrl-C.
    """
    errors: list[ByodError] = []
    finished: list[int] = []

    def done(number: int, job: Callable[[], object]) -> None:
        try:
            job()
        except ByodError as error:
            errors.append(error)
        finished.append(number)

    threads = [threading.Thread(target=done, args=job, daemon=True) for job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        yield come()
    if errors:
        raise errors[0]
    if len(finished) < len(threads):
        raise RuntimeError("asking a source failed; the traceback above says where")
