"""The names of a thing in other languages by Wikidata's labels, asked by the real client on a loopback server."""

import pytest
from asking import client_of
from loopback_sources import Answer, LoopbackSources

from byod.collection.translations import means_something_else, translations
from byod.schema.errors import SourceError, UsageError


@pytest.fixture
def web():
    with LoopbackSources() as server:
        server.entities = {
            "Q47722": {
                "labels": {
                    "de": "Brokkoli",
                    "en": "broccoli",
                    "fr": "brocoli",
                    "es": "brócoli",
                    "no": "brokkoli",
                },
            },
            "Q7802": {"labels": {"en": "bread", "fr": "pain"}},
            "Q81938": {"labels": {"en": "pain", "fr": "douleur"}},
        }
        yield server


def test_labels_in_other_languages(web):
    """An item's names come in the languages asked for, in their order."""
    assert translations("Q47722", ["en", "fr", "es"], client_of(web)) == [
        ("en", "broccoli"),
        ("fr", "brocoli"),
        ("es", "brócoli"),
    ]


def test_the_typed_word_is_not_repeated(web):
    """Names that differ from the typed one by case alone, and repeats among languages, are left out."""
    found = translations("Q47722", ["de", "no", "en", "EN "], client_of(web), typed="BROKKOLI")
    assert found == [("en", "broccoli")]


def test_names_of_no_language_count_for_all(web):
    """A name that Wikidata has once for all languages is the name in each of them."""
    web.entities["Q1"] = {"labels": {"mul": "Brassica oleracea"}}
    assert translations("Q1", ["en", "fr"], client_of(web)) == [("en", "Brassica oleracea")]


def test_nothing_known_is_an_empty_list(web):
    """An item that is gone has no names; without languages nothing is asked."""
    assert translations("Q404", ["en"], client_of(web)) == []
    asked = len(web.asked)
    assert translations("Q47722", [], client_of(web)) == []
    assert len(web.asked) == asked


def test_language_codes_are_checked(web):
    """What is not a language code is wrong usage, said before anything is asked."""
    for wrong in ("german", "d", "de|en", "../x", ""):
        with pytest.raises(UsageError, match="not a language code"):
            translations("Q47722", [wrong], client_of(web))
    assert web.asked == []


def test_trouble_is_a_source_error(web):
    """A wiki that does not answer is said as one line of the source wikidata."""
    web.answer_next("/w/api.php", Answer(body="<html>"))
    with pytest.raises(SourceError, match="wikidata"):
        translations("Q47722", ["en"], client_of(web))


def test_a_name_that_means_something_else_in_english_is_told(web):
    """*pain* is bread in French and something else to whoever knows no language; *brocoli* is nothing else."""
    client = client_of(web)
    assert means_something_else("pain", "Q7802", client)
    assert not means_something_else("pain", "Q81938", client)
    assert not means_something_else("brocoli", "Q47722", client)


def test_odd_labels_do_no_harm(web):
    """Labels of another type, with markup or missing, are passed over or cleaned."""
    web.entities = {"Q9": {"labels": {"de": "Kohl", "en": "<b>cab</b>\x00bage", "fr": "chou"}}}
    assert translations("Q9", ["en"], client_of(web)) == [("en", "cab bage")]
    web.answer_next("/w/api.php", Answer(body='{"entities": {"Q9": {"labels": {"fr": {"value": 7}}}}}'))
    assert translations("Q9", ["fr"], client_of(web)) == []
