"""Lists of addresses from elsewhere: csv, jsonl or parquet with a column `url` and a column `label`.

Further columns are kept when they are there: licence (or license), creator, page, title. The file is read row by row
and never held whole; what cannot be understood ends with the file and the row it stands in.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from byod.collection.http import parsing
from byod.schema import licences
from byod.schema.errors import ByodError, UsageError
from byod.schema.recipe import check_class_name
from byod.schema.records import Candidate

NAME = "urls"
MAX_LINE = 1_000_000
"""Bytes of one line of text."""
MAX_GROUP = 2_000_000_000
"""Unpacked bytes of a parquet row group, all columns together."""
COLUMNS = ("url", "label", "licence", "license", "creator", "page", "title")

Row = tuple[int, Mapping[str, Any]]
"""The row's number in its file, counted as an editor counts lines (from 1), and its columns."""


def listed(path: Path) -> Iterator[Candidate]:
    """Yield a candidate for each row of a list, in its order; `rank` counts within a label.

    Raises:
        UsageError: there is no such file, or its ending is none of .csv, .tsv, .jsonl, .ndjson and .parquet.
        ByodError: the file or one of its rows cannot be read; says which.
    """
    path = Path(path)
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is not a list that byod reads; it should end in {', '.join(readers)}")
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    ranks: dict[str, int] = {}
    for number, row in reader(path):
        candidate = _candidate(path, number, row)
        rank = ranks.get(candidate.label, 0)
        ranks[candidate.label] = rank + 1
        yield candidate.model_copy(update={"rank": rank})


def _candidate(path: Path, number: int, row: Mapping[str, Any]) -> Candidate:
    url, label = parsing.address(row.get("url")), row.get("label")
    if url is None:
        raise _bad(path, number, _why(row.get("url"), "url"))
    if not isinstance(label, str) or not label.strip() or len(label.strip()) > 200:
        raise _bad(path, number, _why(label, "label"))
    try:
        label = check_class_name(label)
    except UsageError as error:
        raise _bad(path, number, f"label {error}") from error
    licence = licences.read(row.get("licence") or row.get("license"))
    return Candidate(
        url=url,
        label=label,
        source=NAME,
        terms=label,
        page=parsing.link(row.get("page")),
        title=parsing.text(row.get("title")),
        creator=parsing.text(row.get("creator")),
        licence=licence,
        licence_url=licences.url(licence),
    )


def _why(value: Any, column: str) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{column} is empty"
    if not isinstance(value, str):
        return f"{column} is {type(value).__name__}, not text"
    return f"{column} is too long or holds control characters"


def _bad(path: Path, number: int, why: str) -> ByodError:
    return ByodError(f"{path}, row {number}: {why}")


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    present = list(columns)
    for column in ("url", "label"):
        if present.count(column) != 1:
            there = ", ".join(present[:20])[:200] or "none"
            how = "no column" if column not in present else "more than one column"
            raise ByodError(f"{path} has {how} {column!r}; its columns are: {there}")


def _lines(path: Path, opened: BinaryIO) -> Iterator[str]:
    """The lines of a text file, decoded and bounded."""
    number = 0
    while line := opened.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise _bad(path, number, f"longer than {MAX_LINE // 1_000_000} MB; is it a list of addresses?")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _bad(path, number, "not UTF-8; save the file as UTF-8") from error
        if "\0" in text:
            raise _bad(path, number, "holds zero bytes; save the file as UTF-8 text")
        yield text


def _csv(path: Path) -> Iterator[Row]:
    with _opened(path) as opened:
        lines = _lines(path, opened)
        head = next(lines, "")
        reader = csv.reader(_with_head(head, lines), delimiter=_delimiter(head), strict=True)
        number = 0
        try:
            columns = [name.strip().lower() for name in next(reader, [])]
            _check_columns(path, columns)
            while True:
                number = reader.line_num + 1
                values = next(reader, None)
                if values is None:
                    return
                if not values:
                    continue
                if len(values) != len(columns):
                    raise _bad(path, number, f"{len(values)} values for {len(columns)} columns")
                yield number, dict(zip(columns, values, strict=True))
        except csv.Error as error:
            raise _bad(path, max(number, 1), f"not csv ({error})") from error


def _with_head(head: str, lines: Iterator[str]) -> Iterator[str]:
    if head:
        yield head
    yield from lines


def _delimiter(head: str) -> str:
    """The sign that parts the columns: the one of comma, semicolon and tab that the first line holds most of."""
    return max((",", ";", "\t"), key=head.count)


def _jsonl(path: Path) -> Iterator[Row]:
    with _opened(path) as opened:
        for number, line in enumerate(_lines(path, opened), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _bad(path, number, "not JSON") from error
            if not isinstance(row, dict):
                raise _bad(path, number, "no JSON object with url and label")
            yield number, {str(name).strip().lower(): value for name, value in row.items()}


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ByodError(f"{path} cannot be read ({error.strerror})") from error


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ByodError(
            f"{path}: reading parquet needs pyarrow; in the clone: uv sync --extra parquet"
        ) from error
    number = 0
    try:
        with parquet.ParquetFile(
            path, thrift_string_size_limit=MAX_LINE * 10, thrift_container_size_limit=1_000_000
        ) as file:
            names = {name: name.strip().lower() for name in file.schema_arrow.names}
            _check_columns(path, names.values())
            wanted = [name for name, plain in names.items() if plain in COLUMNS]
            _check_parquet(path, file, wanted, pyarrow)
            for batch in file.iter_batches(batch_size=1024, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {names[name]: value for name, value in row.items()}
    except (pyarrow.ArrowException, OSError, ValueError, NotImplementedError) as error:
        where = f", row {number + 1}" if number else ""
        line = " ".join(str(error).split())[:120]
        raise ByodError(f"{path}{where}: not a parquet file that can be read ({line})") from error


def _check_parquet(path: Path, file: Any, wanted: list[str], pyarrow: Any) -> None:
    """Refuse columns that hold no text, and row groups that would fill the memory."""
    types = pyarrow.types
    for name in wanted:
        kind = file.schema_arrow.field(name).type
        inner = kind.value_type if types.is_dictionary(kind) else kind
        if not (types.is_string(inner) or types.is_large_string(inner) or types.is_null(inner)):
            raise ByodError(f"{path}: column {name!r} holds {kind}, not text")
    for index in range(file.metadata.num_row_groups):
        # not by column: pyarrow (26) ends the whole process where a column's own statistics are damaged
        size = file.metadata.row_group(index).total_byte_size
        if size > MAX_GROUP:
            raise ByodError(f"{path}: {size // 1_000_000} MB in one row group; write smaller ones")
