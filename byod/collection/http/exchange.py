"""One exchange with a stranger's server: an address in, and a body, another address, or the reason why not out."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import requests
import urllib3.exceptions
from pydantic import Field
from requests.cookies import RequestsCookieJar
from urllib3.util import Timeout

from byod.collection.http import cookies, optouts, parsing, refusal_words
from byod.collection.http.body import BodyRefused, ByteBudget, decoded, read_start, read_whole
from byod.collection.http.guard import PrivateAddress, adapter_of, chain
from byod.collection.http.sockets import Allowance, OutOfTime, limited
from byod.collection.http.web_address import led_to, without_login
from byod.schema import defaults
from byod.schema.addresses import shown_in
from byod.schema.reasons import Reason, of_status
from byod.schema.records import Miss, Record

_WITH_BODY = frozenset({200, 203})
_RANGE = re.compile(r"bytes\s+0-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHORT_PAGE = 65536
_TROUBLE = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
_HEADERS = {"Accept": "image/*,*/*;q=0.8", "Accept-Encoding": "identity"}


class Limits(Record):
    """The hard limits of downloading; times in seconds, sizes in bytes.

    `workers` threads fetch, at most `per_host` at a time from one host and `delay` between two starts there.
    A whole request, redirects and all, ends after `deadline`; `connect` is the part of it for one connection.
    `max_bytes` bounds a body as sent and as decoded. A host that asks for more than `max_park` of rest is left
    alone until the next run. An address is asked `tries` times, `backoff` (doubling) between two of them. After
    `patience` connections to a host have failed in a row, its remaining addresses are given up until the next run.
    `ahead` addresses are read ahead for each worker, four times as many while those at hand belong to hosts that
    must wait. `memory` is what all bodies larger than 1 MiB may hold together; `inspecting` how many bodies are
    inspected at once (0: one for each processor).
    """

    workers: int = Field(defaults.WORKERS, ge=1, le=256)
    per_host: int = Field(defaults.PER_HOST, ge=1)
    delay: float = Field(defaults.DELAY, ge=0)
    deadline: float = Field(defaults.DEADLINE, gt=0)
    connect: float = Field(10.0, gt=0)
    max_bytes: int = Field(defaults.MAX_BYTES, ge=1)
    redirects: int = Field(defaults.REDIRECTS, ge=0)
    max_park: float = 120.0
    tries: int = 2
    backoff: float = 1.0
    patience: int = 6
    ahead: int = 4
    memory: int = 128 * 1024 * 1024
    inspecting: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """The whole body of an answer; `held` bytes of the budget belong to it until they are given back."""

    content: bytes
    final_url: str
    content_type: str
    status: int
    held: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """The server points to another address; `cookies` are those of the chain so far."""

    url: str
    cookies: RequestsCookieJar | None = None


class Halted(Exception):  # noqa: N818 - not an error: the program is being stopped
    """The exchange was cut short because downloading stops."""


def fetch(
    session: requests.Session,
    target: str,
    *,
    limits: Limits,
    allowance: Allowance,
    budget: ByteBudget,
    ignore_optout: bool = False,
    headers: Mapping[str, str] | None = None,
    jar: RequestsCookieJar | None = None,
) -> Body | Redirect | Miss:
    """Ask for one address once and read the answer whole; `target` must be canonical.

    `headers` are further ones, `jar` holds the chain's cookies.

    The Miss it may return carries `target` as its url.

    Raises:
        Halted: downloading is being stopped.
    """

    def read(response: requests.Response) -> Body | Miss:
        said = None if ignore_optout else optouts.header_refusal(response.headers)
        if said:
            return Miss(url=target, reason=Reason.OPTED_OUT, detail=said, status=response.status_code)
        content, held = read_whole(response, limits.max_bytes, allowance, budget)
        return _body(response, target, content, held)

    return _exchange(session, target, limits, allowance, read, (headers, jar))


def fetch_text(
    session: requests.Session, target: str, *, limits: Limits, allowance: Allowance
) -> Body | Redirect | Miss:
    """Ask for a small text, of which only the first 500 KiB are read; otherwise as `fetch`."""

    def read(response: requests.Response) -> Body | Miss:
        return _body(response, target, read_start(response, optouts.MAX_BYTES), 0)

    return _exchange(session, target, limits, allowance, read)


def _body(response: requests.Response, target: str, content: bytes, held: int) -> Body | Miss:
    if not content:
        return Miss(url=target, reason=Reason.EMPTY, detail="no body", status=response.status_code)
    kind = clean(response.headers.get("Content-Type", ""))
    return Body(content, target, kind, response.status_code, held)


def _exchange(
    session: requests.Session,
    target: str,
    limits: Limits,
    allowance: Allowance,
    read: Callable[[requests.Response], Body | Miss],
    own: tuple[Mapping[str, str] | None, RequestsCookieJar | None] = (None, None),
) -> Body | Redirect | Miss:
    try:
        with limited(allowance), _answer(session, target, limits, *own) as response:
            if _has_picture(response):
                return read(response)
            if response.status_code in _REDIRECTS:
                outcome = _redirect(response, target, own[1])
                _short_page(response)
                return outcome
            return _refusal(response, target, _short_page(response))
    except BodyRefused as refused:
        return Miss(url=target, reason=refused.reason, detail=clean(refused.detail))
    except _TROUBLE as error:
        if allowance.stopped():
            raise Halted from None
        return _miss(target, error, allowance)


@contextmanager
def _answer(
    session: requests.Session,
    target: str,
    limits: Limits,
    headers: Mapping[str, str] | None,
    jar: RequestsCookieJar | None,
) -> Iterator[requests.Response]:
    """Send the request; the connection is kept only when the answer was read to its end."""
    request = requests.PreparedRequest()
    # canonical already: preparing it again would change nothing
    request.method, request.url = "GET", without_login(target)
    named: dict[str, Any] = {name: str(value) for name, value in session.headers.items()}
    named |= {**_HEADERS, **(headers or {}), **_authorization(target)}
    request.headers = named  # type: ignore[assignment]  # CaseInsensitiveDict takes as long as reading a short answer
    if jar is not None and (brought := cookies.header(jar, request)) is not None:
        named["Cookie"] = "; ".join(filter(None, (named.get("Cookie"), brought)))
    timeout = Timeout(connect=min(limits.connect, limits.deadline), read=limits.deadline)
    # Straight to the adapter: `session.send` looks ahead at the redirect and stumbles over hostile ones.
    response = adapter_of(session, target).get(request, timeout)
    try:
        yield response
    finally:
        response.close()


def _authorization(target: str) -> dict[str, str]:
    """The header for the user name and password in an address (https://www.rfc-editor.org/rfc/rfc7617, as UTF-8)."""
    if "@" not in target:
        return {}
    user, at, _ = urlsplit(target).netloc.rpartition("@")
    if not at:
        return {}
    name, _, password = user.partition(":")
    both = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(both).decode('ascii')}"}


