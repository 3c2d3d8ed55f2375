"""The APIs one by one: what each of them does in its own way."""

import json

import pytest
from asking import Clock, cached_files, client_of, ended, found
from loopback_sources import KEY, Answer, LoopbackSources, Work

from byod.schema import errors
from byod.schema.records import Policy


@pytest.fixture
def web():
    with LoopbackSources() as server:
        yield server


def works(count, **how):
    return [Work(url=f"https://pictures.example/{number}/square.jpg", **how) for number in range(count)]


def test_openverse_without_a_token(web):
    """Anonymous pages are of 20 works, and 240 works are all that one question shows."""
    web.offer("brokkoli", *works(400))
    candidates = found("openverse", client_of(web), wanted=1000)
    assert len(candidates) == 240
    assert len(web.asked) == 24
    assert {asked.params["page_size"] for asked in web.asked} == {"20"}
    assert [asked.params.get("category") for asked in web.asked] == ["photograph"] * 12 + [None] * 12
    assert "authorization" not in web.asked[0].headers


def test_openverse_shows_photographs_first(web):
    """What Openverse says is a photograph comes first, and what it says nothing of after it, each once."""
    drawn = Work(url="https://a.example/2.jpg", extra={"category": None})
    web.offer("brokkoli", drawn, Work(url="https://a.example/1.jpg"))
    assert [one.url[-5] for one in found("openverse", client_of(web))] == ["1", "2"]


@pytest.mark.parametrize("wanted", [10, 40, 200, 1000])
def test_openverse_with_a_token(web, wanted):
    """A token is sent as a bearer; its pages are as large as the server allows, whatever is wanted."""
    web.offer("brokkoli", *works(400))
    client = client_of(web, OPENVERSE_TOKEN=KEY)
    assert len(found("openverse", client, wanted=wanted)) == 240
    assert {asked.params["page_size"] for asked in web.asked} == {"48"}
    assert len(web.asked) == 10
    assert web.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_openverse_with_a_wrong_token(web):
    """A token that is refused is said so; a refusal without a token asks for a key."""
    _, error = ended("openverse", client_of(web, OPENVERSE_TOKEN="old"))
    assert error.word == "key refused"
    assert "Invalid token." in str(error)
    web.answer_next("/v1/images/", Answer(401, "{}"))
    _, error = ended("openverse", client_of(web))
    assert type(error) is errors.SourceError
    assert "BYOD_OPENVERSE_CLIENT_ID" in str(error)


def test_openverse_stops_before_the_allowance_is_overdrawn(web):
    """The allowance that a reply tells of is read: nothing is asked that must be refused."""
    web.offer("brokkoli", *works(60))
    web.answer_next("/v1/images/", openverse_page({}))
    count, error = ended("openverse", client_of(web))
    assert (count, error.word) == (1, "rate-limited")
    assert "200/day" in str(error)
    assert "BYOD_OPENVERSE_CLIENT_ID" in str(error)
    assert len(web.asked) == 1


@pytest.mark.parametrize("cached", [{"Age": "84249"}, {"cf-cache-status": "HIT"}])
def test_openverse_believes_no_stranger_s_allowance(web, cached):
    """What a reply out of a cache says of allowances is about somebody else, and stops nothing."""
    web.offer("brokkoli", *works(60))
    web.answer_next("/v1/images/", openverse_page(cached))
    assert len(found("openverse", client_of(web))) == 61


def openverse_page(headers):
    """A first page of three whose headers say that the day's allowance is used up."""
    spent = {"X-RateLimit-Limit-anon_sustained": "200/day", "X-RateLimit-Available-anon_sustained": "0"}
    body = {"page_count": 3, "results": [{"url": "https://a.example/1.jpg"}]}
    return Answer(body=json.dumps(body), headers=spent | headers)


