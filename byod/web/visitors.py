"""The visitor behind a request, as far as turns and shares go: the address a request comes from.

A proxy on this machine (Caddy, nginx) stands before many visitors and says in X-Forwarded-For whom it asks for; the
last address there is the one it has seen itself. It is believed of loopback alone and used for nothing else: whoever
makes it up has more turns than is fair, within the bounds that hold for all together.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

_V6 = 64  # what one household is given


def visitor_of(request: Request) -> str:
    """The one who asks; an IPv6 address stands for its network."""
    address = request.client.host if request.client is not None else ""
    peer = network_of(address)
    if peer is None or not peer.is_loopback:
        return str(peer or address)
    told = request.headers.getlist("x-forwarded-for")
    named = network_of(told[-1].rpartition(",")[2].strip()) if told else None
    return str(named or peer)


def network_of(address: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An IPv4 address by itself, an IPv6 address as its network; None for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return ipaddress.IPv4Network(found.ipv4_mapped)
        return ipaddress.IPv6Network((found, 128 if found.is_loopback else _V6), strict=False)
    return ipaddress.IPv4Network(found)
