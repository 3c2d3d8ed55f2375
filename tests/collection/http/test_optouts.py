"""What sites say about robots and training is read as they meant it, whatever bytes they send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from byod.collection.http.optouts import MAX_DELAY, Permission, header_refusal, read_reservations, read_robots
from byod.schema.reasons import Reason

SITE = "https://example.org"


def refused(text, path):
    refusal = read_robots(text.encode()).refusal(SITE + path)
    return refusal and refusal[0]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("", "/a.jpg", None),
        ("User-agent: *\nDisallow:", "/a.jpg", None),
        ("User-agent: *\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        ("User-agent: *\nDisallow: /private", "/private/a.jpg", Reason.ROBOTS),
        ("User-agent: *\nDisallow: /private", "/public/a.jpg", None),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg", Reason.ROBOTS),
        ("User-agent: *\nDisallow: /*.jpg$", "/x/a.jpg?size=1", None),
        ("User-agent: *\nDisallow: /x\nAllow: /x/open", "/x/open/a.jpg", None),
        ("User-agent: *\nAllow: /x\nDisallow: /x/open", "/x/open/a.jpg", Reason.ROBOTS),
        ("User-agent: otherbot\nDisallow: /", "/a.jpg", None),
        ("User-agent: byod\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        ("user-agent: BYOD-Toolkit/0.1\ndisallow: /", "/a.jpg", Reason.ROBOTS),
        ("User-agent: byod\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a.jpg", None),
        ("User-agent: *\nDisallow: /\n\nUser-agent: byod\nDisallow: /b", "/a.jpg", None),
        ("User-agent: otherbot\nUser-agent: *\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        ("User-agent: a\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/a", None),
        ("User-agent: *\nDisallow: /b\n\nUser-agent: *\nDisallow: /c", "/c/a.jpg", Reason.ROBOTS),
        ("\ufeffUser-agent: *\r\nDisallow: / # all of it", "/a.jpg", Reason.ROBOTS),
        ("User-agent: *\nDisallow: /%62lume", "/blume.jpg", Reason.ROBOTS),
        ("User-agent: *\nSitemap: https://example.org/s.xml\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        ("User-agent: byod\nX: y\nUser-agent: *\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        ("User-agent: byod\nHost: a\nnonsense\nUser-agent: *\nDisallow: /", "/a.jpg", Reason.ROBOTS),
        (
            "User-agent: bot\nCrawl-delay: 1\nUser-agent: *\nAllow: /\n\nUser-agent: bot\nDisallow: /",
            "/a.jpg",
            None,
        ),
        ("User-agent: bot\nDissallow: /\nUser-agent: *\nAllow: /", "/a.jpg", None),
        ("Disallow: /", "/a.jpg", None),
        ("<html><body>User-agent: * Disallow: /</body></html>", "/a.jpg", None),
    ],
)
def test_robots_rules(text, path, reason):
    """Groups, the longest match, wildcards and byod's two names are read as RFC 9309 says."""
    assert refused(text, path) == reason


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /", "/a.jpg", Reason.OPTED_OUT),
        ("User-Agent: *\nContent-signal: AI-Train = NO", "/a.jpg", Reason.OPTED_OUT),
        ("User-agent: *\nContent-Signal: search=yes, ai-train=yes, ai-input=no", "/a.jpg", None),
        ("User-agent: *\nContent-Signal: search=no", "/a.jpg", None),
        ("User-agent: *\nContent-Usage: train-ai=n", "/a.jpg", Reason.OPTED_OUT),
        ("User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y", "/open/a.jpg", None),
        (
            "User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: /art/ train-ai=n",
            "/art/a.jpg",
            Reason.OPTED_OUT,
        ),
        (
            "User-agent: *\nContent-Signal: ai-train=yes\nContent-Signal: ai-train=no",
            "/a.jpg",
            Reason.OPTED_OUT,
        ),
        ("User-agent: otherbot\nContent-Signal: ai-train=no", "/a.jpg", None),
        ("User-agent: byod\nAllow: /\n\nUser-agent: *\nContent-Signal: ai-train=no", "/a.jpg", None),
        ("# Content-Signal: ai-train=no\nUser-agent: *\nAllow: /", "/a.jpg", None),
    ],
)
def test_signals_about_training(text, path, reason):
    """`ai-train=no` and `train-ai=n` refuse, for the path they name, in the group that is byod's."""
    assert refused(text, path) == reason


def test_crawl_delay_is_honoured_up_to_a_cap():
    """A Crawl-delay counts in seconds, fractions too; a longer one than the cap counts as the cap."""
    assert read_robots(b"User-agent: *\nCrawl-delay: 1.5").delay == 1.5
    assert read_robots(b"User-agent: *\nCrawl-delay: 86400").delay == MAX_DELAY
    for nonsense in ("soon", "-3", "nan", "inf", ""):
        assert read_robots(f"User-agent: *\nCrawl-delay: {nonsense}".encode()).delay == 0.0


