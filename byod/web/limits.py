"""Queues before a few threads, fair to each visitor: who finds them full is told when to come again."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from byod.images.openers import HeavyPicture
from byod.report.i18n import Phrase, say

T = TypeVar("T")
_LONGEST = 60
_NEWEST = 0.2  # how much the newest piece of work counts in the mean
_YOURS = say("too many pictures of yours are waiting; try again in a moment")


class QueueFull(Exception):  # noqa: N818 - reads as what happened
    """No turn now; `seconds` is when to come again. `own`: it is the visitor's own work that fills the queue."""

    def __init__(self, seconds: int, why: Phrase, *, own: bool = False) -> None:
        super().__init__(why.text())
        self.seconds, self.why, self.own = seconds, why, own


class _Job:
    """A piece of work of a visitor, and what comes of it."""

    def __init__(self, work: Callable[[bool], Any], visitor: str, *, slow: bool) -> None:
        self.work, self.visitor, self.slow, self.begun = work, visitor, slow, False
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def timed(self) -> tuple[Any, float]:
        """Do it; gives what comes of it, and the seconds that it took."""
        began = time.monotonic()
        return self.work(self.slow), time.monotonic() - began


class _Lane:
    """Work that waits: the visitors in turn, the work of each in the order it came."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[_Job]] = {}

    def add(self, job: _Job) -> None:
        """Put a job at the end of its visitor's line."""
        self._lines.setdefault(job.visitor, deque()).append(job)

    def take(self) -> _Job | None:
        """Take the next job of the visitor whose turn it is, who is then the last in turn; None when nothing waits."""
        if not self._lines:
            return None
        visitor = next(iter(self._lines))
        line = self._lines.pop(visitor)
        job = line.popleft()
        if line:
            self._lines[visitor] = line
        return job

    def remove(self, job: _Job) -> None:
        """Drop a job that need not be done any more."""
        line = self._lines[job.visitor]
        line.remove(job)
        if not line:
            del self._lines[job.visitor]


class Queue:
    """Work of visitors, done in turn on `threads` threads; used from one event loop.

    At most `places` pieces are waiting or being done, and `places_each` of one visitor. What is slow by its own word,
    or because its picture turns out to be heavy, has a lane of its own and at most half of the threads, so that what
    is quick is not behind it.
    """

    def __init__(self, *, threads: int, places: int, places_each: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="byod answers")
        self._threads, self._places, self._each, self._seconds = threads, places, places_each, seconds
        self._quick, self._slow = _Lane(), _Lane()
        self._inside: Counter[str] = Counter()
        self._busy, self._busy_slow, self._mean = 0, 0, 0.0
        self._slow_is_next = False

    async def __call__(self, work: Callable[[bool], T], visitor: str = "", *, slow: bool = False) -> T:
        """Run `work` on another thread and return its result; it is told whether it may take long.

        When it may not and raises `HeavyPicture`, it is run again once it may.

        Raises:
            QueueFull: the queue is full, or the work was not done within `seconds`; work under way cannot be stopped,
                and keeps its place until it is done. What waits when this is cancelled is never begun.
        """
        self._admit(visitor)
        job = _Job(work, visitor, slow=slow)
        self._inside[visitor] += 1
        self._add(job)
        try:
            async with asyncio.timeout(self._seconds):
                return cast(T, await job.done)
        except TimeoutError:
            why = say("there was no answer in time; try again in a moment")
            raise QueueFull(_whole(self._wait(visitor)), why) from None
        finally:
            if not job.begun:
                (self._slow if job.slow else self._quick).remove(job)
                self._left(job)

    def close(self) -> None:
        """Take no more work; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self, visitor: str) -> None:
        wait = self._wait(visitor)
        if self._inside.total() >= self._places:
            raise QueueFull(_whole(wait), say("many pictures are waiting; try again in a moment"))
        if self._inside[visitor] >= self._each or wait > self._seconds:
            raise QueueFull(_whole(wait), _YOURS, own=True)

    def _wait(self, visitor: str) -> float:
        """Seconds until what a visitor has here is done, if all who have something here go on in turn."""
        ahead = min(self._inside.total(), self._inside[visitor] * len(self._inside))
        return self._mean * ahead / self._threads

    def _add(self, job: _Job) -> None:
        (self._slow if job.slow else self._quick).add(job)
        self._start()

    def _start(self) -> None:
        """Begin what there are threads for."""
        while self._busy < self._threads and (job := self._next()) is not None:
            job.begun = True
            self._busy += 1
            self._busy_slow += job.slow
            doing = asyncio.wrap_future(self._pool.submit(job.timed))
            doing.add_done_callback(lambda doing, job=job: self._finished(job, doing))  # type: ignore[misc]

    def _next(self) -> _Job | None:
        """Quick and slow in turn, as long as slow work has not all the threads that it may have."""
        may = self._busy_slow < max(1, self._threads // 2)
        lanes = [self._quick, *([self._slow] if may else [])]
        if may and self._slow_is_next:
            lanes.reverse()
        job = next((job for lane in lanes if (job := lane.take()) is not None), None)
        if job is not None:
            self._slow_is_next = not job.slow
        return job

    def _finished(self, job: _Job, doing: asyncio.Future[tuple[Any, float]]) -> None:
        self._busy -= 1
        self._busy_slow -= job.slow
        error = None if doing.cancelled() else doing.exception()
        if isinstance(error, HeavyPicture) and not job.slow and not job.done.done():
            job.slow, job.begun = True, False
            self._add(job)
            return
        self._left(job)
        if not doing.cancelled() and error is None:
            found, took = doing.result()
            self._mean += (took - self._mean) * (_NEWEST if self._mean else 1)
            if not job.done.done():
                job.done.set_result(found)
        elif not job.done.done():
            job.done.set_exception(error or asyncio.CancelledError())
        self._start()

    def _left(self, job: _Job) -> None:
        self._inside[job.visitor] -= 1
        if not self._inside[job.visitor]:
            del self._inside[job.visitor]


class MemoryBudget:
    """A budget of memory: the bytes of uploads at one time, `most_each` of one visitor; used from one event loop."""

    def __init__(self, most: int, most_each: int | None = None) -> None:
        self.most, self._most_each, self.held = most, most_each or most, 0
        self._each: Counter[str] = Counter()

    @contextmanager
    def share(self, visitor: str = "") -> Iterator[Callable[[int], None]]:
        """A block that holds bytes; it gets a function that takes some more.

        Raises:
            QueueFull: there is no room for them.
        """
        mine = 0

        def take(number: int) -> None:
            nonlocal mine
            if self.held + number > self.most:
                raise QueueFull(2, say("many pictures are being sent; try again in a moment"))
            if self._each[visitor] + number > self._most_each:
                raise QueueFull(2, _YOURS, own=True)
            self.held += number
            self._each[visitor] += number
            mine += number

        try:
            yield take
        finally:
            self.held -= mine
            self._each[visitor] -= mine
            if not self._each[visitor]:
                del self._each[visitor]


def _whole(seconds: float) -> int:
    return min(_LONGEST, max(1, math.ceil(seconds)))
