"""How pictures came about: `captures.csv`, a line for each picture that somebody brought.

It says under which name a picture came, by which camera and when it was taken, and what people said of it: the part of
the split that it belongs to, and a group that must stay together. People may edit it; it is no part of any export.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError

from byod.report import attribution
from byod.schema import csv_tables, file_formats, files
from byod.schema.errors import DatasetError
from byod.schema.records import Record, Sha256, Split

FILE = "captures.csv"
_MOST = 2_000_000
"""The most lines that are read."""
_LONGEST = 500

Told = Annotated[str, Field(max_length=_LONGEST)]


def _or_none(value: object) -> object:
    return None if value == "" else value


class Capture(Record):
    """One line of `captures.csv`.

    `name` is the path below the folder that was added, with forward slashes; `camera` and `taken` are the camera's own
    words, `taken` by its own clock. `split` and `group` are what somebody said, `more` what further columns hold.
    """

    sha256: Sha256
    name: Told = ""
    camera: Told = ""
    taken: Annotated[datetime | None, BeforeValidator(_or_none)] = None
    split: Annotated[Split | None, BeforeValidator(_or_none)] = None
    group: Told = ""
    more: dict[str, Told] = {}


COLUMNS = tuple(name for name in Capture.model_fields if name != "more")


def read(folder: Path) -> dict[Sha256, Capture]:
    """The lines of a dataset's `captures.csv`, by picture; none where it is missing.

    Raises:
        DatasetError: it cannot be read; the line says where.
    """
    path = folder / FILE
    try:
        text = files.read(path).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); save it as UTF-8, or move it away") from error
    reader = csv_tables.reader(text)
    found: dict[Sha256, Capture] = {}
    try:
        for row in itertools.islice(reader, _MOST):
            cells = {name: attribution.decode(value.strip()) for name, value in row.items() if name and value}
            told = {name: cells.pop(name, "") for name in COLUMNS}
            found[told["sha256"]] = Capture.model_validate({**told, "more": cells})
    except ValidationError as error:
        why = file_formats.fault(error)
        raise DatasetError(
            f"{path}, line {reader.line_num}: {why}; fix that line, or move the file away"
        ) from error
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: not CSV ({error}); fix that line") from error
    return found


def write(within: files.Folder, captures: Mapping[Sha256, Capture]) -> None:
    """Write a dataset's `captures.csv`, when it changed, in the order of the names."""
    rows = sorted(captures.values(), key=lambda one: (one.name, one.sha256))
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    more = sorted({name for one in rows for name in one.more})
    writer.writerow([*COLUMNS, *more])
    for one in rows:
        values = one.model_dump(mode="json")
        cells = [values[name] or "" for name in COLUMNS] + [one.more.get(name, "") for name in more]
        writer.writerow([attribution.encode(cell) for cell in cells])
    if rows:
        within.update(FILE, text.getvalue().encode(), flush=True)


def put(within: files.Folder, known: Mapping[Sha256, Capture], changes: Iterable[Capture]) -> None:
    """Add to what is `known` of pictures, and write it; what somebody said of one stays, unless it is said anew."""
    there = dict(known)
    for one in changes:
        before = there.get(one.sha256)
        if before is None:
            there[one.sha256] = one
            continue
        old = {name: value for name, value in before.model_dump().items() if value}
        said = {name: value for name, value in one.model_dump().items() if value}
        anew = {name: said[name] for name in ("split", "group") if name in said}
        there[one.sha256] = Capture.model_validate(
            {**said, **old, **anew, "more": {**before.more, **one.more}}
        )
    write(within, there)
