"""Each source asked by the real client, answered by replies in the shape in which they were recorded."""

import json
import os

import pytest
from asking import Clock, client_of, ended, found
from recordings import FOLDER, Recordings, faults, fields, recordings

from byod.collection import sources
from byod.collection.http import guard, mediawiki
from byod.collection.http.api_client import ApiClient, ApiReply
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources import pixabay, wikimedia_files
from byod.schema import errors
from byod.schema.config import Settings
from byod.schema.records import Policy
from byod.schema.search_words import Meaning

SHAPED = [each for each in recordings() if each.shape is not None]


@pytest.fixture
def web(request):
    with Recordings(*getattr(request, "param", ())) as server:
        yield server


def last(candidates):
    """The last step of each candidate's address."""
    return [candidate.url.rpartition("/")[2] for candidate in candidates]


# --- the recordings themselves


@pytest.mark.parametrize("recording", SHAPED, ids=lambda each: f"{each.source}-{each.name}")
def test_a_recording_has_its_listed_shape(recording):
    """Every field of a recording is listed with its type, and every listed field that may not be missing is there."""
    assert faults(recording.content["response"]["body"], recording.shape["fields"]) == []


@pytest.mark.parametrize("recording", SHAPED, ids=lambda each: f"{each.source}-{each.name}")
def test_a_change_of_shape_is_noticed(recording):
    """A field of another type, one that is new and one that is gone are each a fault."""
    body, listed = recording.content["response"]["body"], recording.shape["fields"]
    name, kind = next((path, kind) for path, kind, _ in fields(body) if "." not in path and "[" not in path)
    other = body | {name: 1.5 if kind != "number" else "text"}
    assert faults(other, listed)
    assert faults(body | {"new": 1}, listed) == ["new is integer, not listed"]
    assert f"{name} is missing" in faults({key: value for key, value in body.items() if key != name}, listed)


