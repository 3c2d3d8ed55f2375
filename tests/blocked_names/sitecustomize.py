"""Put on a Python program's path, this refuses every look-up and connection beyond loopback, and writes it down.

The file that `BYOD_TEST_ATTEMPTS` names gets a line for each attempt: what was tried, the place, and the innermost
lines of the program that tried it. Audit events: https://docs.python.org/3/library/audit_events.html
"""

import errno
import ipaddress
import os
import socket
import sys
import traceback

_ATTEMPTS = os.environ.get("BYOD_TEST_ATTEMPTS")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind")


def _local(host):
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seen(event, place):
    stack = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()[:-2]]
    outer = [line for line in stack if "label_studio" in line and "site-packages" in line]
    where = (outer or stack)[-1].rpartition("site-packages/")[2]
    line = f"{event} {place} {where}\n".encode()
    handle = os.open(_ATTEMPTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, line)
    os.close(handle)


def _watch(event, arguments):
    if event in _LOOKUPS and not _local(arguments[0]):
        _seen(event, arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "outside names are blocked by the test")
    if event in _SENDING and isinstance(arguments[1], tuple) and not _local(arguments[1][0]):
        _seen(event, f"{arguments[1][0]}:{arguments[1][1]}")
        raise OSError(errno.ENETUNREACH, "the outside is blocked by the test")


if _ATTEMPTS:
    sys.addaudithook(_watch)