def _has_picture(response: requests.Response) -> bool:
    """True of an answer whose body is the whole of what was asked for.

    byod asks for no ranges: a 206 that holds everything is some server's way of saying 200.
    """
    if response.status_code != 206:
        return response.status_code in _WITH_BODY
    told = response.headers.get("Content-Range")
    found = _RANGE.fullmatch(told.strip()) if told else None
    return told is None or (found is not None and found[2] in ("*", str(int(found[1]) + 1)))


def _short_page(response: requests.Response) -> bytes:
    """A short page read to its end, which keeps the connection for the next picture; nothing of a longer one."""
    with suppress(*_TROUBLE):
        length = response.raw.length_remaining
        if length is not None and length <= _SHORT_PAGE:
            content: bytes = response.raw.read(decode_content=False)
            return content
        if response.raw.chunked:
            return bytes(response.raw.read(_SHORT_PAGE, decode_content=False))
    return b""


def _refusal(response: requests.Response, target: str, page: bytes) -> Miss:
    """Interpret an answer without a picture; its own words are kept, since they often name the cure."""
    status = response.status_code
    with suppress(BodyRefused):
        if page.startswith(b"\x1f\x8b"):
            page = decoded(page, "gzip", _SHORT_PAGE)
    said = refusal_words.sentence(page, response.reason or "")
    reason = of_status(status)
    if reason is Reason.FORBIDDEN and refusal_words.says_too_often(said):
        reason = Reason.RATE_LIMITED
    asked = parsing.rest_asked(response.headers) if status in (429, 503) else None
    detail = clean(f"HTTP {status} {response.reason or ''}".strip() + (f": {said}" if said else ""))
    return Miss(url=target, reason=reason, detail=detail, status=status, retry_after=asked)


