"""Camera raw in TIFF's clothes (DNG, CR2, NEF, ARW): the kind of a file, and the full preview in it.

Sources: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and Adobe's DNG specification 1.7 (DNGVersion).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

LEAST = 1000
"""A preview whose longer side has fewer pixels is a thumbnail, which stands for no photo."""
_MOST_TABLES = 64
_MOST_TAGS = 4000
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MAKE, _ORIENTATION, _STRIPS, _STRIP_BYTES, _SUB_TABLES = 271, 274, 273, 279, 330
_KIND, _COMPRESSION, _PHOTOMETRIC, _DNG, _EXIF = 254, 259, 262, 50706, 34665
_JPEG, _JPEG_BYTES = 513, 514
_MAKES = {b"NIKON": "NEF", b"SONY": "ARW"}
_FRAME = re.compile(rb"\xff[^\x00\xff]")

Tags = dict[int, tuple[int, ...] | bytes]


class Preview(NamedTuple):
    """A JPEG in a raw file, and how the photo is to be turned (EXIF, 1..8)."""

    content: bytes
    orientation: int


def kind_of(content: bytes) -> str | None:
    """The kind of raw file that some bytes are, which begin like a TIFF; None for a TIFF."""
    if content[8:10] == b"CR":
        return "CR2"
    first = next(_tables(content), {})
    if _DNG in first:
        return "DNG"
    make = first.get(_MAKE, b"")
    if isinstance(make, bytes) and _SUB_TABLES in first and first.get(_KIND) == (1,):
        known = (name for start, name in _MAKES.items() if make.upper().startswith(start))
        return next(known, None)
    return None


def preview(content: bytes) -> Preview:
    """The largest JPEG in a raw file that a viewer can draw.

    Raises:
        PictureError: there is none of a photo's size.
    """
    best, most, orientation = b"", 0, 1
    for number, tags in enumerate(_tables(content)):
        if number == 0:
            turned = tags.get(_ORIENTATION, (1,))
            orientation = turned[0] if turned and 1 <= turned[0] <= 8 else 1
        for start, length in _jpegs(tags):
            found = content[start : start + length]
            width, height = _size(found)
            if width * height > most:
                best, most, longer = found, width * height, max(width, height)
    if not best or longer < LEAST:
        raise PictureError(
            Reason.UNSUPPORTED,
            "the camera raw file holds no full preview; export it as JPEG or TIFF with a raw developer",
        )
    return Preview(best, orientation)


def _jpegs(tags: Tags) -> Iterator[tuple[int, int]]:
    """The place where a table says that a JPEG lies: (start, length)."""
    for start, length in ((_JPEG, _JPEG_BYTES), (_STRIPS, _STRIP_BYTES)):
        at, size = tags.get(start, ()), tags.get(length, ())
        if len(at) != 1 or len(size) != 1:
            continue
        raw = tags.get(_PHOTOMETRIC) in ((32803,), (34892,))  # the sensor's own mosaic, or linear light
        if start == _JPEG or (tags.get(_COMPRESSION) in ((6,), (7,)) and not raw):
            yield at[0], size[0]


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that every decoder reads; 0, 0 of anything else, such as a lossless one."""
    if not jpeg.startswith(b"\xff\xd8"):
        return 0, 0
    at = 2
    while (marker := _FRAME.search(jpeg, at)) is not None:
        kind, at = jpeg[marker.end() - 1], marker.end()
        if kind in (0xC0, 0xC1, 0xC2) and len(jpeg) >= at + 7:
            precision, height, width = struct.unpack_from(">xxBHH", jpeg, at)
            return (width, height) if precision == 8 else (0, 0)
        if (0xC3 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)) or kind in (0xD9, 0xDA):
            break
        at += int.from_bytes(jpeg[at : at + 2], "big")
    return 0, 0


def _tables(content: bytes) -> Iterator[Tags]:
    """The tables of tags in a TIFF: those in its chain, and the ones below each; none twice, and not without end."""
    order = "<" if content[:2] == b"II" else ">"
    if content[:2] not in (b"II", b"MM") or len(content) < 8:
        return
    waiting = [struct.unpack_from(order + "I", content, 4)[0]]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_TABLES:
        at = waiting.pop(0)
        if at in seen or not 8 <= at <= len(content) - 2:
            continue
        seen.add(at)
        tags, following = _table(content, order, at)
        yield tags
        below = [*tags.get(_SUB_TABLES, ()), *tags.get(_EXIF, ())]
        waiting = [*waiting, following, *below[:_MOST_TABLES]]


def _table(content: bytes, order: str, at: int) -> tuple[Tags, int]:
    """The tags of one table, those of interest, and where the next one of the chain lies (0: nowhere)."""
    (number,) = struct.unpack_from(order + "H", content, at)
    tags: Tags = {}
    for entry in range(at + 2, at + 2 + 12 * min(number, _MOST_TAGS), 12):
        if entry + 12 > len(content):
            return tags, 0
        tag, kind, count = struct.unpack_from(order + "HHI", content, entry)
        size = count * _SIZES.get(kind, 0)
        if not 0 < size <= 65536:
            continue
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", content, entry + 8)[0]
        value = content[start : start + size]
        if len(value) < size:
            continue
        if kind in (3, 4, 13):
            tags[tag] = struct.unpack(f"{order}{count}{'H' if kind == 3 else 'I'}", value)
        elif kind in (1, 2, 7):
            tags[tag] = value
    end = at + 2 + 12 * number
    return tags, struct.unpack_from(order + "I", content, end)[0] if end + 4 <= len(content) else 0