def test_openverse_says_which_allowance_is_used_up(web):
    """A 429 of the day's allowance is final and named; one of the minute's is sat out."""
    web.offer("brokkoli", *works(1))
    spent = {"X-RateLimit-Limit-anon_sustained": "200/day", "X-RateLimit-Available-anon_sustained": "0"}
    web.answer_next("/v1/images/", Answer(429, "{}", headers=spent))
    _, error = ended("openverse", client_of(web))
    assert error.word == "rate-limited"
    assert "200/day" in str(error)
    burst = {
        "X-RateLimit-Limit-anon_burst": "20/min",
        "X-RateLimit-Available-anon_burst": "0",
        "Retry-After": "9",
    }
    web.answer_next("/v1/images/", Answer(429, "{}", headers=burst))
    clock = Clock()
    assert len(found("openverse", client_of(web, clock))) == 1
    assert clock.slept == [9]


def test_commons_reads_split_batches(web):
    """A batch that the API spreads over two replies comes whole and in the order of the search."""
    web.split_batches = True
    web.offer("brokkoli", *works(70))
    candidates = found("commons", client_of(web))
    assert [candidate.url for candidate in candidates] == [work.url for work in works(70)]
    assert len(web.asked) == 4


def test_commons_goes_round_in_no_circle(web):
    """A server that says "continue" for ever with the same words ends the search."""
    again = json.dumps({"batchcomplete": True, "continue": {"gsroffset": 50}, "query": {"pages": []}})
    web.answer_next("/w/api.php", *[Answer(body=again)] * 10)
    assert found("commons", client_of(web)) == []
    assert len(web.asked) == 2


def test_commons_takes_pictures_only(web):
    """Drawings, films, sounds and books are left out; the five kinds of bitmap are taken."""
    kinds = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"]
    others = ["image/svg+xml", "application/pdf", "video/webm", "audio/ogg", "image/vnd.djvu"]
    web.offer(
        "brokkoli",
        *[Work(url=f"https://a.example/{number}", mime=mime) for number, mime in enumerate(others + kinds)],
    )
    candidates = found("commons", client_of(web))
    assert [candidate.url[-1] for candidate in candidates] == list("56789")
    assert web.asked[0].params["gsrsearch"] == "filetype:bitmap brokkoli"


def test_commons_offers_a_thumb_for_a_huge_original(web):
    """Above 8 MB or 4000 px the 1920 px picture is offered, unless it would be too small."""
    web.offer(
        "brokkoli",
        Work(url="https://a.example/ok.jpg", width=4000, height=3000, size=7_000_000),
        Work(url="https://a.example/wide.jpg", width=8000, height=4000),
        Work(url="https://a.example/heavy.jpg", width=3000, height=2000, size=9_000_000),
        Work(url="https://a.example/strip.jpg", width=9000, height=500),
    )
    ok, wide, heavy, strip = found("commons", client_of(web), min_side=200)
    assert (ok.url, ok.width) == ("https://a.example/ok.jpg", 4000)
    assert (wide.url, wide.width, wide.height) == ("https://a.example/wide.jpg?thumb=1920", 1920, 960)
    assert heavy.url.endswith("?thumb=1920")
    assert strip.url == "https://a.example/strip.jpg"


def test_commons_cleans_the_artist(web):
    """The creator is the text of Commons' HTML."""
    web.offer("brokkoli", Work(url="https://a.example/1.jpg", creator="Müller &amp; <i>Söhne</i>"))
    (candidate,) = found("commons", client_of(web))
    assert candidate.creator == "Müller & Söhne"


def test_commons_errors_are_read(web):
    """MediaWiki's own errors (HTTP 200) are sat out when they pass, else said, and not remembered."""
    web.offer("brokkoli", *works(1))
    clock = Clock()
    busy = Answer(body='{"error": {"code": "maxlag", "info": "x"}}', headers={"Retry-After": "5"})
    web.answer_next("/w/api.php", busy)
    assert len(found("commons", client_of(web, clock))) == 1
    assert clock.slept == [5]
    web.answer_next("/w/api.php", *[Answer(body='{"error": {"code": "ratelimited"}}')] * 4)
    _, error = ended("commons", client_of(web), terms="x")
    assert error.word == "rate-limited"
    web.answer_next(
        "/w/api.php", Answer(body='{"error": {"code": "badvalue", "info": "No <b>such</b> thing"}}')
    )
    _, error = ended("commons", client_of(web), terms="y")
    assert "badvalue: No such thing" in str(error)


