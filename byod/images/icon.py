"""Icons (ICO): the largest picture in one, as a file of its own."""

from __future__ import annotations

import struct
from typing import NamedTuple

from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST = 256


class Entry(NamedTuple):
    """One picture of an icon: its size as the icon has it, and its bytes; `png` says that they are a PNG."""

    width: int
    height: int
    content: bytes
    png: bool


def largest(content: bytes) -> Entry:
    """The picture with the most pixels, then the most colours.

    Raises:
        PictureError: there is none.
    """
    entries = sorted(_entries(content), key=lambda found: (found[0] * found[1], found[2]), reverse=True)
    if not entries:
        raise PictureError(Reason.BROKEN, "the icon (ICO) holds no picture")
    width, height, _, data = entries[0]
    if data.startswith(_PNG):
        return Entry(width, height, data, png=True)
    if len(data) >= 16 and struct.unpack_from("<I", data)[0] >= 40:
        across, twice = struct.unpack_from("<ii", data, 4)  # its mask lies above the picture
        if not 0 < across <= _MOST or not 0 < twice <= 2 * _MOST:
            raise PictureError(Reason.BROKEN, "the icon (ICO) says two sizes of one picture")
    return Entry(width, height, data, png=False)


def _entries(content: bytes) -> list[tuple[int, int, int, bytes]]:
    """Width, height, bits of a pixel and bytes of each picture."""
    (number,) = struct.unpack_from("<H", content.ljust(6, b"\0"), 4)
    found = []
    for at in range(6, 6 + 16 * number, 16):
        if at + 16 > len(content):
            break
        width, height, bits, length, start = struct.unpack_from("<BB4xHII", content, at)
        data = content[start : start + length]
        if len(data) == length and length:
            found.append((width or 256, height or 256, bits, data))
    return found
