"""Asking each source one question: what it answers, what is left, and why it does not."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme
from loopback_sources import KEY, Answer, LoopbackSources, Work
from recordings import Recordings

from byod.collection import source_check
from byod.collection.sources import SOURCES
from byod.schema.config import Settings


@pytest.fixture
def web():
    with LoopbackSources() as server:
        server.offer("cat", *[Work(url=f"https://a.example/{number}/square.jpg") for number in range(3)])
        yield server


def settings_of(web, **more):
    """Settings that lead every source to a server; further BYOD_* variables by name, an empty one removes it."""
    own = {name: value for name, value in os.environ.items() if name.startswith("BYOD_")}
    environment = own | web.environment() | {f"BYOD_{name}": value for name, value in more.items()}
    return Settings.load({name: value for name, value in environment.items() if value})


def test_every_source_is_asked_one_question(web):
    """Each source and Wikidata is asked, all at once, and answers; nothing is remembered."""
    web.answer_next("/account.json", Answer(body='{"total_searches_left": 87}'))
    web.answer_next(
        "/w/api.php", Answer(body='{"batchcomplete": true}'), Answer(body='{"batchcomplete": true}')
    )
    settings = settings_of(web)
    said = {each.source: each for each in source_check.answers(settings)}
    assert set(said) == {*SOURCES, "wikidata"}
    assert {each.word for each in said.values()} == {"answers"}, said
    assert "87 searches left" in said["google"].told
    assert not [path for path in settings.cache.rglob("*") if path.is_file()]
    assert len(web.asked) <= len(said) + 4  # a token, two taxa and a table of licences come first


def test_what_is_left_of_an_allowance_is_told():
    """The numbers of an answer's headers are told; those of a cached one are somebody else's and are not."""
    with Recordings("openverse") as web:
        told = source_check.answer("openverse", settings_of(web)).told
        assert "left: 17 of 20/min, 181 of 200/day" in told
        recorded = next(each for each in web.recorded if each.name == "photographs")
        recorded.content["response"]["headers"]["age"] = "84249"
        assert "left" not in source_check.answer("openverse", settings_of(web)).told


@pytest.mark.parametrize("name", ["flickr", "pixabay", "google"])
def test_keys_are_told_apart(web, name):
    """A missing key is not asked about and is no fault; a wrong one is a fault that names it."""
    variable = "SERPAPI_KEY" if name == "google" else f"{name.upper()}_KEY"
    without = source_check.answer(name, settings_of(web, **{variable: ""}))
    assert (without.good, without.asked) == (True, False)
    assert f"BYOD_{variable}" in without.told
    web.answer_next("/account.json", Answer(401, "{}"))
    wrong = source_check.answer(name, settings_of(web, **{variable: f"not-{KEY}"}))
    assert (wrong.good, wrong.word) == (False, "key refused")
    assert KEY not in wrong.told


def test_without_a_contact_wikimedia_is_not_asked(web):
    """Commons and Wikidata are no fault without a contact: the line says what to set, and nothing was sent."""
    for name in ("commons", "wikidata"):
        said = source_check.answer(name, settings_of(web, CONTACT=""))
        assert (said.good, said.asked) == (True, False)
        assert "BYOD_CONTACT" in said.told
    assert web.asked == []


def test_a_refusal_for_the_contact_given_is_a_fault():
    """Where Wikimedia refuses whoever asks although a contact is set, that is a fault in its own words."""
    with Recordings("commons") as web:
        web.recorded = [each for each in web.recorded if each.name == "no-contact"]
        web.recorded[0].content["request"]["params"].clear()
        said = source_check.answer("commons", settings_of(web))
    assert (said.good, said.word) == (False, "no contact")
    assert "robot policy" in said.told


def test_a_source_is_asked_once(web):
    """What is out of order is told at once: nothing is tried again, and no pause is sat out."""
    web.answer_next("/v1/images/", Answer(503, "{}"), Answer(200, "{}"))
    started = time.monotonic()
    said = source_check.answer("openverse", settings_of(web))
    assert (said.good, said.word) == (False, "failed")
    assert "503" in said.told
    assert len(web.asked_for("/v1/images/")) == 1
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_a_certificate_that_is_not_believed_is_named():
    """A server whose certificate nobody known signed is told as that, with the variable that helps behind a proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def greet(listener):
        with contextlib.suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, args=(listener,), daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        said = source_check.answer(
            "openverse", Settings.load({"BYOD_OPENVERSE_URL": url, "BYOD_ALLOW_PRIVATE_HOSTS": "1"})
        )
    assert not said.good
    assert "its certificate is not believed" in said.told
    assert "REQUESTS_CA_BUNDLE" in said.told


def test_the_surroundings_are_told_without_passwords(web, monkeypatch):
    """The name that is given, the proxy without its password, and whose certificates are believed."""
    monkeypatch.setenv("https_proxy", "http://bob:hush@proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/certificates/ours.pem")
    lines = "\n".join(source_check.surroundings(settings_of(web)))
    assert "tests@example.org" in lines
    assert "proxy.example:3128" in lines
    assert "hush" not in lines
    assert "/certificates/ours.pem" in lines


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_goes_wrong_while_asking_is_raised(web, monkeypatch):
    """A fault of byod's own in one of the questions ends the command: its answer is not waited for without end."""

    def broken(*_):
        raise ZeroDivisionError("a fault of byod's own")

    monkeypatch.setattr(source_check, "answer", broken)
    with pytest.raises(RuntimeError, match="the traceback above says where"):
        list(source_check.answers(settings_of(web)))


@pytest.mark.slow
def test_sources_that_share_a_package_are_asked_side_by_side():
    """In a fresh process, where the sources are imported first: two of them import one package, which has a circle."""
    with Recordings() as server:
        asking = "from byod.schema.config import Settings\nfrom byod.collection import source_check\n"
        asking += "print(len(list(source_check.answers(Settings.load()))))"
        environment = os.environ | server.environment()
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "-c", asking],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.stdout.strip() == str(len(SOURCES) + 1), done.stderr
