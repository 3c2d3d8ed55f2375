"""A hostile server gives every kind of answer; each must end with its own reason, in bounded time and memory."""

import random

import hostile_server
import pytest
from hostile_server import KINDS, PICTURE, SITES, HostileServer, resolving

from byod.collection.download import Limits, download
from byod.schema.config import Settings
from byod.schema.records import Fetched, Miss

SHORT = Limits(deadline=2.0, connect=1.0, max_bytes=2_000_000, backoff=0.05, max_park=1.0)


def _prepare(patch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)
    patch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    patch.setenv("BYOD_CONTACT", "someone@example.org")
    patch.setattr("socket.getaddrinfo", resolving())
    return Settings.load()


@pytest.fixture
def settings(monkeypatch):
    return _prepare(monkeypatch)


@pytest.fixture(scope="module")
def answers():
    """What became of every kind, fetched in one call, each under a host of its own."""
    with pytest.MonkeyPatch.context() as patch, HostileServer() as server:
        settings = _prepare(patch)
        urls = {server.url(kind, by_name=True): kind for kind in {**KINDS, **SITES}}
        outcomes = {}
        for outcome, body in download(
            urls, settings=settings, limits=SHORT, inspect=lambda fetched, body: body
        ):
            assert urls[outcome.url] not in outcomes, "an address ended twice"
            outcomes[urls[outcome.url]] = (outcome, body)
        yield outcomes, server.user_agents


@pytest.mark.parametrize("kind", {**KINDS, **SITES})
def test_every_kind_of_answer_ends_with_its_own_reason(answers, kind):
    """Whatever a server does, its address ends once, with the reason that the table names."""
    outcome, body = answers[0][kind]
    expected = {**KINDS, **SITES}[kind].reason
    assert getattr(outcome, "reason", None) == expected, outcome
    if isinstance(outcome, Fetched):
        assert len(body) == outcome.size > 0
    else:
        assert body is None
        assert outcome.detail
        assert outcome.detail.isprintable(), "a stranger's control characters must not reach a terminal"
        assert len(outcome.detail) <= 200


def test_bytes_arrive_unharmed_however_they_are_sent(answers):
    """Chunked, compressed or redirected: the bytes are the picture's own."""
    odd = {"ok-chunk-extension", "ok-html-as-jpg", "ok-tiny-chunks"}
    for kind in KINDS:
        if KINDS[kind].reason is None and kind not in odd:
            assert answers[0][kind][1] == PICTURE, kind


def test_nothing_hangs(answers):
    """Every address of every kind has ended, those whose servers never end among them."""
    assert answers[0].keys() == {**KINDS, **SITES}.keys()


def test_there_are_more_than_sixty_kinds_and_all_saw_the_honest_name(answers):
    """Every request, robots.txt and redirects included, carries byod's name and the contact."""
    assert len({**KINDS, **SITES}) > 60
    assert len(answers[1]) == 1
    assert "byod-toolkit/" in next(iter(answers[1]))
    assert "someone@example.org" in next(iter(answers[1]))


@pytest.mark.slow
def test_all_kinds_of_one_host_end_too(settings):
    """Behind a single host, where pauses and failures touch all addresses, each still ends exactly once."""
    with HostileServer() as server:
        urls = [server.url(kind) for kind in KINDS if "429" not in kind]
        outcomes = [
            outcome.url
            for outcome, _ in download(
                urls,
                settings=settings,
                limits=SHORT.model_copy(update={"per_host": 16}),
                inspect=lambda fetched, body: None,
            )
        ]
    assert sorted(outcomes) == sorted(urls)


@pytest.mark.slow
def test_random_damage_never_raises(settings, monkeypatch):
    """However the bytes of an answer are damaged, the download ends with an outcome and not with an exception."""
    models = [
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(PICTURE[:3000])}\r\n\r\n".encode() + PICTURE[:3000],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a.hostile.test:1/x?y=\xc3\xa4\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Robots-Tag: a: b, c\r\nSet-Cookie: a=b\r\n\r\n\x1f\x8b\x08",
    ]

    def damaged(number: int) -> bytes:
        chance = random.Random(number)
        content = bytearray(chance.choice(models))
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(min(len(content), 200))
            action = chance.random()
            if action < 0.4:
                content[place] = chance.choice(b"\0\r\n :;,=-+0159aFxHT/%[]\x7f\x80\xff")
            elif action < 0.7:
                del content[place : place + chance.randint(1, 9)]
            else:
                content[place:place] = chance.choice(
                    [b"\r\n", b"\0", b"-", b"99999999999", b"\xff" * 9, b":"]
                )
        return bytes(content)

    def act(talk):
        number = talk.target.removeprefix("/")
        if number.isdigit():
            talk.send(damaged(int(number)))
        else:
            talk.answer("404 Not Found", body=b"")

    monkeypatch.setattr(HostileServer, "_act", lambda self, talk: act)
    with HostileServer() as server:
        urls = [f"http://d{number}.{hostile_server.DOMAIN}:{server.port}/{number}" for number in range(1500)]
        outcomes = [
            outcome
            for outcome, _ in download(
                urls,
                settings=settings,
                limits=SHORT.model_copy(update={"tries": 1, "deadline": 1.0}),
                ignore_optout=True,
                inspect=lambda fetched, body: None,
            )
        ]
    assert len(outcomes) == len(urls)
    assert {type(outcome) for outcome in outcomes} == {Fetched, Miss}
