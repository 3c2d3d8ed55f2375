"""Reading what servers say."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.collection.http import parsing
from byod.collection.http.parsing import rest_asked, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", 1.5),
        ("2s", 2),
        ("8.0", 8),
        ("1.5.2", None),
        ("9" * 5000, None),
        ("١٢", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Foo 2015", None),
    ],
)
def test_retry_after(value, seconds):
    """Seconds and dates are understood, a date in the past is no wait, nonsense says nothing."""
    assert retry_after(value) == seconds


def test_retry_after_as_a_date():
    """An HTTP date is turned into the seconds until then."""
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < retry_after(format_datetime(later, usegmt=True)) <= 90


def date(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after": date(3603), "DATE": date(3600)}, 3),
        ({"Retry-After": date(-3590), "Date": date(-3600)}, 10),
        ({"X-RateLimit-Reset": "43"}, 43),
        ({"RateLimit-Reset": "8", "X-RateLimit-Reset": "900"}, 8),
        ({"Retry-After": "2", "RateLimit-Reset": "8"}, 2),
        ({"X-RateLimit-Reset": str(int(time.time()) + 3608), "Date": date(3600)}, 8),
        ({"X-RateLimit-Reset": str((int(time.time()) + 8) * 1000), "Date": date(0)}, 8),
        ({"X-RateLimit-Reset": "1000000001"}, 0),
        ({"RateLimit": "limit=10, remaining=0, reset=9"}, 9),
        ({"RateLimit": '"default";r=0;t=9'}, 9),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"Date": date(0)}, None),
        ({}, None),
    ],
)
def test_a_rest_is_told_by_the_servers_own_clock(headers, seconds):
    """Every form in which servers ask for rest is read; a time of day counts from the server's own Date."""
    found = rest_asked(headers)
    assert found == seconds if seconds is None else found == pytest.approx(seconds, abs=1.1)


@given(st.text(max_size=60))
def test_any_retry_after_is_read_without_trouble(value):
    """Whatever a server sends, the wait is none or not negative."""
    for wait in (
        retry_after(value),
        retry_after("Wed, 21 Oct 2015 07:28:00 GMT", value),
        rest_asked({"X-RateLimit-Reset": value, "Date": value}),
    ):
        assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ('<i>Night</i><div style="display: none;">label QS:Len,"Night"</div>', "Night"),
        ("<span style='color:red;DISPLAY:NONE'>a<b>b</b></span>c", "c"),
        ("a<div hidden>b<div>c</div>d</div>e", "a e"),
        ("<style>.x{color:red}</style>Ada<script>x()</script>", "Ada"),
        ('<p style="visibility:hidden">a', None),
        ('a<br style="display:none">b &amp; c &#38; d', "a b & c & d"),
        ('<div style="display:none">a</p>b</div>c', "c"),
        ("the hidden path", "the hidden path"),
        ("display: none", "display: none"),
    ],
)
def test_what_a_browser_does_not_show_is_no_text(markup, seen):
    """Hidden elements, styles and scripts leave no words; what is shown stays."""
    assert parsing.text(markup) == seen


@settings(max_examples=50)
@given(st.text(alphabet="<>/abdivspan style='\"display:none;hidden&#38", max_size=120))
def test_any_markup_is_read_without_trouble(markup):
    """No markup, however broken, is an error."""
    parsing.text(f"<span style='display:none'>{markup}")


@pytest.mark.parametrize(
    "no_address",
    ["x-raw-image:///1", "data:image/png;base64,x", "ftp://a/1.jpg", "a.jpg", 5, "http://[1/a.jpg", "//[::1"],
)
def test_the_address_of_a_picture_is_of_the_web(no_address):
    """What stands in the place of an address and is none of the web is no picture; protocol-relative ones are."""
    assert parsing.picture(no_address) is None
    assert parsing.picture("//a.example/1.jpg") == "//a.example/1.jpg"
