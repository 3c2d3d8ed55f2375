"""Check who may make requests, and add the security headers of every reply: hosts, origins, headers.

A page of somebody else's must not use a server on this machine: not by rebinding its own name (Host), and not by
sending from another site (Origin, Sec-Fetch-Site: https://www.w3.org/TR/fetch-metadata/).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and pictures that it has in hand (https://www.w3.org/TR/CSP3/)."""
CARRIED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_HEADERS = 100
_SWALLOWED = 64_000_000
_SWALLOW_SECONDS = 5.0


class Security:
    """Lets in what is addressed to one of the names served, from nowhere or from its own page.

    Args:
        inner: the application.
        names: hosts that this server goes by beside loopback.
        any_address: whether it may also be called by any number (a page cannot rebind a number).
    """

    def __init__(self, inner: ASGIApp, names: Iterable[str] = (), *, any_address: bool = False) -> None:
        self._inner = inner
        self._names = _LOOPBACK | {name.lower().rstrip(".") for name in names}
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        request = _Body(scope, receive)

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CARRIED.items():
                    headers.setdefault(name, value)
                if message["status"] >= 400 and not await request.swallowed(message["status"]):
                    headers["Connection"] = "close"
            await send(message)

        refusal = _ends_twice() if request.ends_twice else self._refusal(scope)
        await (refusal or self._inner)(scope, request.receive, answered)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if len(headers) > _MOST_HEADERS:
            return JSONResponse({"error": f"more than {_MOST_HEADERS} headers"}, 431)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._mine(hosts[0]):
            return JSONResponse(
                {"error": "this server does not go by that name (Host); see byod serve --name"}, 421
            )
        own = re.compile(r"https?://" + re.escape(hosts[0].lower()))
        if len(origins) > 1 or (origins and not own.fullmatch(origins[0].lower())):
            return JSONResponse({"error": "pages of other sites may not ask here (Origin)"}, 403)
        navigates = scope["method"] in ("GET", "HEAD")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not navigates:
            return JSONResponse({"error": "pages of other sites may not ask here (Sec-Fetch-Site)"}, 403)
        return None

    def _mine(self, host: str) -> bool:
        """True if a Host header, with or without a port, names this server."""
        match = re.fullmatch(r"\[([0-9a-f:.]+)\](?::\d{1,5})?|([^\[\]:@/\s]+)(?::\d{1,5})?", host.lower())
        if match is None:
            return False
        name = (match[1] or match[2]).rstrip(".")
        return name in self._names or (self._any_address and _is_address(name))


def _ends_twice() -> JSONResponse:
    return JSONResponse({"error": "Content-Length together with Transfer-Encoding"}, 400)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class _Body:
    """The body of a request, of which what nobody wanted is swallowed, so that the client hears why."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        length = int(headers.get("content-length", "0"))
        coded = "transfer-encoding" in headers
        # somebody in between may have seen another request end here (https://www.rfc-editor.org/rfc/rfc9112#section-6.1)
        self.ends_twice = coded and "content-length" in headers
        self._ended = length == 0 and not coded
        # it sends nothing before it is asked to, or more than anybody would wait for
        self._waits = "expect" in headers or length > _SWALLOWED

    async def receive(self) -> Message:
        message: dict[str, Any] = dict(await self._receive())
        self._waits = False
        self._ended = self._ended or message["type"] != "http.request" or not message.get("more_body")
        return message

    async def swallowed(self, status: int) -> bool:
        """Take the rest in and forget it; False when it did not end in time. A slow client is not waited for."""
        if self.ends_twice:
            return False
        if self._waits or status == 408:
            return self._ended
        taken = 0
        try:
            async with asyncio.timeout(_SWALLOW_SECONDS):
                while not self._ended and taken < _SWALLOWED:
                    taken += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return False
        return self._ended
