"""CREDITS.csv: who made each kept picture, and under which licence it may be used; one line a picture.

People open it in spreadsheets, and its text comes from strangers. A cell that a spreadsheet would take for a
formula (it begins with = + - @, also in the part after a semicolon, which some of them split at) therefore gets
an apostrophe in front, as spreadsheets themselves mark text: `'=1+1`. A cell that begins with an apostrophe of
its own gets one more, so that taking one away always gives the true text back: `decode(encode(text)) == text`.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from byod.report import dataset_statistics
from byod.schema import csv_tables, file_formats, files
from byod.schema.addresses import Address, Words
from byod.schema.errors import DatasetError
from byod.schema.listed_columns import Value, read_columns
from byod.schema.paths import OriginalPath
from byod.schema.records import Origin, Record, Sample, Sha256, Snapshot

FILE = "CREDITS.csv"
_LONGEST = 4000
REPLACED = ".byod/replaced"
"""Where byod keeps what it is about to write anew and cannot read, or cannot trust."""
_DANGER = re.compile(r"(^|[;\t\r\n])(?=[\s\"]*['=+\-@\t\r＝＋－＠])")
_MARK = re.compile(r"(^|[;\t\r\n])'")


class Credit(Record):
    """One line of CREDITS.csv; `file` is relative to the folder the CSV stands in, None is an empty cell.

    `original` is the file that the picture stands for, where it is no type that libraries for training read.

    Its addresses are those of an `Origin`, without passwords and keys, also when an older file holds them.
    """

    file: str
    creator: Words | None = None
    licence: str | None = None
    licence_url: Address | None = None
    page: Address | None = None
    source: str | None = None
    url: Address | None = None
    title: Words | None = None
    fetched_at: datetime | None = None
    sha256: Sha256
    creator_url: Address | None = None
    terms: Words | None = None
    attribution: Words | None = None
    taxon: Words | None = None
    item: Words | None = None
    widened: Words | None = None
    original: OriginalPath | None = None
    columns: Words | None = None

    @property
    def listed(self) -> dict[str, Value]:
        """The further columns of its list, out of `columns`; of what is no object of JSON nothing."""
        return read_columns(self.columns or "{}")

    @property
    def is_known(self) -> bool:
        """True if the line tells of an origin."""
        return self.url is not None and self.source is not None

    @property
    def origin(self) -> Origin | None:
        """The origin the line tells of; None for a picture that came from nowhere known."""
        if not self.is_known:
            return None
        return Origin(**self.model_dump(exclude={"file", "original", "columns"}), columns=self.listed)


COLUMNS = tuple(Credit.model_fields)
_MOMENT = TypeAdapter(datetime)


def credit(sample: Sample, origin: Origin | None, file: str) -> Credit:
    """The line for one picture; blanks and control characters in strangers' text become single spaces."""
    if origin is None:
        return Credit(file=file, sha256=sample.sha256, original=sample.original or None)
    return Credit(
        file=file,
        sha256=sample.sha256,
        source=origin.source or None,
        url=origin.url or None,
        fetched_at=origin.fetched_at,
        licence=_tidy(origin.licence),
        licence_url=_tidy(origin.licence_url),
        page=_tidy(origin.page),
        creator=_tidy(origin.creator),
        creator_url=_tidy(origin.creator_url),
        title=_tidy(origin.title),
        terms=_tidy(origin.terms),
        attribution=_tidy(origin.attribution),
        taxon=_tidy(origin.taxon),
        item=_tidy(origin.item),
        widened=_tidy(origin.widened),
        original=sample.original or None,
        columns=json.dumps(origin.columns, ensure_ascii=False) if origin.columns else None,
    )


def credits_rows(snapshot: Snapshot) -> list[Credit]:
    """One line for each kept sample, in the order of their paths; each credited to its best-known origin."""
    kept = sorted(snapshot.kept, key=lambda sample: (sample.path, sample.sha256))
    return [credit(sample, dataset_statistics.origin_of(snapshot, sample), sample.path) for sample in kept]


