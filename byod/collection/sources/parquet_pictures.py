"""Pictures within parquet files elsewhere: which rows are of a class, and the bytes of a row.

The files are read in place, by ranges, with pyarrow: their end, then the labels, then only what is asked for. All that
a file says of itself is a stranger's: sizes and numbers of rows are bounded before anything is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.ranges import RemoteFile
from byod.schema.errors import SourceError

MAX_FILE = 20_000_000_000
MAX_LABELS = 300_000_000
"""Bytes fetched of one file for its end and its labels."""
MAX_GROUP = 2_000_000_000
"""Unpacked bytes of a row group, all columns together."""
MAX_ROWS = 5_000_000
"""Rows of a row group."""
MAX_GROUPS = 100_000
_AT_ONCE = 8
"""Rows of pictures in memory at a time."""
_BUFFER = 4_000_000
_LABELS = ("label", "labels", "class", "category", "fine_label")


@dataclass(frozen=True)
class Columns:
    """The columns of a file: the one with the pictures, the one with the labels, and the names of its numbers."""

    pictures: str
    labels: str
    names: tuple[str, ...] | None


@dataclass
class Labels:
    """The labels of a file: for each class its rows, found as they are asked for."""

    url: str
    classes: tuple[str, ...]
    pictures: str
    found: Iterator[tuple[int, str]]

    def rows(self, wanted: str) -> Iterator[int]:
        """The rows of a class, in order; row groups are read as their rows are taken. Once for each object."""
        return (row for row, name in self.found if name == wanted)


@contextmanager
def _opened(client: ApiClient, url: str, source: str, most: int, headers: Mapping[str, str]) -> Iterator[Any]:
    """A parquet file elsewhere, within bounds; what is wrong with it is one line."""
    name = url.rpartition("/")[2]
    try:
        remote = RemoteFile(client, url, source=source, most=most, largest=MAX_FILE, headers=headers)
        with parquet.ParquetFile(
            pyarrow.PythonFile(remote, mode="r"),
            buffer_size=_BUFFER,
            pre_buffer=False,
            thrift_string_size_limit=10_000_000,
            thrift_container_size_limit=1_000_000,
        ) as file:
            _check(file, source, name)
            yield file, remote
    except (pyarrow.ArrowException, OSError, ValueError, NotImplementedError) as error:
        line = " ".join(str(error).split())[:120]
        raise SourceError(f"{source}: {name} is not a parquet file that can be read ({line})") from error


def _check(file: Any, source: str, name: str) -> None:
    if file.metadata.num_row_groups > MAX_GROUPS:
        raise SourceError(f"{source}: {name} has {file.metadata.num_row_groups:,} row groups; refused")
    for index in range(file.metadata.num_row_groups):
        # not by column: pyarrow (26) ends the whole process where a column's own statistics are damaged
        group = file.metadata.row_group(index)
        if not 0 <= group.total_byte_size <= MAX_GROUP or not 0 <= group.num_rows <= MAX_ROWS:
            raise SourceError(f"{source}: {name} has a row group that is too large to be read")


def labels(
    client: ApiClient,
    url: str,
    *,
    source: str,
    column: str | None,
    card: Mapping[str, Any],
    headers: Mapping[str, str],
) -> Labels:
    """The labels of a file; `column` names the one that holds them or the pictures, `card` may name its classes.

    Raises:
        SourceError: the file cannot be read, or it is not clear which column is which.
    """
    with _opened(client, url, source, MAX_LABELS, headers) as (file, _):
        columns = _columns(file.schema_arrow, column, card, source)
        if columns.names is not None:
            classes = columns.names
        else:
            # labels that are words: the file says nowhere beforehand which there are
            seen = dict.fromkeys(name for _, name in _read_labels(file, columns))
            classes = tuple(seen)
    return Labels(url, classes, columns.pictures, _rows(client, url, source, columns, headers))


def _rows(
    client: ApiClient, url: str, source: str, columns: Columns, headers: Mapping[str, str]
) -> Iterator[tuple[int, str]]:
    with _opened(client, url, source, MAX_LABELS, headers) as (file, _):
        yield from _read_labels(file, columns)


def _read_labels(file: Any, columns: Columns) -> Iterator[tuple[int, str]]:
    """Each row that has a label, with its name."""
    start = 0
    for index in range(file.metadata.num_row_groups):
        read = file.read_row_group(index, columns=[columns.labels], use_threads=False)
        for row, value in enumerate(read.column(columns.labels).to_pylist()):
            name = _name(value, columns.names)
            if name is not None:
                yield start + row, name
        start += read.num_rows


def _name(value: object, names: tuple[str, ...] | None) -> str | None:
    if names is None:
        return parsing.text(value, 200)
    known = isinstance(value, int) and 0 <= value < len(names)  # -1: none
    return names[value] if known and isinstance(value, int) else None


def _columns(schema: Any, asked: str | None, card: Mapping[str, Any], source: str) -> Columns:
    """The columns that hold the pictures and the labels, by what the file or the card says of its features."""
    features = _features(schema, card)
    pictures = [name for name in schema.names if _holds_pictures(schema.field(name).type)]
    named = {name: known for name in schema.names if (known := _class_names(features.get(name))) is not None}
    words = {name for name in schema.names if _holds_words(schema.field(name).type)}
    labels = [*named] or [name for name in schema.names if name in words and name in _LABELS]
    if asked is not None and asked in pictures:
        pictures = [asked]
    elif asked is not None and (asked in named or asked in words):
        labels = [asked]
    elif asked is not None:
        raise SourceError(f"{source}: column {asked!r} holds neither pictures nor labels; {_there(schema)}")
    images = [name for name in pictures if parsing.within(features, name, "_type") == "Image"] or pictures
    if len(labels) > 1:
        labels = [name for name in labels if name in _LABELS][:1]
    if len(images) != 1 or not labels:
        what = "labels" if len(images) == 1 else "pictures"
        raise SourceError(
            f"{source}: it is not clear which column holds the {what}: name it with #COLUMN; {_there(schema)}"
        )
    return Columns(images[0], labels[0], named.get(labels[0]))


def _there(schema: Any) -> str:
    return f"its columns are: {', '.join(schema.names[:20])[:300]}"


def _holds_pictures(kind: Any) -> bool:
    types = pyarrow.types
    if types.is_struct(kind):
        inner = {kind.field(number).name: kind.field(number).type for number in range(kind.num_fields)}
        return "bytes" in inner and (types.is_binary(inner["bytes"]) or types.is_large_binary(inner["bytes"]))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_words(kind: Any) -> bool:
    types = pyarrow.types
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner))


def _features(schema: Any, card: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a file says of its columns (as the library `datasets` writes it), else what the dataset's card does."""
    written = (schema.metadata or {}).get(b"huggingface", b"")
    try:
        said = parsing.within(json.loads(written), "info", "features") if written else None
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return said
    about = card.get("dataset_info")
    first = about[0] if isinstance(about, list) and about else about
    listed = parsing.within(first, "features")
    rows = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return {str(each.get("name")): each.get("dtype") for each in rows}


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """The names behind the numbers of a column, from either way of writing them."""
    if parsing.within(feature, "_type") == "ClassLabel":
        said = feature.get("names")
    else:
        said = parsing.within(feature, "class_label", "names")
    if isinstance(said, dict):
        said = [said.get(str(number)) for number in range(min(len(said), MAX_ROWS))]
    if not isinstance(said, list) or not said:
        return None
    return tuple(parsing.text(each, 200) or "" for each in said)


