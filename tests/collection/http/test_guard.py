"""Which addresses may be contacted, and that no connection goes anywhere unchecked."""

import contextlib
import ipaddress
import socket
import socketserver
import ssl
import threading
from datetime import UTC, datetime

import pytest
import requests
import trustme
from hostile_server import HostileServer, resolving
from hypothesis import given
from hypothesis import strategies as st

from byod.collection.download import Limits, download
from byod.collection.http import guard
from byod.collection.http.guard import PrivateAddress, chain, is_public, session
from byod.collection.http.sockets import Allowance, OutOfTime, limited, look_up
from byod.schema.config import Settings
from byod.schema.errors import ByodError
from byod.schema.reasons import Reason
from byod.schema.records import Fetched

QUICK = Limits(deadline=3.0, connect=1.0, backoff=0.05, tries=1)


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy of the machine that runs the tests stands between."""
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "requests_ca_bundle",
        "curl_ca_bundle",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch_one(url, limits=QUICK):
    [(outcome, _)] = download(
        [url], settings=Settings.load(), limits=limits, inspect=lambda fetched, body: None
    )
    return outcome


PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "198.35.26.96",
    "::ffff:8.8.8.8",
    "2002:808:808::",
    "64:ff9b::808:808",
]
PUBLIC += ["2606:4700::1111", "2a02:ec80:300:ed1a::1", "2001:4860:4860::8888"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_off_the_public_internet_are_known(address):
    """Loopback, private, link-local, metadata, carrier, test, multicast and wrapped addresses are not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address):
    """Ordinary addresses, also wrapped in IPv6, are let through."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_wrapping_never_changes_the_answer(address):
    """An IPv4 address is as public as its mapped, 6to4 and NAT64 forms."""
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    ]
    assert {is_public(str(form)) for form in wrapped} == {is_public(str(address))}


@given(st.ip_addresses())
def test_only_global_unicast_is_public(address):
    """Whatever the standard library calls private, multicast, reserved or local is refused."""
    if address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified:
        assert not is_public(str(address))


SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "loop.hostile.test",
    "LOCALHOST.",
    "127.0.0.1.",
    "①②⑦.⓪.⓪.①",
]


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("ignore_optout", [False, True])
def test_no_spelling_of_loopback_is_contacted(monkeypatch, host, ignore_optout):
    """However this machine is spelled, no connection reaches it, neither for robots.txt nor for the picture."""
    monkeypatch.setattr("socket.getaddrinfo", resolving())
    with HostileServer() as server:
        [(outcome, _)] = download(
            [f"http://{host}:{server.port}/ok"],
            settings=Settings.load(),
            limits=QUICK,
            ignore_optout=ignore_optout,
            inspect=lambda fetched, body: None,
        )
        assert outcome.reason in (Reason.PRIVATE_ADDRESS, Reason.DNS, Reason.BAD_ADDRESS)
        if host in (
            "127.0.0.1",
            "localhost",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "loop.hostile.test",
        ):
            assert outcome.reason is Reason.PRIVATE_ADDRESS
        assert server.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "fd00:ec2::254", "::ffff:192.168.0.1"])
def test_a_name_that_leads_inside_is_refused(monkeypatch, address):
    """What counts is where a name leads, also when a public address stands beside the private one."""
    names = {"inside.test": [address], "both.test": ["93.184.216.34", address]}
    monkeypatch.setattr("socket.getaddrinfo", resolving(names))
    for name in names:
        outcome = fetch_one(f"http://{name}/x.jpg")
        assert outcome.reason is Reason.PRIVATE_ADDRESS
        assert address in outcome.detail


def test_a_rebinding_name_gets_no_second_lookup(monkeypatch):
    """The connection goes to the very address that was checked: a name that changes between two lookups is harmless."""
    lookups = []

    def rebinding(host, port, *args, **named):
        lookups.append(host)
        address = "127.0.0.1" if len(lookups) == 1 else "127.0.0.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr("socket.getaddrinfo", rebinding)
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    with HostileServer() as server:
        with session(Settings.load()) as client:
            assert client.get(f"http://rebinding.test:{server.port}/ok", timeout=60).status_code == 200
            assert lookups == ["rebinding.test"]
            with pytest.raises(PrivateAddress):
                client.get(f"http://rebinding.test:{server.port}/ok", timeout=60)
        assert server.connections == 1


def test_redirects_are_checked_like_anything_else(monkeypatch):
    """A public host that redirects inside is refused there, whatever it redirects to."""
    names = {"public.test": ["127.0.0.1"], "inside.test": ["127.0.0.2"]}
    monkeypatch.setattr("socket.getaddrinfo", resolving(names))
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")
    places = ["http://inside.test:{0}/ok", "http://169.254.169.254/latest/meta-data/", "http://[::1]:{0}/ok"]
    for place in places:
        with HostileServer() as server:
            monkeypatch.setattr(
                server,
                "_act",
                lambda talk, place=place, port=server.port: (
                    lambda talk: (
                        talk.answer("302 Found", f"Location: {place.format(port)}", body=b"")
                        if talk.target == "/go"
                        else talk.answer("404 Not Found", body=b"")
                    )
                ),
            )
            outcome = fetch_one(f"http://public.test:{server.port}/go")
            assert outcome.reason is Reason.PRIVATE_ADDRESS
            assert {host for host, _ in server.asked} == {f"public.test:{server.port}"}
            with session(Settings.load()) as client, pytest.raises(PrivateAddress):
                client.get(f"http://public.test:{server.port}/go", timeout=60)


def test_the_environment_opens_private_addresses(monkeypatch):
    """`BYOD_ALLOW_PRIVATE_HOSTS=1` lets a mirror on the own network be used."""
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    with HostileServer() as server:
        assert isinstance(fetch_one(server.url("ok")), Fetched)


def test_only_http_and_https(monkeypatch):
    """A session refuses file:, ftp: and data: addresses before anything is opened."""
    with session(Settings.load()) as client:
        for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://127.0.0.1/"):
            with pytest.raises((requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)):
                client.get(url, timeout=1)
    for url in (
        "file:///etc/passwd",
        "x.jpg",
        "",
        "http://",
        "http:///x",
        "http://a:99999/",
        "http://a:x/",
    ):
        assert fetch_one(url).reason is Reason.BAD_ADDRESS, url


def test_the_session_says_who_it_is_and_keeps_nothing(monkeypatch):
    """The User-Agent is byod's, no cookie survives, and `.netrc` is not read."""
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setenv("BYOD_CONTACT", "Łucja\r\nX-Injected: 1")
    with HostileServer() as server, session(Settings.load()) as client:
        assert client.get(server.url("ok-cookie-bomb"), timeout=60).status_code == 200
        assert not client.cookies
        assert not client.trust_env
        [name] = server.user_agents
        assert name.startswith("byod-toolkit/")
        assert "Injected" in name, "a newline in the contact must not start another header"


