"""The APIs that state licences, each asked by the real client on a loopback server that speaks its form."""

import json

import pytest
from asking import WHOLE, Clock, cached_files, client_of, ended, found, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sources import Answer, LoopbackSources, Work

from byod.collection import sources
from byod.schema import defaults, errors
from byod.schema.records import Candidate, Policy

PLACES = {
    "openverse": "/v1/images/",
    "commons": "/w/api.php",
    "flickr": "/services/rest/",
    "pixabay": "/api/",
    "google": "/search.json",
    "inaturalist": "/v1/observations",
    "gbif": "/v1/occurrence/search",
}
APIS = list(PLACES)
STATING = ["openverse", "commons", "flickr", "inaturalist", "gbif"]


@pytest.fixture
def web():
    with LoopbackSources() as server:
        yield server


def works(count, **how):
    return [Work(url=f"https://pictures.example/{number}/square.jpg", **how) for number in range(count)]


# --- the list of sources


def test_every_source_is_there():
    """Each listed source can be found by its name, needs no key to be found, and is one function."""
    for name in sources.SOURCES:
        assert callable(sources.get(WHOLE.get(name, name)))
    assert set(defaults.SOURCES) == {"openverse", "commons", "duckduckgo"}
    assert all(sources.SOURCES[name].key is None for name in defaults.SOURCES)


@pytest.mark.parametrize("name", ["pexels", "unsplash"])
def test_forbidden_sources_say_why(name):
    """Pexels and Unsplash are refused by name, with what their terms say."""
    with pytest.raises(errors.UsageError, match=f"{name} is not offered: its terms forbid"):
        sources.get(name)


def test_unknown_sources_name_the_known_ones():
    """A wrong name is answered with the right ones, and paths are told apart from queries."""
    with pytest.raises(errors.UsageError, match="openverse, commons, duckduckgo"):
        sources.get("altavista")
    with pytest.raises(errors.UsageError, match="byod add"):
        sources.get("folder")
    with pytest.raises(errors.UsageError, match="--from-urls"):
        sources.get("urls")


def test_sources_are_imported_when_asked():
    """Importing the list of sources loads no search library."""
    import subprocess
    import sys

    heavy = ("ddgs", "primp", "lxml", "pyarrow")
    code = f"import sys, byod.collection.sources; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- what holds for all APIs


@pytest.mark.parametrize("name", APIS)
def test_a_candidate_keeps_its_origin(web, name):
    """Label, terms, language, rank and page of each candidate are those of the query and the answer."""
    web.offer("brokkoli", *works(3, page="https://pages.example/7", title="Ein Kopf"))
    candidates = found(name, client_of(web), language="de")
    assert [candidate.rank for candidate in candidates] == [0, 1, 2]
    for candidate in candidates:
        assert candidate.source == name
        assert candidate.label == "Brokkoli"
        assert candidate.terms == "brokkoli"
        assert candidate.language == "de"
        assert candidate.url.startswith("https://pictures.example/")
        assert candidate.page
        assert candidate.title == "Ein Kopf"
        if name != "gbif":  # which says no sizes
            assert candidate.width
            assert candidate.height


@pytest.mark.parametrize("name", APIS)
def test_nothing_found_is_a_natural_end(web, name):
    """An empty answer is not an error and costs at most one look at the licences."""
    assert found(name, client_of(web)) == []


@pytest.mark.parametrize(
    ("name", "count", "pages"),
    [
        ("openverse", 50, 6),  # photographs, then everything
        ("commons", 120, 3),
        ("flickr", 600, 4),  # one more for the table of licences
        ("google", 250, 3),
        ("inaturalist", 450, 4),  # one more for the taxon
        ("gbif", 700, 4),  # the same
    ],
)
def test_all_pages_are_read(web, name, count, pages):
    """Every work of every page comes once, in order, with no request too many."""
    web.offer("brokkoli", *works(count))
    candidates = found(name, client_of(web))
    assert len({candidate.url for candidate in candidates}) == count
    assert [candidate.rank for candidate in candidates] == list(range(count))
    assert len(web.asked) == pages