def contents(
    client: ApiClient,
    url: str,
    pictures: str,
    wanted: Collection[int],
    *,
    source: str,
    headers: Mapping[str, str],
) -> Iterator[tuple[int, bytes | None, Mapping[str, str]]]:
    """The bytes of the wanted rows, in order, and the headers that came with them; None where a row holds none.

    Raises:
        SourceError: the file cannot be read.
    """
    rows = sorted(set(wanted))
    with _opened(client, url, source, MAX_FILE, headers) as (file, remote):
        if pictures not in file.schema_arrow.names or not _holds_pictures(
            file.schema_arrow.field(pictures).type
        ):
            raise SourceError(f"{source}: column {pictures!r} holds no pictures")
        nested = pyarrow.types.is_struct(file.schema_arrow.field(pictures).type)
        start = 0
        for index in range(file.metadata.num_row_groups):
            stop = start + file.metadata.row_group(index).num_rows
            own = [row - start for row in rows if start <= row < stop]
            if own:
                leaf = f"{pictures}.bytes" if nested else pictures
                for row, content in _of_group(file, index, leaf, own):
                    yield start + row, content, remote.headers
            start = stop


def _of_group(file: Any, index: int, leaf: str, own: list[int]) -> Iterator[tuple[int, bytes | None]]:
    """The bytes of some rows of a row group; reading ends with the last of them."""
    at = 0
    waiting = set(own)
    batches = file.iter_batches(batch_size=_AT_ONCE, row_groups=[index], columns=[leaf], use_threads=False)
    for batch in batches:
        column = batch.column(0)
        for number in range(batch.num_rows):
            if at + number in waiting:
                waiting.discard(at + number)
                value = column[number].as_py()
                content = value.get("bytes") if isinstance(value, dict) else value
                yield at + number, content if isinstance(content, bytes) else None
        at += batch.num_rows
        if not waiting:
            return
