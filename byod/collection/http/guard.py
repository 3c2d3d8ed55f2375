"""The one way to other people's servers: every connection goes to an address that was checked as it was made.

Checking a URL before it is fetched is not enough: its host may resolve to something else a moment later, or
redirect. So the check sits where a connection is opened: the name is looked up once, every address it has must
be a public one, and the connection goes to the address that was checked (Host and SNI keep the name). This
holds for redirects and for every spelling of an address (decimal, hexadecimal, octal, IPv6 around IPv4).

Behind a proxy (`proxies.py`) the proxy opens the connections. The host is then looked up and checked here first; where
only the proxy can look names up (`socks5h://`, or `BYOD_PROXY_RESOLVES=1`), names are left to it, and hosts that are
written as an address are checked all the same.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import Timeout
from urllib3.util.ssl_ import create_urllib3_context

from byod.collection.http import proxies, socks_connections
from byod.collection.http.proxies import literal_address, resolves_names
from byod.collection.http.sockets import GuardedTLSSocket, OutOfTime, StrictResponse, connect, look_up
from byod.collection.http.web_address import canonical, request_target
from byod.schema.config import Settings
from byod.schema.errors import ByodError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC_V4 = tuple(
    ipaddress.ip_network(text)
    for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "168.63.129.16/32")
)
"""Beside what `is_global` knows in every Python: carrier NAT, protocol and test blocks, Azure's metadata address."""
_NOT_PUBLIC_V6 = tuple(
    ipaddress.ip_network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")
)
"""Teredo, ORCHID and other protocol blocks, documentation, segment routing."""


class PrivateAddress(requests.exceptions.ConnectionError):
    """The host has an address of this machine, its network, or one that leads nowhere public."""


def is_public(address: str) -> bool:
    """True if an IP address in text form belongs to the public internet.

    An IPv4 address wrapped in IPv6 (mapped, 6to4, NAT64) counts as the address inside.
    Source: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.

    Raises:
        ValueError: it is not an IP address.
    """
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is None:
            return ip in _GLOBAL_V6 and not any(ip in network for network in _NOT_PUBLIC_V6) and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC_V4)


