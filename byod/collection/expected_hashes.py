"""What a list expects of the bytes behind its addresses: whatever has another hash is not taken in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Fetched, Miss

T = TypeVar("T")


@dataclass(frozen=True)
class _Other:
    """Stands for bytes that have another hash."""

    detail: str


class ExpectedHashes:
    """The hashes that candidates expect, from when they are asked for until their outcome is there."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def know(self, candidate: Candidate) -> None:
        """Note what a candidate expects."""
        if candidate.digest is not None:
            self._digests[candidate.url] = candidate.digest

    def checking(self, inspect: Callable[[Fetched, bytes], T]) -> Callable[[Fetched, bytes], T | _Other]:
        """As `inspect`, for bytes that are as expected; others are not shown to it."""

        def checked(fetched: Fetched, content: bytes) -> T | _Other:
            kind, _, expected = self._digests.get(fetched.url, "").partition(":")
            if kind and (given := hashlib.new(kind, content, usedforsecurity=False).hexdigest()) != expected:
                return _Other(f"{kind} is {given[:16]}…, and the list expects {expected[:16]}…")
            return inspect(fetched, content)

        return checked

    def outcomes(
        self, outcomes: Iterable[tuple[Fetched | Miss, T | _Other | None]]
    ) -> Generator[tuple[Fetched | Miss, T | None], None, None]:
        """The outcomes, in which other bytes than were expected are a miss."""
        for outcome, value in outcomes:
            self._digests.pop(outcome.url, None)
            if isinstance(value, _Other):
                status = outcome.status
                yield (
                    Miss(url=outcome.url, reason=Reason.HASH_MISMATCH, detail=value.detail, status=status),
                    None,
                )
            else:
                yield outcome, value
