"""One client's connection: HTTP by uvicorn, with an end to every wait."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from byod.web.visitors import network_of

MOST = 256
"""How many connections are open at one time; one more is told to come again."""
MOST_EACH = 128
"""The most of them that one address may have, unless it is this machine's own: a proxy there speaks for many."""
HEADER_SECONDS = 10.0
"""How long a client may take to say what it wants."""
STALL_SECONDS = 30.0
"""How long a client may leave an answer unread."""

LINGER_SECONDS = 2.0
"""How long what a refused client still sends is taken in and forgotten, so that it can read why."""


def _whole(status: bytes, line: bytes) -> bytes:
    """An answer, for those whose request cannot be looked at."""
    body = b'{"error": "%b"}' % line
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n" % status
    return head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


_TURNED_AWAY = _whole(
    b"503 Service Unavailable\r\nRetry-After: 2", b"too many connections; try again in a moment"
)
_TOO_MANY_OF_YOURS = _whole(
    b"429 Too Many Requests\r\nRetry-After: 2",
    b"too many connections from your address; try again in a moment",
)
_NOT_HTTP = _whole(b"400 Bad Request", b"this is not a request that can be read")


class Connection(H11Protocol):
    """Speaks HTTP/1.1 with one client; one that says nothing, or reads nothing, is left after a while."""

    most: ClassVar[int] = MOST
    most_each: ClassVar[int] = MOST_EACH
    header_seconds: ClassVar[float] = HEADER_SECONDS
    stall_seconds: ClassVar[float] = STALL_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > self.most:
            self._refuse(_TURNED_AWAY)
            return
        if self._of_same_address() > self.most_each:
            self._refuse(_TOO_MANY_OF_YOURS)
            return
        self._asked = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _of_same_address(self) -> int:
        """How many connections the client's address has; none that count on this machine."""
        own = network_of(self.client[0]) if self.client else None
        if own is None or own.is_loopback:
            return 0
        others = (cast("Connection", other).client for other in self.connections)
        return sum(1 for other in others if other and network_of(other[0]) == own)

    def data_received(self, data: bytes) -> None:
        """Some bytes came; while they are no whole request yet, the clock runs on."""
        if self._refused or self.transport.is_closing():
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._heard()
        elif self._asked is None:
            self._asked = self.loop.call_later(self.header_seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """The client does not speak HTTP; whoever is at work on its request hears that it is gone."""
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun:
            self.transport.close()
        else:
            self._refuse(_NOT_HTTP)

    def _refuse(self, answer: bytes) -> None:
        self._refused = True
        self._heard()
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._asked = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._heard()
        self._read()
        super().connection_lost(exc)

    def _heard(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None

    def _read(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
