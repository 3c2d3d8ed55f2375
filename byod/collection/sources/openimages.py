"""Open Images V7: photos of 20,000 kinds of things that people looked at and confirmed; no key.

Its labels are tables without an index by class (https://storage.googleapis.com/openimages/web/download_v7.html), so
byod fetches those of the validation and test pictures once and keeps them by class in the cache (`label_table`). Each
is a person's yes (1) or no (0) to "is there a … in this picture"; what nobody was asked is not said at all. The
pictures themselves lie in a bucket of the CVDF, at most 1,024 pixels large.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byod.collection import source_filters
from byod.collection.http import parsing, ranges
from byod.collection.http.api_client import ApiClient
from byod.collection.sources import class_names, table_fetch
from byod.collection.sources.label_table import Array, LabelTable, PictureLines, pairs_of, write
from byod.collection.sources.table_fetch import TableSource
from byod.schema import licences
from byod.schema.errors import SourceError
from byod.schema.progress import Say
from byod.schema.records import Candidate, Query, SearchOptions

NAME = "openimages"
BUCKET = "https://storage.googleapis.com"
LARGEST = 3_000_000_000
"""Bytes of one of its files."""
CLASSES = "v7/oidv7-class-descriptions.csv"
FILES = {
    "validation": (
        "2018_04/validation/validation-images-with-rotation.csv",
        "v7/oidv7-val-annotations-human-imagelabels.csv",
        "v5/validation-annotations-bbox.csv",
    ),
    "test": (
        "2018_04/test/test-images-with-rotation.csv",
        "v7/oidv7-test-annotations-human-imagelabels.csv",
        "v5/test-annotations-bbox.csv",
    ),
    "train": (
        "2018_04/train/train-images-boxable-with-rotation.csv",
        "v5/train-annotations-human-imagelabels-boxable.csv",
    ),
}
"""For each part: who made its pictures, what people said of them, and the boxes of things (a crowd? a drawing?)."""
LICENCE = "CC-BY-2.0"
_LISTED = "https://creativecommons.org/licenses/by/2.0/"
_YES, _NO, _OTHERWISE = 1.0, 0.0, -1.0
"""What is kept of a label: confirmed, confirmed to be absent, and there as a crowd, a drawing or a toy."""
_ID = re.compile(r"[0-9a-f]{16}")
_KIND = re.compile(r"/[mg]/[0-9a-z_]{1,40}")
_MAX_LINE = 100_000
_AT_ONCE = 200_000


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield the pictures in which people confirmed the class, those first in which no other wanted class can be.

    Raises:
        NotYet: its table of labels is being fetched.
        Filtered: drawings are wanted, or it has no class of that name.
    """
    source_filters.photos_only(NAME, options)
    found = table_fetch.tables(TABLES, client)
    names = _Names(client)
    kind, others = names.number(query), names.others(query, options)
    rank = 0
    for table in found:
        for picture in table.pictures(_chosen(table, kind, others)):
            candidate = _candidate(picture, query, client, rank)
            if candidate is not None:
                yield candidate
                rank += 1
    if "train" not in table_fetch.there(TABLES, client):
        client.say(
            f"openimages: {rank} pictures of {query.terms} in its validation and test parts; byod sources --get "
            f"openimages --deep adds the labels of its training part (about {TABLES.more_megabytes:,} MB)"
        )


def offers(query: Query, options: SearchOptions, client: ApiClient) -> int:
    """The number of pictures that it would offer for a class."""
    found = table_fetch.tables(TABLES, client)
    kind = _Names(client).number(query)
    return sum(len(_chosen(table, kind, [])) for table in found)


def remark(query: Query, client: ApiClient) -> str:
    """The number of pictures in which people looked for a class and found none, in words."""
    kind = _Names(client).number(query)
    said = [table.of_class(kind)[1] for table in table_fetch.tables(TABLES, client)]
    return f"people found none in {sum(int((each == _NO).sum()) for each in said):,} others"


