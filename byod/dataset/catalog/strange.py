"""A search for what no byod writes into a catalog, in all rows at once as a folder is opened: anybody may have made it.

The same rules as those of `byod.schema.paths`, as SQL: 100,000 rows take some tenths of a second that way.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from byod.dataset.catalog.guarded import Guarded
from byod.dataset.catalog.sql_schema import MIGRATIONS
from byod.schema import places
from byod.schema.errors import DatasetError

_FOREIGN = " OR {0} GLOB '*[\\:]*'" if os.name == "nt" else ""
_NO_NAME = "typeof({0}) <> 'text' OR {0} GLOB '*/*' OR {0} GLOB '.*' OR instr({0}, char(0))" + _FOREIGN
_NO_PLACE = (
    "typeof({0}) <> 'text' OR {0} <> '' AND NOT {0} GLOB '.byod/incoming/[^./]*'"
    " AND NOT {0} GLOB 'images/[^./]*/[^./]*' AND NOT {0} GLOB 'rejected/[^./]*/[^./]*'"
    " OR {0} GLOB '*/*/*/*' OR substr({0}, 2) GLOB '*/.*' OR {0} GLOB '*/' OR instr({0}, char(0))" + _FOREIGN
)
_NO_ORIGINAL = (
    "typeof({0}) <> 'text' OR {0} <> '' AND (length({0}) NOT BETWEEN 77 AND 79 OR NOT {0} GLOB 'originals/*'"
    " OR substr({0}, 11, 64) GLOB '*[^0-9a-f]*' OR substr({0}, 75, 1) <> '.' OR substr({0}, 76) GLOB '*[^a-z0-9]*')"
)
_COLUMNS = (
    ("samples", "path", _NO_PLACE),
    ("samples", "original", _NO_ORIGINAL),
    ("samples", "label", _NO_NAME),
    ("verdicts", "label", f"{{0}} IS NOT NULL AND ({_NO_NAME})"),
)
_QUERY = " UNION ALL ".join(
    f"SELECT * FROM (SELECT {column} FROM {table} WHERE {rule.format(column)} LIMIT 1)"
    for table, column, rule in _COLUMNS
)


_KINDS = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "BLOB": "blob"}
_NO_HASH = "{0} IS NOT NULL AND (length({0}) <> 64 OR {0} GLOB '*[^0-9a-f]*')"
_CONTENTS = {
    ("candidates", "record"): "NOT json_valid(record) OR json_type(record) <> 'object'",
    ("samples", "sha256"): _NO_HASH.format("sha256"),
    ("samples", "group_key"): _NO_HASH.format("group_key"),
    ("samples", "keeper"): _NO_HASH.format("keeper"),
    ("verdicts", "sha256"): _NO_HASH.format("sha256"),
    ("addresses", "sample"): _NO_HASH.format("sample"),
    ("conflicts", "sha256"): _NO_HASH.format("sha256"),
    ("lookalikes", "a"): _NO_HASH.format("a"),
    ("lookalikes", "b"): _NO_HASH.format("b"),
    ("compared", "one"): _NO_HASH.format("one"),
    ("compared", "other"): _NO_HASH.format("other"),
}


def check_values(connection: Guarded) -> None:
    """See that each value is of its column's kind, in all rows at once: records are made of them unchecked.

    Raises:
        CatalogDamaged: one is not, or a table or column is missing.
    """
    for script in MIGRATIONS:
        for table in re.findall(r"CREATE TABLE (\w+)", script):
            there = connection.execute(f"PRAGMA table_info({table})").fetchall()
            if not there:
                raise connection.damage(f"there is no table {table}")
            rules = []
            for _, column, kind, needed, _, key in there:
                kinds = f"'{_KINDS.get(kind, kind)}'" + ("" if needed or key else ", 'null'")
                rules.append(f"typeof({column}) NOT IN ({kinds})")
                if (table, column) in _CONTENTS:
                    rules.append(_CONTENTS[table, column])
            row = connection.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(rules)} LIMIT 1").fetchone()
            if row is not None:
                raise connection.damage(f"a row of {table} holds what byod never writes")


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
