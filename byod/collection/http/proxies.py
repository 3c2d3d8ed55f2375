"""The way out of a closed network, the same for everything that is fetched: proxies, SOCKS, and certificates to trust.

Read from the environment, as other programs do: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, and
`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE`. Loopback addresses never go through a proxy.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import urllib.request
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from byod.schema.addresses import shown
from byod.schema.config import Settings
from byod.schema.errors import ByodError

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_LOCAL = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def in_use() -> bool:
    """True if the environment names a proxy."""
    return bool(urllib.request.getproxies())


def proxies_for(url: str) -> dict[str, str]:
    """The proxies of the environment for an address, none for this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return {}
    return dict(get_environ_proxies(url))


def proxy_for(url: str) -> str | None:
    """The proxy that an address goes through, None for none."""
    found: str | None = select_proxy(url, proxies_for(url))
    return found


def is_socks(proxy: str) -> bool:
    """True of a SOCKS proxy of a kind that there is.

    Raises:
        ByodError: it begins like one, and is none.
    """
    scheme = proxy.partition(":")[0].lower()
    if scheme.startswith("socks") and scheme not in _SOCKS:
        raise ByodError(
            f"{shown(proxy)} is no proxy that byod can use; there are {', '.join(_SOCKS)} and http"
        )
    return scheme in _SOCKS


def resolves_names(proxy: str, settings: Settings) -> bool:
    """True if names are looked up by the proxy alone: said by its scheme, or by BYOD_PROXY_RESOLVES=1."""
    by_scheme = proxy.partition(":")[0].lower() in ("socks5h", "socks4a")
    return by_scheme or settings.environment.get("BYOD_PROXY_RESOLVES") == "1"


def literal_address(host: str) -> str | None:
    """The IP address that a host is written as, in any of its spellings; None for a name.

    Names that can mean only this machine or its network count as 127.0.0.1.
    """
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(_LOCAL):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass  # not in the usual spelling
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def certificates() -> str | None:
    """The file or folder of certificates to trust in the place of certifi's, None for those."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return next((value for name in names if (value := os.environ.get(name))), None)
