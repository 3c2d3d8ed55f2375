"""Pictures that lie within larger files elsewhere: their source unpacks them; they are looked at like all others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from byod.collection import local_files, sources
from byod.collection.http.api_client import ApiClient
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Fetched, Miss

T = TypeVar("T")


def read(
    candidates: Iterable[Candidate],
    inspect: Callable[[Fetched, bytes], T],
    client: ApiClient,
    max_bytes: int,
    ignore_optout: bool,
    waits: Callable[[], None] = lambda: None,
) -> Generator[tuple[Fetched | Miss, T | None], None, None]:
    """The outcome of each candidate, as downloading gives it; file by file, so the order may be another."""
    contents: dict[str, bytes | Miss] = {}

    def unpacked() -> Iterator[Candidate]:
        for candidate, content, reserved in sources.unpack(candidates, client):
            if not isinstance(content, Miss) and reserved and not ignore_optout:
                content = Miss(url=candidate.url, reason=Reason.OPTED_OUT, detail=reserved)
            elif not isinstance(content, Miss) and len(content) > max_bytes:
                content = Miss(
                    url=candidate.url,
                    reason=Reason.TOO_LARGE,
                    detail=f"{len(content)} bytes, {max_bytes} allowed",
                )
            contents[candidate.url] = content
            yield candidate

    yield from local_files.read(unpacked(), inspect, waits, lambda candidate: contents.pop(candidate.url))
