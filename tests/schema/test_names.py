"""Names of strangers: what of them is hidden, and that nothing of it reaches a terminal, a page or a document."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.schema import names, places
from byod.schema.errors import DatasetError
from byod.schema.names import PassedOver

any_text = st.text(st.characters(exclude_categories=[]), max_size=60)
"""With controls, formats and lone surrogates in it."""
letters = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), max_size=60)
bytes_names = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))

OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ORDINARY = [
    "Blumenkohl, weiß",
    "می\u200cخواهم",
    "क्\u200dष",
    "ശ്രീ ന്\u200d",
    "👨\u200d👩\u200d👧",
    "🏃🏽\u200d♀\ufe0f",
    "❤\ufe0f\u200d🔥",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "בלון",
    "東京 カリフラワー",
    "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
    "1\ufe0f\u20e3",
]
"""Words of living scripts, and emoji of several signs."""
UNSEEN = [
    "cat\u200b",
    "cat\u200d",
    "\u200ccat",
    "ca\u00adt",
    "\ufeffcat",
    "ca\u2060t",
    "\u202etac",
    "ca\u2066t",
    "cat\u200f",
    "c\x1b]0;evil\x07at",
    "c\x9b31mat",
    "c\nat",
    "cat\U000e0067",
    "cat\udcff",
    "кот\u200d",
    "ca\u3164t",
    "cat\ufffe",
]
"""Words that look like others, steer a terminal or fit into no file."""


def steering(text):
    """The signs of a text that no stream may get."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in OVERRIDES]


@given(any_text | bytes_names)
def test_nothing_shown_steers_a_terminal(text):
    """No control, escape, lone surrogate, line separator or direction override is left in what is shown."""
    assert not steering(names.shown(text))
    assert not steering(names.shown(text, lines=True).replace("\n", ""))
    assert not names.hidden(names.spelled(text))
    names.shown(text).encode()


@given(letters)
def test_letters_and_signs_are_shown_as_they_are(text):
    """Letters, marks, digits, punctuation and symbols of all scripts are shown unchanged."""
    assert names.shown(text) == text
    assert names.in_utf8(text) == text


@pytest.mark.parametrize("text", ORDINARY)
def test_joiners_of_scripts_and_emoji_are_letters(text):
    """Words with joiners of their script and emoji of several signs hold nothing hidden, and are shown unchanged."""
    assert names.hidden(text) == []
    assert names.shown(text) == text == names.visible(text)


@pytest.mark.parametrize("text", UNSEEN)
def test_what_nobody_sees_is_found(text):
    """Zero-width signs, overrides, controls, stray joiners and bytes that are no text are hidden signs of a name."""
    assert names.hidden(text)
    assert not names.hidden(names.visible(text, "_"))


@given(st.binary(min_size=1, max_size=30))
def test_a_name_that_is_not_utf8_says_its_bytes(raw):
    r"""Each byte of a file name that is not UTF-8 is written as `\xff`, and what is UTF-8 stays."""
    name = raw.decode("utf-8", "surrogateescape")
    assert names.is_utf8(name) is (name == raw.decode("utf-8", "ignore"))
    assert names.in_utf8(name) == raw.decode("utf-8", "backslashreplace")


@given(st.recursive(any_text, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner), max_leaves=8))
def test_a_shown_document_is_the_same_document(document):
    """A JSON document reads back as what it was, and holds nothing that steers a terminal."""
    written = json.dumps(document, ensure_ascii=False, indent=1)
    shown = names.shown_json(written)
    assert not steering(shown.replace("\n", ""))
    assert json.loads(shown) == json.loads(written)


def test_passed_over_files_are_counted_and_named():
    """A line says how many were passed over, each once, and names the first of them so that people can read it."""
    passed = PassedOver()
    assert passed.takes("images/cat/1.jpg")
    assert passed.lines() == ()
    for name in ("a\udcff", "b\udcfe", "a\udcff", "c\udcff\x1b", "d\udcff"):
        assert not passed.takes(name)
    (line,) = passed.lines()
    assert line.startswith(
        "4 passed over, since their names are not UTF-8: a\\xff, b\\xfe, c\\xff\\x1b and 1 more;"
    )


def test_an_old_locale_is_said(monkeypatch):
    """Where file names are not read as UTF-8, one line says so and how to change it."""
    places.check_file_system()
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(DatasetError, match=r"iso8859-1.*PYTHONUTF8=1"):
        places.check_file_system()