# ------------------------------------------------------------------------------------------------ time


def test_a_lookup_that_hangs_ends_at_the_deadline(monkeypatch):
    """The system's lookup cannot be interrupted; the request ends all the same."""
    release = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **named: release.wait(3600) and [])
    outcome = fetch_one("http://slow.test/x", QUICK.model_copy(update={"deadline": 0.6}))
    release.set()
    assert outcome.reason is Reason.DEADLINE


def test_an_allowance_ends_and_can_be_stopped():
    """An allowance gives out short slices until its time is over or somebody says stop."""
    stopped = threading.Event()
    allowance = Allowance(60, stopped.is_set)
    assert 0 < allowance.slice() <= 0.25
    stopped.set()
    with pytest.raises(OutOfTime):
        allowance.slice()
    spent = Allowance(-1)
    with pytest.raises(OutOfTime):
        spent.slice()
    spent.extend(60)
    assert spent.slice() > 0


def test_names_that_cannot_exist_are_a_lookup_error():
    """Labels too long for DNS, empty labels and NUL bytes end as a failed lookup, within an allowance or without."""
    for host in ("a" * 70 + ".test", "a..test", "nul\0.test"):
        with pytest.raises(socket.gaierror):
            look_up(host, 80)
        with limited(Allowance(5)), pytest.raises(socket.gaierror):
            look_up(host, 80)


