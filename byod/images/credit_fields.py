"""The creator of a picture and its terms of use, as its own metadata says: fields taken out of EXIF, XMP and IPTC.

Blocks come from strangers' files: whatever in them is damaged is passed over, and what is returned is written anew, so
that nothing else of a block comes along. Sources: https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf
(EXIF), https://developer.adobe.com/xmp/docs/XMPSpecifications/ (XMP), https://www.iptc.org/std/IIM/4.2/specification/
(IPTC), https://www.adobe.com/devnet-apps/photoshop/fileformatashtml/ (the image resources around it).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

_MOST_ENTRIES = 512
_MOST_TEXT = 4000
_MOST_XMP = 60_000
"""Bytes of what is written: a segment of a JPEG holds 65,533."""

_ARTIST, _COPYRIGHT, _XMP, _GPS, _GPS_VERSION = 0x013B, 0x8298, 0x02BC, 0x8825, 0
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_TEXT_TYPES = (2, 129)

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_DC = "http://purl.org/dc/elements/1.1/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_RIGHTS = frozenset(
    {
        "http://ns.adobe.com/xap/1.0/rights/",
        "http://creativecommons.org/ns#",
        "http://web.resource.org/cc/",
        "http://ns.useplus.org/ldf/xmp/1.0/",
    }
)
"""Namespaces that speak of rights alone."""
_CREDITS = frozenset(
    {
        f"{{{_DC}}}creator",
        f"{{{_DC}}}rights",
        f"{{{_PHOTOSHOP}}}Credit",
        f"{{{_PHOTOSHOP}}}AuthorsPosition",
        f"{{{_TIFF}}}Artist",
        f"{{{_TIFF}}}Copyright",
    }
)
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

_IPTC, _COPYRIGHT_FLAG, _COPYRIGHT_URL = 0x0404, 0x040A, 0x040B
_DATASETS = frozenset({(1, 90), (2, 0), (2, 80), (2, 85), (2, 110), (2, 116)})
"""Character set, version; by-line, its title, credit, copyright notice."""


def of_exif(block: bytes) -> bytes:
    """An EXIF block with the artist and the copyright of this one alone; empty where there is neither."""
    entries = _entries(block, _first(block))
    texts = {
        tag: value[:_MOST_TEXT].rstrip(b"\0") + b"\0"
        for tag in (_ARTIST, _COPYRIGHT)
        for kind, value in [entries.get(tag, (0, b""))]
        if kind in _TEXT_TYPES and value.strip(b"\0 ")
    }
    if not texts:
        return b""
    at = 8 + 2 + 12 * len(texts) + 4
    head, body = struct.pack("<2sHIH", b"II", 42, 8, len(texts)), b""
    for tag, value in sorted(texts.items()):
        inline = len(value) <= 4
        place = value.ljust(4, b"\0") if inline else struct.pack("<I", at + len(body))
        head += struct.pack("<HHI", tag, 2, len(value)) + place
        body += b"" if inline else value + b"\0" * (len(value) % 2)
    return head + b"\0" * 4 + body


def position_in_exif(block: bytes) -> bool:
    """True if an EXIF block says where the picture was taken."""
    _, pointer = _entries(block, _first(block)).get(_GPS, (0, b""))
    if len(pointer) < 4:
        return False
    (offset,) = struct.unpack(f"{_order(block)}I", pointer[:4])
    return bool(_entries(block, offset).keys() - {_GPS_VERSION})


def texts(block: bytes, tags: Iterable[int], table: int | None = None) -> dict[int, str]:
    """The texts under some tags of an EXIF block, or of the table that its tag `table` leads to."""
    entries = _entries(block, _first(block))
    if table is not None:
        _, pointer = entries.get(table, (0, b""))
        if len(pointer) < 4:
            return {}
        (offset,) = struct.unpack(f"{_order(block)}I", pointer[:4])
        entries = _entries(block, offset)
    found = {tag: entries[tag] for tag in tags if tag in entries}
    return {
        tag: " ".join(value[:_MOST_TEXT].split(b"\0")[0].decode("utf-8", "replace").split())
        for tag, (kind, value) in found.items()
        if kind in _TEXT_TYPES
    }


def xmp_in(block: bytes) -> bytes:
    """The XMP packet that an EXIF block or a TIFF holds; empty for none."""
    return _entries(block, _first(block)).get(_XMP, (0, b""))[1]


def _order(block: bytes) -> str:
    return ">" if block[:2] == b"MM" else "<"


def _first(block: bytes) -> int:
    """The place of the first table of a TIFF structure; past its end for what is none."""
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 8:
        return len(block)
    return int(struct.unpack(f"{_order(block)}I", block[4:8])[0])


def _entries(block: bytes, offset: int) -> dict[int, tuple[int, bytes]]:
    """The entries of a table by tag, as (type, bytes of the value); those that lead out of the block are left out."""
    order = _order(block)
    if not 8 <= offset <= len(block) - 2:
        return {}
    (count,) = struct.unpack(f"{order}H", block[offset : offset + 2])
    found: dict[int, tuple[int, bytes]] = {}
    for at in range(offset + 2, offset + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        if at + 12 > len(block):
            break
        tag, kind, number = struct.unpack(f"{order}HHI", block[at : at + 8])
        size = _SIZES.get(kind, 0) * number
        start = at + 8 if size <= 4 else struct.unpack(f"{order}I", block[at + 8 : at + 12])[0]
        if 0 < size <= len(block) - start:
            found.setdefault(tag, (kind, block[start : start + size]))
    return found


def of_xmp(packet: bytes) -> bytes:
    """An XMP packet with the fields on creator and rights of this one alone; empty where there are none."""
    # typed as Any: lxml ships no types
    parser: Any = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root: Any = etree.fromstring(packet.strip(b"\0 \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return b""
    if root.getroottree().docinfo.doctype:
        return b""
    meta: Any = etree.Element(f"{{{_META}}}xmpmeta", nsmap={"x": _META})
    rdf: Any = etree.SubElement(meta, f"{{{_RDF}}}RDF", nsmap={"rdf": _RDF})
    made: Any = etree.SubElement(rdf, f"{{{_RDF}}}Description")
    made.set(f"{{{_RDF}}}about", "")
    for description in root.iterfind(f".//{{{_RDF}}}RDF/{{{_RDF}}}Description"):
        for name, value in description.attrib.items():
            if _speaks_of_rights(name):
                made.set(name, value[:_MOST_TEXT])
        made.extend(_plain(deepcopy(child)) for child in description if _speaks_of_rights(child.tag))
    if len(made.attrib) == 1 and not len(made):
        return b""
    etree.cleanup_namespaces(meta)
    text: bytes = etree.tostring(meta, encoding="utf-8")
    return text if len(text) <= _MOST_XMP else b""


def position_in_xmp(packet: bytes) -> bool:
    """True if an XMP packet says where the picture was taken."""
    return b"GPSLatitude" in packet or b"GPSLongitude" in packet


def _speaks_of_rights(name: object) -> bool:
    if not isinstance(name, str):  # a comment, an instruction, an entity
        return False
    return name in _CREDITS or name[1:].partition("}")[0] in _RIGHTS


def _plain(element: Any) -> Any:
    """A field without what stands in it and speaks of something else."""
    element.tail = None
    for inner in [element, *element.iterdescendants()]:
        for name in inner.attrib if isinstance(inner.tag, str) else ():
            known = name == _LANGUAGE or name.startswith(f"{{{_RDF}}}") or _speaks_of_rights(name)
            if not known:
                del inner.attrib[name]
    etree.strip_elements(element, *_foreign(element), with_tail=False)
    return element


def _foreign(element: Any) -> list[Any]:
    tags = {inner.tag for inner in element.iterdescendants()}
    return [
        tag
        for tag in tags
        if not (isinstance(tag, str) and (tag.startswith(f"{{{_RDF}}}") or _speaks_of_rights(tag)))
    ]


def of_resources(blocks: bytes) -> bytes:
    """Photoshop's image resources with the credits and the copyright of these alone; empty where there are none."""
    kept = b""
    for number, data in _resources(blocks):
        if number == _IPTC:
            data = b"".join(_datasets(data))
            if all(part[1:3] in (b"\x01\x5a", b"\x02\x00") for part in _datasets(data)):
                continue  # no more than how it is written
        elif number not in (_COPYRIGHT_FLAG, _COPYRIGHT_URL):
            continue
        kept += struct.pack(">4sHHI", b"8BIM", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
    return kept if len(kept) <= _MOST_XMP else b""


def _resources(blocks: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while blocks[at : at + 4] == b"8BIM" and at + 12 <= len(blocks):
        (number,) = struct.unpack(">H", blocks[at + 4 : at + 6])
        start = at + 6 + (blocks[at + 6] + 2) // 2 * 2  # a name with its length in front, of an even size
        if start + 4 > len(blocks):
            return
        (size,) = struct.unpack(">I", blocks[start : start + 4])
        if start + 4 + size > len(blocks):
            return
        yield number, blocks[start + 4 : start + 4 + size]
        at = start + 4 + size + size % 2


def _datasets(data: bytes) -> Iterator[bytes]:
    """The records of an IPTC block that are kept, each with its head."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        (size,) = struct.unpack(">H", data[at + 3 : at + 5])
        end = at + 5 + size
        if size > 0x7FFF or end > len(data):
            return
        if (data[at + 1], data[at + 2]) in _DATASETS:
            yield data[at:end]
        at = end
