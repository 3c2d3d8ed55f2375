"""Search the sources for each class, interleaved, in rounds until a class has enough.

Sources are asked side by side (one thread for each source, so that no source is asked twice at once). What is drawn,
and the order of it, depends only on their answers, never on which of them was faster; but what is sure to be drawn is
handed out as soon as it is there, so that it can be fetched while other sources are still asked.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from byod.collection import sources, stock_hosts, translations
from byod.collection.http.api_client import ApiClient
from byod.collection.source_filters import knows_language
from byod.collection.wikidata import plain
from byod.schema import licences
from byod.schema.errors import (
    ByodError,
    ContactMissing,
    KeyMissing,
    KeyRefused,
    NoAnswer,
    NotYet,
    RateLimited,
    SourceError,
)
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import ENGLISH

Drawn = tuple[Candidate, Reason | None, int]
"""A candidate, why it is refused unfetched, and its place in the order of its round."""

Ended = Callable[[str, str, str, str, str], None]
"""Told how a query ended: class folder, source, terms, one word, a line for people."""


@dataclass
class _RunningQuery:
    """One query at one source: what is drawn from it and not yet used, and whether more may come.

    `begin` begins it anew, where its source was not ready yet (`pending`); `verified` sources come before all others.
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
    begin: Callable[[], Iterator[Candidate]] | None = None
    verified: bool = False
    pending: bool = False
    reported: tuple[str, str] | None = None

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
            except NotYet:
                if self.begin is None:
                    raise
                self.answers, self.pending = self.begin(), True
                return
            except SourceError as error:
                self.open, self.error = False, error


def refusal(candidate: Candidate, options: SearchOptions) -> Reason | None:
    """The reason not even to fetch a candidate (its licence, its site, or a size the source states), or None.

    A person's own pictures need no licence. A licence that asks for credit cannot be kept to where nobody is named.
    """
    reason = None if candidate.path is not None else licences.allows(options.policy, candidate.licence)
    if reason is None and options.policy is not Policy.ANY and not sources.is_credited(candidate.source):
        reason = Reason.LICENCE_REFUSED if licences.asks_for_credit(candidate.licence) else None
    if reason is None and stock_hosts.excluded(candidate, options.excluded_hosts):
        return Reason.EXCLUDED_HOST
    stated = min(candidate.width or 0, candidate.height or 0)
    if reason is None and 0 < stated < options.min_side:
        return Reason.TOO_SMALL
    return reason


