"""A web application on a port of this machine, for as long as a block lasts."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from byod.schema.errors import ByodError, UsageError
from byod.web.http_connection import Connection

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0


@contextmanager
def listening(
    app: ASGIApp,
    *,
    port: int | None,
    usual: int,
    host: str = LOOPBACK,
    connection: type[Connection] = Connection,
) -> Iterator[str]:
    """Serve an application in a thread, on loopback unless another `host` of this machine is named.

    Without a `port` it is the usual one, or any that is free; the block gets the application's address.

    Raises:
        UsageError: the port asked for is taken, or this machine has no such host.
        ByodError: the server does not start.
    """
    with _bound(host, port, usual) as place:
        config = uvicorn.Config(
            app,
            http=connection,
            ws="none",
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [place]}, name="byod serve", daemon=True
        )
        thread.start()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise ByodError("the web server does not start; see the lines above")
                time.sleep(0.01)
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def _bound(host: str, port: int | None, usual: int) -> socket.socket:
    for number in (usual, 0) if port is None else (port,):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"--host {host}: this machine has no such address; 0.0.0.0 means all it has"
            ) from error
        place = socket.socket(family, kind, protocol)
        if sys.platform != "win32":  # there it would let two listen at once
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(address)
        except OSError:
            place.close()
            continue
        return place
    where = "" if host == LOOPBACK else f" of {host}"
    raise UsageError(
        f"port {port or usual}{where} is taken or not allowed; remove --port, or name another one"
    )
