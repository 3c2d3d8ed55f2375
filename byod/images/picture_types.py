"""The picture types byod takes: names, file endings, media types, first bytes, and who reads them, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureType:
    """A kind of picture file.

    `name` is Pillow's, where it has one. `reader` is the module and the class that read it, in Pillow's manner, and
    comes with the package `needs` where Pillow does not bring it. The first of `suffixes` is given to files, the
    others are known as well. `magic` are the first bytes of a file; a type without any is told by what follows them
    (`formats`). `shown_as_is` says that people are shown the file itself where it is small enough, `lossless` that no
    pixel is lost in it, `everywhere` that every library reads it. One that libraries for training do not read is
    `converted`: a JPEG stands for it in the class folder. `decoder_bytes` are what its decoder takes for a pixel,
    beside the picture that Pillow makes.
    """

    name: str
    reader: str
    suffixes: tuple[str, ...]
    media_type: str
    magic: tuple[bytes, ...] = ()
    needs: str = ""
    shown_as_is: bool = False
    lossless: bool = False
    everywhere: bool = False
    converted: bool = False
    decoder_bytes: int = 0


_PREVIEW = "PIL.JpegImagePlugin:JpegImageFile"
"""Reads the preview in a camera's raw file."""

TYPES = {
    kind.name: kind
    for kind in (
        PictureType(
            "JPEG",
            "PIL.JpegImagePlugin:JpegImageFile",
            (".jpg", ".jpeg", ".jpe", ".jfif"),
            "image/jpeg",
            (b"\xff\xd8\xff",),
            shown_as_is=True,
            everywhere=True,
        ),
        PictureType(
            "PNG",
            "PIL.PngImagePlugin:PngImageFile",
            (".png",),
            "image/png",
            (b"\x89PNG\r\n\x1a\n",),
            shown_as_is=True,
            lossless=True,
            everywhere=True,
        ),
        PictureType(
            "WEBP",
            "PIL.WebPImagePlugin:WebPImageFile",
            (".webp",),
            "image/webp",
            shown_as_is=True,
            decoder_bytes=12,
        ),
        PictureType(
            "GIF",
            "PIL.GifImagePlugin:GifImageFile",
            (".gif",),
            "image/gif",
            (b"GIF87a", b"GIF89a"),
            lossless=True,
            decoder_bytes=4,
        ),
        PictureType("BMP", "PIL.BmpImagePlugin:BmpImageFile", (".bmp",), "image/bmp", lossless=True),
        PictureType(
            "TIFF",
            "PIL.TiffImagePlugin:TiffImageFile",
            (".tif", ".tiff"),
            "image/tiff",
            (b"II+\x00", b"MM\x00+", b"II*\x00", b"MM\x00*"),
            lossless=True,
            decoder_bytes=4,
        ),
        PictureType("AVIF", "PIL.AvifImagePlugin:AvifImageFile", (".avif",), "image/avif", decoder_bytes=12),
        PictureType(
            "HEIF",
            "pi_heif:HeifImageFile",
            (".heic", ".heif", ".hif"),
            "image/heic",
            needs="pi-heif",
            converted=True,
            decoder_bytes=8,
        ),
        PictureType(
            "JXL",
            "pillow_jxl.JpegXLImagePlugin:JXLImageFile",
            (".jxl",),
            "image/jxl",
            (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
            needs="pillow-jxl-plugin",
            converted=True,
            decoder_bytes=20,
        ),
        PictureType(
            "JPEG2000",
            "PIL.Jpeg2KImagePlugin:Jpeg2KImageFile",
            (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
            "image/jp2",
            (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
            lossless=True,
            decoder_bytes=16,
        ),
        PictureType(
            "PPM",
            "PIL.PpmImagePlugin:PpmImageFile",
            (".ppm", ".pgm", ".pbm", ".pnm"),
            "image/x-portable-anymap",
            lossless=True,
        ),
        PictureType(
            "TGA",
            "PIL.TgaImagePlugin:TgaImageFile",
            (".tga", ".icb", ".vda", ".vst"),
            "image/x-tga",
            lossless=True,
        ),
        PictureType(
            "ICO",
            "PIL.IcoImagePlugin:IcoImageFile",
            (".ico",),
            "image/x-icon",
            (b"\x00\x00\x01\x00",),
            lossless=True,
        ),
        PictureType(
            "PSD",
            "PIL.PsdImagePlugin:PsdImageFile",
            (".psd",),
            "image/vnd.adobe.photoshop",
            (b"8BPS",),
            lossless=True,
            decoder_bytes=4,
        ),
        *(
            PictureType(name, _PREVIEW, suffixes, media_type, converted=True)
            for name, suffixes, media_type in (
                ("DNG", (".dng",), "image/x-adobe-dng"),
                ("CR2", (".cr2",), "image/x-canon-cr2"),
                ("NEF", (".nef", ".nrw"), "image/x-nikon-nef"),
                ("ARW", (".arw",), "image/x-sony-arw"),
            )
        ),
    )
}
"""By name."""

MEDIA_TYPES = {suffix: kind.media_type for kind in TYPES.values() for suffix in kind.suffixes}
"""By ending."""

SUFFIXES = frozenset(MEDIA_TYPES)
"""Every ending of a picture that byod takes, in lower case."""

NOT_TAKEN_SUFFIXES = frozenset({".cr3", ".raf", ".orf", ".rw2", ".pef"})
"""Endings of pictures that byod does not take, but that people mean when they name a folder of pictures."""
