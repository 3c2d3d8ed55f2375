"""COCO 2017: photos in which people drew every object of 80 kinds; no key.

Annotations: https://cocodataset.org/#format-data . They lie in one archive, of which byod reads the two members that it
needs, by ranges and as a stream, and keeps by class what they say (`label_table`): how large the objects are, and the
licence of each picture. Of who made one they say nothing. The host images.cocodataset.org has no certificate of its
own, so everything comes from the bucket behind it.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ijson
import numpy as np

from byod.collection import source_filters
from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.ranges import RemoteFile
from byod.collection.sources import class_names, table_fetch
from byod.collection.sources.label_table import LabelTable, PictureLines, first_of_each, pairs_of, write
from byod.collection.sources.table_fetch import TableSource
from byod.schema import licences
from byod.schema.errors import Filtered, SourceError
from byod.schema.progress import Say
from byod.schema.records import Candidate, Policy, Query, SearchOptions

NAME = "coco"
ARCHIVE = "images.cocodataset.org/annotations/annotations_trainval2017.zip"
PARTS = ("val2017", "train2017")
MAX_ARCHIVE = 1_000_000_000
MAX_READ = 400_000_000
"""Bytes fetched of the archive for one part."""
MAX_MEMBER = 1_500_000_000
"""Bytes of a member once unpacked."""
MAX_PICTURES = 1_000_000
MAX_OBJECTS = 10_000_000
MAX_SILENT = 8_000_000
"""Bytes of a member without anything that can be read: one endless word."""
_CHUNK = 262_144
_KEPT = {
    "licenses": ("id", "url"),
    "images": ("id", "license", "width", "height", "flickr_url"),
    "annotations": ("image_id", "category_id", "iscrowd", "bbox"),
    "categories": ("id", "name"),
}
_PHOTO = re.compile(r"/(\d{1,15})_[0-9a-f]+", re.ASCII)


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield the pictures with an object of a kind, those first that it fills most; none with another wanted kind.

    Raises:
        NotYet: its table of labels is being fetched.
        Filtered: drawings are wanted, the word is none of its 80 kinds, or there are more pictures, for which nobody
            can be credited as the policy wants it.
    """
    source_filters.photos_only(NAME, options)
    tables = table_fetch.tables(TABLES, client)
    found = [_chosen(table, query, options, client) for table in tables]
    ranked = [
        (-share, at, number)
        for at, (numbers, shares) in enumerate(found)
        for number, share in zip(numbers, shares, strict=True)
    ]
    rank = refused = 0
    for _, at, number in sorted(ranked):
        for picture in tables[at].pictures([number]):
            candidate = _candidate(picture, query, client, rank)
            if candidate is None:
                continue
            if options.policy is not Policy.ANY and licences.asks_for_credit(candidate.licence):
                refused += 1
                continue
            yield candidate
            rank += 1
    if refused:
        raise Filtered(
            f"coco states no author: --license {options.policy} refuses {refused:,} of its pictures of {query.terms!r}"
        )


def offers(query: Query, options: SearchOptions, client: ApiClient) -> int:
    """The number of pictures that it would offer for a class."""
    return sum(len(_chosen(table, query, options, client)[0]) for table in table_fetch.tables(TABLES, client))


def _chosen(
    table: LabelTable, query: Query, options: SearchOptions, client: ApiClient
) -> tuple[list[int], list[float]]:
    """The pictures of a kind, without those of another wanted one, and how much of each it fills."""
    names = class_names.spellings(table.classes)
    kind = class_names.find(query, names, client)
    if kind is None:
        raise class_names.unknown(NAME, query, names)
    pictures, shares = table.of_class(kind)
    alone = np.ones(len(pictures), dtype=bool)
    for each in options.asked:
        other = names.get(class_names.spelled(each.terms))
        if each.label != query.label and other is not None and other != kind:
            alone &= ~np.isin(pictures, table.of_class(other)[0])
    return [int(each) for each in pictures[alone]], [float(each) for each in shares[alone]]


def _candidate(picture: list[Any], query: Query, client: ApiClient, rank: int) -> Candidate | None:
    try:
        number, part, licence, width, height, photo = picture
    except ValueError:
        return None
    known = licences.licence(licence)
    at_flickr = f"photo {photo} at Flickr, " if photo else ""
    return query.candidate(
        NAME,
        f"{_base(client)}/images.cocodataset.org/{part}/{number:012d}.jpg",
        rank,
        page=f"https://www.flickr.com/photo.gne?id={photo}" if photo else None,
        licence=licence,
        licence_url=licences.url(licence),
        attribution=f"{at_flickr}whose author COCO does not state; {known.name if known else 'licence unknown'}",
        width=parsing.number(width),
        height=parsing.number(height),
    )


def _base(client: ApiClient) -> str:
    return client.settings.base(NAME, "https://s3.amazonaws.com")


