"""Another size of a picture where the first is dead or closed, over real HTTP."""

import pytest
from loopback_server import Answer, LoopbackServer

from byod.collection.download import Limits, download
from byod.collection.way_back import with_way_back
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.records import Candidate, Fetched


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    with LoopbackServer() as server:
        yield server


def outcomes(web, *offers):
    """The outcome of each offer, its addresses given as paths: the first, and those instead."""
    candidates = [
        Candidate(
            url=f"{web.url}/{first}",
            label="x",
            source="flickr",
            terms="x",
            instead=tuple(f"{web.url}/{each}" for each in others),
        )
        for first, *others in offers
    ]

    def fetch(urls):
        limits = Limits(tries=1, backoff=0.01, max_bytes=1000, deadline=10)
        yield from download(urls, settings=Settings.load(), limits=limits, inspect=lambda came, body: body)

    found = list(with_way_back(candidates, fetch))
    assert len(found) == len(offers)
    assert {outcome.url for outcome, _ in found} == {candidate.url for candidate in candidates}
    return {outcome.url.rpartition("/")[2]: (outcome, value) for outcome, value in found}


@pytest.mark.parametrize("status", [404, 410, 403, 401, 500])
def test_a_dead_or_closed_address_has_a_way_back(web, status):
    """The next size is fetched, stands under the candidate's own address, and says where it came from."""
    web.answer_next("/h.jpg", *[Answer(status)] * 3)
    web.put("/l.jpg", b"large")
    outcome, value = outcomes(web, ("h.jpg", "l.jpg", "m.jpg"))["h.jpg"]
    assert isinstance(outcome, Fetched)
    assert (value, outcome.final_url) == (b"large", f"{web.url}/l.jpg")
    assert web.asked_for("/m.jpg") == []


def test_a_rate_limit_and_a_file_too_large_have_one_too(web):
    """A size that is refused with 429, as closed ones are, and one above --max-bytes are left for the next size."""
    web.answer_next("/h.jpg", Answer(429, headers={"Retry-After": "0"}))
    web.put("/o.jpg", b"x" * 2000)
    web.put("/l.jpg", b"large")
    found = outcomes(web, ("h.jpg", "l.jpg"), ("o.jpg", "l.jpg"))
    assert [value for _, value in found.values()] == [b"large", b"large"]
    assert len(web.asked_for("/l.jpg")) == 1


def test_every_size_is_tried_in_turn(web):
    """Sizes are asked for in the order given, and where none is there the outcome is that of the first."""
    web.put("/m.jpg", b"middle")
    found = outcomes(web, ("k.jpg", "h.jpg", "l.jpg", "m.jpg"), ("none.jpg", "no.jpg"), ("there.jpg",))
    assert found["k.jpg"][1] == b"middle"
    assert found["none.jpg"][0].reason is Reason.NOT_FOUND
    assert found["there.jpg"][0].reason is Reason.NOT_FOUND


def test_an_opt_out_has_no_way_back(web):
    """What its owners do not want used for training is not asked for in another size."""
    web.answer_next("/robots.txt", Answer(body="User-agent: *\nDisallow: /closed/"))
    web.answer_next("/no.jpg", Answer(body=b"x", headers={"X-Robots-Tag": "noai"}))
    found = outcomes(web, ("no.jpg", "l.jpg"), ("closed/1.jpg", "l.jpg"))
    assert [outcome.reason for outcome, _ in found.values()].count(Reason.OPTED_OUT) == 1
    assert [outcome.reason for outcome, _ in found.values()].count(Reason.ROBOTS) == 1
    assert web.asked_for("/l.jpg") == []
