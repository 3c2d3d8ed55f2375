"""Downloading: manners towards hosts, order, laziness, retries, memory, and ending promptly."""

import contextlib
import gzip
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from hostile_server import HostileServer, resolving
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.collection.download import Limits, download
from byod.collection.http.body import BodyRefused, ByteBudget, decoded
from byod.collection.http.exchange import clean
from byod.collection.http.optouts import Permission
from byod.collection.http.scheduler import Host, Job, Schedule
from byod.collection.http.sockets import Allowance, OutOfTime
from byod.collection.http.web_address import _PLAIN, canonical
from byod.schema.config import Settings
from byod.schema.reasons import Reason
from byod.schema.records import Fetched, Miss

FAST = Limits(deadline=10.0, connect=2.0, backoff=0.05)
FOREVER = 3600.0
"""Longer than any test may take: what waits for a silent server is ended by the time-out of the tests."""
PATIENT = Limits(deadline=FOREVER, connect=FOREVER)


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Loopback is allowed, *.hostile.test leads there, and no proxy stands between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setattr("socket.getaddrinfo", resolving())


class Site:
    """A well-behaved server that notes who asks for what, when, and how many at a time for each host."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = []
        self.starts = defaultdict(list)
        self.at_once = Counter()
        self.most_at_once = Counter()
        self.connections = set()
        self.pages = {}
        self.pause = 0.0
        self.gate = threading.Event()
        self.gate.set()

    def page(self, path, status=200, body=b"picture", **headers):
        self.pages[path] = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def url(self, path, host="127.0.0.1"):
        host = host if host == "127.0.0.1" else f"{host}.hostile.test"
        return f"http://{host}:{self.port}{path}"

    def asked(self, path):
        return sum(1 for _, asked, _ in self.requests if asked == path)

    def pictures(self):
        return [path for _, path, _ in self.requests if not path.endswith(("robots.txt", "tdmrep.json"))]


@pytest.fixture
def site():
    state = Site()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # headers and body in one packet: two of them wait for each other's acknowledgement

        def do_GET(self):
            host = self.headers["Host"].split(".")[0].split(":")[0]
            with state.lock:
                state.connections.add(self.client_address)
                state.requests.append((host, self.path, dict(self.headers)))
                state.starts[host].append(time.monotonic())
                state.at_once[host] += 1
                state.most_at_once[host] = max(state.most_at_once[host], state.at_once[host])
            wishes = self.path.endswith(("robots.txt", "tdmrep.json"))
            if not wishes:
                time.sleep(state.pause)
                state.gate.wait(20)
            default = (404, b"", {}) if wishes else (200, self.path.encode(), {})
            status, body, headers = state.pages.get(self.path, default)
            with state.lock:
                state.at_once[host] -= 1
            self.send_response(status)
            for name, value in {
                "Content-Type": "image/jpeg",
                **headers,
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Answer)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield state
    state.gate.set()
    server.shutdown()
    server.server_close()


def fetch(urls, limits=FAST, **options):
    options.setdefault("inspect", lambda fetched, body: body)
    return list(download(urls, settings=Settings.load(), limits=limits, **options))


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("byod download")]


# ------------------------------------------------------------------------------------------ the plain case


def test_bytes_arrive_with_their_name_and_what_inspect_made_of_them(site):
    """A Fetched names the address, the SHA-256, size and type; `inspect` gets the body on a worker's thread."""
    site.page("/a.jpg", body=b"abc")
    seen = []

    def inspect(fetched, body):
        seen.append((threading.current_thread(), body))
        return len(body)

    [(outcome, value)] = fetch([site.url("/a.jpg#part")], inspect=inspect)
    assert outcome == Fetched(
        url=site.url("/a.jpg#part"),
        final_url=site.url("/a.jpg"),
        sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        size=3,
        content_type="image/jpeg",
    )
    assert value == 3
    assert seen[0][0] is not threading.current_thread()
    assert seen[0][1] == b"abc"


def test_every_address_ends_once(site):
    """Hundreds of addresses, some twice, some unusable: as many outcomes, each under the address as given."""
    urls = [site.url(f"/{n}.jpg", host=f"h{n % 7}") for n in range(300)] + [
        site.url("/0.jpg", "h0"),
        "nonsense",
    ]
    outcomes = fetch(urls)
    assert Counter(outcome.url for outcome, _ in outcomes) == Counter(urls)
    assert all(body == f"/{outcome.url.rsplit('/', 1)[1]}".encode() for outcome, body in outcomes if body)


