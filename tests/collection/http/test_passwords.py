"""A password in an address is used, and only where it belongs."""

import base64

import pytest
from loopback_server import Answer, LoopbackServer

from byod.collection.download import Limits, download
from byod.collection.http.exchange import _with_login, clean
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.records import Miss

PICTURE = b"a picture"


class Guarded(LoopbackServer):
    """Below /private it wants to know who asks."""

    def file(self, path):
        return None

    def answer(self, asked):
        if not asked.path.startswith(("/private", "/open")):
            return Answer(404, "nothing")
        if asked.path.startswith("/private") and asked.headers.get("authorization") != said("bob", "hunter2"):
            return Answer(401, "who?", {"WWW-Authenticate": 'Basic realm="x"'})
        return Answer(body=PICTURE, headers={"Content-Type": "image/jpeg"})


def said(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    with Guarded() as running:
        yield running


def fetch(*urls):
    limits = Limits(backoff=0.05, delay=0)
    found = download(urls, settings=Settings.load(), limits=limits, inspect=lambda _, body: body)
    return {outcome.url: (outcome, body) for outcome, body in found}


def with_user(url, user="bob:hunter2"):
    return url.replace("http://", f"http://{user}@")


def test_the_password_is_used(server):
    """A picture behind a password is fetched with it and not without or with another one; robots.txt needs none."""
    right, wrong, none = with_user(server.url), with_user(server.url, "bob:other"), server.url
    found = fetch(*(f"{start}/private/{number}.jpg" for number, start in enumerate((right, wrong, none))))
    assert found[f"{right}/private/0.jpg"][1] == PICTURE
    for url in (f"{wrong}/private/1.jpg", f"{none}/private/2.jpg"):
        assert isinstance(found[url][0], Miss)
        assert found[url][0].status == 401
    assert "authorization" not in server.asked_for("/robots.txt")[0].headers
    assert not any("@" in one.headers["host"] for one in server.asked)


def test_a_quoted_password_is_sent_unquoted(server):
    """What is quoted in an address (@, /, :, letters of other scripts) is sent as it is meant."""
    fetch(
        with_user(server.url, "j%C3%B6rg:a%40b%2Fc%3Ad") + "/open.jpg",
        with_user(server.url, "key") + "/open2.jpg",
    )
    assert server.asked_for("/open.jpg")[0].headers["authorization"] == said("jörg", "a@b/c:d")
    assert server.asked_for("/open2.jpg")[0].headers["authorization"] == said("key", "")


@pytest.mark.parametrize("relative", [True, False])
def test_the_password_stays_at_its_server(server, relative):
    """A redirect within the server keeps the password."""
    moved = "/private/there.jpg"
    server.answer_next(
        "/private/a.jpg", Answer(302, "", {"Location": moved if relative else server.url + moved})
    )
    url = with_user(server.url) + "/private/a.jpg"
    assert fetch(url)[url][1] == PICTURE


@pytest.mark.parametrize("named", [False, True])
def test_another_server_is_told_no_password(server, named):
    """A redirect to another server leaves the password behind, even when the redirect itself names it."""
    with Guarded() as other:
        start = with_user(other.url) if named else other.url
        server.answer_next("/private/a.jpg", Answer(302, "", {"Location": f"{start}/open.jpg"}))
        url = with_user(server.url) + "/private/a.jpg"
        outcome, body = fetch(url)[url]
        assert body == PICTURE
        assert outcome.final_url == f"{other.url}/open.jpg"
        assert not any("authorization" in asked.headers for asked in other.asked)


@pytest.mark.parametrize(
    ("asked", "answer", "kept"),
    [
        ("https://bob:pw@h/a", "https://h/b", True),
        ("https://bob:pw@h/a", "https://h:443/b", True),
        ("https://bob:pw@h/a", "http://h/b", False),
        ("http://bob:pw@h/a", "https://h/b", False),
        ("https://bob:pw@h/a", "https://h:8443/b", False),
        ("https://bob:pw@h/a", "https://h.example/b", False),
        ("https://bob:pw@h/a", "https://bob/b", False),
        ("https://h/a", "https://h/b", False),
    ],
)
def test_the_same_server_is_the_same_scheme_host_and_port(asked, answer, kept):
    """A password goes along to the same scheme, host and port alone."""
    assert ("bob:pw@" in _with_login(asked, answer)) is kept


def test_no_message_holds_a_secret(server):
    """What became of an address is told without the secrets in it, or in where it was sent on to."""
    for number, location in enumerate(
        ("ftp://bob:SECRET@h/x", "http://[?token=SECRET", "x:SECRET@h?sig=SECRET")
    ):
        server.answer_next(f"/private/{number}.jpg", Answer(302, "", {"Location": location}))
    gone = "http://bob:SECRET@127.0.0.1:9/x.jpg?X-Amz-Signature=SECRET"
    found = fetch(gone, *(with_user(server.url) + f"/private/{number}.jpg" for number in range(3)))
    assert len(found) == 4
    for outcome, _ in found.values():
        assert isinstance(outcome, Miss)
        assert "SECRET" not in outcome.detail
    assert found[gone][0].reason is Reason.CONNECT
    assert clean(f"to https://{'b' * 150}:{'SECRET' * 99}@h/a now") == "to https://h/a now"
