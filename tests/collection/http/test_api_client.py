"""The API client: patient, capped, remembered, and without secrets in what it keeps or says."""

import json
import os
import socket
import threading
import time
from datetime import timedelta

import pytest
from asking import Clock, cached_files, client_of
from loopback_sources import Answer, LoopbackSources

from byod.collection.http import api_client
from byod.schema.errors import KeyRefused, RateLimited, SourceError


@pytest.fixture
def web():
    with LoopbackSources() as server:
        yield server


def options(client, web, path="/x", params=None, **how):
    return client.get_json(web.url + path, params or {"q": "1"}, source="test", **how)


def ok(value="fine"):
    return Answer(body=json.dumps(value))


def test_an_answer_is_remembered(web):
    """The same question within a day is answered from the cache, by another client too."""
    web.answer_next("/x", ok())
    assert options(client_of(web), web) == "fine"
    assert options(client_of(web), web) == "fine"
    assert len(web.asked) == 1


def test_memory_fades(web):
    """An answer older than it may be is asked for again, and without a cache every time."""
    web.answer_next("/x", ok("first"), ok("second"), ok("third"))
    client = client_of(web)
    assert options(client, web) == "first"
    (kept,) = cached_files(client)
    os.utime(kept, (time.time() - 3600 * 25,) * 2)
    assert options(client, web) == "second"
    assert options(client, web, cache=timedelta(days=365)) == "second"
    assert options(client, web, cache=None) == "third"


def test_a_broken_memory_is_asked_for_again(web):
    """A remembered answer that is not whole does not stand in the way for a day."""
    web.answer_next("/x", ok("first"), ok("second"))
    client = client_of(web)
    options(client, web)
    cached_files(client)[0].write_bytes(b'{"cut":')
    assert options(client, web) == "second"


def test_the_honest_name_is_sent(web):
    """Every request says byod's name and the contact."""
    web.answer_next("/x", ok())
    options(client_of(web, CONTACT="ada@example.org"), web)
    assert web.asked[0].headers["user-agent"].startswith("byod-toolkit/")
    assert "ada@example.org" in web.asked[0].headers["user-agent"]


def test_secrets_stay_secret(web):
    """No key stands in the cache, in a cache name, or in a message; another key finds the same memory."""
    web.answer_next("/x", ok())
    client = client_of(web)
    options(client, web, params={"q": "1", "api_key": "s3cret"})
    assert options(client, web, params={"q": "1", "api_key": "0ther"}) == "fine"
    for path in cached_files(client):
        assert "s3cret" not in path.name
        assert b"s3cret" not in path.read_bytes()
    for status in (400, 401, 403, 404, 500):
        web.answer_next("/y", *[Answer(status)] * 4)
        with pytest.raises(SourceError) as caught:
            options(client, web, "/y", {"api_key": "s3cret"})
        assert "s3cret" not in str(caught.value)
    with pytest.raises(SourceError) as caught:
        client.get_json("http://127.0.0.1:1/", {"api_key": "s3cret"}, source="test")
    assert "s3cret" not in str(caught.value)


def test_trouble_that_passes_is_sat_out(web):
    """500 and 429 are asked again after a pause; `Retry-After` says how long a pause."""
    clock = Clock()
    web.answer_next("/x", Answer(503), Answer(429, headers={"Retry-After": "17"}), ok())
    assert options(client_of(web, clock), web) == "fine"
    assert 1 <= clock.slept[0] <= 3
    assert clock.slept[1] == 17