def test_nothing_to_do_is_done_at_once():
    """An empty list of addresses ends without a thread."""
    assert fetch([]) == []
    assert not threads()


@pytest.mark.slow
def test_results_come_in_order_of_completion(site):
    """A slow address does not hold back the quick ones behind it."""
    with HostileServer() as slow:
        limits = FAST.model_copy(update={"deadline": 1.5})
        urls = [slow.url("silent", by_name=True), *(site.url(f"/{n}.jpg") for n in range(20))]
        outcomes = fetch(urls, limits)
    assert outcomes[-1][0].reason is Reason.DEADLINE


def test_connections_are_kept_and_nothing_needless_is_sent(site):
    """Fifty pictures of one host travel over its two connections, without cookies, asking for plain bytes."""
    site.page("/0.jpg", Set_Cookie="track=me")
    site.page("/1.jpg", status=404, body=b"gone")
    site.page("/2.jpg", status=302, body=b"on", Location="/3.jpg")
    fetch([site.url(f"/{n}.jpg") for n in range(50)])
    assert len(site.connections) <= 2
    for _, _, headers in site.requests:
        assert "Cookie" not in headers
        assert headers["Accept-Encoding"] == "identity"
        assert headers["User-Agent"] == Settings.load().user_agent


# -------------------------------------------------------------------------------------------------- manners


def test_a_host_is_asked_by_two_at_a_time(site):
    """However many workers there are, one host sees at most `per_host` requests at once; others are not held up."""
    site.pause = 0.02
    fetch([site.url(f"/{n}.jpg", host=f"h{n % 3}") for n in range(60)])
    assert site.most_at_once
    assert max(site.most_at_once.values()) <= 2
    site.most_at_once.clear()
    fetch([site.url(f"/{n}.jpg") for n in range(40)], FAST.model_copy(update={"per_host": 8}))
    assert 2 < max(site.most_at_once.values()) <= 8


def test_the_delay_lies_between_two_starts(site):
    """`delay` seconds pass between two requests to one host, robots.txt included."""
    began = time.monotonic()
    fetch(
        [site.url(f"/{n}.jpg") for n in range(4)], FAST.model_copy(update={"delay": 0.15}), ignore_optout=True
    )
    starts = site.starts["127"]
    assert len(starts) == 4
    # counted from the beginning: a busy machine may notice a request late, and the next one at once
    assert all(at - began > 0.15 * number - 0.01 for number, at in enumerate(starts))


def test_a_crawl_delay_is_honoured(site):
    """The Crawl-delay of a robots.txt spaces the pictures of its host."""
    site.page("/robots.txt", body=b"User-agent: *\nCrawl-delay: 0.2")
    began = time.monotonic()
    fetch([site.url(f"/{n}.jpg") for n in range(4)])
    starts = site.starts["127"][2:]  # after robots.txt and tdmrep.json
    assert len(starts) == 4
    assert all(at - began > 0.2 * number - 0.01 for number, at in enumerate(starts))


@pytest.mark.slow
def test_retry_after_parks_the_host_and_not_the_thread(site):
    """With a single worker, a host that asks for a second of rest is left alone while another one is served."""
    busy = []

    def answer(path):
        busy.append(time.monotonic())
        return (429, b"", {"Retry-After": "1"}) if len(busy) == 1 else (200, b"x", {})

    site.pages = Pages(site.pages, "/busy.jpg", answer)
    urls = [site.url("/busy.jpg", "busy"), site.url("/b2.jpg", "busy")]
    urls += [site.url(f"/{n}.jpg", "free") for n in range(20)]
    outcomes = fetch(urls, FAST.model_copy(update={"workers": 1}))
    assert [outcome.url for outcome, _ in outcomes[:20]] == urls[2:]
    assert all(isinstance(outcome, Fetched) for outcome, _ in outcomes)
    assert busy[1] - busy[0] > 0.9


class Pages(dict):
    """The pages of a Site of which one is made anew at each request."""

    def __init__(self, pages, path, answer):
        super().__init__(pages)
        self.path, self.answer = path, answer

    def get(self, path, default=None):
        return self.answer(path) if path == self.path else super().get(path, default)


