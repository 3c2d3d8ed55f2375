"""A proxy on loopback that leads nowhere, and remembers what a browser asked the world for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def proxy() -> Iterator[tuple[int, list[str]]]:
    """Its port, and the paths it was asked for."""
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def answer(self):
            asked.append(self.path)
            self.send_error(404)

        do_GET = do_CONNECT = do_POST = do_HEAD = answer  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()
