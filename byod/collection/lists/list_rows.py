"""A row of a list as its file gives it, and one that cannot be used, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from byod.schema.errors import ByodError

MAX_ROW = 1_000_000
"""Bytes of one row as it stands in its file."""
EXCERPT = 200
"""Characters of a bad row that are told."""


class ListError(ByodError):
    """A file is no list, or not one that can be read; the message names it."""


class Fault(StrEnum):
    """The reasons why a row of a list is passed over: the first column of what bad-rows.csv says."""

    ADDRESS_EMPTY = "address-empty"
    ADDRESS_NOT_TEXT = "address-not-text"
    ADDRESS_DATA = "address-data"
    ADDRESS_SCHEME = "address-scheme"
    ADDRESS_LONG = "address-long"
    ADDRESS_BROKEN = "address-broken"
    LABEL_EMPTY = "label-empty"
    LABEL_NOT_TEXT = "label-not-text"
    LABEL_LONG = "label-long"
    LABEL_NAME = "label-name"
    TOO_MANY_LABELS = "too-many-labels"
    FIELDS = "fields"
    ENCODING = "encoding"
    ZERO_BYTES = "zero-bytes"
    QUOTES = "quotes"
    JSON = "json"
    NO_OBJECT = "no-object"
    ROW_LONG = "row-long"
    HASH = "hash"
    UNREADABLE = "unreadable"


WORDS: dict[Fault, str] = {
    Fault.ADDRESS_EMPTY: "there is no address",
    Fault.ADDRESS_NOT_TEXT: "the address is a number or something else that is no text",
    Fault.ADDRESS_DATA: "a picture stands in the place of its address (data:)",
    Fault.ADDRESS_SCHEME: "the address is not one of the web (http or https)",
    Fault.ADDRESS_LONG: "the address is longer than 8,000 characters",
    Fault.ADDRESS_BROKEN: "the address has no host that can be asked, or signs that no address has",
    Fault.LABEL_EMPTY: "there is no label",
    Fault.LABEL_NOT_TEXT: "the label is a number or something else that is no text",
    Fault.LABEL_LONG: "the label is longer than 200 characters",
    Fault.LABEL_NAME: "the label can name no class folder",
    Fault.TOO_MANY_LABELS: "the list has more than 10,000 labels, and this is one more",
    Fault.FIELDS: "it has more or fewer values than the list has columns",
    Fault.ENCODING: "it is not UTF-8",
    Fault.ZERO_BYTES: "it holds zero bytes",
    Fault.QUOTES: "its quotes do not end, or end in the middle of a value",
    Fault.JSON: "it is not JSON",
    Fault.NO_OBJECT: "it is JSON, but no object with an address",
    Fault.ROW_LONG: "it is longer than 1 MB",
    Fault.HASH: "the expected hash is none",
    Fault.UNREADABLE: "this part of the file, and what stands behind it, cannot be read",
}


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row with its number in its file (lines as an editor counts them, else rows, from 1), and its columns."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is passed over; `detail` says more than its fault, `url` and `label` are the beginning of its values.

    `number` is None for a whole file.
    """

    number: int | None
    fault: Fault
    detail: str = ""
    url: str = ""
    label: str = ""
    file: str = ""