def test_chain_ends_on_circular_causes():
    """Exceptions that refer to each other are walked once."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]


# ------------------------------------------------------------------------------------------------- TLS


@contextlib.contextmanager
def tls_server(certificate, names=None):
    """A server that answers one request a connection with `ok`; `names` collects the SNI names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if names is not None:
        context.sni_callback = lambda sock, name, _: names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(sock):
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
            request = tls.recv(65536)
            body = b"ok" if b"GET /x" in request else b""
            status = b"200 OK" if body else b"404 Not Found"
            tls.sendall(
                b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(body), body)
            )

    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=answer, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """A certificate authority that byod trusts."""
    made = trustme.CA()
    bundle = tmp_path / "bundle.pem"
    made.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setattr("socket.getaddrinfo", resolving())
    return made


def test_a_good_certificate_is_accepted_under_its_name(authority):
    """HTTPS works, and the name asked for travels as SNI although the connection goes to a checked address."""
    names = []
    with tls_server(authority.issue_cert("good.hostile.test"), names) as port:
        assert isinstance(fetch_one(f"https://good.hostile.test:{port}/x"), Fetched)
    assert set(names) == {"good.hostile.test"}


def test_bad_certificates_are_refused(authority):
    """A certificate for another name, by an unknown authority, or out of date ends as a TLS miss."""
    expired = authority.issue_cert("bad.hostile.test", not_after=datetime(2001, 1, 1, tzinfo=UTC))
    for certificate in (
        authority.issue_cert("other.hostile.test"),
        trustme.CA().issue_cert("bad.hostile.test"),
        expired,
    ):
        with tls_server(certificate) as port:
            outcome = fetch_one(f"https://bad.hostile.test:{port}/x")
            assert outcome.reason is Reason.TLS, outcome
            with session(Settings.load()) as client, pytest.raises(requests.exceptions.SSLError):
                client.get(f"https://bad.hostile.test:{port}/x", timeout=60, verify=False)


@pytest.mark.slow
def test_a_handshake_that_hangs_ends_at_the_deadline(authority):
    """A server that never answers the TLS hello, or drips its answer, ends at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = QUICK.model_copy(update={"deadline": 0.8})
        assert fetch_one(f"https://silent.hostile.test:{port}/x", limits).reason is Reason.DEADLINE


def test_a_bundle_that_is_not_there_is_said_in_one_line(authority, monkeypatch):
    """A wrong REQUESTS_CA_BUNDLE is the user's to fix: a ByodError that names it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/at/all.pem")
    with pytest.raises(ByodError, match="REQUESTS_CA_BUNDLE"):
        fetch_one("https://good.hostile.test:1/x")


# --------------------------------------------------------------------------------------------- proxies


@contextlib.contextmanager
def proxy_server(asked):
    """A proxy on loopback that notes what it is asked for and answers `ok` itself."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with sock:
                    line = sock.recv(65536).split(b"\r\n")[0].decode()
                    asked.append(line)
                    status = "404 Not Found" if "robots" in line or "tdmrep" in line else "200 OK"
                    sock.sendall(
                        f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode()
                    )

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


def test_behind_a_proxy_the_host_is_checked_first(monkeypatch):
    """A proxy of the environment is used for public hosts, and never asked for private ones."""
    names = {"public.test": ["93.184.216.34"], "inside.test": ["10.0.0.1"]}
    monkeypatch.setattr("socket.getaddrinfo", resolving(names))
    asked = []
    with proxy_server(asked) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert isinstance(fetch_one("http://public.test/x.jpg"), Fetched)
        assert any(line.startswith("GET http://public.test/x.jpg ") for line in asked)
        asked.clear()
        assert fetch_one("http://inside.test/x.jpg").reason is Reason.PRIVATE_ADDRESS
        assert fetch_one("http://nobody.invalid/x.jpg").reason is Reason.DNS
        assert fetch_one("http://127.0.0.1:9/x.jpg").reason is Reason.PRIVATE_ADDRESS
        assert not asked


def test_loopback_never_goes_through_a_proxy(monkeypatch):
    """This machine's own servers are asked directly, whatever proxy is set."""
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with HostileServer() as server:
        assert isinstance(fetch_one(server.url("ok")), Fetched)