@dataclass
class _Read:
    """What was read of a member: the few numbers that are kept of each picture and object."""

    licences: dict[int, str | None] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    pictures: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    owners: array[int] = field(default_factory=lambda: array("q"))
    objects: array[int] = field(default_factory=lambda: array("q"))
    areas: array[float] = field(default_factory=lambda: array("d"))

    def take(self, section: str, item: Mapping[str, Any]) -> None:
        """Keep what is needed of one object of a list; one that lacks it is passed over."""
        number = _number(item.get("id"))
        if section == "annotations":
            self._object(item)
        elif number is None:
            return
        elif section == "licenses":
            self.licences[number] = licences.from_url(item.get("url"))
        elif section == "categories":
            name = parsing.text(item.get("name"), 100)
            if name and len(self.kinds) < 10_000:
                self.kinds[number] = name
        elif len(self.pictures) < MAX_PICTURES:
            photo = _PHOTO.search(str(item.get("flickr_url"))[:300])
            sides = (parsing.number(item.get("width")), parsing.number(item.get("height")))
            if None not in sides:
                licence = _number(item.get("license")) or 0
                self.pictures[number] = (licence, sides[0] or 0, sides[1] or 0, int(photo[1]) if photo else 0)

    def _object(self, item: Mapping[str, Any]) -> None:
        picture, kind = _number(item.get("image_id")), _number(item.get("category_id"))
        box = item.get("bbox")
        crowd = item.get("iscrowd") not in (0, None)
        if picture is None or kind is None or crowd or not isinstance(box, list) or len(box) != 4:
            return
        if len(self.owners) < MAX_OBJECTS:
            self.owners.append(picture)
            self.objects.append(kind)
            self.areas.append(max(0.0, float(box[2])) * max(0.0, float(box[3])))


def _number(value: object) -> int | None:
    """A number of COCO's: whole, and of at most twelve digits."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12
    return value if whole and isinstance(value, int) else None


def _make(part: str, raw: Path, stage: Path, client: ApiClient, say: Say) -> None:
    """Read a member of the archive where it lies, and make its table."""
    read = _Read()
    member = f"annotations/instances_{part}.json"
    try:
        remote = RemoteFile(
            client, f"{_base(client)}/{ARCHIVE}", source=NAME, most=MAX_READ, largest=MAX_ARCHIVE
        )
        with zipfile.ZipFile(remote) as archive:
            size = archive.getinfo(member).file_size
            if size > MAX_MEMBER:
                raise SourceError(f"{NAME}: {member} has {size // 1_000_000:,} MB, which is too large")
            with archive.open(member) as stream:
                came = table_fetch.progress(NAME, f"instances_{part}.json", say)
                for section, item in objects(stream, size, came):
                    read.take(section, item)
    except (
        zipfile.BadZipFile,
        KeyError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        zlib.error,
    ) as error:
        raise SourceError(f"{NAME}: {ARCHIVE.rpartition('/')[2]} cannot be read ({error})") from error
    _write(read, part, stage)


def _write(read: _Read, part: str, stage: Path) -> None:
    if not read.pictures or not read.kinds:
        raise SourceError(
            f"{NAME}: instances_{part}.json names no pictures or no kinds; it is another file now"
        )
    lines, places = PictureLines(stage), dict[int, int]()
    for number, (licence, width, height, photo) in read.pictures.items():
        places[number] = len(places)
        lines.add([number, part, read.licences.get(licence), width, height, photo])
    kinds = {number: place for place, number in enumerate(read.kinds)}
    sizes = np.array([width * height for _, width, height, _ in read.pictures.values()], dtype=np.float64)
    keep = [
        at
        for at, (owner, kind) in enumerate(zip(read.owners, read.objects, strict=True))
        if owner in places and kind in kinds
    ]
    owners = np.array([places[read.owners[at]] for at in keep], dtype=np.int64)
    said = np.array([kinds[read.objects[at]] for at in keep], dtype=np.int64)
    shares = np.minimum(1.0, np.array([read.areas[at] for at in keep], dtype=np.float64) / sizes[owners])
    # of several objects of a kind in one picture the largest
    write(stage, lines, list(read.kinds.values()), first_of_each(pairs_of(said, owners, shares), -shares))


def objects(stream: IO[bytes], size: int, came: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the lists of a member, each with the few fields that are kept, as the stream comes.

    Outlines and whatever else they hold are passed over as they are read, so that nothing large is ever held.

    Raises:
        SourceError: it is not JSON, or one word of it has no end.
    """
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    reader, done, silent = _Reader(), 0, 0
    try:
        while chunk := stream.read(_CHUNK):
            parser.send(chunk)
            done, silent = done + len(chunk), 0 if events else silent + len(chunk)
            if silent > MAX_SILENT:
                raise SourceError(f"{NAME}: its annotations hold a word without an end; refused")
            yield from reader.read(events)
            events.clear()
            came(done, size)
        parser.close()
        yield from reader.read(events)
    except ijson.JSONError as error:
        raise SourceError(f"{NAME}: its annotations are not JSON ({str(error)[:80]!r})") from error


class _Reader:
    """Follows the events of a JSON document: lists of objects below the keys of the outermost one."""

    def __init__(self) -> None:
        self._depth = 0
        self._section = self._key = ""
        self._item: dict[str, Any] = {}
        self._box: list[float] = []

    def read(self, events: list[tuple[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects that are whole by these events."""
        for event, value in events:
            if event == "map_key":
                if self._depth == 1:
                    self._section = value
                elif self._depth == 3:
                    self._key = value
            elif event in ("start_map", "start_array"):
                self._depth += 1
                if self._depth == 3:
                    self._item = {}
                elif self._depth == 4:
                    self._box = []
            elif event in ("end_map", "end_array"):
                if self._depth == 4 and self._key == "bbox":
                    self._item["bbox"] = self._box
                elif self._depth == 3 and self._section in _KEPT:
                    yield self._section, self._item
                self._depth -= 1
            elif self._depth == 3 and self._key in _KEPT.get(self._section, ()):
                self._item[self._key] = value
            elif self._depth == 4 and self._key == "bbox" and event == "number" and len(self._box) < 5:
                self._box.append(value)


TABLES = TableSource(name=NAME, parts=PARTS, more=(), megabytes=140, more_megabytes=0, home=_base, make=_make)
"""The parts of its table, and how they are made."""
