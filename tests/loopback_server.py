"""A loopback HTTP server for tests: remembers what it was asked, serves files, answers otherwise when told to."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit


@dataclass(frozen=True)
class Answer:
    """What the server answers instead, once; `headers` may say a Content-Type."""

    status: int = 200
    body: bytes | str = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


class LoopbackServer:
    """The server, running inside a `with`; `asked` holds every request in order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self._instead: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._requests())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, content: bytes, content_type: str = "image/jpeg") -> str:
        """Serve a file; its address is returned."""
        self.files[path] = (content_type, content)
        return self.url + quote(path)

    def answer_next(self, path: str, *answers: Answer) -> None:
        """Answer the next requests for a path with these, in order."""
        self._instead[path] += answers

    def asked_for(self, path: str) -> list[Asked]:
        """The requests for a path so far."""
        return [one for one in self.asked if one.path == path]

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                params = dict(parse_qsl(parts.query, keep_blank_values=True))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(unquote(parts.path), params, headers)
                with web._lock:
                    web.asked.append(asked)
                    waiting = web._instead[asked.path]
                    instead = waiting.popleft() if waiting else None
                answer = instead or web.file(asked.path) or web.answer(asked)
                body = answer.body.encode() if isinstance(answer.body, str) else answer.body
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Requests

    def file(self, path: str) -> Answer | None:
        """The file that is served at a path."""
        if path not in self.files:
            return None
        kind, content = self.files[path]
        return Answer(body=content, headers={"Content-Type": kind})

    def answer(self, asked: Asked) -> Answer:
        """What is answered to anything that is no file; a subclass knows more."""
        return Answer(404, "no such place")
