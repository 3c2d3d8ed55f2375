"""The metadata of a file, beside its pixels: taken out, or cut down to who made the picture, without encoding it anew.

A JPEG and a PNG are rows of segments. Those that the pixels need are copied byte by byte (the compressed picture, its
tables, its colour profile); all others are left out: EXIF with position, serial numbers, maker notes and thumbnail,
XMP, IPTC, comments, and whatever is glued to the end of the file. Sources: https://www.w3.org/Graphics/JPEG/itu-t81.pdf,
https://www.w3.org/Graphics/JPEG/jfif3.pdf, https://www.w3.org/TR/png-3/.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from byod.images import credit_fields

_MOST_UNPACKED = 1_000_000
_MOST_BLOCK = 65_000
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF, _XMP, _PHOTOSHOP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_ICC, _JFIF, _ADOBE = b"ICC_PROFILE\0", b"JFIF\0", b"Adobe"
_PNG_XMP = b"XML:com.adobe.xmp"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_CREDITS = frozenset({b"author", b"artist", b"creator", b"copyright", b"credit", b"license", b"licence"})
_PNG_KEPT = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"),
        *(b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"hIST", b"pHYs"),
    }
)
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7\x01]")


class Kept(StrEnum):
    """The share of a picture's metadata that stays: all, who made it and how it may be used, or nothing."""

    ALL = "all"
    CREDIT = "credit"
    NOTHING = "nothing"


class Uncuttable(Exception):  # noqa: N818 - reads as what happened
    """The segments of a file cannot be told apart, though its pixels may be read."""


class Blocks(NamedTuple):
    """The blocks of metadata of a file, as they stand in it; `texts` are whole chunks of a PNG."""

    exif: bytes = b""
    xmp: bytes = b""
    resources: bytes = b""
    texts: tuple[bytes, ...] = ()

    @property
    def position(self) -> bool:
        """True if one of them says where the picture was taken."""
        return credit_fields.position_in_exif(self.exif) or credit_fields.position_in_xmp(self.xmp)

    @property
    def credit(self) -> Blocks:
        """Cut them down to what they say of creator, copyright and licence."""
        return Blocks(
            credit_fields.of_exif(self.exif),
            credit_fields.of_xmp(self.xmp),
            credit_fields.of_resources(self.resources),
            tuple(chunk for chunk in self.texts if _keyword(chunk[8:]).lower() in _PNG_CREDITS),
        )


def read(content: bytes, name: str) -> Blocks:
    """The metadata of a picture file; `name` is its type, as Pillow calls it.

    Raises:
        Uncuttable: its segments cannot be told apart.
    """
    if name == "JPEG":
        return _of_jpeg(content)
    if name == "PNG":
        return _of_png(content)
    if name == "TIFF":
        return Blocks(content, credit_fields.xmp_in(content))
    return _of_other(content)


