"""What each query brought, step by step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from byod.schema.records import Yield

_YIELD = """
WITH first AS (  -- the candidates that brought each sample to its class: the earliest one
    SELECT MIN(c.id) FROM candidates c JOIN addresses a USING (url) WHERE a.sample IS NOT NULL GROUP BY a.sample
)
SELECT c.source, c.terms, c.label,
    COUNT(*),
    IFNULL(SUM(a.received IS NOT NULL), 0),
    SUM(s.phash IS NOT NULL),
    SUM(s.phash IS NOT NULL AND c.id IN first AND IFNULL(s.reason, '') NOT IN ('duplicate', 'placeholder')),
    IFNULL(SUM(s.status = 'kept' AND c.id IN first), 0)
FROM candidates c
LEFT JOIN addresses a USING (url)
LEFT JOIN samples s ON s.sha256 = a.sample
GROUP BY c.label, c.source, c.terms ORDER BY c.label, MIN(c.id)
"""


def of_queries(
    sql: sqlite3.Connection, endings: Iterable[tuple[str, str, str, str, str]]
) -> tuple[Yield, ...]:
    """The yield of each (class, source, query), also of one that brought nothing.

    Args:
        sql: the catalog.
        endings: the end of each query: (class folder, source, terms, word, detail).
    """
    names = ("source", "query", "label", "offered", "fetched", "valid", "unique", "kept")
    brought = {(row[2], row[0], row[1]): dict(zip(names, row, strict=True)) for row in sql.execute(_YIELD)}
    ends = {(label, source, terms): end for label, source, terms, *end in endings}
    rows = []
    for key in dict.fromkeys((*brought, *ends)):
        label, source, terms = key
        word, detail = ends.get(key, ("", ""))
        counts = brought.get(key, {"source": source, "query": terms, "label": label})
        rows.append(Yield(**counts, stopped_by=word, detail=detail))
    return tuple(rows)
