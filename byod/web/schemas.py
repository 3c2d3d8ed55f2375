"""The replies of the server to reports and to faults, as records."""

from __future__ import annotations

from byod.schema.records import Record, Sha256


class Kept(Record):
    """The name under which a corrected picture is kept: the SHA-256 of its bytes as they are kept."""

    kept: Sha256


class Fault(Record):
    """The error of a request, in one line."""

    error: str