def _of_other(content: bytes) -> Blocks:
    """The blocks that Pillow's reader finds beside the pixels: such a file is never cut, but written anew."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            exif, xmp = image.info.get("exif"), image.info.get("xmp")
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        RuntimeError,  # of the WebP and AVIF libraries
        Image.DecompressionBombError,
    ) as error:
        raise Uncuttable("it cannot be opened") from error
    return Blocks(
        exif.removeprefix(_EXIF) if isinstance(exif, bytes) else b"", xmp if isinstance(xmp, bytes) else b""
    )


def rewritten(content: bytes, name: str, blocks: Blocks) -> bytes:
    """A JPEG or PNG with these blocks as all its metadata; every byte that makes its pixels is as before.

    Raises:
        Uncuttable: its segments cannot be told apart.
    """
    return _png_with(content, blocks) if name == "PNG" else _jpeg_with(content, blocks)


class _Segment(NamedTuple):
    """A segment of a JPEG: its marker, what it holds, and the whole of it (after a scan's head, its data too)."""

    marker: int
    payload: bytes
    whole: bytes


def _segments(content: bytes) -> Iterator[_Segment]:
    """The segments up to the end of the first picture; what stands between two of them is left out, as decoders do."""
    if content[:2] != b"\xff\xd8":
        raise Uncuttable("it does not begin like a JPEG")
    at = 2
    while (found := _MARKER.search(content, at)) is not None:
        marker, start = found[1][0], found.end()
        if marker == 0xD9:
            return
        if marker == 0xD8:
            raise Uncuttable("a picture begins within the picture")
        if 0xD0 <= marker <= 0xD7 or marker == 0x01:
            at = start
            continue
        (length,) = struct.unpack(">H", content[start : start + 2].rjust(2, b"\0"))
        end = start + length
        if length < 2 or end > len(content):
            raise Uncuttable("a segment leads out of the file")
        payload = content[start + 2 : end]
        if marker == 0xDA:
            following = _AFTER_SCAN.search(content, end)
            if following is None:
                break
            end = following.start()
        yield _Segment(marker, payload, content[start - 2 : end])
        at = end
    raise Uncuttable("it has no end")


def _of_jpeg(content: bytes) -> Blocks:
    exif = xmp = resources = b""
    for marker, payload, _ in _segments(content):
        if marker == 0xE1 and payload.startswith(_EXIF):
            exif = exif or payload[len(_EXIF) :]
        elif marker == 0xE1 and payload.startswith(_XMP):
            xmp = xmp or payload[len(_XMP) :]
        elif marker == 0xED and payload.startswith(_PHOTOSHOP):
            resources += payload[len(_PHOTOSHOP) :]
    return Blocks(exif, xmp, resources)


def _jpeg_with(content: bytes, blocks: Blocks) -> bytes:
    kept = [whole for segment in _segments(content) if (whole := _pixel_part(segment))]
    first = 1 if kept and kept[0][1] == 0xE0 else 0  # JFIF comes first
    told = ((0xE1, _EXIF, blocks.exif), (0xE1, _XMP, blocks.xmp), (0xED, _PHOTOSHOP, blocks.resources))
    added = [
        struct.pack(">BBH", 0xFF, marker, 2 + len(head) + len(block)) + head + block
        for marker, head, block in told
        if block and len(block) <= _MOST_BLOCK
    ]
    return b"".join((b"\xff\xd8", *kept[:first], *added, *kept[first:], b"\xff\xd9"))


def _pixel_part(segment: _Segment) -> bytes:
    """The segment where the pixels need it, otherwise nothing."""
    marker, payload, whole = segment
    if marker == 0xE0 and payload.startswith(_JFIF):
        if len(payload) < 14:
            return b""
        plain = payload[:12] + b"\0\0"  # no thumbnail
        return whole if payload == plain else b"\xff\xe0\x00\x10" + plain
    if marker == 0xE2:
        return whole if payload.startswith(_ICC) else b""
    if marker == 0xEE and payload.startswith(_ADOBE):
        return whole if len(payload) <= 12 else b"\xff\xee\x00\x0e" + payload[:12]
    return whole if 0xC0 <= marker <= 0xDF else b""


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each as (its type, the whole of it), up to its end."""
    if not content.startswith(_PNG):
        raise Uncuttable("it does not begin like a PNG")
    at = len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        end = at + 12 + length
        if end > len(content):
            raise Uncuttable("a chunk leads out of the file")
        kind = content[at + 4 : at + 8]
        yield kind, content[at:end]
        if kind == b"IEND":
            return
        at = end
    raise Uncuttable("it has no end")


def _keyword(data: bytes) -> bytes:
    return data[:80].partition(b"\0")[0]


def _of_png(content: bytes) -> Blocks:
    exif = xmp = b""
    texts: list[bytes] = []
    for kind, chunk in _chunks(content):
        data = chunk[8:-4]
        if kind == b"eXIf":
            exif = exif or data.removeprefix(_EXIF)
        elif kind == b"iTXt" and _keyword(data) == _PNG_XMP:
            xmp = xmp or _international(data)
        elif kind in _PNG_TEXTS:
            texts.append(chunk)
    return Blocks(exif, xmp, b"", tuple(texts))


def _international(data: bytes) -> bytes:
    """The text of an iTXt chunk, as UTF-8; empty where it is damaged or unpacks to too much."""
    _, _, rest = data.partition(b"\0")
    packed, text = rest[:1] == b"\x01", b"\0".join(rest[2:].split(b"\0")[2:])
    if not packed:
        return text
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(text, _MOST_UNPACKED)
    except zlib.error:
        return b""
    return text if unpacking.eof else b""


def _png_with(content: bytes, blocks: Blocks) -> bytes:
    kept = [chunk for kind, chunk in _chunks(content) if kind in _PNG_KEPT]
    added = list(blocks.texts)
    if blocks.exif:
        added.append(_chunk(b"eXIf", blocks.exif))
    if blocks.xmp:
        added.append(_chunk(b"iTXt", _PNG_XMP + b"\0\0\0\0\0" + blocks.xmp))
    return b"".join((_PNG, *kept[:1], *added, *kept[1:]))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
