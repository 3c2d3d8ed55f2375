"""Polite, bounded downloading: addresses in, a `Fetched` or a `Miss` out for each of them.

    pages of addresses -> Schedule (scheduler.py: turns, pauses, robots.txt) -> fetch (exchange.py) -> inspect -> you

Threads fetch, others inspect, the caller's thread pulls addresses and takes results. Memory is bounded by count
(results not yet taken) and by bytes (large bodies share a budget until their result is taken), and the C library is
asked to return large blocks to the system.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from byod.collection.http import optouts
from byod.collection.http.body import ByteBudget
from byod.collection.http.exchange import Body, Halted, Limits, Redirect, clean, fetch, fetch_text
from byod.collection.http.guard import session as guarded_session
from byod.collection.http.malloc import return_large_blocks
from byod.collection.http.optouts import Permission
from byod.collection.http.own_headers import OwnHeaders
from byod.collection.http.scheduler import Fetch, Host, Job, Refused, RobotsRequest, Schedule, Site
from byod.collection.http.sockets import Allowance
from byod.collection.http.web_address import canonical
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.records import Fetched, Miss

__all__ = ["Limits", "download"]

T = TypeVar("T")

_CLOSING = 1.5
_PAUSE = 0.1
_ROBOTS_REDIRECTS = 5
_RESERVATION_SECONDS = 10.0


def download(
    urls: Iterable[str | None],
    *,
    settings: Settings,
    limits: Limits | None = None,
    ignore_optout: bool = False,
    inspect: Callable[[Fetched, bytes], T],
    stop: threading.Event | None = None,
    permissions: MutableMapping[str, Permission] | None = None,
    hosts: MutableMapping[str, Host] | None = None,
    granted: Collection[str] = (),
    own_headers: OwnHeaders | None = None,
    waits: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Fetched | Miss, T | None]]:
    """Fetch every address once, and yield what became of each, with what `inspect` made of it, as they complete.

    `urls` is read on the caller's thread and only as far ahead as the workers need (`Limits.ahead`); a None in it
    says that there is none just now, and it is asked again while others are fetched. The same address given twice is
    fetched twice. `inspect` runs on a thread that does nothing else, with the body; its exceptions end the download
    and reach the caller. Setting `stop` ends the iteration, closing the generator ends the threads; both
    within two seconds, unless `inspect` or `urls` itself takes longer. `permissions` keeps what sites said (keyed
    by origin) from one call to the next, `hosts` which hosts asked for rest or were given up; calls that share
    them must not overlap. For the addresses in `granted` (it may grow as `urls` is read) a site's crawling rules do
    not count, since its own API gave them to be fetched; what it says of training does. `ignore_optout` asks for no
    robots.txt or tdmrep.json and heeds no such header. `own_headers` are sent beside byod's. `waits` is called on the
    caller's thread again and again while no outcome comes.

    Raises:
        ByodError: the environment names a proxy or certificates that cannot be used.
    """
    return_large_blocks()
    run = _Run(
        settings,
        limits or Limits(),
        ignore_optout,
        inspect,
        stop or threading.Event(),
        {} if permissions is None else permissions,
        {} if hosts is None else hosts,
        granted,
        own_headers or OwnHeaders(),
    )
    try:
        yield from run.results(iter(urls), waits)
    finally:
        run.close()


class _Run(Generic[T]):
    """One call of `download`: its session, its threads, and what lies between them."""

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        ignore_optout: bool,
        inspect: Callable[[Fetched, bytes], T],
        stop: threading.Event,
        permissions: MutableMapping[str, Permission],
        hosts: MutableMapping[str, Host],
        granted: Collection[str],
        own_headers: OwnHeaders,
    ) -> None:
        self._limits = limits
        self._granted = granted
        self._ignore_optout = ignore_optout
        self._inspect = inspect
        self._stop = stop
        self._own_headers = own_headers
        self._halt = threading.Event()
        self._session = guarded_session(settings, per_host=max(1, limits.per_host))
        self._schedule = Schedule(limits, ignore_optout=ignore_optout, permissions=permissions, hosts=hosts)
        self._budget = ByteBudget(limits.memory)
        self._at_once = limits.inspecting or os.cpu_count() or 1
        self._room = threading.BoundedSemaphore(2 * self._at_once)
        self._bodies: queue.SimpleQueue[tuple[Job, Body] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._done: queue.SimpleQueue[tuple[Fetched | Miss, T | None, int] | Future[None]] = (
            queue.SimpleQueue()
        )
        most = limits.workers + self._at_once
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="byod download")
        self._workers: list[Future[None]] = []
        self._inspectors: list[Future[None]] = []
        self._open = 0

    def results(
        self, urls: Iterator[str | None], waits: Callable[[], None]
    ) -> Iterator[tuple[Fetched | Miss, T | None]]:
        """Yield the outcome of each address, until there are no more."""
        exhausted = False
        while not self._stopped():
            more = not exhausted and self._schedule.room()
            if more:
                try:
                    url = next(urls)
                except StopIteration:
                    exhausted, more = True, False
                else:
                    more = url is not None
                    if url is not None:
                        self._offer(url)
            if exhausted and not self._open:
                return
            # While there are more addresses and room for them, only what lies ready is taken.
            try:
                item = self._done.get_nowait() if more else self._done.get(timeout=_PAUSE)
            except queue.Empty:
                waits()
                continue
            if isinstance(item, Future):
                item.result()  # a worker ended: raises what `inspect` raised
                continue
            self._open -= 1
            self._schedule.claim()
            outcome, value, held = item
            del item  # the budget must not be given back while this frame still holds the body
            yield outcome, value
            del outcome, value
            self._budget.give_back(held)

    def close(self) -> None:
        """End the threads; those inside `inspect` end when it returns."""
        self._halt.set()
        self._schedule.close()
        with self._starting:
            inspectors = list(self._inspectors)
        for _ in inspectors:
            self._bodies.put(None)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if not concurrent.futures.wait([*self._workers, *inspectors], timeout=_CLOSING).not_done:
            self._threads.shutdown(
                wait=True
            )  # none is busy any more: wait for the threads themselves to be gone
        self._session.close()

    def _stopped(self) -> bool:
        return self._halt.is_set() or self._stop.is_set()

    def _offer(self, url: str) -> None:
        self._open += 1
        target = canonical(url)
        if target is None:
            miss = Miss(url=url, reason=Reason.BAD_ADDRESS, detail="not an http(s) address")
            self._schedule.add_without_job()
            self._done.put((miss, None, 0))
            return
        self._schedule.add(Job(url, target, granted=url in self._granted))
        if len(self._workers) < self._limits.workers:
            worker = self._threads.submit(self._work)
            worker.add_done_callback(self._done.put)
            self._workers.append(worker)

    def _work(self) -> None:
        """The life of a thread: take work, do it, until there is no more."""
        while (work := self._schedule.take()) is not None:
            try:
                if isinstance(work, Refused):
                    self._done.put((work.miss, None, 0))
                elif isinstance(work, RobotsRequest):
                    self._schedule.robots_known(work, self._fetch_robots(work.site))
                else:
                    self._visit(work)
            except Halted:
                return

    def _visit(self, visit: Fetch) -> None:
        job = visit.job
        allowance = Allowance(self._limits.deadline - job.spent, self._stopped)
        outcome = self._schedule.release(visit, self._fetch(job, allowance))
        if isinstance(outcome, Miss):
            self._done.put((outcome, None, 0))
        elif outcome is not None:
            self._finish(job, outcome)

    def _fetch(self, job: Job, allowance: Allowance) -> Body | Redirect | Miss:
        outcome = fetch(
            self._session,
            job.target,
            limits=self._limits,
            allowance=allowance,
            budget=self._budget,
            ignore_optout=self._ignore_optout,
            headers=self._own_headers.of(job.url, job.target),
            jar=job.cookies,
        )
        job.spent = self._limits.deadline - allowance.remaining
        return outcome

    def _finish(self, job: Job, body: Body) -> None:
        """Hand a body to those who inspect, so that the next one comes meanwhile; few wait there."""
        while not self._room.acquire(timeout=0.25):
            if self._stopped():
                raise Halted
        self._bodies.put((job, body))
        with self._starting:
            if len(self._inspectors) < self._at_once and not self._halt.is_set():
                inspector = self._threads.submit(self._inspect_bodies)
                inspector.add_done_callback(self._done.put)
                self._inspectors.append(inspector)

    def _inspect_bodies(self) -> None:
        """The life of a thread that inspects: take a body, name it, look at it, pass it on."""
        while (taken := self._bodies.get()) is not None and not self._halt.is_set():
            job, body = taken
            del taken
            fetched = Fetched(
                url=job.url,
                final_url=body.final_url,
                sha256=hashlib.sha256(body.content).hexdigest(),
                size=len(body.content),
                content_type=body.content_type,
                status=body.status,
            )
            value, held = self._inspect(fetched, body.content), body.held
            del body
            self._room.release()
            self._done.put((fetched, value, held))
            del value

    def _fetch_robots(self, site: Site) -> Permission | Miss:
        """Fetch what a site allows: robots.txt by RFC 9309, and the reservations of tdmrep.json beside it."""
        outcome = self._text(f"{site.origin}/robots.txt", self._limits.deadline)
        if isinstance(outcome, Miss):
            permission = _without_robots(outcome)
            if isinstance(permission, Miss):
                return permission
        else:
            permission = optouts.read_robots(outcome.content)
        seconds = min(_RESERVATION_SECONDS, self._limits.deadline)
        reserved = self._text(f"{site.origin}/.well-known/tdmrep.json", seconds)
        if isinstance(reserved, Body):
            permission = permission.reserving(optouts.read_reservations(reserved.content))
        return permission

    def _text(self, url: str, seconds: float) -> Body | Miss:
        """A small text, redirects followed wherever they lead."""
        allowance = Allowance(seconds, self._stopped)
        for _ in range(_ROBOTS_REDIRECTS + 1):
            outcome = fetch_text(self._session, url, limits=self._limits, allowance=allowance)
            if not isinstance(outcome, Redirect):
                return outcome
            url = outcome.url
        return Miss(url=url, reason=Reason.REDIRECTS, detail="too many redirects")


def _without_robots(miss: Miss) -> Permission | Miss:
    """Interpret the absence of a readable robots.txt (RFC 9309 §2.3.1).

    Not there (any 4xx, an empty file, redirects without end): everything is allowed. Cannot be read (429, 5xx,
    connection trouble): nothing is, until it can be; that is not a final refusal, so the reason stays transient.
    """
    answered = miss.status is not None and not miss.reason.transient
    if answered or miss.reason is Reason.REDIRECTS:
        return Permission()
    reason = Reason.CONNECTION_LOST if miss.reason.traits.unreadable else miss.reason
    return miss.model_copy(update={"reason": reason, "detail": clean(f"robots.txt: {miss.detail}")})
