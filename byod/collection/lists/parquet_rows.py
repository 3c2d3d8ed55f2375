"""Rows of a parquet file, one row group after the other; one that is damaged takes no other along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from byod.collection.lists.list_rows import MAX_ROW, BadRow, Fault, ListError, ListRow
from byod.schema.defaults import NEEDS_PYARROW

MAX_GROUP = 2_000_000_000
"""Unpacked bytes of a row group, all columns together."""
LONGEST_BINARY = 4000
"""Bytes of a value in a column of bytes, beyond which that column holds no text."""
_BATCH = 1024
_BATCH_BYTES = 16_000_000
"""A batch has so many rows, or fewer where they are large."""


def parquet_rows(
    name: str, file: Path | BinaryIO, check: Callable[[Sequence[str]], set[str]]
) -> Iterator[ListRow | BadRow]:
    """Yield the rows of a parquet file; columns of text, bytes, numbers and truth values are read, others are not.

    Args:
        name: of the file, for messages.
        file: where it lies, or its bytes.
        check: is shown the columns and returns those that are needed; raises if some are missing.

    Raises:
        ListError: it is no parquet file, or its row groups would fill the memory.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ListError(f"{name}: {NEEDS_PYARROW}") from error
    faults = (pyarrow.ArrowException, OSError, ValueError, NotImplementedError)
    try:
        opened = parquet.ParquetFile(
            file, thrift_string_size_limit=MAX_ROW * 10, thrift_container_size_limit=1_000_000
        )
        with opened:
            names = {column: column.strip().lower() for column in opened.schema_arrow.names}
            needed = check(list(names.values()))
            _check_size(name, opened)
            columns = _readable(opened, names, needed, pyarrow, faults)
            yield from _groups(opened, columns, needed, faults)
    except faults as error:
        raise ListError(f"{name}: not a parquet file that can be read ({_line(error)})") from error


def _check_size(name: str, opened: Any) -> None:
    for index in range(opened.metadata.num_row_groups):
        # not by column: pyarrow (26) ends the whole process where a column's own statistics are damaged
        size = opened.metadata.row_group(index).total_byte_size
        if size > MAX_GROUP:
            raise ListError(f"{name}: {size // 1_000_000} MB in one row group; write smaller ones")


def _readable(
    opened: Any, names: dict[str, str], needed: set[str], pyarrow: Any, faults: tuple[type[Exception], ...]
) -> dict[str, str]:
    """The columns to read, with their names in small letters."""
    types = pyarrow.types
    found = {}
    for column, plain in names.items():
        kind = opened.schema_arrow.field(column).type
        inner = kind.value_type if types.is_dictionary(kind) else kind
        simple = plain in needed or any(fits(inner) for fits in _simple(types))
        if simple or (any(fits(inner) for fits in _binary(types)) and _is_text(opened, column, faults)):
            found[column] = plain
    return found


def _simple(types: Any) -> tuple[Callable[[Any], bool], ...]:
    return (
        *(types.is_string, types.is_large_string, types.is_string_view, types.is_null, types.is_boolean),
        *(types.is_integer, types.is_floating, types.is_decimal, types.is_date, types.is_timestamp),
    )


def _binary(types: Any) -> tuple[Callable[[Any], bool], ...]:
    return (
        *(types.is_binary, types.is_large_binary, types.is_binary_view),
        types.is_fixed_size_binary,
    )


def _is_text(opened: Any, column: str, faults: tuple[type[Exception], ...]) -> bool:
    """True of a column of bytes that begins with short ones: text, or hashes, and no pictures."""
    try:
        for batch in opened.iter_batches(batch_size=8, columns=[column]):
            values = [value for (value,) in (row.values() for row in batch.to_pylist()) if value]
            return all(len(value) <= LONGEST_BINARY for value in values)
    except faults:
        return False
    return False


def _groups(
    opened: Any, columns: dict[str, str], needed: set[str], faults: tuple[type[Exception], ...]
) -> Iterator[ListRow | BadRow]:
    before = 0
    for index in range(opened.metadata.num_row_groups):
        number, group = before, opened.metadata.row_group(index)
        before += group.num_rows
        size = max(1, min(_BATCH, _BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)))
        try:
            for batch in opened.iter_batches(batch_size=size, row_groups=[index], columns=list(columns)):
                for row in _rows(batch):
                    number += 1
                    yield _row(number, {columns[column]: value for column, value in row.items()}, needed)
        except faults as error:
            yield BadRow(number + 1, Fault.UNREADABLE, f"rows {number + 1} to {before}: {_line(error)}")


def _rows(batch: Any) -> list[dict[str, Any]]:
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:  # a column says that it is text and is not: row by row, to name the one
        return [_apart(batch, row) for row in range(batch.num_rows)]


def _apart(batch: Any, row: int) -> dict[str, Any]:
    values = {}
    for place, column in enumerate(batch.schema.names):
        try:
            values[column] = batch.column(place)[row].as_py()
        except UnicodeDecodeError as error:
            values[column] = bytes(error.object)
    return values


def _row(number: int, values: dict[str, Any], needed: set[str]) -> ListRow | BadRow:
    for column, value in values.items():
        if isinstance(value, bytes):
            try:
                values[column] = value.decode()
            except UnicodeDecodeError:
                if column in needed:
                    return BadRow(number, Fault.ENCODING, f"column {column}")
    return ListRow(number, values)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
