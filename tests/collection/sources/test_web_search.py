"""The two web searches: ddgs's real client on a loopback server, with its traps closed."""

import json

import pytest
from asking import Clock, cached_files, client_of, ended, found, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sources import Answer, LoopbackSources, Work

from byod.collection.http import api_client
from byod.schema import errors
from byod.schema.records import Policy

PLACES = {"duckduckgo": "/i.js", "bing": "/images/async"}
BOTH = list(PLACES)


@pytest.fixture
def web():
    with LoopbackSources() as server:
        yield server


def works(count, **how):
    return [Work(url=f"https://pictures.example/{number}.jpg", **how) for number in range(count)]


@pytest.mark.parametrize("name", BOTH)
def test_a_candidate_keeps_its_origin(web, name):
    """Label, terms, language, rank, page, title and size are kept; a licence is not made up."""
    web.offer("brokkoli", *works(2, page="https://pages.example/a%20b", title="Ein <b>Kopf</b>"))
    first, second = found(name, client_of(web), language="de")
    assert (first.rank, second.rank) == (0, 1)
    assert (first.source, first.label, first.terms, first.language) == (name, "Brokkoli", "brokkoli", "de")
    assert (first.page, first.title) == ("https://pages.example/a%20b", "Ein Kopf")
    assert (first.width, first.height) == (800, 600)
    assert first.licence is None


@pytest.mark.parametrize("name", BOTH)
def test_addresses_come_through_unharmed(web, name):
    """Escapes, signatures and ampersands of an address stay as they are (ddgs would unquote them)."""
    url = "https://cdn.example/a%20b/0%2Fx.jpg?u=%C3%A9%26z&sig=a%2Bb%3D%3D&lt=1"
    web.offer("brokkoli", Work(url=url))
    (candidate,) = found(name, client_of(web))
    assert candidate.url == url


@pytest.mark.parametrize(("name", "count", "pages"), [("duckduckgo", 250, 3), ("bing", 80, 4)])
def test_all_pages_are_read(web, name, count, pages):
    """Every picture of every page comes once and in order (ddgs gives one page); the token is asked for once."""
    web.offer("brokkoli", *works(count))
    candidates = found(name, client_of(web))
    assert [candidate.url for candidate in candidates] == [work.url for work in works(count)]
    assert len(web.asked_for(PLACES[name])) == pages
    assert len(web.asked_for("/")) == (1 if name == "duckduckgo" else 0)


def test_duckduckgo_pages_without_a_next(web):
    """A full page without the offset of the next is followed by a page further; a short one is the end."""
    rows = [{"image": f"https://a.example/{number}.jpg"} for number in range(150)]
    web.answer_next(
        "/i.js",
        Answer(body=json.dumps({"results": rows[:100]})),
        Answer(body=json.dumps({"results": rows[100:]})),
    )
    assert len(found("duckduckgo", client_of(web))) == 150
    assert [asked.params.get("s") for asked in web.asked_for("/i.js")] == [None, "100"]


def test_bing_pages_begin_where_the_last_one_ended(web):
    """Pages hold more or fewer pictures than asked for: none is left out and none asked for twice."""
    link = """<a class="iusc" m='{{"murl": "https://a.example/{}.jpg"}}'></a>"""
    for numbers in (range(33), range(33, 80)):
        web.answer_next("/images/async", Answer(body="".join(link.format(number) for number in numbers)))
    assert len(found("bing", client_of(web))) == 80
    assert [asked.params["first"] for asked in web.asked] == ["1", "34", "81"]


@pytest.mark.parametrize("name", BOTH)
def test_a_page_of_repeats_is_the_end(web, name):
    """A site that repeats its pages for ever ends the search, without repeats among the candidates."""
    if name == "duckduckgo":
        rows = [{"image": f"https://a.example/{number}.jpg"} for number in range(3)]
        answers = [
            Answer(body=json.dumps({"results": rows, "next": f"i.js?s={100 * n}"})) for n in range(1, 20)
        ]
        web.answer_next("/i.js", *answers)
    else:
        web.offer("brokkoli", *works(35) * 3)
    assert len(found(name, client_of(web))) == (3 if name == "duckduckgo" else 35)
    assert len(web.asked_for(PLACES[name])) == 2


@pytest.mark.parametrize("name", BOTH)
def test_nothing_found_is_a_natural_end(web, name):
    """An empty answer is not an error."""
    assert found(name, client_of(web)) == []


def test_bing_answering_nothing_at_all(web):
    """An empty body is an empty answer."""
    web.answer_next("/images/async", Answer(body=""), Answer(body="   "))
    assert found("bing", client_of(web)) == []


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("status", [202, 403, 418, 429])
def test_a_rate_limit_is_no_empty_answer(web, name, status):
    """What the sites answer when they want no more questions is said as a rate limit, and not asked again."""
    web.offer("brokkoli", *works(3))
    web.answer_next(PLACES[name], Answer(status, "later"))
    count, error = ended(name, client_of(web))
    assert (count, error.word) == (0, "rate-limited")
    assert str(status) in str(error)
    assert len(web.asked_for(PLACES[name])) == 1
    assert cached_files(client_of(web)) == []


