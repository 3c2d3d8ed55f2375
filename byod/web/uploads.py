"""Read an upload: a picture as it is, or in a form; taken in bit by bit, never written to disk.

Names of files are not looked at. Form: https://www.rfc-editor.org/rfc/rfc7578 (multipart/form-data).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from byod.schema.records import Record

_MOST_PARTS = 8
_MOST_HEADER = 8192
_BOUNDARY = re.compile(
    r"""(?i)multipart/form-data\s*;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))\s*"""
)
_PARAMETER = re.compile(r""";\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s";]*)\s*""")


class UploadLimits(Record):
    """The limits of a client: bytes of one request, and of all at one time; pieces of work in line; pixels; seconds.

    What ends in `each` holds for one visitor. `pixels` are those that are ever decoded: a JPEG may have up to
    `jpeg_pixels`, since it can be decoded reduced. `send_seconds` is how long a request may take to arrive, `seconds`
    how long its answer may take after that.
    """

    bytes: int = 50_000_000
    bytes_together: int = 256_000_000
    bytes_each: int = 192_000_000
    places: int = 128
    places_each: int = 64
    pixels: int = 50_000_000
    jpeg_pixels: int = 250_000_000
    send_seconds: float = 60.0
    seconds: float = 30.0


async def parts(request: Request, limits: UploadLimits, take: Callable[[int], None]) -> dict[str, bytes]:
    """The parts of a form by name; a picture that is sent as it is becomes the part `image`.

    `take` is told how many bytes are kept in memory, before they are.

    Raises:
        HTTPException: 400, 408, 413 or 415, with a line that says why.
        QueueFull: there is no room for it in memory.
    """
    kind = request.headers.get("content-type", "")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "send the picture without Content-Encoding")
    form = _BOUNDARY.fullmatch(kind.strip())
    plain = re.split(r"[;\s]", kind.strip().lower(), maxsplit=1)[0]
    if not form and not plain.startswith("image/") and plain != "application/octet-stream":
        raise HTTPException(
            415, "send a form (multipart/form-data) with the part image, or the picture itself as image/…"
        )
    body = await _received(request, limits, take)
    if not form:
        return {"image": body}
    take(len(body))  # its parts are copies
    return _parted(body, (form[1] or form[2]).encode("latin-1"))


def picture_of(found: dict[str, bytes]) -> bytes:
    """The part `image` of a form.

    Raises:
        HTTPException: it is missing or empty.
    """
    if not found.get("image"):
        raise HTTPException(400, "there is no picture: the part image is missing or empty")
    return found["image"]


async def _received(request: Request, limits: UploadLimits, take: Callable[[int], None]) -> bytes:
    """The body; what is over the limit is refused as soon as that is known."""
    stated = request.headers.get("content-length", "0")
    if int(stated) > limits.bytes:  # the server itself lets no other thing than digits pass
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.send_seconds):
            async for part in request.stream():
                if len(body) + len(part) > limits.bytes:
                    raise _too_large(limits)
                take(len(part))
                body += part
    except TimeoutError:
        raise HTTPException(
            408, f"the picture did not arrive within {limits.send_seconds:g} seconds"
        ) from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the picture did") from None
    return bytes(body)


def _too_large(limits: UploadLimits) -> HTTPException:
    return HTTPException(413, f"more than {limits.bytes / 1e6:g} MB; send a smaller picture")


def _parted(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """Take a form apart, strictly: each part named once, whole, and nothing else in between."""
    found: dict[str, bytes] = {}
    fence = b"--" + boundary
    if not body.startswith(fence):
        raise _no_form("it does not begin with its boundary")
    at = len(fence)
    while body[at : at + 2] == b"\r\n":
        head_end = body.find(b"\r\n\r\n", at, at + _MOST_HEADER)
        end = body.find(b"\r\n" + fence, head_end + 2) if head_end >= 0 else -1
        if end < 0:
            raise _no_form("a part does not end")
        name = _name(body[at:head_end])
        if name in found:
            raise _no_form(f"the part {name} is there twice")
        if len(found) == _MOST_PARTS:
            raise _no_form(f"it has more than {_MOST_PARTS} parts")
        found[name] = body[head_end + 4 : end]
        at = end + 2 + len(fence)
    if body[at : at + 2] != b"--":
        raise _no_form("it does not end with its boundary")
    return found


def _name(head: bytes) -> str:
    """The name of a part, out of its headers; that of its file is passed over."""
    for line in head.decode("utf-8", "replace").split("\r\n"):
        field, _, value = line.partition(":")
        if field.strip().lower() == "content-disposition":
            kind, semicolon, rest = value.partition(";")
            if kind.strip().lower() == "form-data":
                name = _parameter(semicolon + rest, "name")
                if re.fullmatch(r"[a-z]{1,20}", name):
                    return name
    raise _no_form("a part has no name that is known here")


def _parameter(text: str, wanted: str) -> str:
    """A parameter of a header, read from the left, so that a value cannot pass for a name."""
    at = 0
    while match := _PARAMETER.match(text, at):
        if match[1].lower() == wanted:
            return match[2].strip('"')
        at = match.end()
    return ""


def _no_form(why: str) -> HTTPException:
    return HTTPException(400, f"malformed multipart/form-data: {why}")
