"""Schedule requests by host: each has its queue, its pauses and its rules, and no thread waits for one of them.

Jobs queue at their host. A host serves `per_host` of them at a time with a delay between two starts; one that asks
for rest is parked with its queue while the others go on. Before the first job of a site (scheme, host and port) its
robots.txt is asked for, in the same turn-taking.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from requests.cookies import RequestsCookieJar

from byod.collection.http import source_limits
from byod.collection.http.exchange import Body, Limits, Redirect
from byod.collection.http.optouts import Permission
from byod.collection.http.pace import Pace
from byod.schema.reasons import Reason
from byod.schema.records import Miss

_POLL = 0.25
_TO_SPARE = 16
_CLOSED = 3
"""So often is an address refused while its host serves others, until it counts as closed."""


@dataclass(slots=True)
class Job:
    """One address on its way: `url` as it was given, `target` where its redirects have led.

    `spent` seconds of its deadline are used; it was asked `tried` times and is not asked before `ready_at`. A
    `granted` one was given to be fetched, so that the crawling rules of its site do not count for it. `cookies`
    are those that its redirects gave. It alone was refused `refused` times: its host served others in between
    (`served` of them when it was refused last).
    """

    url: str
    target: str
    hops: int = 0
    tried: int = 0
    spent: float = 0.0
    ready_at: float = 0.0
    granted: bool = False
    cookies: RequestsCookieJar | None = None
    refused: int = 0
    served: int = -1

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a robots.txt speaks for."""
        parts = urlsplit(self.target)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(slots=True)
class Site:
    """A site's rules as far as they are known; `permission` is a Miss when they could not be read, None before."""

    origin: str
    host: Host
    permission: Permission | Miss | None = None
    requested: bool = False
    tried: int = 0
    ready_at: float = 0.0


@dataclass(slots=True)
class Host:
    """The queue in front of one host and the state of our manners towards it; times are monotonic seconds."""

    name: str
    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0
    next_start: float = 0.0
    parked_until: float = 0.0
    strikes: int = 0
    down: Miss | None = None
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class RobotsRequest:
    """Ask this site for its robots.txt; `started` is when."""

    site: Site
    started: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch this job's target; `started` is when."""

    job: Job
    host: Host
    started: float


@dataclass(frozen=True, slots=True)
class Refused:
    """This job ends without being asked for."""

    job: Job
    miss: Miss


Work = RobotsRequest | Fetch | Refused


