"""A server that gives every kind of answer a stranger's server may give, each under its own name.

    with HostileServer() as server:
        server.url("gzip-bomb")            http://127.0.0.1:PORT/gzip-bomb
        server.url("gzip-bomb", by_name=True)   http://gzip-bomb.hostile.test:PORT/gzip-bomb (see `resolving`)

`KINDS` is the table: what each does and how it must end (None: fetched). The wire is written by hand, since no
server library would send most of it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import socketserver
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time

from PIL import Image

from byod.schema.records import Reason

DOMAIN = "hostile.test"


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


PICTURE = _picture()


class Talk:
    """One request as the server sees it, and the ways to answer it."""

    def __init__(
        self, sock: socket.socket, target: str, headers: dict[str, str], server: HostileServer
    ) -> None:
        self.sock, self.target, self.headers, self.server = sock, target, headers, server
        self.kind, _, self.rest = target.lstrip("/").partition("/")

    def send(self, *parts: bytes | str) -> None:
        for part in parts:
            self.sock.sendall(part.encode("latin-1") if isinstance(part, str) else part)

    def answer(self, status: str, *headers: str, body: bytes | None = None) -> None:
        """A well-formed answer; the body's length is declared."""
        length = () if body is None else (f"Content-Length: {len(body)}",)
        lines = [f"HTTP/1.1 {status}", *headers, *length, "Connection: close", "", ""]
        self.send("\r\n".join(lines), body or b"")

    def drip(self, content: bytes, pause: float = 0.1) -> None:
        for place in range(len(content)):
            self.sock.sendall(content[place : place + 1])
            if self.server.stopping.wait(pause):
                return

    def endless(self, piece: bytes, most: int = 1 << 40) -> None:
        sent = 0
        while not self.server.stopping.is_set() and sent < most:
            self.sock.sendall(piece)
            sent += len(piece)

    def chunk(self, content: bytes) -> None:
        self.send(f"{len(content):x}\r\n", content, "\r\n")

    def nth(self) -> int:
        """How often this very address has been asked for, this time included."""
        return self.server.asked[self.headers.get("host", ""), self.target]

    def address(self, path: str) -> str:
        return f"http://{self.headers.get('host')}{path}"


Act = Callable[[Talk], None]


@dataclass(frozen=True)
class Kind:
    """What is sent, and the reason the download must end with; None when the bytes must arrive."""

    act: Act
    reason: Reason | None
    robots: Act | None = None
    tdmrep: Act | None = None
    scheme: str = "http"


def _status(line: str, *headers: str, body: bytes = b"<html>no</html>") -> Act:
    return lambda talk: talk.answer(line, *headers, body=body)


def _raw(*parts: bytes | str) -> Act:
    return lambda talk: talk.send(*parts)


def _ok(*headers: str, body: bytes = PICTURE) -> Act:
    return _status("200 OK", "Content-Type: image/jpeg", *headers, body=body)


def _redirect(where: str | bytes, status: str = "302 Found") -> Act:
    where = where.encode() if isinstance(where, str) else where
    return _raw(
        f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\nLocation: ", where, "\r\n\r\n"
    )


_CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_OPEN = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n"


def _chunked(talk: Talk) -> None:
    talk.send(_CHUNKED)
    for start in range(0, len(PICTURE), 1000):
        talk.chunk(PICTURE[start : start + 1000])
    talk.send("0\r\n\r\n")


def _tiny_chunks(talk: Talk) -> None:
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in PICTURE[:5000])
    talk.send(_CHUNKED, pieces, "0\r\n\r\n")


def _chain(last: int) -> Act:
    def act(talk: Talk) -> None:
        step = int(talk.rest or 0)
        if step == last:
            talk.answer("200 OK", body=PICTURE)
        else:
            talk.answer("302 Found", f"Location: /{talk.kind}/{step + 1}", body=b"on")

    return act