def test_flickr_needs_its_key(web):
    """Without a key nothing is asked and the line says which one; a wrong key is said to be wrong."""
    _, error = ended("flickr", client_of(web, FLICKR_KEY=""))
    assert error.word == "no key"
    assert "BYOD_FLICKR_KEY" in str(error)
    assert web.asked == []
    _, error = ended("flickr", client_of(web, FLICKR_KEY="wrong"))
    assert error.word == "key refused"
    assert cached_files(client_of(web)) == []


def test_flickr_licences_come_from_its_table(web):
    """Numbers mean what flickr.photos.licenses.getInfo says; a number whose licence is unknown states none."""
    numbers = ("4", "1", "9", "11", "0", "7", "77", "999", "")
    web.offer(
        "brokkoli",
        *[Work(url=f"https://a.example/{number}.jpg", flickr_licence=number) for number in numbers],
    )
    candidates = found("flickr", client_of(web))
    assert [candidate.licence for candidate in candidates] == [
        "CC-BY-2.0",
        "CC-BY-NC-SA-2.0",
        "CC0-1.0",
        "CC-BY-4.0",
        "ARR",
        "NKCR",
        None,
        None,
        None,
    ]


def test_flickr_is_asked_for_the_licences_of_the_policy(web):
    """Under a policy only the numbers whose licence it accepts are asked for; the unknown one never."""
    web.offer("brokkoli", *works(1))
    found("flickr", client_of(web), policy=Policy.COMMERCIAL)
    assert web.asked[-1].params["license"] == "4,9,11"
    found("flickr", client_of(web), policy=Policy.OPEN)
    assert web.asked[-1].params["license"] == "1,4,9,11"


def test_flickr_chooses_a_handy_size(web):
    """1024 px where it is large enough, else a larger one, else the largest there is."""
    sizes = {"url_k": "https://a.example/k.jpg", "width_k": 2048, "height_k": 1365}
    web.offer(
        "brokkoli",
        Work(url="https://a.example/l.jpg", width=1024, height=683, extra=sizes),
        Work(url="", extra={"url_m": "https://a.example/m.jpg", "width_m": "500", "height_m": "333"}),
        Work(url=""),
    )
    client = client_of(web)
    assert [one.url for one in found("flickr", client)] == [
        "https://a.example/l.jpg",
        "https://a.example/m.jpg",
    ]
    assert found("flickr", client, min_side=1000)[0].url == "https://a.example/k.jpg"
    assert found("flickr", client, min_side=9000)[0].url == "https://a.example/k.jpg"


def test_flickr_errors_are_read(web):
    """Flickr's errors (HTTP 200) are sat out or said."""
    web.offer("brokkoli", *works(1))
    out = Answer(body='{"stat": "fail", "code": 105, "message": "Service currently unavailable"}')
    web.answer_next("/services/rest/", out)
    assert len(found("flickr", client_of(web))) == 1
    web.answer_next("/services/rest/", *[out] * 4)
    _, error = ended("flickr", client_of(web), terms="x")
    assert "out of order" in str(error)


def test_flickr_ends_where_it_repeats_itself(web):
    """Beyond 4,000 photos nothing is asked."""
    web.offer("brokkoli", *works(5000))
    assert len(found("flickr", client_of(web))) == 4000


