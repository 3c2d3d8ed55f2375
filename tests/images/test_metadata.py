"""Metadata is cut out of files without touching their pixels; of strangers' pictures, who made them stays."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, IptcImagePlugin, PngImagePlugin

from byod.images.metadata import Blocks, Uncuttable, read, rewritten

SECRETS = (b"SERIAL-1", b"MAKER-NOTE", b"COMMENT", b"HOME-TOWN", b"TRAILER", b"THUMB", b"48.137", b"Canon")
XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" xmlns:cc="http://creativecommons.org/ns#"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 exif:GPSLatitude="48.137N" aux:SerialNumber="SERIAL-1" photoshop:City="HOME-TOWN"
 xmpRights:WebStatement="https://example.org/licence">
<dc:creator><rdf:Seq><rdf:li>Xaver</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default" aux:SerialNumber="SERIAL-1">(c) Xaver<exif:GPSLongitude>48.137
</exif:GPSLongitude></rdf:li></rdf:Alt></dc:rights><!-- COMMENT --><cc:license rdf:resource="https://cc.example/by/4.0/"/>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def exif():
    """A block with artist and copyright, and with camera, position, serial number, maker note and thumbnail."""
    made = Image.Exif()
    made[0x013B], made[0x8298], made[0x010F] = "Erika", "(c) Erika 2024", "Canon"
    made.get_ifd(0x8769).update({0xA431: "SERIAL-1", 0x927C: b"MAKER-NOTE" * 9})
    made.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.7), 3: "E", 4: (11.0, 34.0, 31.0)})
    return made.tobytes().removeprefix(b"Exif\0\0") + b"THUMB" * 20


def dataset(number, text):
    return struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text


def resources():
    """Image resources with IPTC (by-line, copyright, city), a thumbnail and a copyright flag."""
    iptc = dataset(80, b"Ignaz") + dataset(90, b"HOME-TOWN") + dataset(116, b"(c) Ignaz")
    told = ((0x0404, iptc), (0x040C, b"THUMB" * 9), (0x040A, b"\1"))
    return b"".join(
        struct.pack(">4sHHI", b"8BIM", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
        for number, data in told
    )


def segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def picture(seed=0, mode="RGB", size=(40, 32)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def jpeg(seed=0, mode="RGB", **how):
    """A JPEG with every kind of metadata, before, between and behind what makes its pixels."""
    target = io.BytesIO()
    picture(seed, mode).save(target, "JPEG", **({"icc_profile": PROFILE, "quality": 90} | how))
    content = target.getvalue()
    thumbnail = b"JFIF\0\1\2\0\0\1\0\1\3\3" + b"THUMB1234" * 3
    told = (
        (0xE0, thumbnail),
        (0xE0, b"JFXX\0\x10THUMB"),
        (0xE1, b"Exif\0\0" + exif()),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0 48.137"),
        (0xED, b"Photoshop 3.0\0" + resources()),
        (0xE2, b"MPF\0THUMB"),
        (0xFE, b"COMMENT"),
    )
    start = 2 + 2 + struct.unpack(">H", content[4:6])[0] if content[2:4] == b"\xff\xe0" else 2
    late = content.rindex(b"\xff\xda")
    blocks = b"".join(segment(marker, payload) for marker, payload in told)
    return (
        content[:2]
        + blocks
        + content[start:late]
        + segment(0xFE, b"COMMENT")
        + content[late:]
        + b"TRAILER"
        + content
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(seed=0, mode="RGB"):
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "Paula")
    told.add_text("Comment", "COMMENT")
    told.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    target = io.BytesIO()
    picture(seed, mode).save(target, "PNG", pnginfo=told, icc_profile=PROFILE, exif=exif())
    content = target.getvalue()
    return (
        content[:-12]
        + chunk(b"prVt", b"SERIAL-1")
        + chunk(b"tIME", b"\7\xe0\1\1\0\0\0")
        + content[-12:]
        + b"TRAILER"
    )


MADE = {"JPEG": jpeg, "PNG": png}


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.mode, image.size, image.tobytes()


def without(content, name):
    return rewritten(content, name, Blocks())


def credited(content, name):
    return rewritten(content, name, read(content, name).credit)


@pytest.mark.parametrize("cut", [without, credited])
@pytest.mark.parametrize("name", MADE)
def test_nothing_private_is_left(name, cut):
    """No position, serial number, thumbnail, maker note, place or comment is left; pixels and colour profile are."""
    content = MADE[name]()
    left = cut(content, name)
    assert pixels(left) == pixels(content)
    assert [word for word in SECRETS if word in left] == []
    with Image.open(io.BytesIO(left)) as image:
        image.load()
        assert image.info["icc_profile"] == PROFILE
        told = image.getexif()
        assert not told.get_ifd(0x8825)
        assert not told.get_ifd(0x8769)
        assert not told.get_ifd(1)
        assert set(told) <= {0x013B, 0x8298}
    assert read(content, name).position
    assert not read(left, name).position


@pytest.mark.parametrize("name", MADE)
def test_ones_own_picture_says_nothing(name):
    """Without credits no metadata at all is left, and a file without any stays byte by byte."""
    left = without(MADE[name](), name)
    with Image.open(io.BytesIO(left)) as image:
        image.load()
        assert not image.getexif()
        assert not image.info.keys() & {"exif", "xmp", "photoshop", "comment", "Author", "XML:com.adobe.xmp"}
    assert without(left, name) == left
    assert read(left, name) == Blocks()


def test_who_made_a_jpeg_stays():
    """Creator, copyright and licence of EXIF, XMP and IPTC can be read from what is left of a stranger's JPEG."""
    left = credited(jpeg(), "JPEG")
    with Image.open(io.BytesIO(left)) as image:
        assert (image.getexif()[0x013B], image.getexif()[0x8298]) == ("Erika", "(c) Erika 2024")
        about = image.getxmp()["xmpmeta"]["RDF"]["Description"]
        assert about["creator"]["Seq"]["li"] == "Xaver"
        assert about["rights"]["Alt"]["li"]["text"] == "(c) Xaver"
        assert about["license"]["resource"] == "https://cc.example/by/4.0/"
        assert about["WebStatement"] == "https://example.org/licence"
        iptc = IptcImagePlugin.getiptcinfo(image)
        assert (iptc[(2, 80)], iptc[(2, 116)]) == (b"Ignaz", b"(c) Ignaz")
        assert set(image.info["photoshop"]) == {0x0404, 0x040A}
    assert credited(left, "JPEG") == left


