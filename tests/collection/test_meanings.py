"""What words mean: read in one language by Wikidata as it answers, on a loopback server."""

import pytest
from asking import client_of
from hypothesis import given
from hypothesis import strategies as st
from loopback_sources import Answer, LoopbackSources

from byod.collection import meanings
from byod.collection.meanings import Word
from byod.schema.errors import SourceError, UsageError
from byod.schema.search_words import Meaning

# as Wikidata has them: the same words in several languages, and the best known thing of each is another one
ENTITIES = {
    "Q146": {
        "labels": {"en": "house cat", "de": "Hauskatze", "fr": "chat"},
        "aliases": {"en": ["cat"], "de": ["Katze"]},
        "description": "domesticated feline",
        "kinds": ["Q55983715"],
        "keys": {"P373": "Felis silvestris catus", "P225": "Felis catus", "P3151": "118552", "P31415": "x"},
        "articles": 250,
    },
    "Q1022892": {"labels": {"en": "cat"}, "kinds": ["Q4167410"], "description": "disambiguation page"},
    "Q35872": {
        "labels": {"en": "boat", "de": "Boot", "fr": "bateau"},
        "description": "small watercraft",
        "articles": 130,
    },
    "Q190868": {
        "labels": {"en": "boot", "de": "Stiefel", "fr": "botte"},
        "description": "footwear",
        "articles": 75,
    },
    "Q13184": {
        "labels": {"en": "raisin", "de": "Rosine", "fr": "raisin sec"},
        "description": "dried grape",
        "articles": 85,
    },
    "Q10978": {
        "labels": {"en": "grape", "de": "Weintraube", "fr": "raisin"},
        "description": "fruit",
        "articles": 140,
    },
    "Q40867": {
        "labels": {"en": "poison", "de": "Gift", "fr": "poison"},
        "description": "harmful substance",
        "articles": 90,
    },
    "Q184303": {
        "labels": {"en": "gift", "de": "Geschenk", "fr": "cadeau"},
        "description": "thing given",
        "articles": 60,
    },
    "Q1358": {"labels": {"en": "chat"}, "description": "online conversation", "articles": 70},
    "Q7802": {
        "labels": {"en": "bread", "de": "Brot", "fr": "pain"},
        "description": "staple food",
        "articles": 180,
    },
    "Q81938": {
        "labels": {"en": "pain", "de": "Schmerz", "fr": "douleur"},
        "description": "distress",
        "articles": 90,
    },
    "Q47722": {
        "labels": {"en": "broccoli", "de": "Brokkoli", "no": "brokkoli"},
        "description": "edible green plant",
        "keys": {"P373": "Broccoli"},
    },
    "Q7537": {"labels": {"en": "cauliflower", "de": "Blumenkohl"}, "description": "vegetable"},
    "Q501": {"labels": {"de": "Brokkoli"}, "kinds": ["Q482994"], "description": "album"},
    "Q2160801": {"labels": {"en": "skirt", "de": "Rock"}, "description": "garment", "articles": 60},
    "Q8063": {"labels": {"en": "rock"}, "description": "mineral aggregate", "articles": 100},
    "Q11399": {
        "labels": {"en": "rock music", "de": "Rockmusik"},
        "aliases": {"en": ["rock"]},
        "articles": 150,
    },
    "Q144": {"labels": {"en": "dog", "de": "Haushund"}, "aliases": {"de": ["Hund"]}, "articles": 240},
    "Q44602": {"labels": {"en": "magpie", "fr": "pie"}, "articles": 30},
    "Q15807": {"labels": {"en": "foot", "es": "pie"}, "articles": 140},
}


@pytest.fixture
def web():
    with LoopbackSources() as server:
        server.entities = {number: dict(entity) for number, entity in ENTITIES.items()}
        # the order in which the server has things of one name: here as in the recording, the animal comes first
        yield server


def read(web, *words, words_in=None, spoken=None, choose=None, known=None, items=(), languages=()):
    """What words were read as, {word: item}, and the lines said."""
    asked = [Word(word, word, dict(items).get(word)) for word in words]
    lookup = meanings.look_up(
        asked, client_of(web), words_in=words_in, spoken=spoken, known=known, languages=languages
    )
    reading = meanings.decide(lookup, choose)
    return {word: meaning.item for word, meaning in reading.meanings.items()}, reading.lines


# --- one language


