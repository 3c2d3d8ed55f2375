"""Parts of large files elsewhere, by HTTP ranges: a file that can be sought in, and one that is kept and gone on with.

Every part is asked for by the same guarded client as APIs are, is bounded, and is checked to be the part that was
asked for; a file that changes on the way is noticed by its mark (ETag).
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byod.collection.http.api_client import ApiClient, on_loopback, refuse
from byod.collection.http.api_reply import ApiReply
from byod.schema import files
from byod.schema.errors import SourceError

PIECE = 4_000_000
"""Bytes asked for at once; with 30 seconds for an answer that is a slow line's worth."""
BLOCK = 1_000_000
"""Bytes asked for where fewer are read: what stands beside them is mostly read next."""
PER_MINUTE = 300
"""Parts asked of one source: its questions are counted apart, and files may be asked for more often."""
_BLOCKS = 8
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)
_BEYOND = re.compile(r"bytes \*/(\d{1,15})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """A part of a file: its bytes, where they begin, how long the whole is, its mark and the headers that came."""

    content: bytes
    start: int
    total: int
    mark: str
    headers: Mapping[str, str] = field(default_factory=dict)


def read_part(
    client: ApiClient,
    url: str,
    start: int,
    stop: int,
    *,
    source: str,
    headers: Mapping[str, str] | None = None,
) -> Part:
    """The bytes of a file from `start` up to `stop`, fewer where it ends before; patient as all questions are.

    `stop` lies at most a piece behind `start`. `headers` go along; a key in them reaches no other host.

    Raises:
        SourceError: as `ApiClient.get_reply`, or the answer is not the part that was asked for.
    """
    wanted = {**(headers or {}), "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

    def attempt() -> Part:
        client.take_turn(f"{source}'s files", None if on_loopback(url) else PER_MINUTE)
        reply = client.send(url, source, wanted)
        beyond = _BEYOND.fullmatch(reply.headers.get("content-range", "").strip())
        if reply.status == 416 and beyond is not None and start >= int(beyond[1]):
            return Part(b"", start, int(beyond[1]), _mark(reply), reply.headers)
        if reply.status != 206:
            # 200 is the whole file, which the client refuses where it is large
            refuse(reply, source, with_key="Authorization" in wanted, secrets=tuple((headers or {}).values()))
            return Part(reply.body[start:stop], start, len(reply.body), _mark(reply), reply.headers)
        return _checked(reply, start, stop, source)

    return client.patiently(attempt)


def _mark(reply: ApiReply) -> str:
    return reply.headers.get("etag", "").removeprefix("W/")[:200]


def _checked(reply: ApiReply, start: int, stop: int, source: str) -> Part:
    told = _RANGE.fullmatch(reply.headers.get("content-range", "").strip())
    if told is not None:
        first, last, total = (int(each) for each in told.groups())
        if first == start and last + 1 == min(stop, total) and last + 1 - first == len(reply.body):
            return Part(reply.body, start, total, _mark(reply), reply.headers)
    raise SourceError(f"{source} answered with another part of a file than it was asked for; try again later")


class RemoteFile(io.RawIOBase):
    """A file elsewhere as one that can be read and sought in; at most `most` bytes of it are ever asked for."""

    def __init__(
        self,
        client: ApiClient,
        url: str,
        *,
        source: str,
        most: int,
        largest: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._client, self._url, self._source, self._own = client, url, source, headers
        self._left, self._at = most, 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._mark: str | None = None
        first = self._part(0, 1)
        self.size, self.headers = first.total, first.headers
        if self.size > largest:
            raise SourceError(f"{source}: a file of {self.size // 1_000_000:,} MB is too large")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here or from the end."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, or as much of it as there are bytes."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, all of those that were asked for unless the file ends before."""
        stop = self.size if size < 0 else min(self.size, self._at + size)
        pieces: list[bytes] = []
        while self._at < stop:
            piece = self._block() if stop - self._at < BLOCK else self._part(self._at, stop).content
            piece = piece[: stop - self._at]
            if not piece:
                raise SourceError(f"{self._source}: a file ended before its stated end; try again later")
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def _block(self) -> bytes:
        """The bytes from here to the end of the block that they lie in."""
        number, offset = divmod(self._at, BLOCK)
        if number not in self._blocks:
            start = number * BLOCK
            self._blocks[number] = self._part(start, min(self.size, start + BLOCK)).content
            if len(self._blocks) > _BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number][offset:]

    def _part(self, start: int, stop: int) -> Part:
        stop = min(stop, start + PIECE)
        self._left -= stop - start
        if self._left < 0:
            raise SourceError(
                f"{self._source}: more of a file would have to be read than it may take; given up"
            )
        part = read_part(self._client, self._url, start, stop, source=self._source, headers=self._own)
        if self._mark is not None and (part.mark != self._mark or part.total != self.size):
            raise SourceError(f"{self._source}: a file changed while it was read; run the command again")
        self._mark = part.mark
        return part


def keep(
    client: ApiClient,
    url: str,
    file: Path,
    *,
    source: str,
    largest: int,
    came: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fetch a file whole, piece by piece, going on where an earlier try ended unless it is another file by now.

    What has come lies beside it as `….part`, with the mark of the file it is of. `came` is told how much there is.

    Raises:
        SourceError: as `read_part`, or the file is too large.
    """
    part_name, mark_name = f"{file.name}.part", f"{file.name}.mark"
    with files.opened(file.parent) as folder:
        have = _kept_so_far(file.parent, part_name, mark_name)
        total: int | None = None
        while total is None or have < total:
            part = read_part(client, url, have, have + PIECE, source=source)
            known = f"{part.mark} {part.total}"
            if have and known != _text(file.parent / mark_name):
                have, total = 0, None
                folder.remove(part_name)
                continue
            if part.total > largest:
                raise SourceError(f"{source}: {url} has {part.total // 1_000_000:,} MB, which is too large")
            if not part.content and have < part.total:
                raise SourceError(f"{source}: {url} ended before its stated end; try again later")
            if not have:
                folder.replace(part_name, b"")
                folder.replace(mark_name, known.encode())
            folder.append(part_name, part.content)
            have, total = have + len(part.content), part.total
            came(have, total)
        folder.move(part_name, file.name)
        folder.remove(mark_name)


def _kept_so_far(place: Path, part_name: str, mark_name: str) -> int:
    part = place / part_name
    return part.stat().st_size if part.is_file() and _text(place / mark_name) else 0


def _text(file: Path) -> str:
    return files.read(file).decode(errors="replace") if file.is_file() else ""