def test_no_proxy_is_respected(monkeypatch):
    """A host named in NO_PROXY is asked directly."""
    monkeypatch.setattr("socket.getaddrinfo", resolving())
    monkeypatch.setenv("BYOD_ALLOW_PRIVATE_HOSTS", "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "hostile.test")
    with HostileServer() as server:
        assert isinstance(fetch_one(server.url("ok", by_name=True)), Fetched)


class SocksServer(socketserver.ThreadingTCPServer):
    """A SOCKS5 proxy (https://www.rfc-editor.org/rfc/rfc1928) that answers every request through it with a picture."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SocksRequest)
        self.asked = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class SocksRequest(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        size = self.rfile.read(1)[0] if kind == 3 else {1: 4, 4: 16}[kind]
        host = self.rfile.read(size)
        self.server.asked.append((kind, host.decode() if kind == 3 else socket.inet_ntoa(host)))
        self.rfile.read(2)
        self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        while True:
            line = self.rfile.readline()
            if not line:
                return
            if line == b"\r\n":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npicture")


@pytest.mark.parametrize(
    ("scheme", "kind", "host"), [("socks5", 1, "93.184.216.34"), ("socks5h", 3, "public.test")]
)
def test_a_socks_proxy_is_used(monkeypatch, scheme, kind, host):
    """Pictures come through a SOCKS proxy; with socks5h it is given the name, and names are not looked up here."""
    names = {} if scheme == "socks5h" else {"public.test": ["93.184.216.34"]}
    monkeypatch.setattr("socket.getaddrinfo", resolving(names))
    with SocksServer() as server:
        monkeypatch.setenv("http_proxy", f"{scheme}://127.0.0.1:{server.server_address[1]}")
        found = fetch_one("http://public.test/x.jpg")
    assert isinstance(found, Fetched), found
    assert set(server.asked) == {(kind, host)}


INSIDE = [
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "10.1.2.3",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "169.254.169.254",
    "localhost.",
    "a.internal",
]


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_where_the_proxy_resolves_names_literal_addresses_are_checked(monkeypatch, scheme, host):
    """A proxy that looks names up is never asked for an address of this machine or its network, however written."""
    monkeypatch.setattr("socket.getaddrinfo", resolving())
    monkeypatch.setenv("BYOD_PROXY_RESOLVES", "1")
    with SocksServer() as server:
        monkeypatch.setenv("http_proxy", f"{scheme}://127.0.0.1:{server.server_address[1]}")
        # the adapter alone: loopback never goes through a proxy, whatever the mode
        monkeypatch.setattr(
            "byod.collection.http.proxies.proxies_for",
            lambda url: {"http": f"{scheme}://127.0.0.1:{server.server_address[1]}"},
        )
        assert fetch_one(f"http://{host}:81/x.jpg").reason is Reason.PRIVATE_ADDRESS
    assert not server.asked


def test_a_proxy_that_resolves_names_is_given_them(monkeypatch):
    """With BYOD_PROXY_RESOLVES=1 a name that cannot be looked up here is left to the proxy."""
    monkeypatch.setattr("socket.getaddrinfo", resolving())
    asked = []
    with proxy_server(asked) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert fetch_one("http://known.only-there.test/x.jpg").reason is Reason.DNS
        monkeypatch.setenv("BYOD_PROXY_RESOLVES", "1")
        assert isinstance(fetch_one("http://known.only-there.test/x.jpg"), Fetched)


def test_a_proxy_of_no_kind_is_refused_in_one_line(monkeypatch):
    """A SOCKS version that there is not is refused by name."""
    monkeypatch.setattr("socket.getaddrinfo", resolving({"public.test": ["93.184.216.34"]}))
    monkeypatch.setenv("http_proxy", "socks9://127.0.0.1:1080")
    with pytest.raises(ByodError, match="socks9"):
        fetch_one("http://public.test/x.jpg")
