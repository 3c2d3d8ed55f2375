"""Connections through a SOCKS proxy, bounded in time like all others."""

from __future__ import annotations

import socket
from typing import Any

import socks  # type: ignore[import-untyped]
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from byod.collection.http.sockets import GuardedSocket


def connect(connection: Any, options: dict[str, Any]) -> socket.socket:
    """A connection to the host of a urllib3 `connection`, by the SOCKS proxy of `options` (as urllib3 has them).

    Raises:
        NewConnectionError, ConnectTimeoutError: there is none.
    """
    timeout = connection.timeout if isinstance(connection.timeout, (int, float)) else None
    try:
        opened = socks.create_connection(
            (connection.host.strip("[]"), connection.port),
            timeout=timeout,
            proxy_type=options["socks_version"],
            proxy_addr=options["proxy_host"],
            proxy_port=options["proxy_port"],
            proxy_rdns=options["rdns"],
            proxy_username=options["username"],
            proxy_password=options["password"],
        )
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"connecting to {connection.host} took too long") from error
    except (socks.ProxyError, OSError) as error:
        raise NewConnectionError(connection, f"the SOCKS proxy does not lead there: {error}") from error
    family, kind = opened.family, opened.type
    made = GuardedSocket(family, kind, fileno=opened.detach())
    made.settimeout(timeout)
    return made
