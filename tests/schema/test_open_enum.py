"""Lists of words that grow: a word of a newer byod is kept, and is taken for none of those that this one knows."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from byod.schema.model_card import Measured
from byod.schema.reasons import Reason, Retry, meaning
from byod.schema.records import Split, Status

LISTS = (Reason, Status, Split, Measured)


@given(st.sampled_from(LISTS), st.text(max_size=30))
def test_any_text_is_read_and_written_back(words, text):
    """Whatever word a file holds comes out as it went in, and only those of the list count as known."""
    adapter = TypeAdapter(words)
    read = adapter.validate_json(adapter.dump_json(words(text)))
    assert read == text == str(read) == read.value
    assert isinstance(read, words)
    assert read.known == (text in [str(word) for word in words])
    assert (read in set(words)) == read.known


@pytest.mark.parametrize("words", LISTS)
def test_the_list_stays_as_it_is(words):
    """Reading an unknown word adds none to the list, and what is no text at all is still refused."""
    before = list(words)
    words("something new")
    assert list(words) == before
    assert all(word.known for word in words)
    with pytest.raises(ValueError, match="5"):
        words(5)


def test_an_unknown_word_survives_what_python_does_to_it():
    """Copies between processes keep it."""
    assert pickle.loads(pickle.dumps(Reason("something new"))) == "something new"


def test_a_picture_refused_for_an_unknown_reason_is_left_alone():
    """Its traits are those of a picture that is never fetched again and not compared, and its words are the word."""
    traits = Reason("too-blurred").traits
    assert (traits.retry, traits.compared, traits.statuses) == (Retry.NEVER, False, ())
    assert not Reason("too-blurred").transient
    assert traits.words == meaning("too-blurred") == "too-blurred"
