"""What no byod writes into a catalog, looked for in all rows at once when a folder is opened: anybody may have made it.

The same rules as those of `byod.schema.paths`, as SQL: 100,000 rows take some tenths of a second that way.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from byod.schema import places
from byod.schema.errors import DatasetError

_FOREIGN = " OR {0} GLOB '*[\\:]*'" if os.name == "nt" else ""
_NO_NAME = "typeof({0}) <> 'text' OR {0} GLOB '*/*' OR {0} GLOB '.*' OR instr({0}, char(0))" + _FOREIGN
_NO_PLACE = (
    "typeof({0}) <> 'text' OR {0} <> '' AND NOT {0} GLOB '.byod/incoming/[^./]*'"
    " AND NOT {0} GLOB 'images/[^./]*/[^./]*' AND NOT {0} GLOB 'rejected/[^./]*/[^./]*'"
    " OR {0} GLOB '*/*/*/*' OR substr({0}, 2) GLOB '*/.*' OR {0} GLOB '*/' OR instr({0}, char(0))" + _FOREIGN
)
_COLUMNS = (
    ("samples", "path", _NO_PLACE),
    ("samples", "label", _NO_NAME),
    ("verdicts", "label", f"{{0}} IS NOT NULL AND ({_NO_NAME})"),
)
_QUERY = " UNION ALL ".join(
    f"SELECT * FROM (SELECT {column} FROM {table} WHERE {rule.format(column)} LIMIT 1)"
    for table, column, rule in _COLUMNS
)


def check(connection: sqlite3.Connection, folder: Path) -> None:
    """See that no path of a picture, and no class, may lead out of the dataset, and that nothing changes rows unasked.

    A picture lies in `images/`, `rejected/` or `.byod/incoming/`, and no part of its path begins with a dot.

    Raises:
        DatasetError: one does.
    """
    row = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
        " OR type = 'table' AND sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
    ).fetchone()
    if row is not None:
        raise DatasetError(
            f"{folder}: its catalog has the {row[0]} {row[1]!r}, which is none of byod's, so nothing was changed; move"
            " its catalog.db away and byod rebuilds it from the class folders"
        )
    row = connection.execute(f"SELECT * FROM ({_QUERY}) LIMIT 1").fetchone()
    if row is not None:
        raise places.leads_out(folder, str(row[0]))