def _chosen(table: LabelTable, kind: str, others: Sequence[str]) -> list[int]:
    """The pictures of a class, without those that show another wanted one; where people said so of all, first."""
    pictures, values = table.of_class(kind)
    pictures = pictures[values == _YES]
    absent = np.ones(len(pictures), dtype=bool)
    shown = np.zeros(len(pictures), dtype=bool)
    for other in others:
        theirs, said = table.of_class(other)
        shown |= np.isin(pictures, theirs[said != _NO])
        absent &= np.isin(pictures, theirs[said == _NO])
    sure, unsaid = pictures[absent & ~shown], pictures[~absent & ~shown]
    return [int(each) for each in (*sure, *unsaid)]


class _Names:
    """The names of its classes, and their numbers."""

    def __init__(self, client: ApiClient) -> None:
        file = table_fetch.place_of(TABLES, client) / Path(CLASSES).name
        self._client = client
        self._names = {k: name for k, name in _rows(file, ("LabelName", "DisplayName")) if _KIND.fullmatch(k)}
        self._by_name: dict[str, str] = {}
        for number, name in self._names.items():
            self._by_name.setdefault(name, number)
        self._spelled = class_names.spellings(self._by_name)

    def number(self, query: Query) -> str:
        """The number of the class that a query means: the one that Wikidata knows, else that of its exact name.

        Raises:
            Filtered: there is none.
        """
        if known := self._known(query):
            return known
        found = class_names.find(query, self._spelled, self._client)
        if found is None:
            raise class_names.unknown(NAME, query, self._spelled)
        return self._by_name[found]

    def others(self, query: Query, options: SearchOptions) -> list[str]:
        """The numbers of the other wanted classes, as far as the queries say them."""
        found: list[str] = []
        for each in options.asked:
            if each.label != query.label:
                named = self._spelled.get(class_names.spelled(each.terms), "")
                found.append(self._known(each) or self._by_name.get(named, ""))
        return [each for each in dict.fromkeys(found) if each]

    def _known(self, query: Query) -> str:
        number = "" if query.meaning is None else query.meaning.keys.get("P646", "")
        return number if number in self._names else ""


def _candidate(picture: list[Any], query: Query, client: ApiClient, rank: int) -> Candidate | None:
    try:
        number, part, page, title, author, profile = picture
    except ValueError:
        return None
    creator = parsing.text(author)
    named = f"\u201c{parsing.text(title, 200)}\u201d by " if parsing.text(title) else ""
    return query.candidate(
        NAME,
        f"{_pictures(client)}/{part}/{number}.jpg",
        rank,
        page=parsing.link(page),
        title=parsing.text(title),
        creator=creator,
        creator_url=parsing.link(profile),
        licence=LICENCE,
        licence_url=licences.url(LICENCE),
        attribution=f"{named}{creator}, CC BY 2.0 as listed 2016\u201318 by Open Images V7",
    )


def _base(client: ApiClient) -> str:
    return client.settings.base(NAME, "https://storage.googleapis.com")


def _pictures(client: ApiClient) -> str:
    """Where the pictures lie: in a bucket of their own, but for a mirror, which has all."""
    own = client.settings.base("openimages_pictures", "https://open-images-dataset.s3.amazonaws.com")
    named = "BYOD_OPENIMAGES_PICTURES_URL" in client.settings.environment
    return own if named or _base(client) == BUCKET else _base(client)


def _make(part: str, raw: Path, stage: Path, client: ApiClient, say: Say) -> None:
    """Fetch the files of a part, and make its table of them."""
    _fetch(CLASSES, raw.parent, client, say)
    about, said, *boxes = [_fetch(name, raw, client, say) for name in FILES[part]]
    say(f"{NAME}: reading the labels of its {part} part")
    lines = PictureLines(stage)
    ids = _write_pictures(about, part, lines)
    kinds: dict[str, int] = {}
    found = _labels(said, ids, kinds)
    for file in boxes:
        found = _without_crowds(found, file, ids, kinds)
    write(stage, lines, list(kinds), found)


def _fetch(name: str, folder: Path, client: ApiClient, say: Say) -> Path:
    file = folder / Path(name).name
    if not file.is_file():
        ranges.keep(
            client,
            f"{_base(client)}/openimages/{name}",
            file,
            source=NAME,
            largest=LARGEST,
            came=table_fetch.progress(NAME, file.name, say),
        )
    return file