class Limited(dict):
    """Pages of which `most` are served in any `seconds`; `refusal` is the answer to all others."""

    def __init__(self, most, seconds, refusal):
        self.most, self.seconds, self.refusal = most, seconds, refusal
        self.served, self.refused, self.lock = [], 0, threading.Lock()

    def get(self, path, default=None):
        if path.endswith(("robots.txt", "tdmrep.json")):
            return default
        with self.lock:
            now = time.monotonic()
            if len([at for at in self.served if now - at < self.seconds]) >= self.most:
                self.refused += 1
                return self.refusal
            self.served.append(now)
            return default


@pytest.mark.slow
@pytest.mark.parametrize(
    "refusal",
    [
        (429, b"", {}),
        (503, b"Slow Down", {}),
        (429, b"", {"Retry-After": "0.6"}),
        (429, b"", {"X-RateLimit-Reset": "1"}),
    ],
)
def test_a_limited_host_gives_all_its_pictures_in_one_run(site, refusal):
    """Behind a limit no address is used up, and few requests are refused."""
    site.pages = Limited(10, 0.5, refusal)
    outcomes = fetch([site.url(f"/{n}.jpg") for n in range(60)], FAST.model_copy(update={"backoff": 0.2}))
    assert {type(outcome) for outcome, _ in outcomes} == {Fetched}
    assert site.pages.refused <= 6


@pytest.mark.slow
def test_an_address_that_alone_is_refused_does_not_hold_up_its_host(site):
    """Some hosts answer 429 for sizes that are closed: that address ends so, all others are fetched."""
    site.page("/closed.jpg", status=429, body=b"")
    outcomes = fetch([site.url("/closed.jpg"), *(site.url(f"/{n}.jpg") for n in range(30))])
    missed = [outcome for outcome, _ in outcomes if isinstance(outcome, Miss)]
    assert [(miss.url, miss.reason) for miss in missed] == [(site.url("/closed.jpg"), Reason.RATE_LIMITED)]
    assert site.asked("/closed.jpg") <= 7


def test_a_host_that_asks_for_a_long_rest_is_left_alone(site):
    """More rest than byod waits ends all addresses of that host as rate-limited, without another request."""
    site.page("/0.jpg", status=503, body=b"", Retry_After="3600")
    limits = FAST.model_copy(update={"per_host": 1})
    outcomes = fetch([site.url(f"/{n}.jpg") for n in range(10)], limits)
    assert site.pictures() == ["/0.jpg"]
    assert outcomes[0][0].reason is Reason.SERVER_ERROR
    assert outcomes[0][0].retry_after == 3600
    assert {outcome.reason for outcome, _ in outcomes[1:]} == {Reason.RATE_LIMITED}
    assert all(3500 < outcome.retry_after <= 3600 for outcome, _ in outcomes[1:])


@pytest.mark.parametrize(
    ("status", "times"), [(500, 2), (503, 2), (429, 3), (404, 1), (403, 1), (418, 1), (451, 1), (204, 1)]
)
def test_only_what_may_pass_is_tried_again(site, status, times):
    """Transient answers are asked for `tries` times, final ones once."""
    site.page("/x.jpg", status=status, body=b"")
    [(outcome, _)] = fetch([site.url("/x.jpg")])
    assert isinstance(outcome, Miss)
    assert outcome.status == status
    assert site.asked("/x.jpg") == times


@pytest.mark.slow
def test_a_dead_host_is_given_up():
    """After six failures in a row the rest of a host's addresses end at once, as transient misses."""
    with HostileServer() as server:
        urls = [f"http://dead.hostile.test:{server.port}/silent/{n}" for n in range(60)]
        # so short that no other host is asked here: a busy machine may take longer to answer
        outcomes = fetch(urls, FAST.model_copy(update={"deadline": 0.3}), ignore_optout=True)
        assert server.connections <= 8
    assert Counter(outcome.reason for outcome, _ in outcomes) == {Reason.DEADLINE: 60}
    assert sum("given up" in getattr(outcome, "detail", "") for outcome, _ in outcomes) >= 50


