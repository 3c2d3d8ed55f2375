"""What each source is asked for the classes of a recipe: by what was meant, and in words that it takes for that."""

from collections import defaultdict

import pytest
from asking import client_of
from loopback_sources import LoopbackSources, Work

from byod.api.collecting import queries
from byod.collection.search import CandidateSearch, refusal
from byod.schema.reasons import Reason
from byod.schema.recipe import ClassRecipe, Recipe
from byod.schema.records import Candidate, SearchOptions
from byod.schema.search_words import Meaning

BOAT = Meaning(item="Q35872", name="boat", language="de", keys={"P373": "Boats"})
BREAD = Meaning(item="Q7802", name="bread", language="de")


@pytest.fixture
def web():
    with LoopbackSources() as server:
        server.entities = {
            "Q35872": {"labels": {"en": "boat", "de": "Boot", "fr": "bateau"}},
            "Q190868": {"labels": {"en": "boot"}},
            "Q7802": {"labels": {"en": "bread", "de": "Brot", "fr": "pain"}},
            "Q81938": {"labels": {"en": "pain"}},
        }
        yield server


def work(name):
    return Work(url=f"https://pictures.example/{name}.jpg")


def offers(web, meaning, *sources, name="boot", wanted=9, languages=("en",), **recipe):
    """(source, terms, widened) of what is drawn for one class, as {source: [(terms, widened), …]}."""
    made = Recipe(
        sources=recipe.pop("own", sources),
        classes={"boot": ClassRecipe(name=name, meaning=meaning)},
        **recipe,
    )
    search = CandidateSearch(
        queries(made),
        {source: made.search_options(source) for source in made.sources},
        client_of(web),
        known={},
        language_codes=languages,
        ended=lambda *_: None,
        own_queries={source: made.of_source(source).query for source in made.sources},
    )
    rounds = [each for batch in search.draw({"boot": wanted}) for each in batch]
    drawn = [candidate for candidate, _, _ in sorted(rounds, key=lambda each: each[2])]
    found = defaultdict(list)
    for candidate in drawn:
        found[candidate.source].append((candidate.terms, candidate.widened))
    return dict(found), drawn


def test_a_source_that_knows_no_language_is_asked_in_english_for_what_was_meant(web):
    """*Boot* in German is asked of Openverse as *boat* alone; where a language can be told, it is asked as typed."""
    web.offer("boot", work("boot"))
    web.offer("boat", work("boat"))
    found, drawn = offers(web, BOAT, "openverse", "flickr", "duckduckgo")
    assert found == {
        "openverse": [("boat", "en")],
        "flickr": [("boat", "en")],
        "duckduckgo": [("boot", None), ("boat", "en")],
    }
    assert {candidate.item for candidate in drawn} == {"Q35872"}
    asked = [each.params for each in web.asked if each.path == "/i.js"]
    assert (asked[0]["q"], asked[0]["l"]) == ("boot", "de-de")


def test_an_english_word_is_asked_as_it_was_typed(web):
    """The English name of a cat is *house cat*; whoever typed *cat* in English is not corrected."""
    web.entities = {"Q146": {"labels": {"en": "house cat"}, "aliases": {"en": ["boot"]}}}
    web.offer("boot", work("boot"))
    cat = Meaning(item="Q146", name="house cat", language="en")
    assert offers(web, cat, "openverse")[0] == {"openverse": [("boot", None)]}


def test_names_that_mean_something_else_are_not_searched_where_no_language_is_known(web):
    """A class that falls short goes on by its names in other languages, but *pain* would bring grimaces."""
    for words in ("bread", "brot", "pain"):
        web.offer(words, work(words))
    found, _ = offers(web, BREAD, "openverse", "duckduckgo", name="Brot", languages=("fr", "en"))
    assert found == {
        "openverse": [("bread", "en"), ("Brot", None)],
        "duckduckgo": [("Brot", None), ("pain", "fr"), ("bread", "en")],
    }


def test_without_a_meaning_only_what_was_typed_is_searched(web):
    """A word that was not read is asked as it is, everywhere, and is never widened."""
    web.offer("boot", work("boot"))
    web.offer("boat", work("boat"))
    found, _ = offers(web, None, "openverse", "duckduckgo")
    assert found == {"openverse": [("boot", None)], "duckduckgo": [("boot", None)]}
    none = Meaning(item="none")
    assert offers(web, none, "openverse")[0] == {"openverse": [("boot", None)]}
    assert not [asked for asked in web.asked if asked.params.get("action", "").startswith("wb")]


