"""A server's own words for a refusal."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from byod.collection.http.refusal_words import LONGEST, says_too_often, sentence


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Please set a user-agent.", "Please set a user-agent."),
        (b"HTTP/1.1 403 Please set a user-agent.", "Please set a user-agent."),
        (b"<html><head><title>403</title></head><script>x()</script><h1>403 Forbidden</h1></html>", ""),
        (
            b"<html><body><h1>Forbidden</h1><p>Ask for a key at example.org &amp; wait</p>",
            "Ask for a key at example.org & wait",
        ),
        (
            b'{"error": {"code": 7, "message": "the quota of this key is used up"}}',
            "the quota of this key is used up",
        ),
        (b'{"errors": [{"detail": "page_size may not exceed 50"}]}', "page_size may not exceed 50"),
        (b'{"broken', ""),
        (b"no", ""),
        (b"", ""),
    ],
)
def test_the_sentence_of_an_error_page_is_found(body, words):
    """Text, HTML and JSON give their sentence; a page that says no more than its status gives none."""
    assert sentence(body, "Forbidden") == words


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_picture_says_nothing(kind):
    """Some servers answer an error with a picture of it: none of its bytes is shown as words."""
    content = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(content, kind)
    assert sentence(content.getvalue()) == ""
    assert sentence(gzip.compress(b"Please set a user-agent.")) == ""


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_page_gives_one_short_line(body):
    """Whatever a server sends, its words are one line of bounded length."""
    words = sentence(body)
    assert len(words) <= LONGEST
    assert "\n" not in words


def test_words_about_the_number_of_requests_are_told_from_others():
    """Some hosts say 403 where they mean 429."""
    assert says_too_often("Error: 403, Too many requests")
    assert not says_too_often("Please set a user-agent")