def test_cookies_live_within_one_chain_of_redirects(site):
    """A host that hands its picture to whoever brings its cookie back does so; the next address begins without any."""
    site.pages = Pages(
        site.pages, "/go.jpg", lambda path: (302, b"", {"Location": "/end.jpg", "Set-Cookie": "seen=1"})
    )
    limits = FAST.model_copy(update={"workers": 1})
    fetch([site.url("/go.jpg"), site.url("/next.jpg")], limits, ignore_optout=True)
    brought = {path: headers.get("Cookie") for _, path, headers in site.requests}
    assert brought == {"/go.jpg": None, "/end.jpg": "seen=1", "/next.jpg": None}


@pytest.mark.parametrize(
    ("told", "fetched"),
    [({}, True), ({"Content-Range": "bytes 0-6/7"}, True), ({"Content-Range": "bytes 0-6/90"}, False)],
)
def test_a_part_that_is_the_whole_is_taken(site, told, fetched):
    """206 without having asked for a part: the picture, as long as it is not a part of one."""
    site.page(
        "/a.jpg",
        status=206,
        body=b"picture",
        **{name.replace("-", "_"): value for name, value in told.items()},
    )
    [(outcome, _)] = fetch([site.url("/a.jpg")])
    assert isinstance(outcome, Fetched) is fetched


# -------------------------------------------------------------------------------------------------- opt-outs


def test_robots_is_asked_once_and_obeyed(site):
    """One robots.txt and one tdmrep.json for a site, however many pictures; what it disallows is never asked for."""
    site.page("/robots.txt", body=b"User-agent: *\nDisallow: /private/")
    outcomes = fetch([site.url(f"/{place}/{n}.jpg") for n in range(10) for place in ("open", "private")])
    assert site.asked("/robots.txt") == site.asked("/.well-known/tdmrep.json") == 1
    assert not any(path.startswith("/private/") for path in site.pictures())
    assert Counter(getattr(outcome, "reason", None) for outcome, _ in outcomes) == {
        None: 10,
        Reason.ROBOTS: 10,
    }


def test_a_redirect_is_subject_to_the_rules_of_where_it_leads(site):
    """The host a redirect leads to is asked for its own robots.txt, and its refusal counts."""
    site.page("/go.jpg", status=302, body=b"", Location=f"http://strict.hostile.test:{site.port}/x.jpg")
    with HostileServer() as other:
        target = f"http://robots-disallow.hostile.test:{other.port}/robots-disallow"
        site.page("/go.jpg", status=302, body=b"", Location=target)
        [(outcome, _)] = fetch([site.url("/go.jpg")])
    assert outcome.reason is Reason.ROBOTS
    assert outcome.url == site.url("/go.jpg")


def test_ignoring_opt_outs_asks_for_none_and_heeds_none(site):
    """With `ignore_optout` no robots.txt and no tdmrep.json is asked for, and headers refuse nothing."""
    site.page("/robots.txt", body=b"User-agent: *\nDisallow: /")
    site.page("/x.jpg", X_Robots_Tag="noai", TDM_Reservation="1")
    [(refused, _)] = fetch([site.url("/x.jpg")])
    assert refused.reason is Reason.ROBOTS
    site.requests.clear()
    [(outcome, _)] = fetch([site.url("/x.jpg")], ignore_optout=True)
    assert isinstance(outcome, Fetched)
    assert site.asked("/robots.txt") == site.asked("/.well-known/tdmrep.json") == 0


def test_a_granted_address_is_no_crawl(site):
    """What its site gave to be fetched is fetched past robots.txt; headers, signals and other sites still count."""
    site.page("/robots.txt", body=b"User-agent: *\nDisallow: /get/\nContent-Signal: /get/own/ ai-train=no")
    site.page("/get/no.jpg", X_Robots_Tag="noai")
    site.page("/get/away.jpg", status=302, body=b"", Location=f"http://b.hostile.test:{site.port}/get/x.jpg")
    urls = [site.url(f"/get/{name}.jpg") for name in ("1", "no", "own/2", "away", "not-granted")]
    outcomes = {outcome.url: outcome for outcome, _ in fetch(urls, granted=urls[:4])}
    assert isinstance(outcomes[urls[0]], Fetched)
    reasons = [outcomes[url].reason for url in urls[1:]]
    assert reasons == [Reason.OPTED_OUT, Reason.OPTED_OUT, Reason.ROBOTS, Reason.ROBOTS]