def check(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Look a host up and return its addresses, all of them public.

    Raises:
        PrivateAddress: at least one of them is not.
        OSError: the host cannot be looked up.
    """
    addresses = look_up(host.strip("[]"), port)
    for _, address in addresses:
        if not is_public(address[0]):
            raise PrivateAddress(f"{host} leads to {address[0]}, which is not a public address")
    return addresses


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was raised from, wrapped or not, outermost first."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        waiting += [item for item in inner if isinstance(item, BaseException)]


_MOST_KNOWN = 1000
_sent = threading.local()
"""`url`: the address of the request that this thread sends, as it was given."""


class _Guarded(HTTPConnection):
    """A connection that opens its own socket; `private` allows addresses that are not public."""

    response_class = StrictResponse
    private = False

    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> None:
        """Send the request line with the address as it was given, which urllib3 would write anew."""
        given: str | None = getattr(_sent, "url", None)
        if given is not None:
            url = request_target(given) if url.startswith("/") else given
        super().putrequest(method, url, *arguments, **options)

    def _new_conn(self) -> socket.socket:
        try:
            # A proxy's own address is the user's choice; the host behind it is checked by the adapter.
            unchecked = self.private or self.proxy is not None
            host = self._dns_host.strip("[]")
            addresses = look_up(host, self.port) if unchecked else check(host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        timeout = self.timeout if isinstance(self.timeout, (int, float)) else None
        try:
            return connect(addresses, timeout, self.socket_options or ())
        except OutOfTime:
            raise
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"connecting to {self.host} took too long") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class _Socks(_Guarded):
    """A connection by way of a SOCKS proxy; the host behind it is checked by the adapter."""

    def __init__(self, *arguments: Any, _socks_options: dict[str, Any], **options: Any) -> None:
        self._socks_options = _socks_options
        super().__init__(*arguments, **options)

    def _new_conn(self) -> socket.socket:
        return socks_connections.connect(self, self._socks_options)


class _SocksTLS(_Socks, HTTPSConnection):
    pass


class _Private(_Guarded):
    private = True


class _PrivateTLS(_GuardedTLS):
    private = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class _SocksPool(HTTPConnectionPool):
    ConnectionCls = _Socks


class _SocksTLSPool(HTTPSConnectionPool):
    ConnectionCls = _SocksTLS


class _PrivatePool(HTTPConnectionPool):
    ConnectionCls = _Private


class _PrivateTLSPool(HTTPSConnectionPool):
    ConnectionCls = _PrivateTLS


class GuardedAdapter(HTTPAdapter):
    """Carries a session's requests over checked connections, with certificates always verified.

    `private` allows addresses that are not public; `hosts` and `per_host` are how many connections are kept open.
    Proxies and certificates are those of the environment (`proxies.py`).
    """

    def __init__(self, settings: Settings, *, hosts: int, per_host: int) -> None:
        self._settings, self._private = settings, settings.allow_private_hosts
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._proxied = proxies.in_use()
        self._known: dict[str, Any] = {}
        super().__init__(pool_connections=hosts, pool_maxsize=per_host)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def _pools(self) -> dict[str, Any]:
        if self._private:
            return {"http": _PrivatePool, "https": _PrivateTLSPool}
        return {"http": _Pool, "https": _TLSPool}

    def _context(self) -> ssl.SSLContext:
        """One TLS context for all connections: loading the certificates takes longer than a picture."""
        with self._lock:
            if self._tls is None:
                context = create_urllib3_context()
                context.sslsocket_class = GuardedTLSSocket
                where = proxies.certificates() or DEFAULT_CA_BUNDLE_PATH
                try:
                    if os.path.isdir(where):
                        context.load_verify_locations(capath=where)
                    else:
                        context.load_verify_locations(cafile=where)
                except OSError as error:
                    raise ByodError(
                        f"{where} holds no certificates ({error}); see REQUESTS_CA_BUNDLE"
                    ) from error
                self._tls = context
            return self._tls

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """As the adapter's, with byod's own TLS context."""
        host, pool = super().build_connection_pool_key_attributes(request, True, cert)
        if host["scheme"] == "https":
            pool["ssl_context"] = self._context()
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to set for each connection: the shared context holds the certificates and demands them."""

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """The pool of a proxy, made of guarded connections.

        Raises:
            ByodError: it is none of the kinds that there are.
        """
        by_socks = proxies.is_socks(proxy)
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        socks_pools = {"http": _SocksPool, "https": _SocksTLSPool}
        manager.pool_classes_by_scheme = socks_pools if by_socks else self._pools()
        return manager

    def _proxies(self, url: str, given: Mapping[str, str] | None) -> dict[str, str]:
        """The proxies for a URL from the environment, none for this machine's own addresses."""
        if given or not self._proxied:
            return dict(given or {})
        return proxies.proxies_for(url)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, follow nothing.

        Raises:
            PrivateAddress: the host's address is not allowed.
            requests.RequestException: anything else that goes wrong on the way.
        """
        url = request.url or ""
        chosen = self._proxies(url, proxies)
        try:
            proxy = None if self._private else select_proxy(url, chosen)
            if proxy:
                _check_behind_proxy(url, request, resolves_names(proxy, self._settings))
            _sent.url = canonical(url)
            return super().send(request, stream, timeout, True, cert, chosen)
        except requests.exceptions.ConnectionError as error:
            for found in chain(error):
                if isinstance(found, PrivateAddress):
                    raise PrivateAddress(str(found), request=request) from None
            raise
        finally:
            _sent.url = None

    def get(self, request: requests.PreparedRequest, timeout: Timeout) -> requests.Response:
        """Send a GET that is ready as it stands; of the answer's making only what a file needs is done.

        The answer has its status, reason, headers and `raw`; it holds no cookies, and no guess of an encoding.

        Raises:
            requests.RequestException, urllib3.exceptions.HTTPError: something goes wrong on the way.
        """
        if self._proxied:
            return self.send(request, stream=True, timeout=timeout)
        url = request.url or ""
        _sent.url = url
        try:
            raw = self._pool_of(request, url).urlopen(
                "GET",
                request_target(url),
                headers=request.headers,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                retries=self.max_retries,
                timeout=timeout,
            )
        finally:
            _sent.url = None
        response = requests.Response()
        response.status_code, response.reason, response.headers = raw.status, raw.reason, raw.headers
        response.raw, response.url, response.request = raw, url, request
        return response

    def _pool_of(self, request: requests.PreparedRequest, url: str) -> Any:
        """The pool of connections to a server; which one it is was found out for its first request."""
        origin = url[: url.index("/", len("https://"))]
        pool = self._known.get(origin)
        if pool is None or pool.pool is None:  # closed, since others were used
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            pool = self._known[origin] = self.get_connection_with_tls_context(request, True)
        return pool


def _check_behind_proxy(url: str, request: requests.PreparedRequest, resolves: bool) -> None:
    parts = urlsplit(url)
    if resolves:
        address = literal_address(parts.hostname or "")
        if address is not None and not is_public(address):
            raise PrivateAddress(
                f"{parts.hostname} is {address}, which is not a public address", request=request
            )
        return
    try:
        check(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except socket.gaierror as error:
        raise requests.exceptions.ConnectionError(error, request=request) from error


def session(settings: Settings, *, hosts: int = 64, per_host: int = 4) -> requests.Session:
    """A session that goes by byod's honest name and whose every connection is checked; threads may share it.

    It speaks http and https only, keeps no cookies, reads no `.netrc`, and verifies every certificate.
    `allow_private_hosts` of the settings opens it to private addresses.
    """
    made = requests.Session()
    made.trust_env = (
        False  # proxies and certificates of the environment are read by the adapter, .netrc by nobody
    )
    made.max_redirects = 5
    made.headers["User-Agent"] = _printable(settings.user_agent)
    adapter = GuardedAdapter(settings, hosts=hosts, per_host=per_host)
    made.adapters.clear()
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


def adapter_of(session: requests.Session, url: str) -> GuardedAdapter:
    """The adapter through which a session reaches an address.

    Raises:
        TypeError: its connections are not checked: it is none of `session`.
    """
    adapter = session.get_adapter(url)
    if not isinstance(adapter, GuardedAdapter):
        raise TypeError(f"{adapter!r} opens connections that nobody checks")
    return adapter


def _printable(text: str) -> str:
    """A header's value may hold printable ASCII; a contact's other letters become question marks."""
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return "".join(letter if letter.isprintable() else " " for letter in ascii_text).strip()