class CandidateSearch:
    """The candidates for a set of classes.

    Args:
        queries: for each class folder what its sources are asked, as somebody typed it and with what that means.
        options: the options of the search at each source.
        own_queries: what a source is asked in a way of its own, `{words}` standing for the class's; or for each class.
        known: for each class folder the addresses offered before; they are passed over when counting.
        language_codes: languages to name the class's meaning in once its own words fall short; empty: never.
        ended: told once how each query ended.
        say: told at once which source is left aside.
    """

    def __init__(
        self,
        queries: Mapping[str, Sequence[Query]],
        options: Mapping[str, SearchOptions],
        client: ApiClient,
        *,
        known: Mapping[str, set[str]],
        language_codes: Sequence[str],
        ended: Ended,
        own_queries: Mapping[str, str | Mapping[str, str]] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._searches = {name: sources.get(name) for name in options}
        self._client, self._told = client, ended
        self._own = own_queries or {}
        self._endings: deque[tuple[str, str, str, str, str]] = deque()
        self._say, self._asides = say, deque[str]()
        self._classes = {label: number for number, label in enumerate(queries)}
        self._known = {label: set(urls) for label, urls in known.items()}
        self._widening = {label: list(asked) for label, asked in queries.items() if language_codes}
        self._codes = language_codes
        self._silent: dict[str, SourceError] = {}
        self._running: dict[str, list[_RunningQuery]] = {label: [] for label in queries}
        self._options = {
            name: each.model_copy(
                update={"asked": tuple(self.as_asked(name, asked[0]) for asked in queries.values() if asked)}
            )
            for name, each in options.items()
        }
        for query in (query for asked in queries.values() for query in asked):
            for name in self._searches:
                self._start(name, self.as_asked(name, query))

    def as_asked(self, name: str, query: Query) -> Query:
        """The query as one source is asked it: where that knows no language, by the English name of what is meant."""
        meaning = query.meaning
        heard = query.language == ENGLISH or knows_language(name, query.language)
        if meaning is not None and meaning.name and not heard and plain(meaning.name) != plain(query.terms):
            query = query.model_copy(update={"terms": meaning.name, "language": ENGLISH, "widened": ENGLISH})
        return self._in_own_words(name, query)

    def _in_own_words(self, name: str, query: Query) -> Query:
        """The query as the recipe words it for one source, if it does."""
        own = self._own.get(name) or {}
        wording = own if isinstance(own, str) else own.get(query.label)
        if not wording:
            return query
        return query.model_copy(update={"terms": wording.replace("{words}", query.terms), "meaning": None})

    def _start(self, name: str, query: Query) -> bool:
        """Add a query at a source to those of its class, unless it is there; whether it was added."""
        running = self._running[query.label]
        if any(each.source == name and plain(each.query.terms) == plain(query.terms) for each in running):
            return False
        search = self._searches[name]
        begin = partial(search, query, self._options[name], self._client)
        first = [each for each in self._searches if sources.is_verified(each)]
        step = int(bool(first) and name not in first)  # what is not verified stands behind what is
        running.append(_RunningQuery(name, query, begin(), step=step, begin=begin, verified=name in first))
        return True

    def draw(self, wanted: Mapping[str, int]) -> Iterator[list[Drawn]]:
        """The next candidates, as they come: for each class as many new, acceptable ones as wanted, or all there are.

        Refused candidates and repeats of known addresses come along and do not count. An empty list means that
        nothing has come since the last one, and that sources are still asked.
        """
        self._ask_again(missing := {label: number for label, number in wanted.items() if number > 0})
        while missing:
            asked = {label: len(self._live(label)) for label in missing}
            yield from self._fill(missing)
            for label in list(missing):
                taken, number, fresh = self._take(label, missing[label])
                yield taken
                missing[label] -= fresh
                if missing[label] <= 0 or (not number and not (yield from self._more(label, asked[label]))):
                    del missing[label]
            self._tell()

    def _more(self, label: str, asked: int) -> Generator[list[Drawn], None, bool]:
        """See, where nothing was taken, if there is anybody left to ask, by other names too, or not ready yet."""
        if asked and self._live(label):
            return True
        if (yield from self._widened(label)):
            return True
        return self._ask_again([label])

    def _ask_again(self, labels: Iterable[str]) -> bool:
        """Let those be asked again that were not ready; whether there are any."""
        waiting = [each for label in labels for each in self._running[label] if each.pending and each.open]
        for each in waiting:
            each.pending = False
        return bool(waiting)

    def _tell(self) -> None:
        """Say how queries ended and who is left aside: here, on the thread that draws, not on those that ask."""
        while self._asides:
            self._say(self._asides.popleft())
        while self._endings:
            self._told(*self._endings.popleft())

    def _ended(self, label: str, source: str, terms: str, word: str, detail: str) -> None:
        self._endings.append((label, source, terms, word, detail))

    def _widened(self, label: str) -> Generator[list[Drawn], None, bool]:
        """Find out, while other things go on, if there are other names to ask by."""
        found: list[bool] = []
        if not self._widening.get(label):
            return self._widen(label)
        before = len(self._running[label])
        yield from _meanwhile([lambda: found.append(self._widen(label))], list)
        for running in self._running[label][before:]:
            running.step = self._running[label][before - 1].step + 1
        return found[0]

    def _live(self, label: str) -> list[_RunningQuery]:
        """The queries to take from: those of verified sources before all others, and none that is not ready."""
        live = [each for each in self._running[label] if each.waiting or (each.open and not each.pending)]
        return [each for each in live if each.verified] or live

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
        return candidate, refusal(candidate, self._options[running.source]), order

    def _fill_side_by_side(
        self, jobs: Mapping[str, list[tuple[_RunningQuery, int]]], sure: Callable[[], list[Drawn]]
    ) -> Iterator[list[Drawn]]:
        """A thread a source, and what is `sure` while they ask."""
        yield from _meanwhile([partial(self._fill_source, *job) for job in jobs.items()], sure)

    def _fill_source(self, name: str, work: list[tuple[_RunningQuery, int]]) -> None:
        for running, number in work:
            running.fill(number, self._client)
            if isinstance(running.error, KeyMissing | ContactMissing | KeyRefused | RateLimited | NoAnswer):
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
        if running.reported != (word, detail):
            running.reported = (word, detail)
            self._ended(label, running.source, running.query.terms, word, detail)

    def _take(self, label: str, number: int) -> tuple[list[Drawn], int, int]:
        """Take from the class's queries in turn until `number` fresh ones are taken or none waits.

        Returns those not handed out before, how many were taken in all, and how many of them are fresh.
        """
        taken: list[Drawn] = []
        total = fresh = 0
        known = self._known.setdefault(label, set())
        while fresh < number:
            row = [running for running in self._live(label) if running.waiting]
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

    def _widen(self, label: str) -> bool:
        """Ask on by other names of what is meant, once the class's own words are used up; whether there are any.

        A source that knows no language gets only names that mean nothing else to it.
        """
        found = False
        for query in self._widening.pop(label, []):
            if query.meaning is None or not query.meaning.known:
                continue
            item = query.meaning.item
            try:
                others = translations.translations(item, self._codes, self._client, typed=query.terms)
                for language, words in ((query.language, query.terms), *others):
                    typed = plain(words) == plain(query.terms)
                    for name in self._hearing(language, words, item):
                        widened = {"terms": words, "language": language, "meaning": None}
                        widened["widened"] = None if typed else language
                        asked = self._in_own_words(name, query.model_copy(update=widened))
                        found |= self._start(name, asked)
            except SourceError as error:
                self._ended(label, "wikidata", query.terms, error.word, str(error))
                self._widening.clear()  # it was asked patiently; the other classes need not wait for it too
                break
        return found

    def _hearing(self, language: str | None, words: str, item: str) -> list[str]:
        """The sources that can be asked for an item by a name in a language."""
        hearing = [name for name in self._searches if knows_language(name, language)]
        deaf = [name for name in self._searches if name not in hearing]
        if deaf and (language == ENGLISH or not translations.means_something_else(words, item, self._client)):
            hearing += deaf
        return hearing

    def close(self, enough: Mapping[str, bool]) -> None:
        """Say of the queries that were not used up that the class had enough (or that the run ended)."""
        for label, queries in self._running.items():
            word = "enough" if enough.get(label) else "not finished"
            for running in queries:
                if running.open:
                    ended = NotYet.word if running.pending else word
                    self._ended(label, running.source, running.query.terms, ended, "")
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