def test_all_of_wikimedia_is_one_host():
    """Two connections at a time over all hosts of wikimedia.org, whatever `--per-host` says; others have their own."""
    hosts = ("upload.wikimedia.org", "thumb.wikimedia.org", "commons.wikimedia.org")
    urls = [f"https://{host}/{number}.jpg" for number in range(3) for host in hosts]
    for among, most in ((urls, 2), ([url.replace("wikimedia", "example") for url in urls], 9)):
        known = {f"https://{url.split('/')[2]}": Permission() for url in among}
        schedule = Schedule(Limits(per_host=3), ignore_optout=False, permissions=known, hosts={})
        for url in among:
            schedule.add(Job(url, url))
        now, given = time.monotonic(), 0
        while schedule._next(now, now)[0] is not None:
            given += 1
        assert given == most


def test_permissions_can_be_kept_from_one_call_to_the_next(site):
    """What sites said in one call is not asked for again in the next."""
    known: dict[str, Permission] = {}
    fetch([site.url("/1.jpg")], permissions=known)
    fetch([site.url("/2.jpg")], permissions=known)
    assert list(known) == [f"http://127.0.0.1:{site.port}"]
    assert site.asked("/robots.txt") == 1


def test_what_hosts_asked_for_can_be_kept_too(site):
    """A host that asked for a long rest in one call is not asked again in the next that shares `hosts`."""
    site.page("/0.jpg", status=429, body=b"", Retry_After="3600")
    known: dict[str, Host] = {}
    fetch([site.url("/0.jpg")], hosts=known, ignore_optout=True)
    [(outcome, _)] = fetch([site.url("/1.jpg")], hosts=known, ignore_optout=True)
    assert outcome.reason is Reason.RATE_LIMITED
    assert site.pictures() == ["/0.jpg"]


# ---------------------------------------------------------------------------------------- laziness and endings


def test_addresses_are_read_only_as_far_ahead_as_needed(site):
    """An endless list of addresses is consumed a bounded way ahead of the results."""
    read = []

    def endless():
        while True:
            read.append(None)
            yield site.url(f"/{len(read)}.jpg", host=f"h{len(read) % 5}")

    limits = FAST.model_copy(update={"workers": 4})
    results = download(endless(), settings=Settings.load(), limits=limits, inspect=lambda fetched, body: None)
    for taken in range(1, 101):
        next(results)
        # under way, waiting (four a worker, sixteen when hosts must be waited for), not yet taken
        assert len(read) <= taken + 4 * (1 + 16 + 2) + 1
    results.close()


def test_a_slow_consumer_holds_the_workers_back(site):
    """Results that nobody takes do not pile up: the workers wait."""
    results = download(
        (site.url(f"/{n}.jpg", host=f"h{n}") for n in range(500)),
        settings=Settings.load(),
        limits=FAST.model_copy(update={"workers": 4}),
        ignore_optout=True,
        inspect=lambda fetched, body: None,
    )
    next(results)
    time.sleep(0.5)
    assert len(site.pictures()) <= 16 + 4 * 2 + 2 * (os.cpu_count() or 1)
    results.close()


def test_parked_hosts_do_not_starve_the_others(site):
    """While a long queue belongs to a parked host, addresses behind it are still reached."""
    site.page("/parked.jpg", status=503, body=b"", Retry_After="5")
    urls = [site.url("/parked.jpg", "parked")] * 30 + [site.url("/free.jpg", "free")]
    results = download(
        urls,
        settings=Settings.load(),
        limits=FAST.model_copy(update={"workers": 2}),
        ignore_optout=True,
        inspect=lambda fetched, body: None,
    )
    outcome, _ = next(results)
    assert outcome.url == urls[-1]
    results.close()


def test_closing_ends_the_threads_promptly(site):
    """Closing the generator while every worker waits for a silent server leaves no thread, and waits for no server."""
    site.gate.clear()
    urls = [site.url("/quick/robots.txt"), *(site.url(f"/{n}.jpg", host=f"h{n}") for n in range(40))]
    results = download(urls, settings=Settings.load(), limits=PATIENT, inspect=lambda fetched, body: None)
    next(results)
    results.close()
    assert not threads()