@pytest.mark.parametrize(
    ("word", "language", "item"),
    [
        ("raisin", "fr", "Q10978"),
        ("raisin", "en", "Q13184"),
        ("Boot", "de", "Q35872"),
        ("boot", "en", "Q190868"),
        ("Gift", "de", "Q40867"),
        ("gift", "en", "Q184303"),
        ("chat", "fr", "Q146"),
        ("chat", "en", "Q1358"),
        ("pain", "fr", "Q7802"),
        ("pain", "en", "Q81938"),
        ("Rock", "de", "Q2160801"),
        ("rock", "en", "Q8063"),
        ("Katze", "de", "Q146"),
    ],
)
def test_a_word_means_what_it_means_in_the_language_that_is_named(web, word, language, item):
    """With the language named, a word has its sense there, however well known another one is elsewhere."""
    assert read(web, word, words_in=language)[0] == {word: item}
    assert {asked.params["language"] for asked in web.asked if "language" in asked.params} == {language}
    assert all("strictlanguage" in asked.params for asked in web.asked if "language" in asked.params)


@pytest.mark.parametrize(
    ("spoken", "item"), [("de", "Q40867"), ("en", "Q184303"), ("pl", "Q184303"), (None, "Q184303")]
)
def test_without_other_classes_this_machine_or_english_decides(web, spoken, item):
    """A word alone is read in the machine's language where it means something there, else in English."""
    assert read(web, "gift", spoken=spoken)[0] == {"gift": item}


@pytest.mark.parametrize(
    ("words", "spoken", "items"),
    [
        (("brokkoli", "blumenkohl"), "en", ("Q47722", "Q7537")),
        (("gift", "blumenkohl"), "en", ("Q40867", "Q7537")),
        (("boot", "Katze", "Hund"), None, ("Q35872", "Q146", "Q144")),
        (("raisin", "boot", "broccoli"), "de", ("Q13184", "Q190868", "Q47722")),
        (("chat", "pain", "botte"), "en", ("Q146", "Q7802", "Q190868")),
        (("raisin", "boot", "rock"), None, ("Q13184", "Q190868", "Q8063")),
        (("cat", "Hund"), None, ("Q146", "Q144")),
        (("chat", "pain"), "en", ("Q1358", "Q81938")),
        (("chat", "pain"), "fr", ("Q146", "Q7802")),
    ],
)
def test_the_other_classes_say_which_language_it_is(web, words, spoken, items):
    """What most classes are in is the language of all; this machine's decides only where they leave it open."""
    assert read(web, *words, spoken=spoken)[0] == dict(zip(words, items, strict=True))


def test_classes_that_are_there_already_count_as_well(web):
    """A word added to a German dataset is a German word."""
    known = {"katze": Meaning(item="Q146", name="house cat", language="de")}
    assert read(web, "gift", spoken="en", known=known)[0] == {"gift": "Q40867"}


def test_many_classes_cost_few_questions(web):
    """Beyond the first eight, words are looked up in the language of those alone."""
    for number in range(12):
        web.entities[f"Q9{number:03}"] = {"labels": {"de": f"Ding {number}"}}
    words = [f"Ding {number}" for number in range(12)]
    assert len(read(web, *words)[0]) == 12
    searches = [asked for asked in web.asked if asked.params["action"] == "wbsearchentities"]
    assert len(searches) == 8 * 4 + 4


# --- what is passed over


def test_unwanted_kinds_are_passed_over_and_the_order_kept(web):
    """Disambiguation pages, names, films and albums are no classes; of the others the server's first one counts."""
    web.entities = {
        "Q1022892": ENTITIES["Q1022892"],
        "Q300": {"labels": {"en": "Cat"}, "kinds": ["Q101352"]},
        "Q301": {"labels": {"en": "Cat"}, "kinds": ["Q11424", "Q1"]},
        "Q302": {"labels": {"en": "cat"}, "description": "2006 film by somebody"},
        "Q146": ENTITIES["Q146"],
        "Q303": {"labels": {"en": "cat"}, "description": "Unix program", "articles": 900},
    }
    assert read(web, "cat")[0] == {"cat": "Q146"}


def test_parts_of_names_are_none(web):
    """The search looks for beginnings: *cat fur* is not what *cat* means, and is none of *ca*."""
    web.entities = {"Q1": {"labels": {"en": "cat fur"}}} | web.entities
    assert read(web, "cat")[0] == {"cat": "Q146"}
    assert read(web, "ca")[0] == {}


def test_hits_in_other_languages_than_asked_are_none(web):
    """What a server finds by a name in another language is not what the word means."""
    web.entities["Q9"] = {"labels": {"tl": "uod"}, "description": "worm"}
    row = '{"id": "Q9", "label": "worm", "match": {"type": "label", "language": "tl", "text": "uod"}}'
    web.answer_next("/w/api.php", *[Answer(body=f'{{"search": [{row}]}}')] * 4)
    assert read(web, "uod")[0] == {}


# --- where nothing decides


def test_nothing_is_chosen_where_nothing_decides(web):
    """A word with two meanings in languages nobody speaks here is left as typed, and the line says how to choose."""
    found, (line,) = read(web, "pie", spoken="de")
    assert found == {}
    assert "Q44602" in line
    assert "Q15807" in line
    assert "--meaning 'pie=Q44602'" in line
    assert "--words-in fr" in line