@pytest.mark.parametrize("name", APIS)
def test_pages_are_read_as_they_are_needed(web, name):
    """Whoever takes three candidates pays for one page."""
    web.offer("brokkoli", *works(900))
    found(name, client_of(web), limit=3)
    assert len(web.asked) == (2 if name in ("flickr", "inaturalist", "gbif") else 1)


@pytest.mark.parametrize("name", APIS)
def test_a_second_run_asks_nothing(web, name):
    """What was asked within a day is remembered by the next run."""
    web.offer("brokkoli", *works(30))
    first = found(name, client_of(web))
    asked = len(web.asked)
    assert found(name, client_of(web)) == first
    assert len(web.asked) == asked


@pytest.mark.parametrize("name", APIS)
def test_a_rate_limit_is_one(web, name):
    """A pause of a minute is sat out, a longer one is said as a rate limit."""
    web.offer("brokkoli", *works(3))
    clock = Clock()
    web.answer_next(PLACES[name], Answer(429, headers={"Retry-After": "30"}))
    assert len(found(name, client_of(web, clock))) == 3
    assert clock.slept == [30]
    web.answer_next(PLACES[name], Answer(429, "{}", headers={"Retry-After": "86400"}))
    count, error = ended(name, client_of(web), terms="blumenkohl", wanted=40)
    assert count == 0
    assert error.word == "rate-limited"


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("body", ["<html>Down for maintenance</html>", "", "nonsense", "[" * 50_000])
def test_an_answer_that_is_none_is_said(web, name, body):
    """A page, an empty body and garbage stop a source with a line, and are not taken for "empty"."""
    web.answer_next(PLACES[name], Answer(body=body))
    _, error = ended(name, client_of(web))
    assert type(error) is errors.SourceError
    assert "\n" not in str(error)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("value", [[], "text", 5, None, [[1]]])
def test_an_answer_of_another_form_is_said(web, name, value):
    """JSON of the wrong kind is a line, not a crash."""
    web.answer_next(PLACES[name], Answer(body=json.dumps(value)))
    _, error = ended(name, client_of(web))
    assert "form" in str(error) or "did not say" in str(error)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_refusals_stop_a_source(web, name, status):
    """Errors of the server stop a source with a line that names it."""
    web.answer_next(PLACES[name], *[Answer(status, "{}")] * 4)
    _, error = ended(name, client_of(web))
    assert name in str(error)
    assert len(cached_files(client_of(web))) == (
        1 if name in ("inaturalist", "gbif") else 0  # their taxon
    )


@pytest.mark.parametrize("name", APIS)
def test_hostile_fields_do_no_harm(web, name):
    """Markup, control characters, lone surrogates, scripts for links and absurd numbers are cleaned or dropped."""
    nasty = "<script>alert(1)</script>\u202e\x00\x1b[31m  a \ud800 b\n" + "x" * 5000
    web.offer(
        "brokkoli",
        Work(url="https://ok.example/1/square.jpg", title=nasty, creator=nasty, page="javascript:alert(1)"),
    )
    (candidate,) = found(name, client_of(web))
    for text in (candidate.title, candidate.creator, candidate.attribution):
        if text is not None:
            text.encode("utf-8")
            assert "<" not in text
            assert text.isprintable()
            assert len(text) <= 1000
    assert candidate.page is None or candidate.page.startswith("https://")
    Candidate.model_validate_json(candidate.model_dump_json())


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("url", [None, "", 7, ["x"], {}, "https://a.example/\x00", "h" * 9000])
def test_rows_without_an_address_are_passed_over(web, name, url):
    """A row that names no possible address is not a candidate, and the rows after it still count from 0."""
    place = {"commons": "url", "flickr": "url_l", "pixabay": "largeImageURL", "google": "original"}.get(
        name, "identifier" if name == "gbif" else "url"
    )
    extra = {place: url} | ({"thumburl": url} if name == "commons" else {})
    web.offer("brokkoli", Work(url="x", extra=extra), *works(1))
    (candidate,) = found(name, client_of(web))
    assert candidate.rank == 0
    assert candidate.url.startswith("https://pictures.example/")


