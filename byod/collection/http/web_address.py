"""The form in which an address is sent: byte for byte as it was given, save for what no request line can hold.

Signed addresses, and servers that compare addresses as text, break when `%2f` becomes `%2F` or `%7E` becomes `~`. So
nothing is quoted, unquoted or tidied: only spaces, control characters and letters outside ASCII are written as
percent escapes of their UTF-8, as browsers do, and the host's name in the form that DNS knows.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urljoin, urlsplit

import idna

_PLAIN = re.compile(
    r"https?://[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+(:([1-9]\d{0,3}|[1-5]\d{4}))?(/[\w~-][\w.~-]*)+(\?[\w.~=&-]+)?",
    re.ASCII,
)
"""Addresses that stand for themselves: most of them, told in a twentieth of the time."""
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(%25[A-Za-z0-9]+)?\]")
_PARTS = re.compile(r"(https?):([/\\]{2})([^/\\?]*)(.*)", re.IGNORECASE | re.DOTALL)
_OTHER_PORT = re.compile(r"//[^/?]*:(?!443(?![0-9]))[0-9]+(?=[/?]|$)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_UNSENDABLE = re.compile(r"[^\x21-\x7e]+")
_LONGEST_LABEL = 63


def canonical(url: str) -> str | None:
    """The address as it is sent: without fragment, with a host's name in ASCII; None when it is not a usable one.

    An address without its scheme (`//host/a.jpg`) is one of https, unless it names a port that is another's.
    """
    if len(url) < 2000 and _PLAIN.fullmatch(url):
        return url
    url = url.strip().partition("#")[0]
    if url.startswith("//"):
        url = ("http:" if _OTHER_PORT.match(url) else "https:") + url
    found = _PARTS.fullmatch(url)
    if found is None:
        return None
    scheme, slashes, authority, rest = found.groups()
    if "\\" in slashes or rest.startswith("\\"):  # written the way paths of Windows are: browsers read it so
        rest = rest.replace("\\", "/")
    place = _place(authority)
    if place is None:
        return None
    try:
        sent = _UNSENDABLE.sub(_escaped, rest)
    except UnicodeEncodeError:  # half a sign
        return None
    return f"{scheme.lower()}://{place}{'' if sent.startswith('/') else '/'}{sent}"


def led_to(target: str, location: str) -> str | None:
    """The address a redirect of `target` to `location` leads to, as it is sent; None when that is no usable one."""
    location = location.strip()
    parts = urlsplit(target)
    if _SCHEME.match(location):
        return canonical(location)
    if location[:2] in ("//", "\\\\"):
        return canonical(f"{parts.scheme}:{location}")
    origin = f"{parts.scheme}://{parts.netloc}"
    if location.startswith("/"):
        return canonical(origin + location)
    if location.startswith(("?", "./", "../")) or "/./" in location or "/../" in location:
        try:
            return canonical(urljoin(target, location))
        except ValueError:
            return None
    return canonical(f"{origin}{parts.path.rpartition('/')[0]}/{location}")


def request_target(url: str) -> str:
    """The part of a canonical address that stands in the request line: all behind the host."""
    return "/" + url.split("/", 3)[3]


def without_login(url: str) -> str:
    """A canonical address without the user name and password in front of its host, and else as it is."""
    scheme, _, authority, rest = url.split("/", 3)
    return f"{scheme}//{authority.rpartition('@')[2]}/{rest}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _place(authority: str) -> str | None:
    """User, host and port as they are sent."""
    user, at, host = authority.rpartition("@")
    bracket = host.rfind("]")
    name, _, port = (host, "", "") if host.rfind(":") <= bracket else host.rpartition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return None
    known = _host(name)
    try:
        user = _UNSENDABLE.sub(_escaped, user)
    except UnicodeEncodeError:
        return None
    return None if known is None else f"{user}{at}{known}{f':{int(port)}' if port else ''}"


def _host(name: str) -> str | None:
    """A host's name as DNS knows it; emoji and what else the newest rules refuse are written as they always were."""
    if not name.isascii():
        labels = re.split("[.\u3002\uff0e\uff61]", unicodedata.normalize("NFKC", name))
        try:
            name = ".".join(_label(label) for label in labels)
        except UnicodeError:  # also idna's own
            return None
    name = name.lower()
    if not _HOST.fullmatch(name) or any(len(label) > _LONGEST_LABEL for label in name.split(".")):
        return None
    return name


def _label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError:
        plain = unicodedata.normalize("NFC", label.casefold().replace("\ufe0f", ""))
        return f"xn--{plain.encode('punycode').decode('ascii')}"
