"""Sites whose pictures are refused: those that people name, and stock sites, whose pictures carry watermarks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from byod.schema import defaults
from byod.schema.errors import UsageError
from byod.schema.records import Candidate

STOCK = "stock"
"""The word for byod's own list."""
STOCK_HOSTS = (
    *("gettyimages", "shutterstock", "istockphoto", "dreamstime", "alamy", "123rf", "depositphotos"),
    *("stock.adobe.com", "ftcdn.net", "adobestock", "fotolia", "bigstockphoto", "vectorstock", "pond5"),
    *("canstockphoto", "freepik", "thinkstockphotos", "dissolve.com", "offset.com", "pngtree", "vecteezy"),
    *("photospin", "agefotostock", "featurepics", "stockfresh", "colourbox"),
)
"""Found in public block lists of people who make datasets; a name without a dot counts under every ending."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def check_host(typed: str) -> str:
    """A site as it can be excluded: `example.com`, `example`, or `stock`.

    Raises:
        UsageError: it is none.
    """
    host = typed.strip().lower().rstrip(".")
    host = (urlsplit(host).hostname or "") if "://" in host else host
    try:
        host = host.removeprefix("*.").encode("idna").decode() if host else ""
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise UsageError(
            f"{typed!r} is not a host; it should look like example.com, or like example for every ending"
        )
    return host


def excluded(candidate: Candidate, hosts: Iterable[str]) -> bool:
    """True if a candidate lies on one of the sites, or its page does.

    What a person lists or has on this machine is not held against byod's own list of stock sites.
    """
    if candidate.path is not None:
        return False
    names: list[str] = []
    for host in hosts:
        if host != STOCK:
            names.append(host)
        elif candidate.source != defaults.ADDRESS_LISTS:
            names += STOCK_HOSTS
    if not names:
        return False
    places = [_host(candidate.url), _host(candidate.page or "")]
    return any(_lies_on(place, name) for place in places if place for name in names)


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _lies_on(place: str, name: str) -> bool:
    """True if a host is of a site: by whole labels, since `notalamy.com` is not `alamy`."""
    if "." in name:
        return place == name or place.endswith(f".{name}")
    # the last label is the ending, and no site is called so
    return name in place.split(".")[:-1]


def told(hosts: Iterable[str]) -> str | None:
    """The line that says whose pictures are left out; None where nobody's are."""
    named = [host for host in hosts if host != STOCK]
    parts = []
    if STOCK in hosts:
        parts.append(
            f"of {len(STOCK_HOSTS)} stock sites, which carry watermarks ({', '.join(STOCK_HOSTS[:3])}, …)"
        )
    if named:
        parts.append(f"of {', '.join(named)}")
    if not parts:
        return None
    return f"left out: pictures {' and '.join(parts)}; --exclude-host none takes them"