@pytest.mark.parametrize("name", APIS)
def test_addresses_come_through_unharmed(web, name):
    """Escapes, signatures and odd signs of an address stay as they are."""
    url = "https://cdn.example/a%20b/0%2Fx/é+ü/p.jpg?u=%C3%A9%26z&sig=a%2Bb%3D%3D"
    web.offer("brokkoli", Work(url=url))
    (candidate,) = found(name, client_of(web))
    assert candidate.url == url


KEYS = [
    *(
        "results",
        "url",
        "license",
        "query",
        "pages",
        "imageinfo",
        "extmetadata",
        "photos",
        "photo",
        "hits",
        "mime",
    ),
    *("images_results", "original", "continue", "gsroffset", "stat", "title", "width", "page_count", "user"),
    *("url_l", "largeImageURL", "license_code", "original_dimensions", "total_results", "taxon", "error"),
    *("media", "identifier", "type", "endOfRecords", "basisOfRecord"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", APIS)
def test_any_json_ends_in_candidates_or_a_line(name):
    """Whatever JSON an API answers, it ends in candidates or in a SourceError, and soon."""
    with LoopbackSources() as web:

        @settings(max_examples=40, deadline=None)
        @given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
        def any_json(value):
            web._instead.clear()
            web.answer_next(PLACES[name], *[Answer(body=json.dumps(value))] * 30)
            client = client_of(web)
            for path in cached_files(client):
                path.unlink()
            candidates, error = outcome(name, client)
            for candidate in candidates:
                candidate.model_dump_json()
            assert error is None or "\n" not in str(error)

        any_json()


# --- licences and policies


@pytest.mark.parametrize("name", ["openverse", "commons"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [("by", "CC-BY-4.0"), ("by-nc-sa", "CC-BY-NC-SA-4.0"), ("cc0", "CC0-1.0"), ("pdm", "PDM-1.0")],
)
def test_licences_are_mapped(web, name, kind, code):
    """The licence of a work becomes its code, with its address."""
    web.offer("brokkoli", Work(url="https://a.example/1.jpg", kind=kind))
    (candidate,) = found(name, client_of(web))
    assert candidate.licence == code
    assert candidate.licence_url.startswith("https://creativecommons.org/")
    assert candidate.creator == "Ada"


@pytest.mark.parametrize("name", ["openverse", "commons", "inaturalist"])
def test_no_licence_stated_is_none(web, name):
    """A work without a stated licence is offered without one, or as "all rights reserved" where that is said."""
    web.offer("brokkoli", Work(url="https://a.example/1/square.jpg", kind=None))
    (candidate,) = found(name, client_of(web))
    assert candidate.licence == ("ARR" if name == "inaturalist" else None)
    assert candidate.licence_url is None


@pytest.mark.parametrize("name", ["openverse", "inaturalist"])
def test_the_policy_is_sent(web, name):
    """The API itself is asked for the licences of the policy, so that no works are paged through in vain."""
    kinds = ("by", "by-nc", "by-nd", "by-nc-nd", "cc0")
    web.offer("brokkoli", *[Work(url=f"https://a.example/{kind}/square.jpg", kind=kind) for kind in kinds])
    client = client_of(web)
    assert len(found(name, client)) == 5
    assert {one.licence for one in found(name, client, policy=Policy.OPEN)} == {
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC0-1.0",
    }
    assert {one.licence for one in found(name, client, policy=Policy.COMMERCIAL)} == {"CC-BY-4.0", "CC0-1.0"}


@pytest.mark.parametrize("name", ["openverse", "inaturalist", "flickr"])
def test_filtered_is_told_from_empty(web, name):
    """When the policy leaves nothing where there is something, that is said; where there is nothing, it is not."""
    web.offer("brokkoli", Work(url="https://a.example/1/square.jpg", kind="by-nc-nd", flickr_licence="6"))
    for policy in (Policy.OPEN, Policy.COMMERCIAL):
        count, error = ended(name, client_of(web), policy=policy)
        assert (count, error.word) == (0, "filtered")
        assert f"--license {policy}" in str(error)
        assert found(name, client_of(web), terms="blumenkohl", policy=policy) == []
