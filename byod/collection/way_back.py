"""Another size of the same picture, where the one that was asked for first is dead, closed or too large.

Sources state several addresses of a picture. What its owners do not want used for training is not asked for in another
size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from byod.schema.records import Candidate, Fetched, Miss

T = TypeVar("T")
Outcome = tuple[Fetched | Miss, T | None]


def with_way_back(
    candidates: Iterable[Candidate | None],
    fetch: Callable[[Iterable[str | None]], Generator[Outcome[T], None, None]],
) -> Generator[Outcome[T], None, None]:
    """The outcome of each candidate, under its own address, wherever its picture came from in the end.

    `fetch` gives the outcome of each address. A None among the candidates says that there is none just now, and is
    handed on. Other sizes are asked for once all first addresses have been; where none
    of them gives a picture, the outcome is that of the first.
    """
    others: dict[str, list[str]] = {}
    missed: dict[str, Outcome[T]] = {}

    def first() -> Iterator[str | None]:
        for candidate in candidates:
            if candidate is None:
                yield None
                continue
            others[candidate.url] = list(candidate.instead)
            yield candidate.url

    def next_address(url: str, outcome: Fetched | Miss) -> bool:
        return isinstance(outcome, Miss) and outcome.reason.traits.other_size and bool(others.get(url))

    with contextlib.closing(fetch(first())) as outcomes:
        for outcome, value in outcomes:
            if next_address(outcome.url, outcome):
                missed[outcome.url] = (outcome, value)
            else:
                yield outcome, value
    waiting = list(missed)
    while waiting:
        asked: dict[str, list[str]] = {}
        for url in waiting:
            asked.setdefault(others[url].pop(0), []).append(url)
        waiting = []
        with contextlib.closing(fetch(asked)) as outcomes:
            for outcome, value in outcomes:
                for url in asked[outcome.url]:
                    if isinstance(outcome, Fetched):
                        yield outcome.model_copy(update={"url": url}), value
                    elif next_address(url, outcome):
                        waiting.append(url)
                    else:
                        yield missed[url]
