"""Check by its own bookkeeping that a file is whole, as far as its pixels go, and that its decoder can read it."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

_MOST_FRAMES = 1000
_MOST_SCANS = 200
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
"""Frames that are decoded in one pass where their first scan holds all colours; a progressive one never is."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7\x01]")
_SEGMENT = re.compile(rb"\xff[^\x00\xff]")
_NOT_READ = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "lossless",
    0xCB: "lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "lossless",
}


def check_readable(content: bytes, name: str) -> None:
    """See that a file is of a variety of its type that can be read: nothing is wrong with another one.

    Raises:
        PictureError: `UNSUPPORTED`, with the variety; `BROKEN` where the part is missing that would say it.
    """
    if name == "JPEG":
        _check_jpeg_frame(content)
    elif name == "PSD":
        _check_psd(content)
    elif name == "TIFF":
        _check_table(content)


def _check_jpeg_frame(content: bytes) -> None:
    at = 2
    while (marker := _SEGMENT.search(content, at)) is not None:
        kind, at = content[marker.end() - 1], marker.end()
        if kind in _NOT_READ:
            raise _not_read(f"{_NOT_READ[kind]} JPEG")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            if len(content) > at + 2 and content[at + 2] != 8:
                raise _not_read(f"JPEG of {content[at + 2]} bits")
            return
        if kind in (0xDA, 0xD9):
            return
        at += int.from_bytes(content[at : at + 2], "big")


def _check_psd(content: bytes) -> None:
    """Source: https://www.adobe.com/devnet-apps/photoshop/fileformatashtml/ (header, and resource 1057)."""
    if len(content) < 26:
        return
    version, bits, mode = struct.unpack_from(">4xH16xHH", content)
    if version != 1 or bits not in (1, 8) or mode not in (0, 1, 2, 3, 4, 7, 8, 9):
        raise _not_read(f"Photoshop files of {bits} bits a colour, or of this mode,")
    told = content.find(b"8BIM\x04\x21", 26, 26 + 4_000_000)
    if told >= 0 and content[told + 16 : told + 17] == b"\0":
        raise PictureError(
            Reason.UNSUPPORTED, "the Photoshop file holds no composite; save it with Maximize Compatibility"
        )


_NEEDED_TAGS = frozenset({256, 257, 258, 259, 262, 273, 277, 279})
_TAG_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}


def _check_table(content: bytes) -> None:
    """The first table of a TIFF is there, with the values that say how the pixels are stored."""
    order = "<" if content[:2] == b"II" else ">"
    if content[2:4] not in (b"*\0", b"\0*") or len(content) < 8:
        return
    (at,) = struct.unpack_from(order + "I", content, 4)
    if at + 2 > len(content):
        raise _cut("TIFF")
    (number,) = struct.unpack_from(order + "H", content, at)
    if at + 2 + 12 * number > len(content):
        raise _cut("TIFF")
    for entry in range(at + 2, at + 2 + 12 * number, 12):
        tag, kind, count, start = struct.unpack_from(order + "HHII", content, entry)
        size = count * _TAG_SIZES.get(kind, 0)
        if tag in _NEEDED_TAGS and size > 4 and start + size > len(content):
            raise _cut("TIFF")


def _not_read(what: str) -> PictureError:
    return PictureError(
        Reason.UNSUPPORTED, f"{what} pictures are not taken; save it as an 8-bit JPEG or a PNG"
    )


def check_whole(content: bytes, name: str) -> int:
    """Check by its own bookkeeping that a file is all there, and count its frames (1 for a still; at most 1000).

    JPEG, BMP and TIFF keep no such books: there the decoder itself runs out of bytes; of a JPEG's scans there may be
    so many that decoding would take minutes. Frames are counted here
    for GIF alone; Pillow counts those of the other types without work.

    Raises:
        PictureError: `BROKEN`, with what is missing.
    """
    if name == "JPEG":
        _check_scans(content)
    elif name == "PNG":
        _check_png(content)
    elif name == "GIF":
        return _check_gif(content)
    elif name == "WEBP" and int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise _cut("WebP")
    elif name in ("AVIF", "HEIF"):
        _check_boxes(content, name)
    elif name == "JPEG2000":
        _check_codestream(content)
    return 1


def _cut(what: str) -> PictureError:
    return PictureError(Reason.BROKEN, f"the {what} file ends too early")


