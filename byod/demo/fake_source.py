"""A stand-in for Openverse on this machine: planted pictures, over real HTTP, in Openverse's own wire format.

The search (`/v1/images/?q=…`, with paging and licence filters) and the pictures are served on 127.0.0.1 only; the
pictures come from several ports, which count as several hosts. API: https://api.openverse.org/v1/
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from byod.demo.scenes import HOSTS, Planted, PlantedPicture
from byod.schema.errors import ByodError
from byod.schema.records import Record

ANONYMOUS_PAGE, TOKEN_PAGE = 20, 50
"""The largest `page_size` without and with a token."""
PAGES, WORKS = 20, 240
"""The last page, and how many works a query shows at most: page times size may not exceed it."""

_CC = frozenset({"by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0"})
_ALL = _CC | {"pdm"}
_GROUPS = {
    "all": _ALL,
    "all-cc": _CC,
    "commercial": frozenset(code for code in _ALL if "nc" not in code),
    "modification": frozenset(code for code in _ALL if "nd" not in code),
}


class FakeSource(Record):
    """A running fake source: `base` is the address of its API, `ports` the port of each host, the API's first."""

    base: str
    ports: tuple[int, ...]


@contextlib.contextmanager
def serve_fake_source(planted: Planted, ports: Sequence[int] = (0,) * HOSTS) -> Iterator[FakeSource]:
    """Serve the planted pictures until the block ends; port 0 means any free one.

    Give the `ports` of an earlier stand to have the same addresses again, so that nothing is fetched twice.

    Raises:
        ByodError: a port is taken.
    """
    servers: list[_Server] = []
    try:
        for port in ports:
            servers.append(_listen(port))
        here = FakeSource(
            base=f"http://127.0.0.1:{servers[0].server_port}",
            ports=tuple(server.server_port for server in servers),
        )
        site = _Site(planted, here)
        for server in servers:
            server.site = site
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield here
    finally:
        for server in servers:
            if server.site is not None:
                server.shutdown()
            server.server_close()


def _listen(port: int) -> _Server:
    try:
        return _Server(("127.0.0.1", port), _Request)
    except OSError as error:
        raise ByodError(
            f"port {port} of this machine cannot be served on ({error.strerror}); free it, or start the demo afresh"
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    site: _Site | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is its own affair; every other error is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Site:
    """The content of the fake source: the replies to a search, and the pictures by their path."""

    def __init__(self, planted: Planted, here: FakeSource) -> None:
        self._here = here
        self._planted = planted.pictures
        self.pictures = {offer.path: offer for offer in planted.pictures}

    def search(self, query: Mapping[str, str], *, token: bool) -> tuple[int, dict[str, Any]]:
        """Status and JSON of `GET /v1/images/`."""
        page, size = query.get("page", "1"), query.get("page_size", str(ANONYMOUS_PAGE))
        largest = TOKEN_PAGE if token else ANONYMOUS_PAGE
        if not page.isdecimal() or not 1 <= int(page) <= PAGES:
            return 400, {"detail": {"page": [f"Ensure this value is between 1 and {PAGES}."]}}
        if not size.isdecimal() or int(size) < 1:
            return 400, {"detail": {"page_size": ["Ensure this value is greater than or equal to 1."]}}
        who = "authenticated" if token else "anonymous"
        if int(size) > largest:
            return 401, {"detail": f"page_size may not exceed {largest} for {who} requests"}
        if int(page) * int(size) > WORKS:
            return 401, {"detail": f"pagination depth may not exceed {WORKS} for {who} requests"}
        licences = _licences(query)
        if licences is None:
            return 400, {"detail": {"license_type": ["License type does not exist."]}}
        found = [offer for offer in self._matching(query.get("q", "")) if offer.licence in licences][:WORKS]
        start = (int(page) - 1) * int(size)
        return 200, {
            "result_count": len(found),
            "page_count": min(PAGES, -(-len(found) // int(size))),
            "page_size": int(size),
            "page": int(page),
            "results": [self._work(offer) for offer in found[start : start + int(size)]],
        }

    def _matching(self, terms: str) -> list[PlantedPicture]:
        wanted = terms.strip(' "').casefold()
        return [offer for offer in self._planted if offer.label.casefold() == wanted]

    def _work(self, offer: PlantedPicture) -> dict[str, Any]:
        """One result, field for field as Openverse gives it."""
        host = f"http://127.0.0.1:{self._here.ports[offer.host % len(self._here.ports)]}"
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, offer.path))
        deed = _deed(offer.licence, offer.version)
        title = f'"{offer.title}" by {offer.creator}'
        return {
            "id": key,
            "title": offer.title,
            "indexed_on": "2026-01-15T09:30:00Z",
            "foreign_landing_url": f"{host}/pages/{key}",
            "url": host + offer.path,
            "creator": offer.creator,
            "creator_url": f"{host}/creators/{offer.creator.replace(' ', '-').lower()}",
            "license": offer.licence,
            "license_version": offer.version,
            "license_url": deed,
            "provider": "byod-demo",
            "source": "byod-demo",
            "category": "photograph",
            "filesize": None,
            "filetype": offer.path.rpartition(".")[2],
            "tags": [{"name": offer.label, "accuracy": None, "unstable__provider": "byod-demo"}],
            "attribution": f"{title} is licensed under {offer.licence.upper()} {offer.version}. See {deed}",
            "fields_matched": ["title"],
            "mature": False,
            "height": offer.height,
            "width": offer.width,
            "thumbnail": f"{self._here.base}/v1/images/{key}/thumb/",
            "detail_url": f"{self._here.base}/v1/images/{key}/",
            "related_url": f"{self._here.base}/v1/images/{key}/related/",
            "unstable__sensitivity": [],
        }


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits 40 ms for the word that its head has come, otherwise
    server: _Server

    def do_GET(self) -> None:
        """Answer a search or serve a picture; anything else is not found."""
        site = self.server.site
        assert site is not None
        parts = urlsplit(self.path)
        if parts.path.rstrip("/") == "/v1/images":
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            status, body = site.search(query, token="Authorization" in self.headers)
            self._answer(status, "application/json", json.dumps(body).encode())
        elif offer := site.pictures.get(parts.path):
            self._answer(offer.status, offer.content_type, offer.read(), offer.headers)
        else:
            self._answer(404, "text/plain; charset=utf-8", b"not found\n")

    def _answer(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        # a client that hangs up is its own affair, not an event of the server
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for what byod has to say."""


def _licences(query: Mapping[str, str]) -> frozenset[str] | None:
    """The licences that a search lets through; None when it names an unknown type."""
    allowed = frozenset(_ALL)
    for name in filter(None, query.get("license_type", "").lower().split(",")):
        if name not in _GROUPS:
            return None
        allowed &= _GROUPS[name]
    if codes := query.get("license", "").lower():
        allowed &= frozenset(codes.split(","))
    return allowed


def _deed(licence: str, version: str) -> str:
    root = "https://creativecommons.org"
    if licence == "cc0":
        return f"{root}/publicdomain/zero/{version}/"
    if licence == "pdm":
        return f"{root}/publicdomain/mark/{version}/"
    return f"{root}/licenses/{licence}/{version}/"