def test_a_long_wait_is_a_rate_limit(web):
    """A `Retry-After` of more than a minute ends the source at once, unslept."""
    clock = Clock()
    web.answer_next("/x", Answer(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="3600 s"):
        options(client_of(web, clock), web)
    assert clock.slept == []
    assert len(web.asked) == 1


def test_patience_ends(web):
    """After four attempts a source is out of order, or rate-limited if it said so."""
    web.answer_next("/x", *[Answer(500)] * 4)
    with pytest.raises(SourceError, match="out of order"):
        options(client_of(web), web)
    web.answer_next("/y", *[Answer(429)] * 4)
    with pytest.raises(RateLimited):
        options(client_of(web), web, "/y")
    assert len(web.asked) == 8


@pytest.mark.parametrize(
    ("status", "params", "headers", "error"),
    [
        (401, {"api_key": "k"}, {}, KeyRefused),
        (403, {"api_key": "k"}, {}, KeyRefused),
        (401, {}, {"Authorization": "Bearer t"}, KeyRefused),
        (404, {"api_key": "k"}, {}, SourceError),
        (403, {}, {}, SourceError),
    ],
)
def test_refusals_are_told_apart(web, status, params, headers, error):
    """A refused key is one only where a key was sent; refusals are not tried again and not remembered."""
    web.answer_next("/x", Answer(status))
    client = client_of(web)
    with pytest.raises(SourceError) as caught:
        options(client, web, params=params, headers=headers)
    assert type(caught.value) is error
    assert len(web.asked) == 1
    assert cached_files(client) == []


@pytest.mark.parametrize(
    "body", [b"<html>sorry</html>", b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"nope", b"1" * 6000]
)
def test_what_is_not_json_is_said_and_not_remembered(web, body):
    """A page, an empty body, garbage, a nesting bomb or a number bomb is one clear line."""
    web.answer_next("/x", Answer(body=body), ok())
    client = client_of(web)
    with pytest.raises(SourceError, match="test answered with"):
        options(client, web)
    assert options(client, web) == "fine"


def test_a_huge_answer_is_cut_off(web, monkeypatch):
    """An answer above the cap is refused before it fills the memory, packed or not."""
    import gzip

    monkeypatch.setattr(api_client, "MAX_REPLY", 100_000)
    web.answer_next("/x", Answer(body=b"1" * 200_000))
    with pytest.raises(SourceError, match="more than"):
        options(client_of(web), web)
    packed = gzip.compress(b"1" * 2_000_000)
    web.answer_next("/x", Answer(body=packed, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(SourceError, match="more than"):
        options(client_of(web), web)


def test_packed_answers_are_unpacked(web):
    """A gzipped answer is read and remembered unpacked."""
    import gzip

    web.answer_next("/x", Answer(body=gzip.compress(b'"fine"'), headers={"Content-Encoding": "gzip"}))
    assert options(client_of(web), web) == "fine"
    assert options(client_of(web), web) == "fine"
    assert len(web.asked) == 1


def test_a_drip_ends_at_the_deadline(web, monkeypatch):
    """A server that sends a byte now and then is left when the whole answer takes too long."""
    monkeypatch.setattr(api_client, "DEADLINE", 0.6)
    monkeypatch.setattr(api_client, "TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"1")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(SourceError):
            client_of(web).get_json(url, {}, source="test")
        stop.set()
        thread.join()


def test_no_connection_is_one_line(web):
    """Nobody there, a name that does not exist, and a connection cut off end in one line after some tries."""
    clock = Clock()
    with pytest.raises(SourceError, match=r"no answer from 127\.0\.0\.1:1"):
        client_of(web, clock).get_json("http://127.0.0.1:1/", {}, source="test")
    assert len(clock.slept) == 3
    with pytest.raises(SourceError, match="no answer from"):
        client_of(web).get_json("http://nobody.invalid/", {}, source="test")


def test_private_addresses_are_refused(web):
    """Without the switch, an API on this machine is not asked, and the line names the switch."""
    clock = Clock()
    with pytest.raises(SourceError, match="BYOD_ALLOW_PRIVATE_HOSTS=1"):
        options(client_of(web, clock, ALLOW_PRIVATE_HOSTS=""), web)
    assert web.asked == []
    assert clock.slept == []


def test_turns_are_taken(web):
    """No more questions than allowed start within any minute; this machine's own servers are no public API."""
    clock = Clock()
    client = client_of(web, clock)
    starts = []
    for _ in range(25):
        client.take_turn("test", 10)
        starts.append(clock())
    assert all(later - earlier >= 60 for earlier, later in zip(starts, starts[10:], strict=False))
    assert api_client.on_loopback(web.url)
    assert not api_client.on_loopback("https://127.example.org/")


def test_other_kinds_of_error_are_not_hidden(web):
    """A mistake of byod's own is not taken for trouble on the network."""

    def broken(reply):
        raise ZeroDivisionError

    web.answer_next("/x", ok())
    with pytest.raises(ZeroDivisionError):
        options(client_of(web), web, check=broken)


def test_answers_that_held_nothing_are_not_remembered(web):
    """What came to nothing is asked anew by the next run, what came to something is not."""
    web.answer_next("/full", ok("full"))
    web.answer_next("/empty", ok([]), ok("full"))
    client = client_of(web)
    assert options(client, web, "/full") == "full"
    client.memory.came_to_something()
    assert options(client, web, "/empty") == []
    client.memory.came_to_nothing()
    assert options(client_of(web), web, "/full") == "full"
    assert options(client_of(web), web, "/empty") == "full"


def test_asking_again_takes_no_answer_of_an_earlier_run(web):
    """With `ask_again` each question is put once more, and its new answer holds for the rest of the run."""
    web.answer_next("/x", ok("old"), ok("new"), ok("newest"))
    options(client_of(web), web)
    plain = client_of(web)
    client = api_client.ApiClient(plain.settings, plain.session, ask_again=True)
    assert [options(client, web), options(client, web)] == ["new", "new"]


def test_a_refusal_is_told_in_the_servers_words_without_the_key(web):
    """The sentence that names the cure is shown; a key that the server repeats is not."""
    web.answer_next("/x", Answer(400, '{"detail": "page_size may not exceed 50 for key hush-hush"}'))
    with pytest.raises(SourceError) as refused:
        options(client_of(web), web, params={"q": "1", "api_key": "hush-hush"})
    assert "page_size may not exceed 50 for key …" in str(refused.value)


def test_a_reset_header_is_waited_for(web):
    """A 429 that names its reset in another header than Retry-After is waited for just so long."""
    clock = Clock()
    web.answer_next("/x", Answer(429, "", {"X-RateLimit-Reset": "43"}), ok())
    assert options(client_of(web, clock), web) == "fine"
    assert clock.slept == [43]
