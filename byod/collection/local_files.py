"""Pictures that are files of this machine already, read as the downloader reads addresses."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Fetched, Miss

T = TypeVar("T")

MAX_BYTES = 200_000_000
"""A larger file is refused: no picture byod takes is that big."""
WORKERS = 4
_PAUSE = 0.1


def content_of(candidate: Candidate) -> bytes | Miss:
    """The bytes of a candidate's `path`, or why there are none."""
    path = candidate.path
    try:
        if path is None or not path.is_file():
            return Miss(url=candidate.url, reason=Reason.NOT_FOUND, detail="no such file")
        if path.stat().st_size > MAX_BYTES:
            return Miss(url=candidate.url, reason=Reason.TOO_LARGE, detail=f"over {MAX_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        return Miss(url=candidate.url, reason=Reason.FORBIDDEN, detail=error.strerror or str(error))


def read(
    candidates: Iterable[Candidate | None],
    inspect: Callable[[Fetched, bytes], T],
    waits: Callable[[], None],
    load: Callable[[Candidate], bytes | Miss] = content_of,
) -> Generator[tuple[Fetched | Miss, T | None], None, None]:
    """Read each candidate's bytes and show them to `inspect`, on a few threads, in order.

    `waits` is called again and again while there is no outcome yet.
    """

    def one(candidate: Candidate) -> tuple[Fetched | Miss, T | None]:
        content = load(candidate)
        if isinstance(content, Miss):
            return content, None
        if not content:
            return Miss(url=candidate.url, reason=Reason.EMPTY, detail="an empty file"), None
        fetched = Fetched(
            url=candidate.url,
            final_url=candidate.url,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        return fetched, inspect(fetched, content)

    def outcome(job: Future[tuple[Fetched | Miss, T | None]]) -> tuple[Fetched | Miss, T | None]:
        while not wait([job], timeout=_PAUSE).done:
            waits()
        return job.result()

    waiting: deque[Future[tuple[Fetched | Miss, T | None]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for candidate in candidates:
                # what is to be fetched from the web waits until somebody fetches from there
                if candidate is not None and (candidate.path is not None or load is not content_of):
                    waiting.append(pool.submit(one, candidate))
                if len(waiting) >= 4 * WORKERS:
                    yield outcome(waiting.popleft())
            while waiting:
                yield outcome(waiting.popleft())
        finally:
            for job in waiting:
                job.cancel()
