"""The body of an answer, read whole within bounds of size and memory, and decoded if it must be."""

from __future__ import annotations

import codecs
import mmap
import threading
import time
import zlib

import requests

from byod.collection.http.sockets import Allowance, OutOfTime
from byod.schema.reasons import Reason

CHUNK = 256 * 1024
FREE = 1024 * 1024
"""Bytes that a body may have without asking the budget."""
_MAX_MEMBERS = 100
_ENCODINGS = ("gzip", "x-gzip", "deflate")
_MAX_ENCODINGS = 3
_GZIP = b"\x1f\x8b"


class BodyRefused(Exception):  # noqa: N818 - says why a body is not taken
    """A body is not what byod takes; `reason` is one of the fixed list."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class ByteBudget:
    """The bytes that large bodies may hold together, so that memory stays bounded however many threads fetch."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total
        self._changed = threading.Condition()

    def take(self, wanted: int, allowance: Allowance) -> int:
        """Wait until `wanted` bytes are free and take them; the wait is not counted against the allowance.

        Returns what was taken: never more than the whole budget, so that no wait is for ever.

        Raises:
            OutOfTime: the program is being stopped.
        """
        wanted = min(wanted, self._total)
        began = time.monotonic()
        with self._changed:
            while self._left < wanted:
                if allowance.stopped():
                    raise OutOfTime("stopped")
                self._changed.wait(0.25)
            self._left -= wanted
        allowance.extend(time.monotonic() - began)
        return wanted

    def give_back(self, held: int) -> None:
        """Return bytes that were taken."""
        if held:
            with self._changed:
                self._left += held
                self._changed.notify_all()


def read_whole(
    response: requests.Response, most: int, allowance: Allowance, budget: ByteBudget
) -> tuple[bytes, int]:
    """The whole body of at most `most` bytes, decoded, and how many bytes of the budget it holds.

    Raises:
        BodyRefused: it is too large, cut short, or in an encoding that byod did not ask for and cannot undo.
        OSError, urllib3.exceptions.HTTPError: the connection failed.
    """
    encodings = _encodings(response)
    declared: int | None = response.raw.length_remaining
    if declared is not None and declared > most:
        raise BodyRefused(Reason.TOO_LARGE, f"{declared} bytes declared, {most} allowed")
    # An encoded body is held twice, as sent and as decoded: one taking for both, so that nobody waits for a
    # second part while holding the first. Without a declared length the most that may come is taken.
    wanted = (most if declared is None else declared) + (most if encodings else 0)
    held = budget.take(wanted, allowance) if wanted > FREE and (encodings or declared is not None) else 0
    try:
        if declared is None:
            content, more = _gather(response, most, allowance, None if held else budget)
            held += more
        else:
            content = _declared(response, declared)
        content = _complete(content, declared, encodings, most)
    except BaseException:
        budget.give_back(held)
        raise
    keep = min(held, len(content)) if len(content) > FREE else 0
    budget.give_back(held - keep)
    return content, keep


def read_start(response: requests.Response, most: int) -> bytes:
    """The first `most` bytes of a text, decoded; the rest stays unread.

    What was encoded in a way that byod cannot undo is no text: then nobody knows what the text says.

    Raises:
        BodyRefused, OSError, urllib3.exceptions.HTTPError: as `read_whole`, but never for its size.
    """
    encodings = _encodings(response)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < most and (piece := response.raw.read(CHUNK, decode_content=False)):
        pieces.append(piece)
    content = _undone(b"".join(pieces), encodings, 4 * most)[:most]
    said = response.headers.get("Content-Encoding", "").strip()
    if said and not _is_text(content[:4096]):
        raise BodyRefused(Reason.ENCODING, f"Content-Encoding: {said}")
    return content