def test_no_language_forbids_other_names(web):
    """With no languages to go on in, nothing but the class's own word and its meaning is asked."""
    web.offer("brot", work("brot"))
    assert offers(web, BREAD, "openverse", name="Brot", languages=())[0] == {}


def test_commons_is_asked_for_the_item_itself_first(web):
    """Files that depict the item come first, then those of its category, then what its name finds; each once."""
    web.depicting["Q35872"] = [work("depicted"), work("both")]
    web.categories["Boats"] = [work("both"), work("filed")]
    web.offer("boat", work("filed"), work("named"))
    _, drawn = offers(web, BOAT, "commons")
    assert [candidate.url.split("/")[-1] for candidate in drawn] == [
        "depicted.jpg",
        "both.jpg",
        "filed.jpg",
        "named.jpg",
    ]
    assert [candidate.rank for candidate in drawn] == [0, 1, 2, 3]


def test_a_source_is_asked_in_a_way_of_its_own(web):
    """A query of byod.toml replaces the words, or holds them; options of one source are its own."""
    web.offer("boat -intitle:logo", work("a"))
    web.offer("boot", work("b"))
    own = {"commons": {"query": "{words} -intitle:logo"}, "duckduckgo": {"kind": "any", "colour": "red"}}
    found, _ = offers(web, BOAT, own=own, languages=())
    assert found == {"commons": [("boat -intitle:logo", "en")], "duckduckgo": [("boot", None)]}
    (asked,) = (each for each in web.asked if each.path == "/i.js")
    assert asked.params["f"] == ",,color:Red,,,"
    web.offer("ships", work("c"))
    each = {"openverse": {"query": {"boot": "ships"}}}
    assert offers(web, BOAT, own=each)[0] == {"openverse": [("ships", "en")]}


# --- whose pictures are refused


def refused(url, page=None, hosts=("stock",), source="duckduckgo"):
    candidate = Candidate(url=url, page=page, label="a", source=source, terms="a")
    return refusal(candidate, SearchOptions(excluded_hosts=hosts)) is Reason.EXCLUDED_HOST


@pytest.mark.parametrize(
    "address",
    [
        "https://media.gettyimages.com/photos/1.jpg",
        "https://c8.alamy.com/comp/1.jpg",
        "https://www.shutterstock.co.jp/1.jpg",
        "https://as1.ftcdn.net/jpg/1.jpg",
        "https://stock.adobe.com/1.jpg",
        "https://www.GettyImages.de./1.jpg",
        "https://thumbs.dreamstime.com:443/z/1.jpg",
    ],
)
def test_pictures_of_stock_sites_are_refused(address):
    """Under every ending, for the picture's host and for that of the page it is shown on."""
    assert refused(address)
    assert refused("https://cdn.example/1.jpg", page=address)
    assert not refused(address, hosts=())


@pytest.mark.parametrize(
    "address",
    [
        "https://notalamy.com/1.jpg",
        "https://alamy-fans.example/1.jpg",
        "https://example.org/gettyimages.com/1.jpg",
        "https://example.org/?from=shutterstock.com",
        "https://www.adobe.com/1.jpg",
        "https://photos.dissolve.example/1.jpg",
        "http://[::1/1.jpg",
    ],
)
def test_sites_that_only_sound_like_it_are_not(address):
    """Names are compared label by label, in the host alone."""
    assert not refused(address)


def test_hosts_of_ones_own_are_refused_with_their_subdomains():
    """`example.com` is that site and what lies below it, `example` is the name under every ending."""
    assert refused("https://img.example.com/1.jpg", hosts=("example.com",))
    assert not refused("https://example.org/1.jpg", hosts=("example.com",))
    assert refused("https://img.example.co.uk/1.jpg", hosts=("example",))
    assert not refused("https://www.example.com/1.jpg", hosts=("com",))


def test_what_a_person_lists_is_not_held_against_the_list_of_stock_sites():
    """Addresses of a list are refused only for hosts that were named."""
    url = "https://c8.alamy.com/1.jpg"
    assert not refused(url, source="urls")
    assert refused(url, source="urls", hosts=("stock", "alamy"))
