"""GBIF: the taxon of a name, each picture's own licence, and what is passed over."""

import json

import pytest
from asking import client_of, ended, found
from recordings import Recordings

from byod.collection.http.stand_ins import StandIns
from byod.schema import errors, licences
from byod.schema.records import Policy
from byod.schema.search_words import Meaning

CAT = Meaning(item="Q146", name="house cat", language="en", keys={"P225": "Felis catus", "P846": "2435035"})


@pytest.fixture
def web():
    with Recordings("gbif") as server:
        yield server


def test_thirty_recorded_records_come_out_whole(web):
    """Address, author, page, taxon and the picture's own licence of each record are those of the reply."""
    candidates = found("gbif", client_of(web), terms="Felis catus")
    assert len(candidates) == 30
    assert [each.rank for each in candidates] == list(range(30))
    for number, each in enumerate(candidates):
        hosted = f"https://inaturalist-open-data.s3.amazonaws.com/photos/{900 + number}/original.jpg"
        assert each.url == (hosted if number % 3 == 0 else f"https://pictures.example/m/{number}.jpg")
        assert each.creator == ("A museum" if number == 12 else f"Person {number}")
        assert each.taxon == "Felis catus, species, Animalia, GBIF 2435035"
    codes = ["CC-BY-NC-4.0", "CC-BY-4.0", "CC0-1.0", "CC-BY-NC-ND", "CC0-1.0", None]
    assert [each.licence for each in candidates] == codes * 5
    assert candidates[1].page == "https://pictures.example/about/1"
    assert candidates[1].attribution == "Person 1, CC BY 4.0, via A field club"
    assert {asked.params["basisOfRecord"] for asked in web.asked_for("/v1/occurrence/search")} == {
        "HUMAN_OBSERVATION"
    }


def test_the_licence_of_a_record_is_not_its_picture_s(web):
    """Under open and commercial just the pictures whose own licence says so are accepted, an unknown one is not."""
    candidates = found("gbif", client_of(web), terms="Felis catus", policy=Policy.OPEN)
    accepted = {each.licence for each in candidates if licences.allows(Policy.OPEN, each.licence) is None}
    assert accepted == {"CC-BY-NC-4.0", "CC-BY-4.0", "CC0-1.0"}
    candidates = found("gbif", client_of(web), terms="Felis catus", policy=Policy.COMMERCIAL)
    accepted = {
        each.licence for each in candidates if licences.allows(Policy.COMMERCIAL, each.licence) is None
    }
    assert accepted == {"CC-BY-4.0", "CC0-1.0"}


def test_photos_of_inaturalist_are_passed_over_when_it_is_asked_too(web):
    """Beside `inaturalist` none of its photos is offered, and the ranks have no gaps; alone all are."""
    candidates = found("gbif", client_of(web), terms="Felis catus", beside=("gbif", "inaturalist"))
    assert [each.rank for each in candidates] == list(range(20))
    assert not [each for each in candidates if "inaturalist" in each.url]
    assert len(found("gbif", client_of(web), terms="Felis catus", beside=("gbif", "commons"))) == 30


@pytest.mark.parametrize("name", ["Felis nowhere", "Felis catuss", "cat"])
def test_only_exactly_that_name_is_taken(web, name):
    """What is spelled alike, a higher rank, and a common name are no taxon, and the line says what to do."""
    count, error = ended("gbif", client_of(web), name)
    assert (count, type(error)) == (0, errors.Filtered)
    assert repr(name) in str(error)
    assert "--query" in str(error)
    assert not web.asked_for("/v1/occurrence/search")


def test_an_item_of_wikidata_is_the_taxon(web):
    """The number that Wikidata knows is asked for, with no look at names; without it its scientific name is."""
    assert len(found("gbif", client_of(web), terms="house cat", meaning=CAT)) == 30
    assert not web.asked_for("/v1/species/match")
    named = CAT.model_copy(update={"keys": {"P225": "Felis catus"}})
    assert len(found("gbif", client_of(web), terms="house cat", meaning=named)) == 30
    assert web.asked_for("/v1/species/match")[0].params == {"name": "Felis catus"}


def test_a_page_cut_without_a_word_loses_nothing(web):
    """Where the server shows fewer records than it was asked for, the next page begins behind those."""
    cut = CAT.model_copy(update={"keys": {"P846": "55"}})
    assert [each.creator for each in found("gbif", client_of(web), terms="cat", meaning=cut)] == [
        f"Person {number}" for number in range(4)
    ]


def test_drawings_are_not_asked_for(web):
    """It has photos, so a search for drawings ends with a line and no question."""
    assert ended("gbif", client_of(web), "Felis catus", kind="drawing")[1].word == "filtered"
    assert web.asked == []


def test_a_recording_names_nobody_and_no_place():
    """What GBIF says of people and places is a stand-in or gone in a recording that is given away."""
    record = {
        "key": 4000000001,
        "recordedBy": "Ada Lovelace",
        "decimalLatitude": 51.5,
        "locality": "behind the old mill",
        "media": [{"creator": "Ada Lovelace", "rightsHolder": "Charles Babbage"}],
    }
    text = StandIns([]).body(json.dumps({"results": [record]}).encode())
    assert "4000000001" in text
    assert not [each for each in ("Ada", "Babbage", "51.5", "mill") if each in text]
