"""MLCommons Croissant 1.0: `croissant.json` describes the pictures and a table of their labels and origins.

The table is JSON and no CSV: readers of CSV guess types, so that a class named "NA" or "007" would not survive.
Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from pathlib import Path, PurePosixPath
from typing import Any

from byod.dataset.export_selection import Leaving, place
from byod.images.picture_types import MEDIA_TYPES
from byod.report import dataset_statistics
from byod.schema import licences
from byod.schema.records import Snapshot, Split

FILE = "croissant.json"
TABLE = "pictures.json"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_COLUMNS = {
    "label": "The class of the picture, as people see it.",
    "split": "The part of the split: train, valid or test; near-duplicates share a part.",
    "sha256": "The SHA-256 of the picture's file, as hexadecimal digits.",
    "licence": "The code of its licence, after SPDX where it has one; empty when none is stated.",
    "licence_url": "Where the licence can be read.",
    "creator": "Who made the picture, as its source says.",
    "title": "What its source calls it.",
    "source": "The source it was found with.",
    "page": "The page it was found on.",
    "url": "The address it was fetched from.",
}


def write(snapshot: Snapshot, items: tuple[Leaving, ...], root: Path, links: bool) -> dict[str, str]:
    """Write `images/<part>/<class>/<file>`, the table and `croissant.json`; returns each sample's path."""
    files: dict[str, str] = {}
    rows: list[dict[str, str | None]] = []
    columns = _columns(items)
    for item in items:
        folder = PurePosixPath("images") / item.split / item.folder
        path, picture = place(snapshot, item, root, folder, links)
        files[item.sample.sha256] = path
        rows.append(_row(item, PurePosixPath(path).name, picture.sha256, columns))
    table = json.dumps(rows, ensure_ascii=False, indent=1).encode()
    (root / TABLE).write_bytes(table)
    suffixes = sorted({PurePosixPath(path).suffix for path in files.values()})
    described = _description(snapshot, items, table, suffixes)
    (root / FILE).write_text(json.dumps(described, ensure_ascii=False, indent=2), encoding="utf-8")
    return files


def _columns(items: tuple[Leaving, ...]) -> dict[str, str]:
    """The columns of the table: those of all exports, and where a list had more, these as one text."""
    listed = any(item.credit.columns for item in items)
    more = {"columns": "Further columns of the list that it came from, as a JSON object."}
    return {**_COLUMNS, **(more if listed else {})}


def _row(item: Leaving, name: str, sha256: str, columns: dict[str, str]) -> dict[str, str | None]:
    known = {"label": item.label, "split": item.split.value, "sha256": sha256}
    if "columns" in columns:
        known["columns"] = item.credit.columns or "{}"
    said = {column: getattr(item.credit, column) for column in columns if column not in known}
    return {"file": name, **known, **said}


def _description(
    snapshot: Snapshot, items: tuple[Leaving, ...], table: bytes, suffixes: list[str]
) -> dict[str, Any]:
    addresses = (licences.licence(code) for code, _ in dataset_statistics.licence_counts(snapshot))
    urls = sorted({known.url for known in addresses if known and known.url})
    fetched = [item.credit.fetched_at for item in items if item.credit.fetched_at]
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": snapshot.name,
        "description": f"{len(items)} labelled pictures in {len(snapshot.classes)} classes, collected with byod."
        " Licences differ from picture to picture: each record names its own.",
        "citeAs": f"{snapshot.name}, pictures collected with byod; their creators are named in CREDITS.csv",
        "version": f"1.0.0+{snapshot.fingerprint[:12]}",
        "distribution": _distribution(table, suffixes),
        "recordSet": [
            _labels(snapshot),
            _splits(items),
            _origins(_columns(items)),
            _pictures(_columns(items)),
        ],
    }
    if urls:
        described["license"] = urls
    if fetched:
        described["datePublished"] = max(when.astimezone(UTC) for when in fetched).date().isoformat()
    return described


def _distribution(table: bytes, suffixes: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": "table",
            "name": TABLE,
            "description": "One object a picture: file name, label, part of the split, origin.",
            "contentUrl": TABLE,
            "contentSize": f"{len(table)} B",
            "encodingFormat": "application/json",
            "sha256": hashlib.sha256(table).hexdigest(),
        },
        {
            "@type": "cr:FileSet",
            "@id": "images",
            "name": "images",
            "description": "The pictures; the table holds the SHA-256 of each.",
            "encodingFormat": [MEDIA_TYPES[suffix] for suffix in suffixes],
            "includes": [f"images/*/*/*{suffix}" for suffix in suffixes],
        },
    ]


def _labels(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "name": "labels",
        "description": "The classes.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "labels/name"},
        "field": [{"@type": "cr:Field", "@id": "labels/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"labels/name": label} for label in snapshot.classes],
    }


def _splits(items: tuple[Leaving, ...]) -> dict[str, Any]:
    used = {item.split for item in items}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The parts of the split.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": split.value} for split in Split if split in used],
    }


def _origins(columns: dict[str, str]) -> dict[str, Any]:
    """The table as records."""
    return {
        "@type": "cr:RecordSet",
        "@id": "table-rows",
        "name": "table-rows",
        "description": "Label, part of the split and origin by file name.",
        "key": {"@id": "table-rows/file"},
        "field": [
            _field(
                "table-rows",
                name,
                words,
                {"fileObject": {"@id": "table"}, "extract": {"jsonPath": f"$[*].{name}"}},
            )
            for name, words in {"file": "The name of the picture's file.", **columns}.items()
        ],
    }


def _pictures(columns: dict[str, str]) -> dict[str, Any]:
    """The pictures, joined with the table's records by file name."""
    images = {"fileSet": {"@id": "images"}}
    name = _field(
        "pictures",
        "file",
        "The name of the picture's file.",
        images | {"extract": {"fileProperty": "filename"}},
    )
    name["references"] = {"field": {"@id": "table-rows/file"}}
    image = _field(
        "pictures",
        "image",
        "The picture: upright, JPEG or PNG.",
        images | {"extract": {"fileProperty": "content"}},
    )
    image["dataType"] = "sc:ImageObject"
    said = [
        _field("pictures", column, words, {"field": {"@id": f"table-rows/{column}"}})
        for column, words in columns.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "Every picture with its label and origin.",
        "key": {"@id": "pictures/file"},
        "field": [name, image, *said],
    }


def _field(record_set: str, name: str, words: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": words,
        "dataType": "sc:URL" if name in ("licence_url", "page", "url") else "sc:Text",
        "source": source,
    }