def test_only_the_first_500_kib_count():
    """A rule behind the first 500 KiB is not read; RFC 9309 asks for no more."""
    filler = b"# filler\n" * 57_000
    assert read_robots(b"User-agent: *\n" + filler[:400_000] + b"\nDisallow: /").refusal(SITE + "/a")
    assert not read_robots(b"User-agent: *\n" + filler + b"\nDisallow: /").refusal(SITE + "/a")


def test_a_hostile_robots_txt_stays_cheap():
    """Thousands of names times thousands of rules, or of wildcards, are read without multiplying them."""
    names = "".join(f"User-agent: bot{n}\n" for n in range(12_000))
    rules = "".join(f"Disallow: /{n}\n" for n in range(12_000))
    wild = "Disallow: /" + "*a" * 20_000 + "$\n"
    permission = read_robots((names + "User-agent: *\n" + rules + wild).encode())
    assert permission.refusal(SITE + "/11999/x")
    assert permission.refusal(SITE + "/x" + "a" * 5_000) is None


@given(st.binary(max_size=400), st.text(max_size=60))
def test_any_bytes_are_a_robots_txt(content, path):
    """No sequence of bytes and no path raises."""
    permission = read_robots(content)
    permission.refusal(f"{SITE}/{path}")
    permission.reserving(read_reservations(content)).refusal(f"{SITE}/{path}")


@pytest.mark.parametrize(
    ("rules", "path", "reserved"),
    [
        ([{"location": "/*", "tdm-reservation": 1}], "/a.jpg", True),
        ([{"location": "*", "tdm-reservation": "1"}], "/a.jpg", True),
        ([{"location": "/", "tdm-reservation": 1}], "/a.jpg", True),
        ([{"location": "/*", "tdm-reservation": 0}], "/a.jpg", False),
        ([{"location": "/art/", "tdm-reservation": 1}], "/a.jpg", False),
        ([{"location": "art/", "tdm-reservation": 1}], "/art/a.jpg", True),
        ([{"location": "/*.jpg$", "tdm-reservation": 1}], "/x/a.jpg", True),
        (
            [{"location": "/open/", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}],
            "/open/a.jpg",
            False,
        ),
        ({"location": "/", "tdm-reservation": 1}, "/a.jpg", False),
        ([{"location": "/"}, {"tdm-reservation": 1}, 7, None, {"location": "/\nAllow: /", "tdm-reservation": 1}],
         "/a.jpg", False),
        ([], "/a.jpg", False),
    ],
)  # fmt: skip
def test_reservations_of_tdmrep(rules, path, reserved):
    """The first location that fits decides; what is not a list of rules reserves nothing."""
    permission = Permission().reserving(read_reservations(json.dumps(rules).encode()))
    refusal = permission.refusal(SITE + path)
    assert (refusal is not None and refusal[0] is Reason.OPTED_OUT) is reserved


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"[1e999999]", b'{"a":'])
def test_a_broken_tdmrep_reserves_nothing(content):
    """Anything but a list of rules says nothing."""
    assert read_reservations(content) == ()


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, None),
        ({"X-Robots-Tag": "noindex, nofollow"}, None),
        ({"X-Robots-Tag": "none"}, None),
        ({"X-Robots-Tag": "noai"}, "X-Robots-Tag: noai"),
        ({"x-robots-tag": "noindex,NOIMAGEAI"}, "X-Robots-Tag: noimageai"),
        ({"X-Robots-Tag": "somebot: noml"}, "X-Robots-Tag: noml"),
        ({"X-Robots-Tag": "byod-toolkit:noai, noindex"}, "X-Robots-Tag: noai"),
        ({"X-Robots-Tag": "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"}, "X-Robots-Tag: noai"),
        ({"X-Robots-Tag": "noaix, xnoai, no-ai, max-image-preview:noair"}, None),
        ({"TDM-Reservation": "1"}, "TDM-Reservation: 1"),
        ({"tdm-reservation": " 1 , 1"}, "TDM-Reservation: 1"),
        ({"TDM-Reservation": "0"}, None),
        ({"TDM-Reservation": "10"}, None),
        ({"Content-Usage": "search=y, train-ai=n"}, "Content-Usage: train-ai=n"),
        ({"Content-Usage": "train-ai=y"}, None),
    ],
)
def test_headers_that_refuse_training(headers, detail):
    """noai, noimageai, noml, a TDM reservation and train-ai=n refuse; noindex does not."""
    assert header_refusal(CaseInsensitiveDict(headers)) == detail