def test_stop_ends_the_iteration(site):
    """Setting `stop` from elsewhere ends the iteration without an exception and without threads left."""
    site.gate.clear()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    assert fetch([site.url(f"/{n}.jpg", host=f"h{n}") for n in range(40)], PATIENT, stop=stop) == []
    assert not threads()


def test_stop_is_heard_while_connecting_and_looking_up(monkeypatch):
    """A stop does not wait for the system's patience with lookups and connections."""
    release = threading.Event()
    real = resolving()

    def lookup(host, *args, **named):
        if host == "slow.test":
            release.wait(FOREVER)
        return real(host, *args, **named)

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        port = full.getsockname()[1]
        for _ in range(4):  # fill the queue, so that further connections hang
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("127.0.0.1", port))
        stop = threading.Event()
        threading.Timer(0.5, stop.set).start()
        fetch(["http://slow.test/x", f"http://127.0.0.1:{port}/x"], PATIENT, stop=stop)
    release.set()
    assert not threads()


def test_ctrl_c_ends_at_once(site):
    """KeyboardInterrupt during a download ends the process, although servers are silent and nobody is in a hurry."""
    site.gate.clear()
    script = textwrap.dedent(f"""
        import sys
        from byod.collection.download import Limits, download
        from byod.schema.config import Settings
        urls = (f"http://127.0.0.1:{site.port}/{{n}}.jpg" for n in range(100))
        limits = Limits(per_host=32, deadline={FOREVER}, connect={FOREVER})
        print("ready", flush=True)
        try:
            for _ in download(urls, settings=Settings.load(), limits=limits, inspect=lambda f, b: None):
                pass
        except KeyboardInterrupt:
            sys.exit(130)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        while not site.pictures():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_what_inspect_raises_reaches_the_caller(site):
    """An exception of `inspect` ends the download and is raised where the results are taken."""

    def inspect(fetched, body):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fetch([site.url(f"/{n}.jpg") for n in range(50)], inspect=inspect)
    assert not threads()


def test_what_the_addresses_raise_reaches_the_caller(site):
    """An exception of the iterable of addresses ends the download too."""

    def urls():
        yield site.url("/1.jpg")
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fetch(urls())
    assert not threads()


def test_inspections_are_bounded(site):
    """At most `inspecting` bodies are inspected at once, however many workers fetch."""
    now, most, lock = 0, 0, threading.Lock()

    def inspect(fetched, body):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1

    fetch([site.url(f"/{n}.jpg") for n in range(40)], Limits(per_host=16, inspecting=3), inspect=inspect)
    assert 1 < most <= 3


def test_large_bodies_share_a_budget(site):
    """With room for one large body at a time, several large ones are still all fetched."""
    large = bytes(3_000_000)
    for n in range(6):
        site.page(f"/{n}.jpg", body=large)
    outcomes = fetch([site.url(f"/{n}.jpg") for n in range(6)], Limits(per_host=6, memory=3_000_000))
    assert [len(body) for _, body in outcomes] == [len(large)] * 6


@pytest.mark.slow
def test_the_deadline_spans_redirects_and_each_try_starts_anew(site):
    """All hops of a request share one deadline."""
    site.pause = 0.4
    for n in range(5):
        site.page(f"/{n}.jpg", status=302, body=b"", Location=f"/{n + 1}.jpg")
    [(outcome, _)] = fetch([site.url("/0.jpg")], FAST.model_copy(update={"deadline": 1.0}))
    assert outcome.reason is Reason.DEADLINE
    assert outcome.url == site.url("/0.jpg")


# ----------------------------------------------------------------------------------------------------- parts


def test_a_budget_never_hands_out_more_than_it_has():
    """Takers wait for one another, nobody waits for more than all of it, and the wait is given back."""
    budget = ByteBudget(100)
    allowance = Allowance(60)
    assert budget.take(1000, allowance) == 100
    stopped = threading.Event()
    threading.Timer(0.1, stopped.set).start()
    with pytest.raises(OutOfTime):
        budget.take(1, Allowance(60, stopped.is_set))
    threading.Timer(0.3, budget.give_back, (100,)).start()
    before = allowance.deadline
    assert budget.take(50, allowance) == 50
    assert allowance.deadline > before + 0.2


@given(st.binary(max_size=2000), st.integers(1, 400), st.sampled_from(["gzip", "x-gzip", "deflate", "bare"]))
@settings(max_examples=200)
def test_decoding_gives_back_what_was_encoded(content, repeats, encoding):
    """gzip and both kinds of deflate come back byte for byte, across the pieces they are decoded in."""
    content *= repeats
    if encoding == "bare":
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed, encoding = stream.compress(content) + stream.flush(), "deflate"
    else:
        packed = gzip.compress(content, mtime=0) if "gzip" in encoding else zlib.compress(content)
    assert decoded(packed, encoding, len(content)) == content
    if content:
        with pytest.raises(BodyRefused) as refused:
            decoded(packed, encoding, len(content) - 1)
        assert refused.value.reason is Reason.TOO_LARGE


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_decoding_any_bytes_ends_in_bytes_or_a_refusal(content, encoding):
    """Whatever is said to be compressed, the result is bounded bytes or a named refusal."""
    with contextlib.suppress(BodyRefused):
        assert len(decoded(content, encoding, 1000)) <= 1000


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_addresses_and_waits(text):
    """Any text is an address or not, a wait or not; what is printed of it is one printable line."""
    for url in (text, f"http://{text}", f"http://host/{text}", f"https://host:{text}/"):
        found = canonical(url)
        assert found is None or found.startswith(("http://", "https://"))
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://Example.org", "http://example.org/"),
        ("  https://example.org/a b.jpg#top ", "https://example.org/a%20b.jpg"),
        ("https://example.org/blümchen.jpg", "https://example.org/bl%C3%BCmchen.jpg"),
        ("https://example.org/a%20b%2Fc.jpg?x=1&y=%26", "https://example.org/a%20b%2Fc.jpg?x=1&y=%26"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://host_name.example/x", "http://host_name.example/x"),
        ("ftp://example.org/x", None),
        ("http://exa mple.org/x", None),
        ("http://example.org:70000/", None),
        (f"http://{'a' * 64}.example/", None),
        ("http://*.example/", None),
        ("http://\x00.example/", None),
    ],
)
def test_addresses_are_sent_as_they_should_be(url, sent):
    """Spaces and letters beyond ASCII are encoded once, fragments dropped, impossible hosts refused."""
    assert canonical(url) == sent


@pytest.mark.parametrize(
    "rest",
    [
        "/100%_cotton%20shirt.jpg",
        "/a%c3%a4b.jpg?sig=ab%2fcd%3d",
        "/c%7Euser%2Dx.jpg",
        "/g/../h.jpg",
        "/g/%2e%2e/h.jpg",
        "/i|j[1]{2}^`.jpg",
        "/e//f.jpg",
        "/p.jpg?",
        "/r/https://bob:pw@cdn.example/x.jpg",
        "/v'w\"x\\y.jpg",
        "/%zz%2",
    ],
)
def test_what_stands_in_an_address_arrives_byte_for_byte(site, rest):
    """The request line holds the address as it was given, and so does that of a redirect to it."""
    site.page("/go.jpg", status=302, body=b"", Location=rest)
    fetch([site.url(rest), site.url("/go.jpg")], ignore_optout=True)
    assert Counter(site.pictures()) == Counter([rest, "/go.jpg", rest])


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("//example.org/x", "https://example.org/x"),
        ("//example.org:8080/x", "http://example.org:8080/x"),
        ("http:\\\\example.org\\a\\b.jpg", "http://example.org/a/b.jpg"),
        ("http://i\u2764.example/x", "http://xn--i-7iq.example/x"),
        ("http://i\u2764\ufe0f.example/x", "http://xn--i-7iq.example/x"),
        ("HTTP://bob:p w@Example.org:080/x", "http://bob:p%20w@example.org:80/x"),
        ("http://example.org?x", "http://example.org/?x"),
    ],
)
def test_other_forms_of_addresses_are_understood(url, sent):
    """Addresses without a scheme, with the slashes of Windows and with emoji for a host are ones as well."""
    assert canonical(url) == sent


@pytest.mark.slow
@given(st.from_regex(_PLAIN, fullmatch=True))
@settings(max_examples=100)
def test_plain_addresses_are_sent_as_requests_would_send_them(url):
    """The short way for plain addresses gives what requests itself prepares."""
    assert canonical(url) == requests.Request("GET", url).prepare().url