@pytest.mark.parametrize("status", [202, 403, 429])
def test_a_rate_limit_of_the_token_page_is_one_too(web, status):
    """The page that gives DuckDuckGo's token can be limited as well (ddgs: "Could not extract vqd")."""
    web.answer_next("/", Answer(status, "<html></html>"))
    assert ended("duckduckgo", client_of(web))[1].word == "rate-limited"


@pytest.mark.parametrize("name", BOTH)
def test_a_named_pause_is_sat_out(web, name):
    """`Retry-After` of less than a minute is waited for, a longer one is a rate limit at once."""
    web.offer("brokkoli", *works(3))
    clock = Clock()
    web.answer_next(PLACES[name], Answer(429, headers={"Retry-After": "20"}))
    assert len(found(name, client_of(web, clock))) == 3
    assert clock.slept == [20]
    web.answer_next(PLACES[name], Answer(429, headers={"Retry-After": "900"}))
    assert ended(name, client_of(web), terms="x")[1].word == "rate-limited"


@pytest.mark.parametrize("name", BOTH)
def test_a_limit_in_the_middle_keeps_what_came(web, name):
    """The pages before a rate limit are candidates, and remembered: the next run goes on from there."""
    web.offer("brokkoli", *works(120))
    client = client_of(web)
    first_page = 100 if name == "duckduckgo" else 35
    taken = found(name, client, limit=first_page)
    assert len(taken) == first_page
    web.answer_next(PLACES[name], Answer(403))
    count, error = ended(name, client)
    assert (count, error.word) == (first_page, "rate-limited")
    assert len(found(name, client)) == 120


@pytest.mark.parametrize("name", BOTH)
def test_a_robot_test_is_a_rate_limit(web, name):
    """A page that asks whether byod is a human means: no more questions."""
    web.answer_next(PLACES[name], Answer(body="<html><form id=captcha>Solve the CAPTCHA</form></html>"))
    assert ended(name, client_of(web))[1].word == "rate-limited"


def test_duckduckgo_changed(web):
    """A search page without a token, or an answer of another form, is said as such."""
    web.answer_next("/", Answer(body="<html>new design</html>"))
    _, error = ended("duckduckgo", client_of(web))
    assert type(error) is errors.SourceError
    assert "form" in str(error)
    for body in ("[]", '{"results": 5}', "nonsense", "<html></html>", "[" * 50_000):
        web.answer_next("/i.js", Answer(body=body))
        _, error = ended("duckduckgo", client_of(web), terms=str(len(body)))
        assert type(error) is errors.SourceError
    assert cached_files(client_of(web)) == []


@pytest.mark.parametrize("name", BOTH)
def test_servers_out_of_order(web, name):
    """5xx is tried four times and then said; 404 is said at once; nobody there is said too."""
    web.answer_next(PLACES[name], *[Answer(502)] * 4)
    assert "out of order" in str(ended(name, client_of(web))[1])
    web.answer_next(PLACES[name], Answer(404))
    assert "404" in str(ended(name, client_of(web))[1])
    nobody = client_of(web, **{f"{name.upper()}_URL": "http://127.0.0.1:1"})
    assert "no answer from 127.0.0.1:1" in str(ended(name, nobody)[1])


@pytest.mark.parametrize("name", BOTH)
def test_a_huge_answer_is_cut_off(web, name, monkeypatch):
    """An answer above the cap is refused while it comes in."""
    monkeypatch.setattr(api_client, "MAX_REPLY", 100_000)
    web.answer_next(PLACES[name], Answer(body=b"x" * 300_000))
    assert "more than" in str(ended(name, client_of(web))[1])


@pytest.mark.parametrize("name", BOTH)
def test_redirects_stay_on_the_site(web, name):
    """A redirect within the site is followed, one elsewhere (this machine's other ports too) is not, a circle ends."""
    web.offer("brokkoli", *works(1))
    web.answer_next(PLACES[name], Answer(302, headers={"Location": f"{web.url}/moved"}))
    body = {
        "duckduckgo": json.dumps({"results": [{"image": "https://a.example/1.jpg"}]}),
        "bing": """<a class="iusc" m='{"murl": "https://a.example/1.jpg"}'></a>""",
    }[name]
    web.answer_next("/moved", Answer(body=body))
    assert found(name, client_of(web), limit=1)[0].url == "https://a.example/1.jpg"
    for elsewhere in (
        "http://127.0.0.1:9/x",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "https://evil.example/",
    ):
        web.answer_next(PLACES[name], Answer(302, headers={"Location": elsewhere}))
        assert "not followed" in str(ended(name, client_of(web), terms=elsewhere)[1])
    web.answer_next(PLACES[name], *[Answer(302, headers={"Location": PLACES[name]})] * 4)
    assert "circle" in str(ended(name, client_of(web), terms="circle")[1])


@pytest.mark.parametrize("name", BOTH)
def test_private_hosts_are_refused(web, name):
    """A search led to this machine is not asked without the switch."""
    _, error = ended(name, client_of(web, ALLOW_PRIVATE_HOSTS=""))
    assert "BYOD_ALLOW_PRIVATE_HOSTS=1" in str(error)
    assert web.asked == []


