"""A proxy on loopback in front of a Label Studio: passes everything on, unless a test answers or acts first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

Answer = tuple[int, dict[str, str], bytes]
Act = Callable[[str, str], Answer | None]

_OF_THE_CONNECTION = {
    "connection",
    "transfer-encoding",
    "content-encoding",
    "content-length",
    "host",
    "date",
    "server",
}


def nothing(method: str, path: str) -> None:
    """Pass everything on."""


@dataclass
class Proxy:
    """Where it listens, where it passes requests on to, what it does first, and what was asked: method and path."""

    url: str
    upstream: str
    act: Act = nothing
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of `upstream`, as long as the block runs."""

    class Passing(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            front.asked.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = front.act(self.command, self.path)
            try:
                status, headers, content = answer or self._upstream(body)
            except requests.RequestException:
                self.close_connection = True  # as if this one had died
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _upstream(self, body: bytes) -> Answer:
            sent = {n: v for n, v in self.headers.items() if n.lower() not in _OF_THE_CONNECTION}
            with requests.Session() as session:
                session.trust_env = False
                got = session.request(
                    self.command,
                    front.upstream + self.path,
                    headers=sent,
                    data=body,
                    timeout=120,
                    allow_redirects=False,
                )
            kept = {n: v for n, v in got.headers.items() if n.lower() not in _OF_THE_CONNECTION}
            return got.status_code, kept, got.content

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    front = Proxy(url=f"http://127.0.0.1:{server.server_address[1]}", upstream=upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
