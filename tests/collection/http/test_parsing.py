"""Reading what servers say."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.collection.http.parsing import retry_after


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
        ("1.5", None),
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


@given(st.text(max_size=60))
def test_any_retry_after_is_read_without_trouble(value):
    """Whatever a server sends, the wait is none or not negative."""
    wait = retry_after(value)
    assert wait is None or wait >= 0
