"""What no byod writes into a catalog, looked for in all rows at once when a folder is opened: anybody may have made it.

The same rules as those of `byod.schema.paths`, as SQL: 100,000 rows take some tenths of a second that way.
"""

from __future__ import annotations

import os
import sqlite3

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


def astray(connection: sqlite3.Connection) -> str | None:
    """A path of a picture, or a class, that may lead out of the dataset; None where there is none.

    A picture lies in `images/`, `rejected/` or `.byod/incoming/`, and no part of its path begins with a dot.
    """
    row = connection.execute(f"SELECT * FROM ({_QUERY}) LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def at_work(connection: sqlite3.Connection) -> str | None:
    """A trigger or view, which could change rows after they were looked at; None where there is none."""
    row = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
        " OR type = 'table' AND sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
    ).fetchone()
    return None if row is None else str(row[0])
