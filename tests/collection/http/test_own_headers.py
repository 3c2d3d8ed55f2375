"""The page a picture is shown on and a person's own cookies: sent where they belong, and only when asked for."""

import pytest
from loopback_server import LoopbackServer

from byod.collection.download import Limits, download
from byod.collection.http.own_headers import OwnHeaders
from byod.schema.config import Settings
from byod.schema.errors import UsageError

COOKIES = """# Netscape HTTP Cookie File
127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tours
.example.com\tTRUE\t/\tTRUE\t4102444800\tsecret\ttheirs
.example.com\tTRUE\t/\tFALSE\t1\tgone\tlong ago
"""


@pytest.fixture
def jar(tmp_path):
    (tmp_path / "cookies.txt").write_text(COOKIES)
    return tmp_path / "cookies.txt"


@pytest.fixture
def web():
    with LoopbackServer() as server:
        server.put("/1.jpg", b"picture")
        yield server


def fetched(web, own_headers, monkeypatch):
    """The headers that the server was sent for its picture, and those for robots.txt."""
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    urls = [f"{web.url}/1.jpg"]
    list(
        download(
            urls,
            settings=Settings.load(),
            limits=Limits(workers=1),
            inspect=lambda *_: None,
            own_headers=own_headers,
        )
    )
    (picture,), (robots,) = web.asked_for("/1.jpg"), web.asked_for("/robots.txt")
    return picture.headers, robots.headers


def test_nothing_is_told_unless_it_is_asked_for(web, monkeypatch):
    """Without the options there is neither a page nor a cookie in a request, though the page is known."""
    own = OwnHeaders()
    own.know({f"{web.url}/1.jpg": "http://pages.example/1"})
    headers, _ = fetched(web, own, monkeypatch)
    assert not {"referer", "cookie"} & set(headers)


def test_page_and_cookies_are_sent_with_the_picture_alone(web, jar, monkeypatch):
    """A host gets the page of its picture and its own cookies; robots.txt is asked without."""
    own = OwnHeaders(referer=True, cookies=jar)
    own.know({f"{web.url}/1.jpg": "http://me:pw@pages.example/1?token=abc#part"})
    headers, robots = fetched(web, own, monkeypatch)
    assert headers["referer"] == "http://pages.example/1"
    assert headers["cookie"] == "session=ours"
    assert not {"referer", "cookie"} & set(robots)


def test_cookies_go_to_their_own_hosts_alone(jar):
    """Subdomains, TLS and dates count, wherever redirects have led."""
    own = OwnHeaders(cookies=jar)
    assert own.of("http://a.example/", "https://img.example.com/1.jpg") == {"Cookie": "secret=theirs"}
    for other in (
        "http://img.example.com/1.jpg",
        "https://example.com.evil.example/",
        "https://notexample.com/",
    ):
        assert own.of("https://img.example.com/1.jpg", other) == {}


def test_a_page_read_over_tls_is_not_told_without_it():
    """The Referer follows the rule of browsers, and what is no web page is never told."""
    own = OwnHeaders(referer=True)
    own.know(
        {
            "a": "https://pages.example/1",
            "b": "file:///home/me",
            "c": "http://x.example/\r\nHost: y",
            "d": None,
        }
    )
    assert own.of("a", "https://host.example/1.jpg") == {"Referer": "https://pages.example/1"}
    assert own.of("a", "http://host.example/1.jpg") == {}
    assert own.of("b", "https://host.example/1.jpg") == {}
    assert own.of("c", "https://host.example/1.jpg").get("Referer", "").count("\n") == 0
    assert own.of("d", "https://host.example/1.jpg") == {}


@pytest.mark.parametrize("content", ["", "session=1", "# Netscape HTTP Cookie File\nnonsense\n", "\xff\xfe"])
def test_a_file_that_is_none_is_said(tmp_path, content):
    """One line says what is wrong with it."""
    (tmp_path / "cookies.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"--cookies .*cookies\.txt"):
        OwnHeaders(cookies=tmp_path / "cookies.txt")
    with pytest.raises(UsageError, match=r"--cookies nowhere cannot be read"):
        OwnHeaders(cookies=tmp_path.__class__("nowhere"))
