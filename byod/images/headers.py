"""Sizes out of the headers of types whose readers take memory, or decode, as soon as they are made."""

from __future__ import annotations

import struct

from PIL import Image

_JXL_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_JXL_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))


class Header(Image.Image):
    """A picture of which only the header was read: it has a size, and no pixels."""

    def __init__(self, name: str, size: tuple[int, int], exif: bytes = b"") -> None:
        super().__init__()
        self.format, self._size, self._mode = name, size, "RGBA"
        self.info = {"exif": exif} if exif else {}


def webp_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP from its header; None when the header is too short or odd.

    Read before opening, since the decoder takes memory for the whole canvas when it is made.
    Source: https://developers.google.com/speed/webp/docs/riff_container
    """
    kind, head = content[12:16], content[20:30]
    if len(head) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L" and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return None


def webp_exif(content: bytes) -> bytes:
    """The EXIF chunk of a WebP; empty where there is none."""
    at = 12
    while at + 8 <= len(content):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if kind == b"EXIF":
            return content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""


def jxl_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG XL from its header; None where there is none that can be read.

    Source: ISO/IEC 18181-1, annex D (image header); 18181-2 (boxes).
    """
    stream = content if content.startswith(b"\xff\x0a") else _jxl_codestream(content)
    if not stream.startswith(b"\xff\x0a") or len(stream) < 12:
        return None
    bits = _Bits(int.from_bytes(stream[2:26], "little"))
    small = bits.take(1)
    height = _jxl_side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _jxl_side(bits, small), height
    across, down = _JXL_RATIOS[ratio]
    return height * across // down, height


def _jxl_side(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (bits.take(5) + 1)
    length, first = _JXL_SIZES[bits.take(2)]
    return bits.take(length) + first


def _jxl_codestream(content: bytes) -> bytes:
    """The first bytes of the codestream in a container of boxes."""
    at = 0
    while at + 16 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(content[at + 8 : at + 16], "big"), at + 16
        if kind == b"jxlc":
            return content[start : start + 64]
        if kind == b"jxlp":
            return content[start + 4 : start + 68]
        if length < 8:
            return b""
        at += length
    return b""


class _Bits:
    """Bits from the lowest up, as JPEG XL has them."""

    def __init__(self, value: int) -> None:
        self._left = value

    def take(self, number: int) -> int:
        """The next so many bits."""
        value = self._left & ((1 << number) - 1)
        self._left >>= number
        return value