def _is_text(content: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _encodings(response: requests.Response) -> list[str]:
    """The content encodings to undo, the one that was applied last first.

    byod asks for none, so a word that it does not know (`utf-8`, `aws-chunked`, `none`) is a server's slip of the pen
    and changes nothing: what the body is shows when it is opened.

    Raises:
        BodyRefused: the framing of the body is none that can be read.
    """
    framing = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if framing not in ("chunked", "identity"):
        raise BodyRefused(Reason.ENCODING, f"Transfer-Encoding: {framing}")
    said = [word.strip().lower() for word in response.headers.get("Content-Encoding", "").split(",")]
    known = [word for word in reversed(said) if word in _ENCODINGS]
    if len(known) > _MAX_ENCODINGS:
        raise BodyRefused(Reason.ENCODING, f"encoded {len(known)} times over")
    return known


def _undone(content: bytes, encodings: list[str], most: int) -> bytes:
    """The content with its encodings undone; one that was declared and not applied is passed over.

    Raises:
        BodyRefused: as `decoded`.
    """
    for encoding in encodings:
        bare = encoding == "deflate" and not _is_zlib(content)
        if encoding != "deflate" and not content.startswith(_GZIP):
            continue
        try:
            content = decoded(content, encoding, most)
        except BodyRefused as refused:
            if not bare or refused.reason is not Reason.ENCODING:
                raise  # a bare stream has no mark of its own: what cannot be undone was none
    return content


def _declared(response: requests.Response, declared: int) -> bytes:
    """A body of declared length, or what came of it: one read straight into the bytes that are kept."""
    content: bytes = response.raw.read(declared, decode_content=False) if declared else b""
    return content


def _complete(content: bytes, declared: int | None, encodings: list[str], most: int) -> bytes:
    """The decoded body, of which all came: a compressed one may be short of its length and whole, and says so itself.

    Some servers compress on the way out and leave the length of what they compressed.

    Raises:
        BodyRefused: CONNECTION_LOST for one that was cut short, and as `decoded`.
    """
    short = declared is not None and len(content) < declared
    lost = BodyRefused(Reason.CONNECTION_LOST, f"{len(content)} of {declared} bytes came")
    if short and not any(content.startswith(_GZIP) or encoding == "deflate" for encoding in encodings):
        raise lost
    try:
        undone = _undone(content, encodings, most)
    except BodyRefused as refused:
        raise lost if short and refused.reason is Reason.ENCODING else refused from None
    if short and undone is content:
        raise lost
    return undone


def _gather(
    response: requests.Response, most: int, allowance: Allowance, budget: ByteBudget | None
) -> tuple[bytes, int]:
    """A body of unknown length; once it turns out large, room for the largest is taken from the budget."""
    held = 0
    try:
        with _Scratch(most) as scratch:
            while chunk := response.raw.read(CHUNK, decode_content=False):
                scratch.add(chunk, "")
                if budget is not None and not held and scratch.size > FREE:
                    held = budget.take(most, allowance)
            return scratch.content(), held
    except BaseException:
        if budget is not None:
            budget.give_back(held)
        raise


class _Scratch:
    """A buffer of fixed size for bytes whose number is not known beforehand.

    Its pages come straight from the system, only as they are filled, and go straight back: buffers that grow by
    copying would leave the process several times as large as what it holds.
    """

    def __init__(self, most: int) -> None:
        self._pages = mmap.mmap(-1, max(most, 1))
        self._most = most
        self.size = 0

    def __enter__(self) -> _Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self._pages.close()

    def add(self, piece: bytes, when: str) -> None:
        """Append a piece; `when` completes the sentence of the BodyRefused that is raised when there is no room."""
        end = self.size + len(piece)
        if end > self._most:
            raise BodyRefused(Reason.TOO_LARGE, f"more than {self._most} bytes{when}")
        self._pages[self.size : end] = piece
        self.size = end

    def content(self) -> bytes:
        """All that was added."""
        return self._pages[: self.size]


def decoded(content: bytes, encoding: str, most: int) -> bytes:
    """Undo gzip or deflate, stopping as soon as more than `most` bytes come out.

    Raises:
        BodyRefused: TOO_LARGE for a bomb, ENCODING for what cannot be decoded.
    """
    window = zlib.MAX_WBITS + 16 if encoding.endswith("gzip") else zlib.MAX_WBITS
    if encoding == "deflate" and not _is_zlib(content):
        window = -zlib.MAX_WBITS  # servers send the bare stream under this name too
    try:
        with _Scratch(most) as scratch:
            _inflate(content, window, scratch)
            return scratch.content()
    except zlib.error as error:
        raise BodyRefused(Reason.ENCODING, f"{encoding}: {error}") from error


def _inflate(content: bytes, window: int, scratch: _Scratch) -> None:
    """Undo one stream after the other (gzip members may follow each other, padded with zeros)."""
    view, members, stream = memoryview(content), 1, zlib.decompressobj(window)
    while view or stream.unconsumed_tail:
        piece = stream.unconsumed_tail or bytes(view[:CHUNK])
        view = view if stream.unconsumed_tail else view[CHUNK:]
        scratch.add(stream.decompress(piece, CHUNK), " once decoded")
        if stream.eof:
            rest = (stream.unused_data + bytes(view)).lstrip(b"\0")
            if not rest:
                return
            members += 1
            if members > _MAX_MEMBERS:
                raise BodyRefused(Reason.ENCODING, f"compressed in more than {_MAX_MEMBERS} pieces")
            view = memoryview(rest)
            stream = zlib.decompressobj(window)
    while not stream.eof and (piece := stream.decompress(b"", CHUNK)):  # what was still inside the decoder
        scratch.add(piece, " once decoded")
    if not stream.eof:
        raise BodyRefused(Reason.ENCODING, "the compressed stream is cut short")


def _is_zlib(content: bytes) -> bool:
    return len(content) > 1 and content[0] & 15 == 8 and (content[0] << 8 | content[1]) % 31 == 0
