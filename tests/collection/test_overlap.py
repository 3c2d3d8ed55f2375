"""Searching and fetching at the same time: what is drawn, in which order, and what a silent source costs."""

import threading

import pytest

from byod.collection import search as searching
from byod.collection.search import CandidateSearch
from byod.schema.errors import NoAnswer, RateLimited
from byod.schema.records import Query, SearchOptions


class Memory:
    """An API client that remembers nothing."""

    class memory:  # noqa: N801 - stands for an attribute
        came_to_something = came_to_nothing = staticmethod(lambda: None)


def made(sources, monkeypatch, queries=None, **more):
    """A search over sources that are functions of a query."""
    monkeypatch.setattr(searching.sources, "get", lambda name: sources[name])
    options = {"known": {}, "language_codes": (), "ended": lambda *row: None, **more}
    asked = queries or {"a": ("a",), "b": ("b",)}
    return CandidateSearch(
        {label: [Query(label=label, terms=terms) for terms in words] for label, words in asked.items()},
        dict.fromkeys(sources, SearchOptions()),
        Memory(),
        **options,
    )


def offering(name, number, before=lambda rank: None):
    def search(query, options, client):
        for rank in range(number):
            before(rank)
            yield query.candidate(name, f"http://{name}.example/{query.terms}/{rank}.jpg", rank)

    return search


def in_order(batches):
    drawn = [each for batch in batches for each in batch]
    assert len({order for *_, order in drawn}) == len(drawn)
    return [candidate.url for candidate, _, order in sorted(drawn, key=lambda each: each[2])]


@pytest.mark.parametrize("slow", ["one", "two", "three"])
def test_the_order_is_by_rank_whichever_source_is_slow(monkeypatch, slow):
    """The same candidates are drawn in the same order, whatever came first; the same number of each class."""
    numbers = {"one": 3, "two": 30, "three": 30}
    found = {}
    for late in ("", slow):
        others = threading.Semaphore(0)

        def wait(rank, others=others):
            others.acquire(timeout=0.02)

        made_of = {
            name: offering(name, number, wait if name == late else lambda rank: None)
            for name, number in numbers.items()
        }
        found[late] = in_order(made(made_of, monkeypatch).draw({"a": 20, "b": 7}))
    assert found[""] == found[slow]
    assert sum("/a/" in url for url in found[""]) == 20
    assert found[""][:6] == [f"http://{name}.example/a/{rank}.jpg" for rank in (0, 1) for name in numbers]


def test_what_is_sure_comes_while_others_are_asked(monkeypatch):
    """A source that does not answer holds up none of what the others offered."""
    gate = threading.Event()
    sources = {"quick": offering("quick", 50), "stuck": offering("stuck", 50, lambda rank: gate.wait(20))}
    batches = made(sources, monkeypatch, {"a": ("a",)}).draw({"a": 20})
    come = []
    while len(come) < 10:
        come += next(batches)
    assert {candidate.source for candidate, *_ in come} == {"quick"}
    gate.set()
    assert len(come) + len([each for batch in batches for each in batch]) == 20


def test_a_source_that_does_not_answer_is_left_aside_and_said(monkeypatch):
    """After its first time-out a source is asked nothing more in this run; the others fill the class."""
    asked, said, ended = [], [], []

    def silent(query, options, client):
        asked.append(query.terms)
        raise NoAnswer("dumb: no answer from dumb.example in time")
        yield

    sources = {"dumb": silent, "other": offering("other", 50)}
    search = made(sources, monkeypatch, say=said.append, ended=lambda *row: ended.append(row))
    assert len(in_order(search.draw({"a": 10, "b": 10}))) == 20
    assert asked == ["a"]
    assert said == ["dumb: no answer from dumb.example in time; dumb is left aside for this run"]
    assert list(dict.fromkeys(row[:4] for row in ended)) == [
        ("a", "dumb", "a", "no answer"),
        ("b", "dumb", "b", "no answer"),
    ]


def test_a_rate_limited_source_says_so_to_every_query_without_being_asked(monkeypatch):
    """What one query was told holds for the others of its source."""
    asked = []

    def limited(query, options, client):
        asked.append(query.terms)
        raise RateLimited("x asks to wait")
        yield

    assert in_order(made({"x": limited}, monkeypatch).draw({"a": 1, "b": 1})) == []
    assert asked == ["a"]
