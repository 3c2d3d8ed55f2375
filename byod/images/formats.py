"""Recognise the kind of a file by its content, and check that the file is whole."""

from __future__ import annotations

import re
import struct
import zlib
from typing import NoReturn

from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

_TAKEN = tuple((magic, kind.name) for kind in TYPES.values() for magic in kind.magic)
_NOT_TAKEN = (
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "icon (ICO)"),
    (b"\x00\x00\x02\x00", "cursor (CUR)"),
    (b"icns", "Apple icon (ICNS)"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"DDS ", "DirectDraw (DDS)"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"AT&TFORM", "DjVu"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile (WMF)"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"IIRO", "camera raw"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
)
_NO_PICTURE = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed bytes"),
    (b"Rar!", "a RAR archive"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"FLV\x01", "a video"),
    (b"FWS", "a Flash film"),
    (b"CWS", "a Flash film"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_MOST_FRAMES = 1000
_MOST_SCANS = 200
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7\x01]")


def recognise(content: bytes) -> str:
    """Name the picture type of some bytes as Pillow does ("JPEG"), by their content alone.

    Raises:
        PictureError: `NOT_A_PICTURE` for a page, a document or nothing at all, `UNSUPPORTED` for a picture of a
            type that byod does not take; the detail names it.
    """
    if not content:
        raise PictureError(Reason.NOT_A_PICTURE, "it is empty")
    for magic, name in _TAKEN:
        if content.startswith(magic):
            return _really_tiff(content) if name == "TIFF" else name
    if content[:4] == b"RIFF":
        return _riff(content)
    if content[4:8] == b"ftyp":
        return _boxed(content)
    if content[:2] == b"BM" and content[14:18] in _BMP_HEADERS:
        return "BMP"
    if content[-18:-2] == b"TRUEVISION-XFILE":
        raise PictureError(Reason.UNSUPPORTED, "Targa (TGA) pictures are not taken")
    for magic, name in _NOT_TAKEN:
        if content.startswith(magic):
            raise PictureError(Reason.UNSUPPORTED, f"{name} pictures are not taken")
    for magic, name in _NO_PICTURE:
        if content.startswith(magic):
            raise PictureError(Reason.NOT_A_PICTURE, f"it is {name}")
    return _text_or_unknown(content)


_BMP_HEADERS = {struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)}


def _really_tiff(content: bytes) -> str:
    """TIFF, unless it is the raw picture of a camera in TIFF's clothes."""
    if content[8:10] == b"CR" or b"Adobe DNG" in content[:512]:
        raise PictureError(Reason.UNSUPPORTED, "camera raw pictures are not taken")
    return "TIFF"


def _riff(content: bytes) -> str:
    if content[8:12] == b"WEBP":
        return "WEBP"
    what = {b"WAVE": "a WAV recording", b"AVI ": "a video"}.get(
        content[8:12], "a RIFF file without a picture"
    )
    raise PictureError(Reason.NOT_A_PICTURE, f"it is {what}")


def _boxed(content: bytes) -> str:
    """AVIF or HEIF, among the files that begin with an `ftyp` box (MP4 does, too)."""
    length = min(int.from_bytes(content[:4], "big"), len(content), 1024)
    brands = {content[8:12]} | {content[at : at + 4] for at in range(16, length - 3, 4)}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    if b"crx " in brands:
        raise PictureError(Reason.UNSUPPORTED, "camera raw pictures are not taken")
    raise PictureError(Reason.NOT_A_PICTURE, "it is a video")


def _text_or_unknown(content: bytes) -> NoReturn:
    start = content[:2048].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").lower()
    if b"<svg" in start:
        raise PictureError(Reason.NOT_A_PICTURE, "it is an SVG drawing")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")) or b"<html" in start:
        raise PictureError(Reason.NOT_A_PICTURE, "it is an HTML page")
    if start[:1] == b"p" and start[1:2] in b"1234567" and start[2:3].isspace():
        raise PictureError(Reason.UNSUPPORTED, "PNM pictures are not taken")
    if start.startswith(b"/* xpm */"):
        raise PictureError(Reason.UNSUPPORTED, "XPM pictures are not taken")
    if start.startswith((b"<?xml", b"<")):
        raise PictureError(Reason.NOT_A_PICTURE, "it is XML or another text with tags")
    if start.startswith((b"{", b"[")):
        raise PictureError(Reason.NOT_A_PICTURE, "it is JSON or another text")
    if not start or all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        raise PictureError(Reason.NOT_A_PICTURE, "it is text")
    raise PictureError(
        Reason.NOT_A_PICTURE, f"its first bytes, {content[:4].hex(' ')}, are of no picture type"
    )


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
    return 1


def _cut(what: str) -> PictureError:
    return PictureError(Reason.BROKEN, f"the {what} file ends too early")


def _check_scans(content: bytes) -> None:
    """A progressive JPEG has some ten scans; each of thousands would be drawn over the whole picture.

    Source: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1 and B.2
    """
    at, scans = 2, 0
    while (marker := _MARKER.search(content, at)) is not None:
        kind, at = content[marker.end() - 1], marker.end()
        if kind == 0xD9:  # the end: what lies behind it is no part of the picture
            return
        scans += kind == 0xDA
        if scans > _MOST_SCANS:
            raise PictureError(Reason.BROKEN, f"the JPEG file has more than {_MOST_SCANS} scans")
        at += int.from_bytes(
            content[at : at + 2], "big"
        )  # over the segment; the bytes of a scan hold no marker


def _check_png(content: bytes) -> None:
    """Every chunk up to IEND is there, and the checksums of those that make the picture hold.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    view = memoryview(content)
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 12 + length
        if end > len(content):
            raise _cut("PNG")
        kind = content[at + 4 : at + 8]
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise PictureError(Reason.BROKEN, "a checksum of the PNG file does not hold")
        if kind == b"IEND":
            return
        at = end
    raise _cut("PNG")


def _check_gif(content: bytes) -> int:
    """Walk the blocks of a GIF up to its trailer and count the pictures.

    Source: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    """
    frames = 0
    try:
        at = 13 + _colour_table(content[10])
        while content[at] != 0x3B:
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