def test_filters_of_duckduckgo_are_sent(web):
    """Safe search, region and licence are in the request."""
    web.offer("brokkoli", *works(3))
    client = client_of(web)
    found("duckduckgo", client, language="de")
    assert web.asked[-1].params["p"] == "1"
    assert web.asked[-1].params["l"] == "de-de"
    found("duckduckgo", client, safe="off")
    assert web.asked[-1].params["p"] == "-1"
    assert web.asked[-1].params["l"] == "wt-wt"
    ended("duckduckgo", client, policy=Policy.COMMERCIAL)
    assert "license:ModifyCommercially" in web.asked[-1].params["f"]
    ended("duckduckgo", client, policy=Policy.OPEN)
    assert web.asked[-1].params["f"].endswith("license:Modify")


def test_filters_of_bing_are_sent(web):
    """Safe search, least size and licence are in the request (ddgs leaves them all out)."""
    web.offer("brokkoli", *works(3))
    client = client_of(web)
    found("bing", client, min_side=300, language="de")
    assert web.asked[0].params["adlt"] == "strict"
    assert web.asked[0].params["qft"] == "+filterui:imagesize-custom_300_300+filterui:photo-photo"
    assert web.asked[0].params["setlang"] == "de"
    found("bing", client, safe="off")
    assert web.asked[-1].params["adlt"] == "off"
    ended("bing", client, policy=Policy.COMMERCIAL)
    assert web.asked[-1].params["qft"].endswith("+filterui:license-L2_L3")


@pytest.mark.parametrize("name", BOTH)
def test_licences_cannot_be_proven(web, name):
    """Under a licence policy one page is offered (each refused with its reason), and then it is said why."""
    web.offer("brokkoli", *works(150))
    for policy in (Policy.OPEN, Policy.COMMERCIAL):
        count, error = ended(name, client_of(web), policy=policy)
        assert (count, error.word) == (100 if name == "duckduckgo" else 35, "filtered")
        assert f"--license {policy}" in str(error)
    assert found(name, client_of(web), terms="x", policy=Policy.OPEN) == []


@pytest.mark.parametrize("name", BOTH)
def test_filtered_is_told_from_empty(web, name):
    """When the licence filter leaves nothing where there is something, that is said."""
    web.offer("brokkoli", *works(3, kind=None))
    count, error = ended(name, client_of(web), policy=Policy.OPEN)
    assert (count, error.word) == (0, "filtered")


@pytest.mark.parametrize("name", BOTH)
def test_a_second_run_asks_nothing(web, name):
    """What was asked within a day is remembered, the token page with it."""
    web.offer("brokkoli", *works(30))
    first = found(name, client_of(web))
    asked = len(web.asked)
    assert found(name, client_of(web)) == first
    assert len(web.asked) == asked


@pytest.mark.parametrize("name", BOTH)
def test_hostile_fields_do_no_harm(web, name):
    """Rows that name no address are passed over; markup, controls and surrogates are cleaned."""
    nasty = "<img src=x onerror=alert(1)>\u202e\x1b[31m \ud800" + "y" * 3000
    field = "image" if name == "duckduckgo" else "murl"
    bad = [Work(url="x", extra={field: value}) for value in (None, 7, {}, "", "https://a.example/\x07")]
    web.offer("brokkoli", *bad, Work(url="https://ok.example/1.jpg", title=nasty, page="data:text/html,x"))
    (candidate,) = found(name, client_of(web))
    assert candidate.url == "https://ok.example/1.jpg"
    assert candidate.page is None
    assert candidate.title.isprintable()
    assert "<" not in candidate.title
    candidate.model_dump_json()


def test_hostile_html_does_no_harm(web):
    """Whatever stands in Bing's page, it ends in candidates or a line."""
    bodies = [
        "<a class='iusc' m='not json'></a>",
        "<a class='iusc' m='[1]'></a>",
        "<a class='iusc' m='" + "[" * 50_000 + "'></a>",
        "<div>" * 20_000,
        '<?xml version="1.0" encoding="utf-16"?><a class="iusc" m="{}">',
        "\x00\x01\x02",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><a class='iusc' m='{\"murl\": \"&a;\"}'>",
    ]
    for number, body in enumerate(bodies):
        web.answer_next("/images/async", Answer(body=body))
        candidates, error = outcome("bing", client_of(web), terms=str(number))
        assert all("root:" not in candidate.url for candidate in candidates)
        assert error is None or "form" in str(error)


def test_any_body_ends_in_candidates_or_a_line():
    """Whatever bytes the sites answer, it ends in candidates or in a SourceError."""
    with LoopbackSources() as web:

        @settings(max_examples=40, deadline=None)
        @given(st.sampled_from(BOTH), st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
        def any_body(name, body):
            web._instead.clear()
            web.answer_next(PLACES[name], Answer(body=body))
            client = client_of(web)
            for path in cached_files(client):
                path.unlink()
            _, error = outcome(name, client)
            assert error is None or "\n" not in str(error)

        any_body()