def write_credits(snapshot: Snapshot) -> Path:
    """Write CREDITS.csv into the dataset folder, when it changed; returns its path."""
    path = snapshot.folder / FILE
    rows = credits_rows(snapshot)
    if not all(row.is_known for row in rows) and path.is_file() and path.stat().st_size:
        rows = _kept_known(rows, path)
    with files.opened(snapshot.folder) as folder:
        folder.update(FILE, to_csv(rows).encode(), flush=True)
    return path


def _kept_known(rows: list[Credit], path: Path) -> list[Credit]:
    """The lines, and for a picture whose origin is not known any more what the file says of it."""
    faults: dict[int, str] = {}
    there = read_credits(path, faults)
    if faults:
        # what cannot be read is kept beside what can
        with files.opened(path.parent) as folder:
            folder.make(REPLACED)
            folder.replace(f"{REPLACED}/{FILE}", files.read(path), flush=True)
    before = {line.sha256: line for line in there if line.is_known}
    return [
        before[row.sha256].model_copy(update={"file": row.file, "original": row.original})
        if not row.is_known and row.sha256 in before
        else row
        for row in rows
    ]


def to_csv(rows: Iterable[Credit]) -> str:
    """The lines as CSV text: a header, every cell in quotes, commas between, each line ended by a newline."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = vars(row)  # several times as fast as pydantic's own, for as many lines as there are pictures
        if row.fetched_at is not None:
            values = values | {"fetched_at": _MOMENT.dump_python(row.fetched_at, mode="json")}
        writer.writerow([encode(cell) if (cell := values[column]) else "" for column in COLUMNS])
    return text.getvalue()


def read_credits(path: Path, faults: dict[int, str] | None = None) -> list[Credit]:
    """Read CREDITS.csv back, also when a spreadsheet saved it with semicolons or tabs; unknown columns are left out.

    Args:
        path: the file.
        faults: takes the number of each line that cannot be read, and why; None: the first one is an error.

    Raises:
        DatasetError: it cannot be read; the line says where.
    """
    try:
        text = files.read(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); save it as UTF-8, or move it away") from error
    reader = csv_tables.reader(text, strict=True)
    try:
        if not {"file", "sha256"} <= set(reader.fieldnames or ()):
            raise DatasetError(
                f"{path} is not a list of credits: its first line names no file and sha256; put a good copy in its"
                " place, or move it away"
            )
        return _parsed_lines(reader, path, faults)
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: not CSV ({error}); fix the line, or put a good copy in its place"
        ) from error


def _parsed_lines(reader: csv.DictReader[str], path: Path, faults: dict[int, str] | None) -> list[Credit]:
    lines: list[Credit] = []
    for row in reader:
        try:
            lines.append(_parsed(row))
        except ValidationError as error:
            why = file_formats.fault(error)
            if faults is None:
                raise DatasetError(f"{path}, line {reader.line_num}: {why}") from error
            faults[reader.line_num] = why
    return lines


def encode(cell: str) -> str:
    """The cell as it is written, harmless to spreadsheets."""
    if cell[:1].isalnum() and cell.isprintable() and ";" not in cell:
        return cell  # harmless at a glance, as nearly all are
    return _DANGER.sub(r"\1'", cell)


def decode(cell: str) -> str:
    """The cell as it was before `encode`."""
    return _MARK.sub(r"\1", cell)


def _parsed(row: dict[str, str]) -> Credit:
    values = {name: decode(value) for name, value in row.items() if name in COLUMNS and value}
    return Credit.model_validate(values)


def _tidy(text: str | None) -> str | None:
    if text is None:
        return None
    plain = text
    if not text.isprintable():  # as nearly none is
        plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join(plain.split())[:_LONGEST].strip() or None