def _redirect(response: requests.Response, target: str, jar: RequestsCookieJar | None) -> Redirect | Miss:
    location = response.headers.get("Location", "")
    if not location:
        return Miss(
            url=target, reason=Reason.REDIRECTS, detail="a redirect to nowhere", status=response.status_code
        )
    with suppress(UnicodeError):  # what is not UTF-8 stays the header's own Latin-1
        location = location.encode("latin-1").decode("utf-8")
    there = led_to(target, location)
    if there is None:
        detail = clean(f"redirect to {location}")
        return Miss(url=target, reason=Reason.BAD_ADDRESS, detail=detail, status=response.status_code)
    return Redirect(_with_login(target, without_login(there)), cookies.gathered(jar, response))


def _with_login(target: str, url: str) -> str:
    """The address that a redirect leads to: with the password of the one asked, as long as it is the same server.

    Another host, another port and http after https get none, nor one that the redirect itself names.
    """
    before = urlsplit(target)
    user, at, _ = before.netloc.rpartition("@")
    if not at:
        return url
    after = urlsplit(url)
    if _server(after) != _server(before):
        return url
    return after._replace(netloc=f"{user}@{after.netloc}").geturl()


def _server(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


_KINDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Reason], ...] = (
    (PrivateAddress, Reason.PRIVATE_ADDRESS),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), Reason.DNS),
    (ssl.SSLEOFError, Reason.CONNECTION_LOST),
    ((ssl.SSLError, ssl.CertificateError, urllib3.exceptions.SSLError), Reason.TLS),
    (
        (
            http.client.RemoteDisconnected,
            http.client.IncompleteRead,
            urllib3.exceptions.IncompleteRead,
            urllib3.exceptions.InvalidChunkLength,
        ),
        Reason.CONNECTION_LOST,
    ),
    ((urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError), Reason.CONNECT),
    ((ConnectionError, BrokenPipeError), Reason.CONNECTION_LOST),
    ((http.client.HTTPException, urllib3.exceptions.InvalidHeader), Reason.PROTOCOL),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), Reason.CONNECT),
    ((requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError), Reason.BAD_ADDRESS),
)


def _miss(target: str, error: BaseException, allowance: Allowance) -> Miss:
    """Find the reason of a failure in the exception and everything it was raised from."""
    causes = list(chain(error))
    if allowance.remaining <= 0 or any(isinstance(cause, OutOfTime) for cause in causes):
        return Miss(url=target, reason=Reason.DEADLINE, detail="the whole request took too long")
    for kinds, reason in _KINDS:
        for cause in reversed(causes):  # the innermost one says it most plainly
            if isinstance(cause, kinds):
                return Miss(url=target, reason=reason, detail=_words(cause))
    return Miss(url=target, reason=Reason.CONNECTION_LOST, detail=_words(error))


def _words(error: BaseException) -> str:
    """The words of an exception, without the insides of the library that raised it."""
    if isinstance(error, (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)):
        return "the body ended too soon, or its chunks are broken"
    text = str(error)
    if text.startswith("_"):  # urllib3 puts the connection's name in front
        text = text.partition("): ")[2]
    return clean(text if isinstance(error, PrivateAddress) else f"{type(error).__name__}: {text}")


def clean(text: str, most: int = 200) -> str:
    """A stranger's words made harmless for a terminal and a table: printable, one line, at most `most` letters.

    Passwords and keys of the addresses in them are left out, before the cut could hide where one begins.
    """
    text = shown_in(text)
    return "".join(letter if letter.isprintable() else " " for letter in text[: most * 2]).strip()[:most]