def _then_ok(first: Act) -> Act:
    """Answers badly once, then well."""
    return lambda talk: first(talk) if talk.nth() == 1 else _ok()(talk)


def _unicode_redirect(talk: Talk) -> None:
    if talk.rest:
        talk.answer("200 OK", body=PICTURE)
    else:
        _redirect(f"/{talk.kind}/blümchen köhl.jpg")(talk)


def _drip_status(talk: Talk) -> None:
    talk.drip(b"HTTP/1.1 200 OK\r\n" * 100)


def _drip_headers(talk: Talk) -> None:
    talk.send("HTTP/1.1 200 OK\r\n")
    talk.drip(b"X-Slow: yes\r\n" * 100)


def _drip_body(talk: Talk) -> None:
    talk.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PICTURE)}\r\n\r\n")
    talk.drip(PICTURE)


def _drip_chunks(talk: Talk) -> None:
    talk.send(_CHUNKED)
    talk.drip(b"1\r\nx\r\n" * 1000)


def _silent(talk: Talk) -> None:
    talk.server.stopping.wait(60)


def _stalls(talk: Talk) -> None:
    talk.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PICTURE)}\r\n\r\n", PICTURE[:1000])
    talk.server.stopping.wait(60)


def _many_redirects_slowly(talk: Talk) -> None:
    if not talk.server.stopping.wait(0.8):
        talk.answer("302 Found", f"Location: /{talk.kind}/{talk.rest}x", body=b"")


def _endless_body(talk: Talk) -> None:
    talk.send(_OPEN)
    talk.endless(bytes(65536))


def _endless_chunks(talk: Talk) -> None:
    talk.send(_CHUNKED)
    talk.endless(b"10000\r\n" + bytes(65536) + b"\r\n")


def _endless_interim(talk: Talk) -> None:
    talk.endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)


def _endless_hints(talk: Talk) -> None:
    talk.endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10)


def _endless_headers(talk: Talk) -> None:
    talk.send("HTTP/1.1 200 OK\r\n")
    talk.endless(b"X-More: yes\r\n")


def _endless_header(talk: Talk) -> None:
    talk.send("HTTP/1.1 200 OK\r\nX-Long: ")
    talk.endless(b"y" * 65536)


def _endless_status(talk: Talk) -> None:
    talk.send("HTTP/1.1 200 ")
    talk.endless(b"O" * 65536)


def _endless_trailers(talk: Talk) -> None:
    talk.send(_CHUNKED)
    talk.chunk(PICTURE)
    talk.send("0\r\n")
    while not talk.server.stopping.wait(0.05):
        talk.send("X-Trailer: yes\r\n")


def _endless_chunk_line(talk: Talk) -> None:
    talk.send(_CHUNKED)
    talk.endless(b"0" * 65536)


def _minus_one_chunk(talk: Talk) -> None:
    talk.send(_CHUNKED, "-1\r\n")
    talk.endless(bytes(65536))


def _reset(talk: Talk) -> None:
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    talk.sock.close()  # with that option set, closing resets the connection


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _bare_deflate() -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(PICTURE) + stream.flush()


def _robots(text: str) -> Act:
    return lambda talk: talk.answer("200 OK", "Content-Type: text/plain", body=text.encode())


_BOMB = _gzip(bytes(60_000_000))
_SIZED = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PICTURE)}\r\nConnection: close\r\n"
_FUTURE = formatdate(time() + 86400, usegmt=True)
_PAST = formatdate(time() - 60, usegmt=True)

