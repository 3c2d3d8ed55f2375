"""Options of a search reach every source that can filter by them, in its own words."""

from datetime import UTC, datetime, timedelta

import pytest
from asking import client_of, outcome
from loopback_sources import LoopbackSources, Work

from byod.collection.source_filters import KNOWN, LANGUAGES, knows_language
from byod.collection.sources import SOURCES
from byod.schema import defaults
from byod.schema.search_words import Colour

CHOICES = {"kind": "drawing", "safe": "off", "size": "large", "age": "month", "colour": "green"}


@pytest.fixture
def web():
    with LoopbackSources() as server:
        server.offer("brokkoli", Work(url="https://pictures.example/1/square.jpg"))
        yield server


def sent(web, name, **options):
    """The parameters of the last question that a source was asked."""
    client = client_of(web)
    for file in (client.settings.cache / "search").rglob("*"):
        if file.is_file():
            file.unlink()
    web.asked.clear()
    outcome(name, client, **options)
    return {key: value for key, value in web.asked[-1].params.items() if key != "vqd"} if web.asked else {}


@pytest.mark.parametrize("option", CHOICES)
@pytest.mark.parametrize("name", SOURCES)
def test_an_option_changes_the_question_of_just_the_sources_that_know_it(web, name, option):
    """What the list of filters claims of a source is what it sends, and it sends nothing else."""
    plain, chosen = sent(web, name), sent(web, name, **{option: CHOICES[option]})
    if name in ("inaturalist", "gbif") and option == "kind":
        assert chosen == {}  # it has photos only, and is not asked for drawings
    else:
        assert (plain != chosen) is (option in KNOWN[name])


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("duckduckgo", {}, {"f": ",,,type:photo,,", "p": "1"}),
        ("duckduckgo", CHOICES, {"f": "time:Month,size:Large,color:Green,type:line,,", "p": "-1"}),
        ("duckduckgo", {"kind": "any", "colour": "grey"}, {"f": ",,color:Gray,,,"}),
        ("bing", {"min_side": 1}, {"qft": "+filterui:photo-photo", "adlt": "strict"}),
        (
            "bing",
            {"min_side": 1, "safe": "moderate", "kind": "any", "colour": "monochrome"},
            {"adlt": "moderate"},
        ),
        ("google", {}, {"tbs": "itp:photo", "safe": "active"}),
        ("google", CHOICES, {"tbs": "itp:lineart,isz:l,qdr:m,ic:specific,isc:green", "safe": "off"}),
        ("flickr", {}, {"content_types": "0", "safe_search": "1"}),
        ("flickr", {"kind": "any", "safe": "moderate"}, {"content_types": "0,1,2,3", "safe_search": "2"}),
        ("pixabay", {}, {"image_type": "photo", "safesearch": "true"}),
        (
            "pixabay",
            {"kind": "drawing", "colour": "purple"},
            {"image_type": "illustration", "colors": "lilac"},
        ),
        ("openverse", {"safe": "off", "size": "medium"}, {"mature": "true", "size": "medium"}),
        ("openverse", {"kind": "drawing"}, {"category": "illustration,digitized_artwork"}),
    ],
)
def test_the_words_of_each_source(web, name, options, parts):
    """Photos are asked for and safe search is on unless something else is chosen, in the source's own words."""
    asked = sent(web, name, **options)
    assert {key: asked.get(key) for key in parts} == parts


def test_ages_become_dates_where_a_source_knows_no_words_for_them(web):
    """Flickr and iNaturalist are told a day, so that the answer of today is remembered."""
    day = (datetime.now(UTC) - timedelta(31)).date().isoformat()
    assert sent(web, "flickr", age="month")["min_upload_date"] == day
    assert sent(web, "inaturalist", age="month")["d1"] == day


def test_the_lists_name_every_source_and_colour():
    """A source says what it can filter by, and the help of the command names the colours there are."""
    assert set(KNOWN) == set(SOURCES)
    assert set(LANGUAGES) < set(SOURCES)
    assert Colour.__args__ == defaults.COLOURS
    assert knows_language("duckduckgo", "de")
    assert not knows_language("duckduckgo", "tl")
    assert knows_language("google", "tl")
    assert not knows_language("bing", "de")
    assert not knows_language("openverse", "en")
    assert not knows_language("google", None)
