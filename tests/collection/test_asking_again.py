"""What is asked again, and when: refusals remember who asked, and people may ask again for a reason."""

import csv
import json
import sqlite3

import pytest
from command import byod
from loopback_server import Answer, LoopbackServer

from byod import draw_classes
from byod.schema.config import Settings


@pytest.fixture
def web():
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def drawn(tmp_path):
    """Two class folders of two pictures each."""
    draw_classes(tmp_path / "drawn", classes=("circle", "square"), per_class=2)
    return tmp_path / "drawn"


@pytest.fixture
def listed(web, tmp_path, drawn):
    """A list of two pictures of which the first is refused, and the settings to fetch it with."""
    paths = sorted((drawn / "square").iterdir())[:2]
    for number, path in enumerate(paths):
        web.put(f"/{number}.jpg", path.read_bytes())
    (tmp_path / "list.csv").write_text(f"url,label\n{web.url}/0.jpg,rund\n{web.url}/1.jpg,rund\n")
    return {"BYOD_ALLOW_PRIVATE_HOSTS": "1", "BYOD_CONFIG": str(tmp_path / "none.toml")}


def collect(tmp_path, settings, *more):
    arguments = ["collect", "--from-urls", "list.csv", "--into", "d", "--min-side", "1", "--json", *more]
    done = byod(*arguments, folder=tmp_path, **settings)
    return json.loads(done.stdout)["classes"]["rund"], done.stderr


REFUSAL = Answer(403, "<html><title>x</title><p>Please set a user-agent and respect our policy</p>")


@pytest.mark.slow
def test_a_refusal_is_asked_again_once_somebody_else_asks(tmp_path, web, listed):
    """The same asker is not told twice; another contact, or --ask-again, asks again; the server's words are shown."""
    web.answer_next("/0.jpg", REFUSAL, REFUSAL, REFUSAL)
    kept, said = collect(tmp_path, listed)
    assert kept == 1
    assert "Please set a user-agent and respect our policy" in said
    assert collect(tmp_path, listed)[0] == 1
    assert len(web.asked_for("/0.jpg")) == 1
    collect(tmp_path, {**listed, "BYOD_CONTACT": "somebody@example.org"})
    assert len(web.asked_for("/0.jpg")) == 2
    with sqlite3.connect(tmp_path / "d" / "catalog.db") as catalog:
        ((asker,),) = catalog.execute("SELECT asker FROM addresses WHERE outcome = 'forbidden'")
    assert json.loads(asker)["contact"] == "somebody@example.org"
    collect(tmp_path, {**listed, "BYOD_CONTACT": "somebody@example.org"}, "--ask-again")
    assert len(web.asked_for("/0.jpg")) == 3
    assert collect(tmp_path, listed)[0] == 2


@pytest.mark.slow
def test_failed_addresses_are_listed_and_asked_again_for_their_reason(tmp_path, web, listed):
    """`status --failed` names each with its reason, also as CSV and JSON; `--retry` asks those again, and no others."""
    web.answer_next("/0.jpg", Answer(404, "gone"))
    web.answer_next("/1.jpg", Answer(418, "a teapot holds no pictures"))
    assert collect_nothing(tmp_path, listed)
    (rows,) = json.loads(byod("status", "d", "--failed", "--json", folder=tmp_path).stdout).values()
    assert [(row["url"], row["label"], row["reason"], row["status"]) for row in rows] == [
        (f"{web.url}/0.jpg", "rund", "not-found", 404),
        (f"{web.url}/1.jpg", "rund", "http-error", 418),
    ]
    assert "a teapot holds no pictures" in rows[1]["detail"]
    lines = byod("status", "d", "--failed", "--csv", folder=tmp_path).stdout.splitlines()
    assert [row["reason"] for row in csv.DictReader(lines)] == ["not-found", "http-error"]
    assert collect(tmp_path, listed, "--retry", "not-found")[0] == 1
    assert [len(web.asked_for(f"/{number}.jpg")) for number in (0, 1)] == [2, 1]
    wrong = byod("collect", "x", "--retry", "gone", folder=tmp_path, check=2)
    assert "'gone' is not a reason to ask again" in wrong.stderr


def collect_nothing(tmp_path, settings):
    arguments = ["collect", "--from-urls", "list.csv", "--into", "d", "--min-side", "1"]
    return byod(*arguments, folder=tmp_path, check=1, **settings)


@pytest.mark.slow
def test_a_long_rest_is_said_with_the_time_to_come_back(tmp_path, web, listed):
    """What a host asks for is said at the end: who, how many pictures wait, and until when."""
    web.answer_next("/0.jpg", Answer(429, "", {"Retry-After": "3600"}))
    web.answer_next("/1.jpg", Answer(429, "", {"Retry-After": "3600"}))
    said = collect_nothing(tmp_path, listed).stderr
    assert "asks to be left alone until" in said
    assert "2 pictures wait" in said


@pytest.mark.slow
def test_own_pictures_do_not_use_up_what_waits_for_the_web(tmp_path, web, listed, drawn):
    """byod add between two collections leaves the addresses that failed for now to the next collection."""
    web.answer_next("/0.jpg", Answer(429, "", {"Retry-After": "3600"}))
    arguments = ["collect", "--from-urls", "list.csv", "--into", "d", "--min-side", "1"]
    byod(*arguments, folder=tmp_path, check=None, **listed)
    byod("add", str(drawn / "circle"), "--label", "kreis", "--into", "d", folder=tmp_path)
    assert collect(tmp_path, listed)[0] == 2


def test_a_fingerprint_tells_keys_apart_and_gives_none_away(tmp_path):
    """Who asks is agent, contact and a mark of the key: another with another key, and never the key."""
    files = {"config_file": tmp_path / "x", "cache": tmp_path}
    one, two = (
        Settings(environment={"BYOD_FLICKR_KEY": key}, contact="a@b.example", **files).asker("flickr")
        for key in ("first-key", "second-key")
    )
    assert one != two
    assert "first-key" not in one
    assert Settings(**files).asker("flickr") != Settings(contact="a@b.example", **files).asker("flickr")