def test_pixabay_keeps_to_its_terms(web):
    """At most 200 pictures for a class, over all its queries; the key is not a part of what is remembered."""
    web.offer("brokkoli", *works(150))
    web.offer("broccoli", *works(150))
    client = client_of(web)
    assert len(found("pixabay", client)) == 150
    count, error = ended("pixabay", client, terms="broccoli")
    assert (count, error.word) == (50, "capped")
    asked = len(web.asked)
    found("pixabay", client_of(web, PIXABAY_KEY="another"))
    assert len(web.asked) == asked


def test_pixabay_pages(web):
    """Pages follow each other up to what the API gives out."""
    web.offer("brokkoli", *works(70))
    assert len(found("pixabay", client_of(web), wanted=30)) == 70
    assert [asked.params["page"] for asked in web.asked] == ["1", "2", "3"]
    assert web.asked[0].params["min_width"] == "200"
    assert web.asked[0].params["safesearch"] == "true"


def test_pixabay_licence_is_its_own(web):
    """Its pictures carry the Pixabay licence, which no stricter policy accepts: then nothing is asked."""
    web.offer("brokkoli", *works(1))
    (candidate,) = found("pixabay", client_of(web), language="de")
    assert candidate.licence == "Pixabay"
    assert web.asked[-1].params["lang"] == "de"
    asked = len(web.asked)
    for policy in (Policy.OPEN, Policy.COMMERCIAL):
        assert ended("pixabay", client_of(web), policy=policy)[1].word == "filtered"
    assert len(web.asked) == asked


def test_pixabay_keys(web):
    """A missing and a wrong key are told apart."""
    assert ended("pixabay", client_of(web, PIXABAY_KEY=""))[1].word == "no key"
    assert ended("pixabay", client_of(web, PIXABAY_KEY="wrong"))[1].word == "key refused"


def test_google_keys(web):
    """A missing key says how Google is asked and why; a wrong one and an empty account are told apart."""
    _, error = ended("google", client_of(web, SERPAPI_KEY=""))
    assert error.word == "no key"
    assert "1 January 2027" in str(error)
    assert "BYOD_SERPAPI_KEY" in str(error)
    assert ended("google", client_of(web, SERPAPI_KEY="wrong"))[1].word == "key refused"
    web.answer_next("/search.json", Answer(429, '{"error": "Your account has run out of searches."}'))
    _, error = ended("google", client_of(web))
    assert error.word == "rate-limited"
    assert "used up" in str(error)


def test_google_states_no_licence(web):
    """Under a licence policy the filter is sent, one page is offered, and then it is said why that is all."""
    web.offer("brokkoli", *works(150))
    assert all(one.licence is None for one in found("google", client_of(web)))
    count, error = ended("google", client_of(web), policy=Policy.COMMERCIAL)
    assert (count, error.word) == (100, "filtered")
    assert web.asked[-1].params["licenses"] == "fmc"
    assert found("google", client_of(web), terms="x", policy=Policy.OPEN) == []


def test_google_can_be_replaced_by_both_names(web):
    """BYOD_SERPAPI_URL and BYOD_GOOGLE_URL both lead the source elsewhere."""
    web.offer("brokkoli", *works(2))
    assert len(found("google", client_of(web, SERPAPI_URL="", GOOGLE_URL=web.url))) == 2


def test_inaturalist_takes_the_photo_s_licence_and_a_larger_size(web):
    """The licence is the photo's, not the observation's; the square is swapped for a size that is large enough."""
    web.offer("brokkoli", Work(url="https://a.example/photos/1/square.jpg?1", width=4000, height=3000))
    client = client_of(web)
    (candidate,) = found("inaturalist", client)
    assert candidate.licence == "CC-BY-4.0"
    assert candidate.url == "https://a.example/photos/1/large.jpg?1"
    assert (candidate.width, candidate.height) == (1024, 768)
    assert candidate.page == "https://www.inaturalist.org/photos/5000"
    (candidate,) = found("inaturalist", client, min_side=1000)
    assert candidate.url == "https://a.example/photos/1/original.jpg?1"
    assert (candidate.width, candidate.height) == (4000, 3000)
