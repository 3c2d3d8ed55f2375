"""Recognise the kind of a file by its content."""

from __future__ import annotations

import re
import struct
from typing import NoReturn

from byod.images import raw
from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

_TAKEN = tuple((magic, kind.name) for kind in TYPES.values() for magic in kind.magic)
_NOT_TAKEN = (
    (b"\x00\x00\x02\x00", "cursor (CUR)"),
    (b"icns", "Apple icon (ICNS)"),
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
            return (raw.kind_of(content) or name) if name == "TIFF" else name
    if content[:4] == b"RIFF":
        return _riff(content)
    if content[4:8] == b"ftyp":
        return _boxed(content)
    if content[:2] == b"BM" and content[14:18] in _BMP_HEADERS:
        return "BMP"
    if is_netpbm(content):
        return "PPM"
    if _is_targa(content):
        return "TGA"
    for magic, name in _NOT_TAKEN:
        if content.startswith(magic):
            raise PictureError(Reason.UNSUPPORTED, f"{name} pictures are not taken")
    for magic, name in _NO_PICTURE:
        if content.startswith(magic):
            raise PictureError(Reason.NOT_A_PICTURE, f"it is {name}")
    return _text_or_unknown(content)


def suffix(content: bytes) -> str:
    """The file ending for bytes that were refused: that of the picture they begin like, else `.bin`."""
    try:
        return TYPES[recognise(content)].suffixes[0]
    except PictureError:
        return ".bin"


def is_netpbm(start: bytes) -> bool:
    """True of the first bytes of a PNM: a letter and two numbers, which words hardly ever are."""
    return _PNM.match(start) is not None


def _is_targa(content: bytes) -> bool:
    """True of a Targa, which has no first bytes of its own: its header must hold together.

    Source: Truevision TGA file format specification 2.0.
    """
    if len(content) < 18:
        return False
    mapped, kind, _, colours, map_bits = struct.unpack_from("<xBBHHB", content)
    width, height, bits, flags = struct.unpack_from("<HHBB", content, 12)
    if content[-18:-2] != b"TRUEVISION-XFILE" and (
        mapped != (kind in (1, 9))
        or (mapped and map_bits not in (15, 16, 24, 32))
        or (not mapped and (colours or map_bits))
        or flags & 0xC0
    ):
        return False
    allowed = {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16), 9: (8,), 10: (15, 16, 24, 32), 11: (8, 16)}
    return bits in allowed.get(kind, ()) and width > 0 and height > 0


_PNM = re.compile(rb"P([1-6]\s+(#[^\n]*\n\s*)*\d+\s+(#[^\n]*\n\s*)*\d+\s|f\s+\d+\s+\d+\s)")
_BMP_HEADERS = {struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)}


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
    if content.startswith((b"P7\n", b"PF\n")):
        raise PictureError(Reason.UNSUPPORTED, "PAM and colour PFM pictures are not taken")
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