def test_somebody_is_asked_where_nothing_decides(web):
    """Whoever can be asked chooses among the meanings, or none; where something decides, nobody is asked."""
    asked = []

    def choose(word, among):
        asked.append((word, [one.item for one in among]))
        return among[1]

    assert read(web, "pie", choose=choose)[0] == {"pie": "Q15807"}
    assert asked == [("pie", ["Q44602", "Q15807"])]
    assert read(web, "pie", choose=lambda word, among: None)[0] == {}
    read(web, "gift", "katze", choose=choose)
    assert len(asked) == 1


def test_a_word_in_another_language_than_the_others_is_not_read(web):
    """Among English classes *Brokkoli* of no English item is searched as typed, since grapes came in that way."""
    del web.entities["Q13184"]
    found, lines = read(web, "cat", "boot", "raisin")
    assert found == {"cat": "Q146", "boot": "Q190868"}
    assert "searched only as typed" in lines[2]


def test_a_word_nobody_knows_is_searched_as_typed(web):
    """A word without an item is said with the languages it was looked for in."""
    found, (line,) = read(web, "quatschkohl", spoken="it")
    assert found == {}
    assert line.startswith("quatschkohl: no item")
    assert "Italian, English, German, French or Spanish" in line


# --- what is said and kept


def test_the_meaning_is_shown_and_is_the_key_to_other_places(web):
    """The line names the English name, what it is, the item and the language; its names elsewhere are kept."""
    lookup = meanings.look_up([Word("b", "brokkoli")], client_of(web), words_in=None, spoken="de")
    reading = meanings.decide(lookup)
    assert reading.lines == ["brokkoli: broccoli, edible green plant, Q47722 (read in German)"]
    assert reading.meanings["b"] == Meaning(
        item="Q47722",
        name="broccoli",
        description="edible green plant",
        language="de",
        keys={"P373": "Broccoli"},
    )


def test_an_item_that_was_chosen_is_taken_in_the_language_it_is_called_so(web):
    """A chosen item needs no reading; its language is that in which the word is its name, or none."""
    words = [Word("a", "gift", "Q40867"), Word("b", "A", "Q146")]
    reading = meanings.decide(meanings.look_up(words, client_of(web), words_in=None, spoken="en"))
    assert (reading.meanings["a"].name, reading.meanings["a"].language) == ("poison", "de")
    assert (reading.meanings["b"].name, reading.meanings["b"].language) == ("house cat", "")
    assert reading.meanings["b"].keys == {
        "P373": "Felis silvestris catus",
        "P225": "Felis catus",
        "P3151": "118552",
    }
    with pytest.raises(UsageError, match=r"--meaning cat=Q404: Wikidata has no item Q404"):
        read(web, "cat", items=[("cat", "Q404")])


def test_wikidata_is_not_asked_without_a_contact(web):
    """Wikimedia wants to know whom to turn to; a mirror or a test is asked all the same."""
    client = client_of(web, WIKIDATA_URL="", CONTACT="")
    with pytest.raises(SourceError, match="set BYOD_CONTACT"):
        meanings.look_up([Word("a", "cat")], client, words_in="en", spoken=None)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, None),
        ({"LC_ALL": "", "LC_MESSAGES": "fr_CH@euro", "LANG": "de_DE"}, "fr"),
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "POSIX"}, None),
        ({}, None),
    ],
)
def test_the_language_of_this_machine(environment, language, monkeypatch):
    """It is read as other programs do, and C is none."""
    monkeypatch.setattr("sys.platform", "linux")
    assert meanings.language_of_machine(environment) == language


def test_an_item_without_an_english_name_is_a_meaning_all_the_same(web):
    """What has a name in German alone is read, and searched by that."""
    web.entities = {"Q9": {"labels": {"de": "Quatschkohl"}, "descriptions": {}}}
    reading = meanings.decide(
        meanings.look_up([Word("a", "Quatschkohl")], client_of(web), words_in=None, spoken=None)
    )
    assert reading.meanings["a"] == Meaning(item="Q9", language="de")
    assert reading.meanings["a"].known
    assert reading.lines == ["Quatschkohl: Q9 (read in German)"]


# --- what a server may answer


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
        found, _ = read(web, "brokkoli")
    except SourceError:
        found = {}
    assert found == {}


@given(
    st.dictionaries(
        st.sampled_from(["labels", "descriptions", "aliases", "claims"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["en", "P31", "value"]), inner)
            ),
            max_leaves=6,
        ),
    )
)
def test_any_entity_is_read_or_passed_over(entity):
    """Whatever stands in an entity, reading it ends in texts."""
    from byod.collection import wikidata

    item = wikidata._item("Q1", entity)
    assert all(isinstance(text, str) for texts in item.names.values() for text in texts)
    assert not item.called("nothing like it", "en")
