"""A list as candidates: one for each row that can be used, and the others by their number with the reason."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.web_address import canonical
from byod.collection.lists import csv_rows, json_rows, parquet_rows, text_lines
from byod.collection.lists.list_files import ListFile
from byod.collection.lists.list_options import CaptionFilter, ListOptions
from byod.collection.lists.list_rows import EXCERPT, BadRow, Fault, ListError, ListRow
from byod.schema import defaults, licences
from byod.schema.errors import UsageError
from byod.schema.folder_names import folded
from byod.schema.listed_columns import tidy_columns
from byod.schema.recipe import check_class_name
from byod.schema.records import Candidate

NAME = defaults.ADDRESS_LISTS
LONGEST_LABEL = 200
MOST_LABELS = 10_000
FIRST = 5
"""So many bad rows are told at once; bad-rows.csv has all."""
DIGESTS = {"sha512": 64, "sha256": 32, "sha1": 20, "md5": 16}
"""Columns of expected hashes and the bytes of each, the strongest first: that one is checked."""
_READ = ("licence", "license", "creator", "page", "title")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:", re.IGNORECASE)
_NOTHING = re.compile(r'[<>:"/\\|?*.\s_]*')


@dataclass
class ListTally:
    """The running count of a list: its rows, candidates by label, bad rows by fault, and captions passed over.

    `slashed` are labels with a slash and what they became, `twins` pairs of labels that differ in their case alone.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    first: list[BadRow] = field(default_factory=list)
    slashed: dict[str, str] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)


class ListReader:
    """Reads the files of a list, one after the other, row by row.

    Args:
        files: those of the list.
        options: which columns are meant, and how a row comes to its class.
        known: the names of classes that are there already.
    """

    def __init__(self, files: Sequence[ListFile], options: ListOptions, known: Iterable[str] = ()) -> None:
        self._files, self._options = files, options
        self._captions = CaptionFilter(options.captions) if options.captions else None
        self._spellings = {folded(name): name for name in known}
        self._told: dict[str, str | tuple[Fault, str]] = {}
        self.tally = ListTally()

    def candidates(self, note: Callable[[BadRow], None] = lambda row: None) -> Iterator[Candidate]:
        """Yield a candidate for each row that can be used, in their order; `note` is told of each bad one.

        `rank` counts within a label.

        Raises:
            ListError: the list is one file, which cannot be read; of several files, one that cannot is a bad row.
        """
        for file in self._files:
            try:
                for row in _rows(file, self._options):
                    self.tally.rows += 1
                    found = row if isinstance(row, BadRow) else self._candidate(row)
                    if isinstance(found, BadRow):
                        self._bad(replace(found, file=file.name), note)
                    elif found is not None:
                        self.tally.labels[found.label] += 1
                        yield found
            except ListError as error:
                if len(self._files) == 1:
                    raise
                self._bad(BadRow(None, Fault.UNREADABLE, str(error), file=file.name), note)

    def _bad(self, row: BadRow, note: Callable[[BadRow], None]) -> None:
        self.tally.bad[row.fault.value] += 1
        if len(self.tally.first) < FIRST:
            self.tally.first.append(row)
        note(row)

    def _candidate(self, row: ListRow) -> Candidate | BadRow | None:
        """A row's candidate; None for a caption that names no class, or several."""
        values = row.values
        column = self._options.label_in(values)
        given, said = values.get(self._options.url_col), values.get(column or "")
        told = functools.partial(BadRow, row.number, url=_excerpt(given), label=_excerpt(said))
        url = _address(given)
        if isinstance(url, tuple):
            return told(*url)
        label = self._class_of(said)
        if isinstance(label, tuple):
            return told(*label)
        digest = _digest(values)
        if isinstance(digest, tuple):
            return told(*digest)
        return None if label is None else self._made(url, label, values, digest, column)

    def _made(
        self, url: str, label: str, values: Mapping[str, Any], digest: str | None, column: str | None
    ) -> Candidate:
        licence = licences.read(values.get("licence") or values.get("license"))
        used = {self._options.url_col, *_READ, *DIGESTS} | (set() if self._captions else {column})
        return Candidate(
            url=url,
            label=label,
            source=NAME,
            terms=label,
            rank=self.tally.labels[label],
            page=parsing.link(values.get("page")),
            title=parsing.text(values.get("title")),
            creator=parsing.text(values.get("creator")),
            licence=licence,
            licence_url=licences.url(licence),
            digest=digest,
            columns=tidy_columns((name, value) for name, value in values.items() if name not in used),
        )

    def _class_of(self, said: Any) -> str | tuple[Fault, str] | None:
        if self._options.label is not None:
            return self._label(self._options.label)
        if self._captions is None:
            return self._label(said)
        named = self._captions.named(said[:20_000]) if isinstance(said, str) else set()
        if len(named) == 1:
            return self._label(named.pop())
        self.tally.passed["caption names several classes" if named else "caption names no class"] += 1
        return None

    def _label(self, said: Any) -> str | tuple[Fault, str]:
        """The name of the class that a label stands for, or why there is none."""
        if said is None or (isinstance(said, str) and not said.strip()):
            return Fault.LABEL_EMPTY, ""
        if not isinstance(said, str):
            return Fault.LABEL_NOT_TEXT, type(said).__name__
        if len(said.strip()) > LONGEST_LABEL:
            return Fault.LABEL_LONG, ""
        known = self._told.get(said)
        if known is None:
            known = self._new_label(said)
            if len(self._told) < 2 * MOST_LABELS:
                self._told[said] = known
        return known

    def _new_label(self, said: str) -> str | tuple[Fault, str]:
        if _NOTHING.fullmatch(said):
            return Fault.LABEL_NAME, "nothing of it can stand in a name"
        try:
            label = check_class_name(said.replace("/", "_"))
        except UsageError as error:
            return Fault.LABEL_NAME, str(error)
        spelling = self._spellings.get(folded(label))
        if label not in self.tally.labels and label != spelling:
            if len(self.tally.labels) >= MOST_LABELS:
                return Fault.TOO_MANY_LABELS, ""
            if spelling is not None:
                self.tally.twins[label] = spelling
        self._spellings.setdefault(folded(label), label)
        if "/" in said:
            self.tally.slashed[said] = label
        self.tally.labels[label] += 0
        return label