KINDS: dict[str, Kind] = {
    # bytes that must arrive, however odd their way
    "ok": Kind(_ok(), None),
    "ok-chunked": Kind(_chunked, None),
    "ok-tiny-chunks": Kind(_tiny_chunks, None),
    "ok-chunk-extension": Kind(_raw(_CHUNKED, "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"), None),
    "ok-until-closed": Kind(_raw(_OPEN, PICTURE), None),
    "ok-http-1.0": Kind(_raw("HTTP/1.0 200 OK\r\n\r\n", PICTURE), None),
    "ok-203": Kind(_status("203 Non-Authoritative Information", body=PICTURE), None),
    "ok-no-reason-phrase": Kind(_raw(_SIZED.replace(" OK", ""), "\r\n", PICTURE), None),
    "ok-bare-newlines": Kind(_raw(_SIZED.replace("\r\n", "\n"), "\n", PICTURE), None),
    "ok-folded-header": Kind(_raw(_SIZED, "X-Folded: a\r\n  b\r\n\r\n", PICTURE), None),
    "ok-length-twice": Kind(_raw(_SIZED, f"Content-Length: {len(PICTURE)}\r\n\r\n", PICTURE), None),
    "ok-length-negative": Kind(_raw(_OPEN[:-2], "Content-Length: -5\r\n\r\n", PICTURE), None),
    "ok-length-a-word": Kind(_raw(_OPEN[:-2], "Content-Length: many\r\n\r\n", PICTURE), None),
    "ok-surplus-bytes": Kind(_raw(_SIZED, "\r\n", PICTURE, b"HTTP/1.1 200 OK\r\n\r\nsmuggled"), None),
    "ok-gzip-unasked": Kind(_ok("Content-Encoding: gzip", body=_gzip(PICTURE)), None),
    "ok-two-gzip-members": Kind(
        _ok("Content-Encoding: x-gzip", body=_gzip(PICTURE[:999]) + _gzip(PICTURE[999:])), None
    ),
    "ok-deflate": Kind(_ok("Content-Encoding: deflate", body=zlib.compress(PICTURE)), None),
    "ok-bare-deflate": Kind(_ok("Content-Encoding: deflate", body=_bare_deflate()), None),
    "ok-after-100": Kind(_raw("HTTP/1.1 100 Continue\r\n\r\n", _SIZED, "\r\n", PICTURE), None),
    "ok-after-early-hints": Kind(
        _raw("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", _SIZED, "\r\n", PICTURE), None
    ),
    "ok-cookie-bomb": Kind(_ok(*(f"Set-Cookie: c{n}={'x' * 60_000}" for n in range(80))), None),
    "ok-html-as-jpg": Kind(_ok(body=b"<!doctype html><title>gone</title>"), None),
    "ok-noindex": Kind(_ok("X-Robots-Tag: noindex, nofollow, max-image-preview:none"), None),
    "ok-tdm-0": Kind(_ok("TDM-Reservation: 0"), None),
    "ok-bell-in-header": Kind(_ok("X-Bell: \a\x1b[2J"), None),
    "ok-redirect-relative": Kind(_chain(1), None),
    "ok-redirect-five": Kind(_chain(5), None),
    "ok-redirect-unicode": Kind(_unicode_redirect, None),
    "ok-second-time-503": Kind(_then_ok(_status("503 Busy", "Retry-After: 0")), None),
    "ok-second-time-429-date": Kind(_then_ok(_status("429 Slow", f"Retry-After: {_PAST}")), None),
    "ok-second-time-500": Kind(_then_ok(_status("500 Oops")), None),
    "ok-second-time-closed": Kind(_then_ok(_raw()), None),
    # time
    "silent": Kind(_silent, Reason.DEADLINE),
    "stalls-in-body": Kind(_stalls, Reason.DEADLINE),
    "drip-status-line": Kind(_drip_status, Reason.DEADLINE),
    "drip-headers": Kind(_drip_headers, Reason.DEADLINE),
    "drip-body": Kind(_drip_body, Reason.DEADLINE),
    "drip-chunks": Kind(_drip_chunks, Reason.DEADLINE),
    "endless-trailers": Kind(_endless_trailers, Reason.DEADLINE),
    "slow-redirects": Kind(_many_redirects_slowly, Reason.DEADLINE),
    # size
    "endless-body": Kind(_endless_body, Reason.TOO_LARGE),
    "endless-chunks": Kind(_endless_chunks, Reason.TOO_LARGE),
    "declared-huge": Kind(_raw(_OPEN[:-2], f"Content-Length: {10**15}\r\n\r\n", b"x"), Reason.TOO_LARGE),
    "gzip-bomb": Kind(_ok("Content-Encoding: gzip", body=_BOMB), Reason.TOO_LARGE),
    "deflate-bomb": Kind(
        _ok("Content-Encoding: deflate", body=zlib.compress(bytes(60_000_000))), Reason.TOO_LARGE
    ),
    "empty": Kind(_ok(body=b""), Reason.EMPTY),
    "empty-until-closed": Kind(_raw(_OPEN), Reason.EMPTY),
    "empty-chunked": Kind(_raw(_CHUNKED, "0\r\n\r\n"), Reason.EMPTY),
    "closed-in-headers": Kind(_raw("HTTP/1.1 200 OK\r\nContent-Ty"), Reason.EMPTY),
    "204": Kind(_raw("HTTP/1.1 204 No Content\r\n\r\n"), Reason.EMPTY),
    "205": Kind(_raw("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"), Reason.EMPTY),
    # broken framing
    "length-too-long": Kind(
        _raw(_OPEN[:-2], "Content-Length: 99999\r\n\r\n", PICTURE), Reason.CONNECTION_LOST
    ),
    "closed-mid-body": Kind(_raw(_SIZED, "\r\n", PICTURE[:100]), Reason.CONNECTION_LOST),
    "closed-at-once": Kind(_raw(), Reason.CONNECTION_LOST),
    "reset": Kind(_reset, Reason.CONNECTION_LOST),
    "chunk-garbage": Kind(_raw(_CHUNKED, "hello\r\n", PICTURE), Reason.CONNECTION_LOST),
    "chunk-cut": Kind(_raw(_CHUNKED, "ffff\r\n", PICTURE[:50]), Reason.CONNECTION_LOST),
    "chunk-end-missing": Kind(_raw(_CHUNKED, "5\r\nhello\r\n"), Reason.CONNECTION_LOST),
    "chunk-minus-one": Kind(_minus_one_chunk, Reason.CONNECTION_LOST),
    "chunk-endless-size": Kind(_endless_chunk_line, Reason.CONNECTION_LOST),
    "chunk-size-overflow": Kind(_raw(_CHUNKED, "f" * 17, "\r\n"), Reason.CONNECTION_LOST),
    "chunk-size-huge": Kind(_raw(_CHUNKED, "f" * 15, "\r\n", PICTURE), Reason.CONNECTION_LOST),
    # broken protocol
    "http-0.9": Kind(_raw(PICTURE), Reason.PROTOCOL),
    "garbage": Kind(_raw(bytes(range(256)) * 4), Reason.PROTOCOL),
    "icy": Kind(_raw("ICY 200 OK\r\nicy-name: radio\r\n\r\n"), Reason.PROTOCOL),
    "http-3": Kind(_raw("HTTP/3.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), Reason.PROTOCOL),
    "status-a-word": Kind(_raw("HTTP/1.1 fine OK\r\n\r\n"), Reason.PROTOCOL),
    "status-42": Kind(_raw("HTTP/1.1 42 No\r\n\r\n"), Reason.PROTOCOL),
    "status-endless": Kind(_endless_status, Reason.PROTOCOL),
    "header-endless": Kind(_endless_header, Reason.PROTOCOL),
    "headers-endless": Kind(_endless_headers, Reason.PROTOCOL),
    "interim-endless": Kind(_endless_interim, Reason.PROTOCOL),
    "hints-endless": Kind(_endless_hints, Reason.PROTOCOL),
    "lengths-differ": Kind(_raw(_SIZED, "Content-Length: 7\r\n\r\n", PICTURE), Reason.PROTOCOL),
    "tls-to-plain-port": Kind(_ok(), Reason.TLS, scheme="https"),
    # encodings
    "brotli": Kind(_ok("Content-Encoding: br"), Reason.ENCODING),
    "zstd": Kind(_ok("Content-Encoding: zstd"), Reason.ENCODING),
    "gzip-twice": Kind(_ok("Content-Encoding: gzip, gzip", body=_gzip(_gzip(PICTURE))), Reason.ENCODING),
    "gzip-not": Kind(_ok("Content-Encoding: gzip"), Reason.ENCODING),
    "gzip-cut": Kind(_ok("Content-Encoding: gzip", body=_gzip(PICTURE)[:-20]), Reason.ENCODING),
    "gzip-many-members": Kind(_ok("Content-Encoding: gzip", body=_gzip(b"x") * 5000), Reason.ENCODING),
    "deflate-not": Kind(_ok("Content-Encoding: deflate"), Reason.ENCODING),
    "transfer-gzip": Kind(_raw(_OPEN[:-2], "Transfer-Encoding: gzip, chunked\r\n\r\n"), Reason.ENCODING),
    # statuses
    "101": Kind(_raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), Reason.HTTP_ERROR),
    "202": Kind(_status("202 Accepted", body=PICTURE), Reason.HTTP_ERROR),
    "206": Kind(_status("206 Partial Content", "Content-Range: bytes 0-9/99"), Reason.HTTP_ERROR),
    "300": Kind(_status("300 Multiple Choices"), Reason.HTTP_ERROR),
    "304": Kind(_raw("HTTP/1.1 304 Not Modified\r\n\r\n"), Reason.HTTP_ERROR),
    "400": Kind(_status("400 Bad Request"), Reason.HTTP_ERROR),
    "401": Kind(_status("401 Unauthorized", "WWW-Authenticate: Basic realm=x"), Reason.FORBIDDEN),
    "402": Kind(_status("402 Payment Required"), Reason.FORBIDDEN),
    "403": Kind(_status("403 Forbidden"), Reason.FORBIDDEN),
    "404": Kind(_status("404 Not Found"), Reason.NOT_FOUND),
    "404-picture": Kind(_status("404 Not Found", body=PICTURE), Reason.NOT_FOUND),
    "404-endless": Kind(_raw("HTTP/1.1 404 Not Found\r\n\r\n", bytes(100_000)), Reason.NOT_FOUND),
    "407": Kind(_status("407 Proxy Authentication Required"), Reason.FORBIDDEN),
    "408": Kind(_status("408 Request Timeout"), Reason.SERVER_ERROR),
    "410": Kind(_status("410 Gone"), Reason.NOT_FOUND),
    "418": Kind(_status("418 I'm a teapot"), Reason.HTTP_ERROR),
    "429": Kind(_status("429 Too Many Requests"), Reason.RATE_LIMITED),
    "429-a-day": Kind(_status("429 Too Many Requests", "Retry-After: 86400"), Reason.RATE_LIMITED),
    "429-tomorrow": Kind(_status("429 Too Many Requests", f"Retry-After: {_FUTURE}"), Reason.RATE_LIMITED),
    "429-nonsense": Kind(_status("429 Too Many Requests", "Retry-After: soon, I hope"), Reason.RATE_LIMITED),
    "429-digits": Kind(_status("429 Too Many", f"Retry-After: {'9' * 9000}"), Reason.RATE_LIMITED),
    "451": Kind(_status("451 Unavailable For Legal Reasons"), Reason.FORBIDDEN),
    "500": Kind(_status("500 Internal Server Error"), Reason.SERVER_ERROR),
    "501": Kind(_status("501 Not Implemented"), Reason.SERVER_ERROR),
    "502": Kind(_status("502 Bad Gateway"), Reason.SERVER_ERROR),
    "503": Kind(_status("503 Service Unavailable"), Reason.SERVER_ERROR),
    "503-negative": Kind(_status("503 Service Unavailable", "Retry-After: -7"), Reason.SERVER_ERROR),
    "504": Kind(_status("504 Gateway Timeout"), Reason.SERVER_ERROR),
    "599": Kind(_status("599 Whatever"), Reason.SERVER_ERROR),
    "999": Kind(_status("999 Request denied"), Reason.HTTP_ERROR),
    # redirects
    "redirect-loop": Kind(lambda talk: _redirect(f"/{talk.kind}")(talk), Reason.REDIRECTS),
    "redirect-six": Kind(_chain(6), Reason.REDIRECTS),
    "redirect-nowhere": Kind(_status("302 Found"), Reason.REDIRECTS),
    "redirect-file": Kind(_redirect("file:///etc/passwd"), Reason.BAD_ADDRESS),
    "redirect-ftp": Kind(_redirect("ftp://127.0.0.1/x.jpg", "301 Moved"), Reason.BAD_ADDRESS),
    "redirect-data": Kind(_redirect("data:image/png;base64,AAAA"), Reason.BAD_ADDRESS),
    "redirect-script": Kind(_redirect("javascript:alert(1)"), Reason.BAD_ADDRESS),
    "redirect-bad-port": Kind(_redirect("http://127.0.0.1:99999/x"), Reason.BAD_ADDRESS),
    "redirect-bad-host": Kind(_redirect("http://[::1/x", "308 Moved"), Reason.BAD_ADDRESS),
    "redirect-bad-utf8": Kind(_redirect(b"http://\xff\xfe\x00/x", "307 Moved"), Reason.BAD_ADDRESS),
    "redirect-unknown-host": Kind(_redirect("http://nobody.invalid/x.jpg"), Reason.DNS),
    "redirect-closed-port": Kind(_redirect("http://127.0.0.1:1/x.jpg"), Reason.CONNECT),
    # wishes
    "noai": Kind(_ok("X-Robots-Tag: noai"), Reason.OPTED_OUT),
    "noimageai-among-others": Kind(_ok("X-Robots-Tag: noindex,NoImageAI , nofollow"), Reason.OPTED_OUT),
    "noml-for-a-bot": Kind(
        _ok("X-Robots-Tag: googlebot: nofollow", "X-Robots-Tag: somebot: noml"), Reason.OPTED_OUT
    ),
    "tdm-reserved": Kind(_ok("tdm-reservation: 1", "tdm-policy: https://a.example/p"), Reason.OPTED_OUT),
    "content-usage": Kind(_ok("Content-Usage: train-ai=n"), Reason.OPTED_OUT),
}

_LARGE = bytes(range(256)) * 90_000


def _large_chunks(talk: Talk) -> None:
    talk.send(_CHUNKED)
    for start in range(0, len(_LARGE), 1 << 20):
        talk.chunk(_LARGE[start : start + (1 << 20)])
    talk.send("0\r\n\r\n")


LARGE: dict[str, Kind] = {
    # just within the default limit of a body, 23 MB each
    "large": Kind(_ok(body=_LARGE), None),
    "large-chunked": Kind(_large_chunks, None),
    "large-until-closed": Kind(_raw(_OPEN, _LARGE), None),
    "large-gzip": Kind(_ok("Content-Encoding: gzip", body=gzip.compress(_LARGE, 1, mtime=0)), None),
}

SITES: dict[str, Kind] = {
    # what a whole site says: these need hosts of their own (`by_name=True`)
    "robots-disallow": Kind(_ok(), Reason.ROBOTS, _robots("User-agent: *\nDisallow: /")),
    "robots-own-name": Kind(_ok(), Reason.ROBOTS, _robots("User-agent: byod\nDisallow: /")),
    "robots-other-name": Kind(_ok(), None, _robots("User-agent: otherbot\nDisallow: /")),
    "robots-ai-train": Kind(
        _ok(), Reason.OPTED_OUT, _robots("User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /")
    ),
    "robots-404": Kind(_ok(), None, _status("404 Not Found")),
    "robots-403": Kind(_ok(), None, _status("403 Forbidden")),
    "robots-empty": Kind(_ok(), None, _status("200 OK", body=b"")),
    "robots-html": Kind(_ok(), None, _status("200 OK", body=b"<html><body>Welcome</body></html>")),
    "robots-binary": Kind(_ok(), None, _status("200 OK", body=bytes(range(256)) * 1000)),
    "robots-loop": Kind(_ok(), None, _redirect("/robots.txt")),
    "robots-503": Kind(_ok(), Reason.SERVER_ERROR, _status("503 Busy", "Retry-After: 0")),
    "robots-silent": Kind(_ok(), Reason.DEADLINE, _silent),
    "robots-drips": Kind(_ok(), Reason.DEADLINE, _drip_body),
    "robots-garbage": Kind(_ok(), Reason.CONNECTION_LOST, _raw(b"\x00\x01garbage\r\n\r\n")),
    "robots-brotli": Kind(_ok(), Reason.CONNECTION_LOST, _status("200 OK", "Content-Encoding: br")),
    "robots-rate-limited": Kind(_ok(), Reason.RATE_LIMITED, _status("429 No", "Retry-After: 3600")),
    "robots-endless": Kind(_ok(), None, _endless_body),
    "tdmrep-all": Kind(
        _ok(),
        Reason.OPTED_OUT,
        tdmrep=_robots('[{"location": "/*", "tdm-reservation": 1}]'),
    ),
    "tdmrep-elsewhere": Kind(_ok(), None, tdmrep=_robots('[{"location": "/x", "tdm-reservation": 1}]')),
    "tdmrep-garbage": Kind(_ok(), None, tdmrep=_robots('{"[' * 50_000)),
}


@dataclass
class HostileServer:
    """Serves `KINDS` and `SITES` on loopback until the block ends; `asked` counts (host, target)."""

    stopping: threading.Event = field(default_factory=threading.Event)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    user_agents: set[str] = field(default_factory=set)
    connections: int = 0

    def __enter__(self) -> HostileServer:
        outer = self

        class Answer(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.connections += 1
                with contextlib.suppress(OSError):
                    outer._talk(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Answer)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, kind: str, *, by_name: bool = False) -> str:
        scheme = {**KINDS, **LARGE, **SITES}[kind].scheme
        host = f"{kind}.{DOMAIN}" if by_name else "127.0.0.1"
        return f"{scheme}://{host}:{self.port}/{kind}"

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(30)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if (
                not piece or piece[:1] == b"\x16"
            ):  # closed, or the start of a TLS handshake: no HTTP to answer
                if piece:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            head += piece
        first, *lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        talk = Talk(sock, first.split(" ")[1], headers, self)
        self.asked[headers.get("host", ""), talk.target] += 1
        self.user_agents.add(headers.get("user-agent", ""))
        self._act(talk)(talk)

    def _act(self, talk: Talk) -> Act:
        site = talk.headers.get("host", "").split(".")[0]
        own = SITES.get(site)
        missing = _status("404 Not Found")
        if talk.target == "/robots.txt":
            return (own and own.robots) or missing
        if talk.target == "/.well-known/tdmrep.json":
            return (own and own.tdmrep) or missing
        kind = {**KINDS, **LARGE, **SITES}.get(talk.kind)
        return kind.act if kind else missing


def resolving(addresses: dict[str, list[str]] | None = None) -> Callable[..., object]:
    """A stand-in for `socket.getaddrinfo`: *.hostile.test is this machine, `addresses` are what they say."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: object, **named: object) -> object:
        if addresses and host in addresses:
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (ip, port, 0, 0))
                if ":" in ip
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
                for ip in addresses[host]
            ]
        if host.endswith("." + DOMAIN):
            host = "127.0.0.1"
        elif host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, port, *args, **named)  # type: ignore[arg-type]

    return getaddrinfo