def _check_scans(content: bytes) -> None:
    """A progressive JPEG has some ten scans; each of thousands would be drawn over the whole picture.

    The usual JPEG has all its colours in one scan, and nothing behind that is read.
    Source: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1 and B.2
    """
    at, scans, colours = 2, 0, b""
    while (marker := _MARKER.search(content, at)) is not None:
        kind, at = content[marker.end() - 1], marker.end()
        if kind == 0xD9:  # the end: what lies behind it is no part of the picture
            return
        if kind in _SEQUENTIAL:
            colours = content[at + 7 : at + 8]
        if kind == 0xDA and scans == 0 and colours and content[at + 2 : at + 3] == colours:
            return
        scans += kind == 0xDA
        if scans > _MOST_SCANS:
            raise PictureError(Reason.BROKEN, f"the JPEG file has more than {_MOST_SCANS} scans")
        at += int.from_bytes(
            content[at : at + 2], "big"
        )  # over the segment; the bytes of a scan hold no marker


def _check_png(content: bytes) -> None:
    """All chunks that make the picture are there, and their checksums hold; a missing end is no fault of the picture.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    view = memoryview(content)
    pixels = False
    for kind, at, end in _chunks(content):
        if end > len(content):
            if pixels and kind != b"IDAT":
                return
            raise _cut("PNG")
        pixels |= kind == b"IDAT"
        critical = not kind[0] & 0x20
        if critical and kind != b"IEND" and not _holds(view, at, end):
            raise PictureError(Reason.BROKEN, "a checksum of the PNG file does not hold")
    if not pixels:
        raise _cut("PNG")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk of a PNG up to its end, where it begins, and where it ends, be it behind the file."""
    at = 8
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        yield kind, at, at + 12 + length
        if kind == b"IEND":
            return
        at += 12 + length


def _holds(view: memoryview, at: int, end: int) -> bool:
    """True if the checksum of a chunk holds."""
    return bool(zlib.crc32(view[at + 4 : end - 4]) == struct.unpack_from(">I", view, end - 4)[0])


def mended(content: bytes, name: str) -> bytes:
    """The file without what readers of PNG pass over: chunks that the picture does not need, whose checksum fails."""
    if name != "PNG":
        return content
    view = memoryview(content)
    bad = [
        (at, end)
        for kind, at, end in _chunks(content)
        if kind[:1] >= b"a" and end <= len(content) and not _holds(view, at, end)
    ]
    for at, end in reversed(bad):
        content = content[:at] + content[end:]
    return content


def _check_gif(content: bytes) -> int:
    """Walk the blocks of a GIF and count the pictures; a missing trailer, and zeros between blocks, are passed over.

    Source: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    """
    frames, at = 0, 13
    try:
        at += _colour_table(content[10])
        while not (frames and at >= len(content)) and content[at] != 0x3B:
            if content[at] == 0:
                at += 1
                continue
            if content[at] == 0x2C:
                frames += 1
                at += 11 + _colour_table(content[at + 9])
            elif content[at] == 0x21:
                at += 2
            else:
                raise PictureError(Reason.BROKEN, "the GIF file has a block of no known kind")
            while content[at]:
                at += content[at] + 1
            at += 1
    except IndexError:
        raise _cut("GIF") from None
    return min(max(frames, 1), _MOST_FRAMES)


def _colour_table(flags: int) -> int:
    """The length in bytes of the colour table that a GIF's flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _check_boxes(content: bytes, name: str) -> None:
    """The top-level boxes of an AVIF or HEIF fit into the file. Source: ISO/IEC 14496-12, 4.2."""
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(content[at + 8 : at + 16], "big")
        if length == 0:
            return
        if length < 8:
            raise PictureError(Reason.BROKEN, f"the {name} file has a box of an impossible length")
        at += length
    if at > len(content):
        raise _cut(name)


def _check_codestream(content: bytes) -> None:
    """A JPEG 2000 ends with a marker of its own. Source: ISO/IEC 15444-1, A.4.4 and I.5.4."""
    end = len(content)
    if not content.startswith(b"\xff\x4f"):
        at = 0
        while at + 8 <= len(content):
            length, kind = struct.unpack_from(">I4s", content, at)
            if length == 1:
                length = int.from_bytes(content[at + 8 : at + 16], "big")
            length = length or len(content) - at
            if kind == b"jp2c":
                end = at + length
                break
            if length < 8:
                raise PictureError(Reason.BROKEN, "the JPEG 2000 file has a box of an impossible length")
            at += length
        else:
            raise _cut("JPEG 2000")
    if end > len(content) or content[end - 2 : end] != b"\xff\xd9":
        raise _cut("JPEG 2000")