def _rows(file: ListFile, options: ListOptions) -> Iterator[ListRow | BadRow]:
    check = functools.partial(options.check, file.name)
    if file.kind == "parquet":
        yield from parquet_rows.parquet_rows(file.name, file.content, check)
        return
    with file.opened() as stream:
        if file.kind == "json" and not _is_lines(stream):
            yield from json_rows.json_array(file.name, stream)
            return
        lines = text_lines.lines(file.name, stream)
        if file.kind == "txt":
            if options.label is None:
                raise UsageError(f"{file.name} has addresses alone; name their class with --label")
            yield from csv_rows.address_rows(lines, options.url_col)
        elif file.kind in ("csv", "tsv"):
            yield from csv_rows.csv_rows(file.name, lines, check, "\t" if file.kind == "tsv" else None)
        else:
            yield from json_rows.json_lines(lines)


def _is_lines(stream: Any) -> bool:
    """True of JSON that begins with an object: one in each line; the stream is where it was."""
    try:
        head = stream.peek(4096)
    except OSError as error:
        raise ListError(f"cannot be read ({error})") from error
    return bool(head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"))


def _address(value: Any) -> str | tuple[Fault, str]:
    """An address of the web, or why it is none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return Fault.ADDRESS_EMPTY, ""
    if not isinstance(value, str):
        return Fault.ADDRESS_NOT_TEXT, type(value).__name__
    given = value.strip()
    scheme = _SCHEME.match(given)
    if scheme and scheme[0].lower() == "data:":
        return Fault.ADDRESS_DATA, ""
    if len(given) > parsing.MAX_ADDRESS:
        return Fault.ADDRESS_LONG, ""
    url = parsing.address(given)
    if url is not None and canonical(url) is not None:
        return url
    if scheme is None and not given.startswith("//"):
        return Fault.ADDRESS_SCHEME, "it begins with no https://"
    if scheme and scheme[0].lower() not in ("http:", "https:"):
        return Fault.ADDRESS_SCHEME, scheme[0]
    return Fault.ADDRESS_BROKEN, ""


def _digest(values: Mapping[str, Any]) -> str | tuple[Fault, str] | None:
    """The strongest hash that a row expects of its file, like `sha256:…` in hexadecimal digits; None for none."""
    for name, size in DIGESTS.items():
        value = values.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        raw = value if isinstance(value, bytes) else _raw(value, size)
        if raw is None or len(raw) != size:
            return Fault.HASH, f"{name} is not {2 * size} hexadecimal digits"
        return f"{name}:{raw.hex()}"
    return None


def _raw(value: Any, size: int) -> bytes | None:
    """The bytes of a hash in hexadecimal digits, or in base64 as some stores give it."""
    if not isinstance(value, str) or not value.isascii():
        return None
    text = value.strip()
    try:
        return bytes.fromhex(text) if len(text) == 2 * size else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None


def _excerpt(value: Any) -> str:
    return "" if value is None else str(value)[:EXCERPT] if isinstance(value, str | int | float) else ""


def check(files: Sequence[ListFile], options: ListOptions) -> None:
    """See that a list begins like one, before anything is made for it.

    Raises:
        ListError: its first file cannot be read, or has not the columns that are meant.
        UsageError: it needs an option.
    """
    try:
        next(_rows(files[0], options), None)
    except ListError:
        if len(files) == 1:
            raise
