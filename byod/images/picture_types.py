"""The picture types byod takes: names, file endings, media types, first bytes, and who reads them, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureType:
    """A kind of picture file.

    `name` is Pillow's, `reader` the stem of Pillow's own reader of it. The first of `suffixes` is given to files, the
    others are known as well. `magic` are the first bytes of a file; a type without any is told by the box it lies in
    (RIFF, ISO). `shown_as_is` says that people are shown the file itself where
    it is small enough, `lossless` that no pixel is lost in it, `everywhere` that every library reads it.
    """

    name: str
    reader: str
    suffixes: tuple[str, ...]
    media_type: str
    magic: tuple[bytes, ...] = ()
    shown_as_is: bool = False
    lossless: bool = False
    everywhere: bool = False


TYPES = {
    kind.name: kind
    for kind in (
        PictureType(
            "JPEG",
            "Jpeg",
            (".jpg", ".jpeg", ".jpe", ".jfif"),
            "image/jpeg",
            (b"\xff\xd8\xff",),
            shown_as_is=True,
            everywhere=True,
        ),
        PictureType(
            "PNG",
            "Png",
            (".png",),
            "image/png",
            (b"\x89PNG\r\n\x1a\n",),
            shown_as_is=True,
            lossless=True,
            everywhere=True,
        ),
        PictureType("WEBP", "WebP", (".webp",), "image/webp", shown_as_is=True),
        PictureType("GIF", "Gif", (".gif",), "image/gif", (b"GIF87a", b"GIF89a"), lossless=True),
        PictureType("BMP", "Bmp", (".bmp",), "image/bmp", lossless=True),
        PictureType(
            "TIFF",
            "Tiff",
            (".tif", ".tiff"),
            "image/tiff",
            (b"II+\x00", b"MM\x00+", b"II*\x00", b"MM\x00*"),
            lossless=True,
        ),
        PictureType("AVIF", "Avif", (".avif",), "image/avif"),
    )
}
"""By Pillow's name."""

MEDIA_TYPES = {suffix: kind.media_type for kind in TYPES.values() for suffix in kind.suffixes}
"""By ending."""

SUFFIXES = frozenset(MEDIA_TYPES)
"""Every ending of a picture that byod takes, in lower case."""

NOT_TAKEN_SUFFIXES = frozenset({".heic", ".heif"})
"""Endings of pictures that byod does not take, but that people mean when they name a folder of pictures."""