class Schedule:
    """Hands out work to the threads that `take` it; all methods may be called from any thread."""

    def __init__(
        self,
        limits: Limits,
        *,
        ignore_optout: bool,
        permissions: MutableMapping[str, Permission],
        hosts: MutableMapping[str, Host],
    ) -> None:
        self._limits = limits
        self._ignore_optout = ignore_optout
        self._permissions = permissions
        self._changed = threading.Condition(threading.RLock())
        self._hosts = hosts
        for host in hosts.values():  # what an earlier schedule left unfinished is no concern of this one
            host.waiting.clear()
            host.running = 0
        self._sites: dict[str, Site] = {}
        self._turns: deque[Host] = deque()  # the hosts with a queue, the next one to be asked first
        self._closed = False
        self._unclaimed = 0
        # some to spare, so that nobody stands still while the caller of a busy machine waits for its turn
        self._untaken = max(limits.workers, _TO_SPARE)
        self._ahead = max(limits.ahead * limits.workers, _TO_SPARE)
        self.idle = 0

    def add(self, job: Job, *, first: bool = False) -> None:
        """Put a job into its host's queue, at the front when it was under way already."""
        with self._changed:
            host = self._site(job).host
            if not host.waiting:
                self._turns.append(host)
            if first:
                host.waiting.appendleft(job)
            else:
                host.waiting.append(job)
            self._changed.notify()

    def room(self) -> bool:
        """True if more jobs are welcome: parked hosts' queues do not count, up to a cap."""
        with self._changed:
            now = time.monotonic()
            total = sum(len(host.waiting) for host in self._turns)
            if total >= 4 * self._ahead:
                return False
            active = sum(len(host.waiting) for host in self._turns if host.parked_until <= now)
            return active < self._ahead or self.idle > 0

    def take(self) -> Work | None:
        """Wait for something that may be done now; None when the schedule was closed."""
        with self._changed:
            while not self._closed:
                wake = time.monotonic() + _POLL
                if self._unclaimed < self._untaken:
                    work, wake = self._next(time.monotonic(), wake)
                    if work is not None:
                        if isinstance(work, Refused):
                            self._unclaimed += 1
                        return work
                self.idle += 1
                self._changed.wait(max(0.0, wake - time.monotonic()))
                self.idle -= 1
            return None

    def robots_known(self, request: RobotsRequest, permission: Permission | Miss) -> None:
        """Note the rules of a site, or why they could not be read; the latter is tried again."""
        site = request.site
        with self._changed:
            site.host.running -= 1
            site.requested = False
            site.tried += 1
            if isinstance(permission, Permission):
                site.host.strikes = 0
                self._permissions[site.origin] = permission
            elif self._is_refusal(site.host, permission):
                if self._refused(site.host, permission, request.started):
                    return
            elif self._again(site.host, permission, site.tried):
                site.ready_at = time.monotonic() + self._backoff(site.tried)
                return
            site.permission = permission
            self._changed.notify(self._limits.per_host)

    def release(self, visit: Fetch, outcome: Body | Redirect | Miss) -> Body | Miss | None:
        """Free the host for its next job; returns what the job ends with, None when it goes on."""
        job, host = visit.job, visit.host
        with self._changed:
            host.running -= 1
            job.tried += 1
            refused = isinstance(outcome, Miss) and self._is_refusal(host, outcome)
            if not isinstance(outcome, Miss) or (not refused and (outcome.status or 500) < 500):
                host.pace.answered(visit.started, self._limits.per_host)
            if isinstance(outcome, Redirect):
                led = self._lead_on(job, host, outcome)
                if led is None:
                    return None
                outcome = led
            elif isinstance(outcome, Miss):
                again = self._after_refusal(visit, outcome) if refused else self._after_miss(visit, outcome)
                if again is not None:
                    job.spent = 0.0
                    self.add(job, first=again)
                    return None
            else:
                host.strikes = 0
            self._unclaimed += 1
            return outcome.model_copy(update={"url": job.url}) if isinstance(outcome, Miss) else outcome

    def _after_miss(self, visit: Fetch, miss: Miss) -> bool | None:
        """True if a job goes to the front of its queue after a miss, None when it is not asked again."""
        if not self._again(visit.host, miss, visit.job.tried):
            return None
        visit.job.ready_at = time.monotonic() + self._backoff(visit.job.tried)
        return True

    def _lead_on(self, job: Job, host: Host, led: Redirect) -> Miss | None:
        """Follow a redirect; returns what the job ends with where there were too many."""
        host.strikes = 0
        job.hops += 1
        if job.hops > self._limits.redirects:
            detail = f"more than {self._limits.redirects} redirects"
            return Miss(url=job.url, reason=Reason.REDIRECTS, detail=detail)
        before = job.origin
        job.target, job.cookies, job.tried = led.url, led.cookies, 0
        job.granted = job.granted and job.origin == before
        self.add(job, first=True)
        return None

    def _after_refusal(self, visit: Fetch, miss: Miss) -> bool | None:
        """True if a refused job goes to the front of its queue (else to its end); None when it is not asked again."""
        job, host = visit.job, visit.host
        if not self._refused(host, miss, visit.started):
            return None
        if host.pace.served > job.served >= 0:
            job.refused += 1
        job.served = host.pace.served
        # an address that is refused while its host serves others is closed, and must not hold them up
        return None if job.refused >= _CLOSED else not host.waiting

    def add_without_job(self) -> None:
        """A result comes without a job: it counts among those not yet taken."""
        with self._changed:
            self._unclaimed += 1

    def claim(self) -> None:
        """The consumer has taken a result."""
        with self._changed:
            self._unclaimed -= 1
            if self._unclaimed == self._untaken - 1:
                self._changed.notify_all()

    def close(self) -> None:
        """No more work for anybody."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _site(self, job: Job) -> Site:
        origin = job.origin
        site = self._sites.get(origin)
        if site is None:
            parts = urlsplit(origin)
            # http and https of one name are one host, and so are all of one site; another port is another server.
            name = source_limits.site(parts.hostname or "") if parts.port in (None, 80, 443) else parts.netloc
            host = self._hosts.setdefault(name, Host(name))
            known = Permission() if self._ignore_optout else self._permissions.get(origin)
            site = self._sites[origin] = Site(origin, host, known)
        return site

    def _next(self, now: float, wake: float) -> tuple[Work | None, float]:
        """The next thing to do, and when to look again if there is none."""
        for _ in range(len(self._turns)):
            host = self._turns[0]
            work, host_wake = self._of(host, now)
            wake = min(wake, host_wake)
            if not host.waiting:
                self._turns.popleft()
            else:
                self._turns.rotate(-1)
            if work is not None:
                return work, now
        return None, wake

    def _of(self, host: Host, now: float) -> tuple[Work | None, float]:
        """The next thing to do at this host."""
        never = float("inf")
        if host.down is not None or host.parked_until - now > self._limits.max_park:
            return self._give_up(host, now), now
        wake = max(host.parked_until, host.next_start)
        at_once = source_limits.connections(host.name, self._limits.per_host)
        if host.running >= min(at_once, host.pace.at_once or at_once):
            return None, never
        if wake > now:
            return None, wake
        wake = never
        for place, job in enumerate(host.waiting):
            site = self._sites[job.origin]
            ready_at = max(job.ready_at, site.ready_at)
            if site.requested or ready_at > now:
                wake = min(wake, never if site.requested else ready_at)
                continue
            if site.permission is None:
                site.requested = True
                self._start(host, now, 0.0)
                return RobotsRequest(site, now), now
            del host.waiting[place]
            return self._visit(job, site, now), now
        return None, wake

    def _visit(self, job: Job, site: Site, now: float) -> Fetch | Refused:
        permission = site.permission
        if isinstance(permission, Miss):
            return Refused(job, permission.model_copy(update={"url": job.url}))
        refusal = permission.refusal(job.target, granted=job.granted) if permission else None
        if refusal is not None:
            return Refused(job, Miss(url=job.url, reason=refusal[0], detail=refusal[1]))
        self._start(site.host, now, permission.delay if permission else 0.0)
        return Fetch(job, site.host, now)

    def _start(self, host: Host, now: float, delay: float) -> None:
        """A request of this host goes out now; the next one no sooner than its pace allows."""
        host.running += 1
        host.pace.started(now, max(host.next_start, host.parked_until))
        host.next_start = now + max(self._limits.delay, delay, host.pace.interval)

    def _give_up(self, host: Host, now: float) -> Refused:
        job = host.waiting.popleft()
        if host.down is not None:
            return Refused(job, host.down.model_copy(update={"url": job.url}))
        rest = host.parked_until - now
        detail = f"{host.name} asked to be left alone for {rest:.0f} s"
        return Refused(
            job, Miss(url=job.url, reason=Reason.RATE_LIMITED, detail=detail, retry_after=round(rest, 1))
        )

    def _is_refusal(self, host: Host, miss: Miss) -> bool:
        """True if the answer is about how often the host is asked, and not about what it is asked for."""
        if miss.reason is Reason.RATE_LIMITED or miss.retry_after is not None:
            return True
        return miss.status == 503 and host.pace.served > 0

    def _refused(self, host: Host, miss: Miss, started: float) -> bool:
        """Leave the host alone for a while; returns whether it is worth asking again in this run."""
        now, asked = time.monotonic(), miss.retry_after
        rest = host.pace.refused(now, started, asked, self._limits.backoff, self._limits.per_host)
        host.strikes = 0
        host.parked_until = max(host.parked_until, now + rest)
        if asked is not None and asked > self._limits.max_park:
            return False
        if rest > self._limits.max_park or host.pace.hopeless(len(host.waiting), asked):
            detail = f"given up after {host.pace.refusals} refusals in a row: {miss.detail}"
            host.down = miss.model_copy(update={"detail": detail})
            return False
        return True

    def _again(self, host: Host, miss: Miss, tried: int) -> bool:
        """Draw the conclusions from a miss for its host; returns whether to try the same thing again."""
        if miss.reason.traits.unreached:
            host.strikes += 1
            if host.strikes >= self._limits.patience:
                detail = f"given up after {host.strikes} failures in a row: {miss.detail}"
                host.down = miss.model_copy(update={"detail": detail})
        else:
            host.strikes = 0
        return miss.reason.traits.at_once and tried < self._limits.tries

    def _backoff(self, tried: int) -> float:
        return float(self._limits.backoff * 2 ** (tried - 1))
