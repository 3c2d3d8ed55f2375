"""A short queue before a few threads: who finds it full is told when to come again, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_LONGEST = 60
_NEWEST = 0.2  # how much the newest piece of work counts in the mean


class QueueFull(Exception):  # noqa: N818 - reads as what happened
    """No turn now; `seconds` is when to come again."""

    def __init__(self, seconds: int, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class Queue:
    """Work done in turn on `threads` threads; at most `places` pieces are waiting or being done."""

    def __init__(self, *, threads: int, places: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="byod answers")
        self._threads, self._places, self._seconds = threads, places, seconds
        self._lock = threading.Lock()
        self._inside, self._mean = 0, 0.0

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run `work` on another thread and return its result.

        Raises:
            Busy: the queue is full, or the work was not done within `seconds`; work under way cannot be stopped, and
                keeps its place until it is done.
        """
        with self._lock:
            wait = self._wait()
            if self._inside >= self._places or wait > self._seconds:
                raise QueueFull(_whole(wait), "many pictures are waiting; try again in a moment")
            self._inside += 1
        job = self._pool.submit(self._timed, work)
        job.add_done_callback(lambda _: self._left())
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            with self._lock:
                seconds = _whole(self._wait())
            raise QueueFull(
                seconds, f"no answer within {self._seconds:g} seconds; try again in a moment"
            ) from None

    def close(self) -> None:
        """Take no more work; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self) -> float:
        return self._mean * self._inside / self._threads

    def _timed(self, work: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            return work()
        finally:
            with self._lock:
                took = time.monotonic() - began
                self._mean += (took - self._mean) * (_NEWEST if self._mean else 1)

    def _left(self) -> None:
        with self._lock:
            self._inside -= 1


class MemoryBudget:
    """A budget of memory: the bytes of uploads at one time; used from one thread."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A block that holds bytes; it gets a function that takes some more.

        Raises:
            Busy: there is no room for them.
        """
        mine = 0

        def take(number: int) -> None:
            nonlocal mine
            if self.held + number > self.most:
                raise QueueFull(2, "many pictures are being sent; try again in a moment")
            self.held += number
            mine += number

        try:
            yield take
        finally:
            self.held -= mine


def _whole(seconds: float) -> int:
    return min(_LONGEST, max(1, math.ceil(seconds)))