def test_every_recording_says_where_it_is_from():
    """Each recording and each shape names its origin and date, and each shape is used."""
    for path in FOLDER.glob("*/*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["origin"], path
        assert len(content["date"]) == 7, path
    used = {(each.source, each.content["shape"]) for each in SHAPED}
    assert {
        (path.parent.name, path.name.removesuffix(".shape.json")) for path in FOLDER.glob("*/*.shape.json")
    } == used


def test_every_source_has_recordings_and_limits():
    """No source is without a recorded reply and a row of limits with its origin."""
    assert set(sources.SOURCES) <= {each.source for each in recordings()}
    assert set(sources.SOURCES) <= set(LIMITS)
    assert all(limit.origin and len(limit.date) == 7 for limit in LIMITS.values())


# --- Openverse


def test_openverse_asks_for_photographs_and_then_for_everything(web):
    """Drawings are never asked for; what comes twice is offered once; SVGs are left out though they come."""
    candidates = found("openverse", client_of(web), terms="cat")
    assert last(candidates) == ["ov1_b.jpg", "ov2_b.jpg", "1920px-Cat_on_a_roof.jpg", "Cat_at_a_door.jpg"]
    assert {asked.params["extension"] for asked in web.asked} == {"jpg,jpeg,png,gif,webp,tif,tiff"}
    assert [asked.params.get("category") for asked in web.asked] == ["photograph", None]


def test_openverse_takes_huge_originals_of_wikimedia_by_their_copy(web):
    """A huge original is offered as its 1920 px copy with its size; what is not huge falls back to the copy."""
    huge, door = found("openverse", client_of(web), terms="cat")[2:]
    start = "https://upload.wikimedia.org/wikipedia/commons"
    assert huge.url == f"{start}/thumb/a/ab/Cat_on_a_roof.jpg/1920px-Cat_on_a_roof.jpg"
    assert (huge.width, huge.height) == (1920, 1280)
    assert huge.instead == (f"{start}/a/ab/Cat_on_a_roof.jpg",)
    assert door.url == f"{start}/c/cd/Cat_at_a_door.jpg"
    assert door.instead == (f"{start}/thumb/c/cd/Cat_at_a_door.jpg/1920px-Cat_at_a_door.jpg",)


def test_openverse_offers_nothing_of_wikimedia_without_a_contact(web):
    """Wikimedia would refuse its pictures to an asker without contact, so they are not asked for."""
    candidates = found("openverse", client_of(web, CONTACT=""), terms="cat")
    assert last(candidates) == ["ov1_b.jpg", "ov2_b.jpg"]
    assert web.asked[0].params["excluded_source"] == "wikimedia"


def test_openverse_believes_no_cached_allowance(web):
    """A reply out of the cache with a stranger's used-up allowance does not end the search."""
    assert len(found("openverse", client_of(web), terms="french government")) == 1
    assert len(web.asked) == 4


def test_openverse_fetches_a_token_for_client_id_and_secret(web):
    """Client id and secret are posted once, the token is sent with every question, and pages are of 48."""
    client = client_of(web, OPENVERSE_CLIENT_ID="an-id", OPENVERSE_CLIENT_SECRET="a-secret")
    assert last(found("openverse", client, terms="cat")) == ["ov7_b.jpg"]
    first, *others = web.asked
    assert (first.path, first.params["grant_type"]) == ("/v1/auth_tokens/token/", "client_credentials")
    assert {asked.headers["authorization"] for asked in others} == {"Bearer a-token"}
    assert {asked.params["page_size"] for asked in others} == {"48"}


def test_openverse_fetches_another_token_when_one_has_run_out(web):
    """A token that the server takes no more, or whose hours are over, is replaced; nobody is told to check a key."""
    clock = Clock()
    client = client_of(web, clock, OPENVERSE_CLIENT_ID="an-id", OPENVERSE_CLIENT_SECRET="a-secret")
    client.tokens["openverse"] = ("old-token", clock() + 5000)
    assert last(found("openverse", client, terms="cat")) == ["ov7_b.jpg"]
    assert len(web.asked_for("/v1/auth_tokens/token/")) == 1
    clock.now += 43_200
    found("openverse", client, terms="nothing")
    assert len(web.asked_for("/v1/auth_tokens/token/")) == 2


def test_openverse_says_which_of_its_keys_is_wrong(web):
    """A client id that is refused, and one without its secret's partner, are each one line that names the variables."""
    _, error = ended(
        "openverse", client_of(web, OPENVERSE_CLIENT_ID="wrong", OPENVERSE_CLIENT_SECRET="x"), "cat"
    )
    assert isinstance(error, errors.KeyRefused)
    assert "BYOD_OPENVERSE_CLIENT_ID" in str(error)
    _, error = ended("openverse", client_of(web, OPENVERSE_CLIENT_SECRET="x"), "cat")
    assert "set both" in str(error)


def test_openverse_reads_a_refusal_before_it_blames_the_key(web):
    """A refusal for the size of pages is obeyed, and the end of what is shown is an end."""
    assert last(found("openverse", client_of(web, OPENVERSE_TOKEN="good"), terms="smaller")) == ["ov8_b.jpg"]
    assert [asked.params["page_size"] for asked in web.asked] == ["48", "20", "48", "20"]
    assert last(found("openverse", client_of(web), terms="deep")) == ["ov9_b.jpg"]


def test_openverse_keeps_its_pace_and_sits_a_burst_out(web):
    """Twenty questions a minute without a key; a 429 is waited for as long as it says."""
    assert LIMITS["openverse"].per_minute == 20
    clock = Clock()
    _, error = ended("openverse", client_of(web, clock), "too fast")
    assert error.word == "rate-limited"
    assert clock.slept == [38, 38, 38]


def answering(monkeypatch, reply):
    """A client of the real addresses that every source gets one reply from; its clock moves while it sleeps."""
    given = Settings.load({"BYOD_CONTACT": "tests@example.org", "BYOD_CACHE": os.environ["BYOD_CACHE"]})
    clock = Clock()
    client = ApiClient(given, guard.session(given), sleep=clock.sleep, clock=clock)
    monkeypatch.setattr(client, "_request", lambda *_, **__: ApiReply(status=200, body=reply))
    return client, clock


def test_openverse_keeps_its_pace(monkeypatch):
    """Twenty questions a minute are asked without a key, and the next waits before anybody has to refuse it."""
    client, clock = answering(monkeypatch, b'{"results": [], "page_count": 0}')
    for number in range(10):
        assert found("openverse", client, terms=f"word {number}") == []
    assert clock.slept == []
    found("openverse", client, terms="another")
    assert clock.slept == [60]


def test_wikimedia_s_wikis_share_one_pace(monkeypatch):
    """Questions to Commons and to Wikidata count together, a hundred a minute."""
    client, clock = answering(monkeypatch, b'{"batchcomplete": true, "entities": {}, "search": []}')
    for number in range(50):
        found("commons", client, terms=f"word {number}")
        mediawiki.request("https://www.wikidata.org/w/api.php", {"n": number}, client, source="wikidata")
    assert clock.slept == []
    found("commons", client, terms="another")
    assert clock.slept == [60]


# --- Wikimedia Commons


def test_commons_reads_its_recorded_reply(web):
    """Titles without hidden markup, one address a file, licences by name, creators with their page, a credit line."""
    one, two, three, four = found("commons", client_of(web), terms="village")
    assert [each.title for each in (one, two, three, four)] == [
        "Night in the village",
        "Market stall",
        "Old gate",
        "Minister",
    ]
    assert [each.licence for each in (one, two, three, four)] == [
        "CC-BY-SA-4.0",
        "Free-Use",
        "PD",
        "OGL-UK-3.0",
    ]
    assert one.url == "https://upload.wikimedia.org/wikipedia/commons/1/11/Night_in_the_village.jpg"
    assert (one.creator, one.creator_url) == ("Somebody", "https://commons.wikimedia.org/wiki/User:Somebody")
    assert one.attribution == "“Night in the village” by Somebody, CC BY-SA 4.0, via Wikimedia Commons"
    assert (two.creator, two.attribution) == ("Somebody Else", "Somebody Else / Example Archive")
    assert (
        two.url
        == "https://upload.wikimedia.org/wikipedia/commons/thumb/2/22/Market_stall.jpg/1920px-Market_stall.jpg"
    )
    assert two.instead == ("https://upload.wikimedia.org/wikipedia/commons/2/22/Market_stall.jpg",)
    assert three.creator == "Unknown author"


def test_commons_is_never_asked_without_a_contact(web):
    """Without a contact no question is sent, and the line says which variable to set."""
    _, error = ended("commons", client_of(web, CONTACT=""), "village")
    assert isinstance(error, errors.ContactMissing)
    assert "BYOD_CONTACT" in str(error)
    assert web.asked == []


def test_commons_tells_its_refusals_apart(web):
    """A refusal by the robot policy asks for a contact, one for too many requests is a rate limit."""
    _, error = ended("commons", client_of(web), "refused")
    assert (error.word, "BYOD_CONTACT" in str(error)) == ("no contact", True)
    assert "https://w.wiki/4wJS" in str(error)
    _, error = ended("commons", client_of(web), "hurried")
    assert error.word == "rate-limited"
    assert "Too many requests" in str(error)


def test_commons_and_openverse_offer_one_address_for_one_file():
    """The tags of who gave an address out, and the host of copies, make no other address of it; others stay whole."""
    plain = "https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/A.jpg/1920px-A.jpg"
    tagged = (
        plain.replace("upload.", "thumb.")
        + "?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content=thumbnail"
    )
    assert wikimedia_files.one_address(tagged) == plain
    for address in (
        plain,
        "https://a.example/%7Eb?x=1&&y",
        "https://a.example/?",
        "https://a.example/?q=utm_x",
    ):
        assert wikimedia_files.one_address(address) == address
    assert (
        wikimedia_files.one_address("https://a.example/1.jpg?x=1&utm_source=b&y=2")
        == "https://a.example/1.jpg?x=1&y=2"
    )


# --- iNaturalist


def test_inaturalist_takes_a_word_for_one_taxon(web):
    """The exact name decides which taxon is asked for by its number, and every candidate says which one it was."""
    said = []
    client = client_of(web)
    client._say = said.append
    candidates = found("inaturalist", client, terms="cat")
    assert [asked.path for asked in web.asked] == ["/v1/taxa", "/v1/observations"]
    assert web.asked[1].params["taxon_id"] == "118552"
    assert "taxon_name" not in web.asked[1].params
    assert {each.taxon for each in candidates} == {"Felis catus (Domestic Cat), species, taxon 118552"}
    assert said == ["inaturalist: cat is taken for Felis catus (Domestic Cat), species, taxon 118552"]


def test_inaturalist_checks_every_record(web):
    """A record of another taxon is left out though it comes; subspecies and three photos a record are taken."""
    candidates = found("inaturalist", client_of(web), terms="cat")
    assert [each.page.rpartition("/")[2] for each in candidates] == [
        "11",
        "12",
        "13",
        "21",
        "31",
        "32",
        "33",
        "51",
    ]


def test_inaturalist_takes_captive_ones_on_request(web):
    """What is kept or planted comes only when it is asked for, and then with what people agreed on."""
    candidates = found("inaturalist", client_of(web), terms="cat", captive=True)
    assert "61" in [each.page.rpartition("/")[2] for each in candidates]
    assert web.asked[1].params["quality_grade"] == "research,casual"
    assert web.asked[1].params["identifications"] == "most_agree"


def test_inaturalist_offers_no_squares(web):
    """Photos at Flickr and addresses without an ending are offered large as well, with other sizes to fall back to."""
    by_page = {
        each.page.rpartition("/")[2]: each for each in found("inaturalist", client_of(web), terms="cat")
    }
    assert by_page["11"].url.endswith("/photos/11/large.jpg?1545707684")
    assert (by_page["11"].width, by_page["11"].height) == (1024, 768)
    flickr = by_page["21"]
    start = "https://live.staticflickr.com/4007/4385000001_0123456789"
    assert (flickr.url, flickr.instead) == (f"{start}_b.jpg", (f"{start}_z.jpg", f"{start}.jpg"))
    assert by_page["31"].url.endswith("/photos/31/large.?1413275622")


def test_inaturalist_licences_are_those_of_the_photo_s_host(web):
    """Photos that stay at Flickr keep its 2.0; pd, gfdl and cc0 are read; no code and "all rights reserved" is none."""
    by_page = {
        each.page.rpartition("/")[2]: each.licence
        for each in found("inaturalist", client_of(web), terms="cat")
    }
    assert by_page == {
        **dict.fromkeys(("11", "12", "13"), "CC-BY-NC-4.0"),
        "21": "CC-BY-2.0",
        "31": "PD",
        "32": "GFDL",
        "33": "CC0-1.0",
        "51": "ARR",
    }


def test_inaturalist_says_when_nothing_is_called_so(web):
    """A word that is only a part of names is no taxon: nothing is offered, and the line names what is similar."""
    _, error = ended("inaturalist", client_of(web), "flea")
    assert error.word == "filtered"
    assert "Cat Flea" in str(error)
    assert [asked.path for asked in web.asked] == ["/v1/taxa"]


def test_inaturalist_takes_the_number_that_wikidata_knows(web):
    """A class whose meaning is an item with a number there is asked by that number, and no word is looked up."""
    meaning = Meaning(item="Q146", name="house cat", keys={"P3151": "118552", "P225": "Felis catus"})
    said = []
    client = client_of(web)
    client._say = said.append
    assert found("inaturalist", client, terms="cat", meaning=meaning)
    assert said == ["inaturalist: cat is taken for Felis catus (taxon 118552)"]
    assert not [each for each in web.asked if each.path == "/v1/taxa"]


def test_inaturalist_reads_a_word_in_its_language(web):
    """The French "chat" is the cat, not the birds that English calls chats."""
    found("inaturalist", client_of(web), terms="chat", language="fr")
    assert web.asked[-1].params["taxon_id"] == "118552"
    assert web.asked[0].params["locale"] == "fr"


# --- Pixabay


def test_pixabay_states_the_size_of_what_it_offers(web):
    """The size is that of the copy behind the address, not of an original that nobody gets; the creator has a page."""
    one, two, three = found("pixabay", client_of(web), terms="dog")
    assert [(each.width, each.height) for each in (one, two, three)] == [(1280, 853), (853, 1280), (800, 600)]
    assert one.creator_url == "https://pixabay.com/users/Some%20body1-7001/"


def test_pixabay_waits_as_long_as_it_is_told(web):
    """The seconds that a refusal says are left are waited for."""
    clock = Clock()
    _, error = ended("pixabay", client_of(web, clock), "too fast")
    assert error.word == "rate-limited"
    assert clock.slept == [44, 44, 44]


def test_pixabay_says_a_wrong_key(web):
    """A wrong key is told from other refusals."""
    assert ended("pixabay", client_of(web, PIXABAY_KEY="wrong"), "dog")[1].word == "key refused"


def test_pixabay_is_asked_only_when_named_and_says_what_nobody_read():
    """It is no default, and whoever names it is told that nobody here has read its terms on training."""
    from byod.schema import defaults

    assert "pixabay" not in defaults.SOURCES
    assert sources.notices(defaults.SOURCES) == []
    (line,) = sources.notices(["openverse", "pixabay"])
    assert "nobody" in line
    assert "training" in line


def test_pixabay_grants_its_own_addresses_only(web):
    """The exemption is for addresses on Pixabay's own site, whatever a reply says."""
    settings = client_of(web, PIXABAY_URL="").settings
    assert pixabay.grants("https://pixabay.com/get/g1_1280.jpg", settings)
    assert pixabay.grants("https://cdn.pixabay.com/photo/1.jpg", settings)
    for other in (
        "https://notpixabay.com/get/1.jpg",
        "https://pixabay.com.example/1.jpg",
        "http://127.0.0.1/1.jpg",
    ):
        assert not pixabay.grants(other, settings)


# --- Flickr


def test_flickr_knows_all_recorded_licences(web):
    """Each of the seventeen licences of the recorded table is one that byod knows."""
    from byod.collection.sources.flickr import _licences

    table = _licences("right-key", client_of(web))
    assert len(table) == 17
    assert (table["8"], table["7"], table["16"]) == ("US-Gov", "NKCR", "CC-BY-NC-ND-4.0")


def test_flickr_prefers_sizes_that_are_open(web):
    """1024 px and below come first; a larger size has a way back to an open one."""
    candidates = found("flickr", client_of(web), terms="dog")
    assert last(candidates) == ["1_l.jpg", "2_c.jpg", "3_m.jpg", "4_h.jpg"]
    assert web.asked[-1].params["content_types"] == "0"
    assert "content_type" not in web.asked[-1].params
    large = found("flickr", client_of(web), terms="dog", min_side=700)[0]
    assert large.url.endswith("1_h.jpg")
    assert [url[-5] for url in large.instead] == ["k", "l"]


@pytest.mark.parametrize(
    ("terms", "word"), [("badkey", "key refused"), ("unavailable", "failed"), ("closed", "failed")]
)
def test_flickr_errors_are_told_apart(web, terms, word):
    """A wrong key, a search that is out of order and a request without rights are each a line of their own."""
    assert ended("flickr", client_of(web), terms)[1].word == word


# --- the others


def test_google_offers_addresses_only(web):
    """What SerpApi gives in the place of an address, and is none of the web, is not offered."""
    assert last(found("google", client_of(web), terms="dog")) == ["1.jpg", "4.jpg"]


def test_google_asks_again_after_an_empty_answer(web):
    """An empty answer, which one in ten was for no reason, is not remembered."""
    for _ in range(2):
        assert found("google", client_of(web), terms="sometimes") == []
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("name", "pictures"), [("duckduckgo", ["d1.jpg", "d2.jpg"]), ("bing", ["b1.jpg", "b2.jpg"])]
)
def test_web_searches_read_their_recorded_pages(web, name, pictures):
    """The recorded token page, rows and anchors are read."""
    assert last(found(name, client_of(web), terms="dog")) == pictures


@pytest.mark.parametrize("policy", [Policy.OPEN, Policy.COMMERCIAL])
def test_no_recording_offers_what_a_policy_refuses_as_open(web, policy):
    """The licences of the recordings are told apart by the policies just as their texts say."""
    from byod.schema import licences

    offered = [each.licence for each in found("inaturalist", client_of(web), terms="cat")]
    accepted = {each for each in offered if licences.allows(policy, each) is None}
    assert accepted == {"CC-BY-2.0", "PD", "GFDL", "CC0-1.0"} | (
        {"CC-BY-NC-4.0"} if policy is Policy.OPEN else set()
    )
