"""Sockets that know when their time is up, and an HTTP reader that is strict with strangers.

A timeout of a socket covers one wait; a server that drips a byte a second never meets it. Here each wait is
short and asks the thread's `Allowance` first, so that a whole exchange - lookup, connecting, TLS handshake,
headers, body - ends at one moment, and ends at once when the program is stopped.
"""

from __future__ import annotations

import http.client
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from urllib3.util.wait import wait_for_write

T = TypeVar("T")

_SLICE = 0.25
"""Seconds of the longest wait between two looks at the allowance: how promptly a stop is heard."""
_MAX_INTERIM = 20
_MAX_ADDRESSES = 6
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")

Address = tuple[socket.AddressFamily, Any]
"""A family and the address in the form that `socket.connect` takes."""


class OutOfTime(TimeoutError):  # noqa: N818 - reads as what happened
    """The allowance of this thread is used up, or the program is being stopped."""


class Allowance:
    """A limit on the time of an exchange: `seconds` from now, and only until `stopped()` says so.

    Time spent waiting for byod itself is given back with `extend`.
    """

    __slots__ = ("deadline", "stopped")

    def __init__(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> None:
        self.deadline = time.monotonic() + seconds
        self.stopped = stopped

    @property
    def remaining(self) -> float:
        """Seconds left, negative when it is over."""
        return self.deadline - time.monotonic()

    def extend(self, seconds: float) -> None:
        """Give back time that the other side is not to blame for."""
        self.deadline += seconds

    def slice(self) -> float:
        """Seconds that the next wait may take: more than 0, at most a quarter.

        Raises:
            OutOfTime: none are left.
        """
        if self.stopped():
            raise OutOfTime("stopped")
        remaining = self.remaining
        if remaining <= 0:
            raise OutOfTime("the deadline of the whole request has passed")
        return min(remaining, _SLICE)


_thread = threading.local()


def _allowance() -> Allowance | None:
    return getattr(_thread, "allowance", None)


@contextmanager
def limited(allowance: Allowance) -> Iterator[Allowance]:
    """Everything this thread sends and receives inside the block lives within the allowance."""
    outer = _allowance()
    _thread.allowance = allowance
    try:
        yield allowance
    finally:
        _thread.allowance = outer


class GuardedSocket(socket.socket):
    """A TCP socket whose every wait for bytes stays within the allowance of the thread that reads."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `socket.recv_into`; raises OutOfTime at the deadline."""
        return _within_allowance(self, super().recv_into, buffer, nbytes, flags)


class GuardedTLSSocket(ssl.SSLSocket):
    """The same for TLS, where the handshake is a wait of its own."""

    def do_handshake(self, block: bool = False) -> None:
        """As `SSLSocket.do_handshake`; raises OutOfTime at the deadline."""
        _within_allowance(self, super().do_handshake, block)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As `SSLSocket.recv_into`; raises OutOfTime at the deadline."""
        return _within_allowance(self, super().recv_into, buffer, nbytes, flags)


def _within_allowance(sock: socket.socket, wait: Callable[..., T], *arguments: Any) -> T:
    """Wait in slices of the thread's allowance, if it has one."""
    allowance = _allowance()
    if allowance is None:
        return wait(*arguments)
    while True:
        _set_timeout(sock, allowance)
        try:
            return wait(*arguments)
        except TimeoutError:
            continue


def _set_timeout(sock: socket.socket, allowance: Allowance) -> None:
    wanted = allowance.slice()
    if sock.gettimeout() != wanted:
        sock.settimeout(wanted)


def look_up(host: str, port: int) -> list[Address]:
    """The addresses of a host, at most six, in the order the system prefers them.

    The system's lookup cannot be interrupted, so it runs on a thread of its own; one that outlives the allowance
    is left to end by itself.

    Raises:
        OSError: `socket.gaierror` when there is no such host, OutOfTime when the lookup took too long.
    """
    allowance = _allowance()
    if allowance is None:
        return _resolve(host, port)
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def options() -> None:
        try:
            answers.put(_resolve(host, port))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=options, name=f"byod lookup of {host}", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=allowance.slice())
        except queue.Empty:
            continue
        if isinstance(answer, OSError):
            raise answer
        return answer


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, ValueError) as error:  # a name that cannot be written in DNS
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} cannot be a host's name") from error
    addresses = [(socket.AddressFamily(family), address) for family, _, _, _, address in found]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return addresses[:_MAX_ADDRESSES]


def connect(
    addresses: Sequence[Address], timeout: float | None, options: Sequence[tuple[int, int, int | bytes]]
) -> GuardedSocket:
    """A socket connected to the first of the addresses that answers; `timeout` in seconds covers all of them.

    Raises:
        OSError: none answered (the last one's error); TimeoutError when time ran out.
    """
    end = time.monotonic() + (30.0 if timeout is None else timeout)
    error: OSError = TimeoutError("timed out")
    for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share = (end - time.monotonic()) / left
        try:
            return _connect(family, address, time.monotonic() + share, options, timeout)
        except OutOfTime:
            raise
        except OSError as failure:
            error = failure
    raise error


def _connect(
    family: socket.AddressFamily,
    address: Any,
    end: float,
    options: Sequence[tuple[int, int, int | bytes]],
    timeout: float | None,
) -> GuardedSocket:
    sock = GuardedSocket(family, socket.SOCK_STREAM)
    try:
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        _await_connection(sock, address, end)
        sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connection(sock: socket.socket, address: Any, end: float) -> None:
    """Connect without blocking, so that neither the deadline nor a stop has to wait for the system's patience."""
    allowance = _allowance()
    sock.settimeout(0)
    try:
        sock.connect(address)
    except BlockingIOError:
        pass  # under way: the loop below waits for it
    else:
        return
    while True:
        wait = _SLICE if allowance is None else allowance.slice()
        wait = min(wait, end - time.monotonic())
        if wait <= 0:
            raise TimeoutError("timed out")
        if wait_for_write(sock, wait):
            break
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, f"cannot connect to {address[0]}")


class StrictResponse(http.client.HTTPResponse):
    """The standard library's reader, less patient: few interim answers, no odd chunk sizes, few cookies.

    It accepts neither the endless run of `100 Continue` nor the signed chunk sizes (`-1` reads on to the end of
    the stream, whatever its length) that the standard reader takes. Cookies are dropped unread, except those of a
    redirect, which the next step of its chain may be asked for (`byod.collection.http.cookies`).
    """

    _interim = 0

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise http.client.HTTPException(f"more than {_MAX_INTERIM} interim answers")
            if (
                not 102 <= status < 200
            ):  # 100 is skipped by the caller, 101 is an answer to nothing byod asked
                return version, status, reason
            http.client.parse_headers(self.fp)

    def begin(self) -> None:
        """Read the status line and the headers."""
        super().begin()
        if not 300 <= self.status < 400:
            del self.msg["Set-Cookie"]

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(1025)
        size = line.split(b";", 1)[0].strip()
        if len(line) > 1024 or not _CHUNK_SIZE.fullmatch(size):
            self.close()
            raise ValueError(f"not a chunk size: {size[:20]!r}")
        return int(size, 16)