def test_who_made_a_png_stays():
    """Author, artist and rights can be read from what is left of a stranger's PNG."""
    left = credited(png(), "PNG")
    with Image.open(io.BytesIO(left)) as image:
        image.load()
        assert image.info["Author"] == "Paula"
        assert image.getexif()[0x8298] == "(c) Erika 2024"
        assert image.getxmp()["xmpmeta"]["RDF"]["Description"]["creator"]["Seq"]["li"] == "Xaver"
    assert credited(left, "PNG") == left


@pytest.mark.parametrize(
    ("mode", "how"), [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True, "subsampling": 2})]
)
def test_every_kind_of_jpeg_keeps_its_pixels(mode, how):
    """Grey, CMYK, progressive and reduced JPEGs, with restart markers too, are cut without a pixel changing."""
    for more in ({}, {"restart_marker_blocks": 1}):
        content = jpeg(3, mode, **how, **more, **({"icc_profile": b""} if mode != "RGB" else {}))
        for cut in (without, credited):
            assert pixels(cut(content, "JPEG")) == pixels(content)


def test_entities_in_xmp_are_not_followed():
    """XMP with a document type, or that is no XML, credits nobody."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>' + XMP.replace(b"Xaver", b"&a;")
    assert Blocks(xmp=bomb).credit == Blocks()
    assert Blocks(xmp=XMP[:500]).credit == Blocks()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(MADE)))
def test_damaged_files_are_cut_or_refused(data, name):
    """A file cut off or changed anywhere is cut cleanly, or refused; where Pillow still reads it, the pixels stay."""
    content = bytearray(MADE[name]())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 4000)) % len(content)] = data.draw(st.integers(0, 255))
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        left = without(damaged, name)
        credited(damaged, name)
    except Uncuttable:
        return
    assert read(left, name) == Blocks()
    try:
        before = pixels(damaged)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return
    assert pixels(left) == before


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([exif(), XMP, resources()]), st.integers(0, 3000))
def test_any_block_is_read(noise, block, at):
    """Whatever a block holds, reading its credits and its position ends, and gives what can be read again."""
    mixed = block[:at] + noise + block[at + len(noise) :]
    for blocks in (
        Blocks(exif=mixed),
        Blocks(exif=b"II*\0" + noise),
        Blocks(xmp=mixed),
        Blocks(resources=mixed),
    ):
        assert blocks.position in (True, False)
        assert blocks.credit.credit == blocks.credit
        assert not Blocks(exif=blocks.credit.exif).position
