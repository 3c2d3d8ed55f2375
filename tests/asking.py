"""Asking a source in a test: the real client on a loopback server, with a clock that only sleeping moves."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from loopback_sources import LoopbackSources

from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.sources import get
from byod.schema.config import Settings
from byod.schema.errors import SourceError
from byod.schema.records import Ask, Candidate, Policy, Query


class Clock:
    """Time that passes only while somebody sleeps; `slept` holds each sleep in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client_of(web: LoopbackSources, clock: Clock | None = None, **more: str) -> ApiClient:
    """A client whose every source is `web`; further BYOD_* variables by name, an empty one removes it."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("BYOD_")}
    environment |= web.environment()
    environment |= {f"BYOD_{name}": value for name, value in more.items()}
    settings = Settings.load({name: value for name, value in environment.items() if value})
    clock = clock or Clock()
    return ApiClient(settings, guard.session(settings), sleep=clock.sleep, clock=clock)


def found(
    name: str,
    client: ApiClient,
    terms: str = "brokkoli",
    *,
    policy: Policy = Policy.ANY,
    language: str | None = None,
    limit: int | None = None,
    **ask: int | bool,
) -> list[Candidate]:
    """What a source yields for a query, all of it or the first `limit`."""
    query = Query(label="Brokkoli", terms=terms, language=language)
    return list(itertools.islice(get(name)(query, Ask(policy=policy, **ask), client), limit))


def outcome(
    name: str, client: ApiClient, terms: str = "brokkoli", limit: int = 2000, **how: object
) -> tuple[list[Candidate], SourceError | None]:
    """What a source yields, and the error it stops with (None at its natural end or at the limit)."""
    query = Query(label="Brokkoli", terms=terms)
    candidates: list[Candidate] = []
    try:
        candidates.extend(itertools.islice(get(name)(query, Ask(**how), client), limit))
    except SourceError as error:
        return candidates, error
    return candidates, None


def ended(name: str, client: ApiClient, terms: str = "brokkoli", **how: object) -> tuple[int, SourceError]:
    """How many candidates came before a source stopped, and what it stopped with."""
    candidates, error = outcome(name, client, terms, **how)
    assert error is not None, f"{name} ended by itself after {len(candidates)}"
    return len(candidates), error


def cached_files(client: ApiClient) -> list[Path]:
    """The remembered replies."""
    return [path for path in (client.settings.cache / "search").rglob("*") if path.is_file()]