def _rows(file: Path, wanted: Sequence[str]) -> Iterator[list[str]]:
    """The wanted columns of a file, row by row; rows that are none are passed over.

    Raises:
        SourceError: it has no such columns.
    """
    with file.open("rb") as stream:
        lines = (
            line.decode("utf-8", errors="replace").replace("\0", "")
            for line in iter(lambda: stream.readline(_MAX_LINE), b"")
        )
        reader = csv.reader(lines)
        try:
            head = [name.strip("\ufeff ") for name in next(reader, [])]
            if not set(wanted) <= set(head):
                raise SourceError(
                    f"{NAME}: {file.name} has no columns {', '.join(wanted)}; it is another file now"
                )
            places = [head.index(name) for name in wanted]
            for row in reader:
                if len(row) == len(head):
                    yield [row[place] for place in places]
        except csv.Error as error:
            raise SourceError(f"{NAME}: {file.name} cannot be read ({error})") from error


def _write_pictures(file: Path, part: str, lines: PictureLines) -> Array:
    """Note the pictures that may be offered, and give their ids in the order of their numbers.

    Those are upright, under the one licence, and have an author to be credited; of a picture without a rotation nobody
    knows if it is upright.
    """
    columns = ("ImageID", "License", "Author", "AuthorProfileURL", "Rotation", "OriginalLandingURL", "Title")
    ids = array("Q")
    for number, licence, author, profile, rotation, page, title in _rows(file, columns):
        upright = re.fullmatch(r"0+(\.0*)?", rotation.strip()) is not None
        credited = licence == _LISTED and author.strip() and profile.strip()
        if upright and credited and _ID.fullmatch(number):
            ids.append(int(number, 16))
            lines.add([number, part, page[:2000], title[:500], author[:500], profile[:2000]])
    return np.array(ids, dtype=np.uint64)


def _labels(file: Path, ids: Array, kinds: dict[str, int]) -> Array:
    """What people said of those pictures; `kinds` gets a number for each class."""
    numbers, said, classes, parts = array("Q"), array("f"), array("L"), []
    for number, kind, confidence in _rows(file, ("ImageID", "LabelName", "Confidence")):
        value = _confidence(confidence)
        if value is None or not _ID.fullmatch(number) or not _KIND.fullmatch(kind):
            continue
        numbers.append(int(number, 16))
        classes.append(kinds.setdefault(kind, len(kinds)))
        said.append(value)
        if len(numbers) >= _AT_ONCE:
            parts.append(_known(numbers, classes, said, ids))
            numbers, said, classes = array("Q"), array("f"), array("L")
    parts.append(_known(numbers, classes, said, ids))
    return np.concatenate(parts)


def _confidence(text: str) -> float | None:
    """A person's yes or no; what a machine thinks lies between, and is neither."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value in (_YES, _NO) else None


def _known(numbers: array[int], classes: array[int], said: array[float], ids: Array) -> Array:
    """The labels of the pictures in `ids`, as pairs."""
    order = np.argsort(ids)
    wanted = np.array(numbers, dtype=np.uint64)
    if not len(ids) or not len(wanted):
        return pairs_of([], [], [])
    places = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    pictures = order[places]
    there = ids[pictures] == wanted
    return pairs_of(np.array(classes)[there], pictures[there], np.array(said)[there])


def _without_crowds(found: Array, file: Path, ids: Array, kinds: dict[str, int]) -> Array:
    """The labels, and those of things that are a crowd, a drawing or a toy in a picture said to be so."""
    numbers, said, classes = array("Q"), array("f"), array("L")
    for number, kind, crowd, drawing in _rows(file, ("ImageID", "LabelName", "IsGroupOf", "IsDepiction")):
        if "1" in (crowd.strip(), drawing.strip()) and kind in kinds and _ID.fullmatch(number):
            numbers.append(int(number, 16))
            classes.append(kinds[kind])
            said.append(_OTHERWISE)
    # of what is said twice the lowest counts
    return np.concatenate([found, _known(numbers, classes, said, ids)])


TABLES = TableSource(
    name=NAME,
    parts=("validation", "test"),
    more=("train",),
    megabytes=250,
    more_megabytes=1000,
    home=_base,
    make=_make,
)
"""The parts of its table, and how they are made."""
