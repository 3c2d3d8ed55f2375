"""Translations by Wikidata's labels, asked by the real client on a loopback server."""

import pytest
from asking import client_of
from loopback_sources import Answer, LoopbackSources

from byod.collection import translations
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
                "aliases": {"de": ["Spargelkohl"]},
                "articles": 90,
            },
            "Q1": {"labels": {"de": "Brokkolisalat", "en": "broccoli salad"}, "articles": 3},
            "Q2": {"labels": {"en": "Brokkoli"}, "description": "family name"},
            "Q3": {"labels": {"en": "Brokkoli"}, "description": "album by somebody", "articles": 2},
        }
        yield server


def test_labels_in_other_languages(web):
    """The typed word is found in its own language and comes back in the languages asked for, in their order."""
    assert translations.translations("brokkoli", ["en", "fr", "es"], client_of(web)) == [
        ("en", "broccoli"),
        ("fr", "brocoli"),
        ("es", "brócoli"),
    ]


def test_aliases_are_found(web):
    """A second name of a thing finds it too."""
    assert translations.translations("Spargelkohl", ["en"], client_of(web)) == [("en", "broccoli")]


def test_the_best_known_thing_counts(web):
    """Of several things of that name the one with the most articles is meant, and names of people are none."""
    assert translations.translations("Brokkoli", ["en"], client_of(web)) == [("en", "broccoli")]
    assert translations.translations("Brokkoli", ["fr"], client_of(web), typed="en") == []


def test_the_typed_word_is_not_repeated(web):
    """Words that differ from the typed ones by case alone, and repeats among languages, are left out."""
    assert translations.translations("BROKKOLI", ["de", "no", "en", "EN "], client_of(web)) == [
        ("en", "broccoli")
    ]


def test_a_known_language_is_asked_alone(web):
    """When the typed language is known, Wikidata is asked twice: for the thing and for its labels."""
    translations.translations("brokkoli", ["en"], client_of(web), typed="de")
    assert [asked.params["action"] for asked in web.asked] == ["wbsearchentities", "wbgetentities"]
    assert web.asked[0].params["language"] == "de"


def test_nothing_known_is_an_empty_list(web):
    """A word that Wikidata does not know has no translations; parts of words do not count."""
    assert translations.translations("quatschkohl", ["en"], client_of(web)) == []
    assert translations.translations("brokkolisal", ["en"], client_of(web)) == []
    assert translations.translations("brokkoli", [], client_of(web)) == []


def test_language_codes_are_checked(web):
    """What is not a language code is wrong usage, said before anything is asked."""
    for wrong in ("german", "d", "de|en", "../x", ""):
        with pytest.raises(UsageError, match="not a language code"):
            translations.translations("brokkoli", [wrong], client_of(web))
    assert web.asked == []


def test_trouble_is_a_source_error(web):
    """A wiki that does not answer is said as one line of the source wikidata."""
    web.answer_next("/w/api.php", Answer(body="<html>"))
    with pytest.raises(SourceError, match="wikidata"):
        translations.translations("brokkoli", ["en"], client_of(web))


@pytest.mark.parametrize(
    "body",
    [
        '{"search": 5}',
        '{"search": [{"id": "../x", "label": "brokkoli"}]}',
        '{"search": [{"id": "Q1|Q2", "label": "brokkoli"}]}',
        '{"search": [{"label": {}, "aliases": 5, "match": []}]}',
        "[]",
    ],
)
def test_hostile_answers_do_no_harm(web, body):
    """Odd ids and types are passed over or said."""
    web.answer_next("/w/api.php", *[Answer(body=body)] * 4)
    try:
        found = translations.translations("brokkoli", ["en"], client_of(web))
    except SourceError:
        found = []
    assert found == []


def test_odd_labels_do_no_harm(web):
    """Labels of another type, with markup or missing, are passed over or cleaned."""
    web.entities = {"Q9": {"labels": {"de": "Kohl", "en": "<b>cab</b>\x00bage", "fr": "chou"}}}
    assert translations.translations("kohl", ["en"], client_of(web), typed="de") == [("en", "cab bage")]
    web.answer_next("/w/api.php", Answer(body='{"search": [{"id": "Q9", "label": "kohl"}]}'))
    web.answer_next("/w/api.php", Answer(body='{"entities": {"Q9": {"labels": {"fr": {"value": 7}}}}}'))
    assert translations.translations("kohl", ["fr"], client_of(web), typed="es") == []
