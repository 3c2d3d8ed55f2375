"""Reading a source's reply: every field may be missing, of another type, or hostile."""

from __future__ import annotations

import html
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from byod.schema import names
from byod.schema.errors import SourceError

MAX_ADDRESS = 8_000
MAX_TEXT = 500
_NO_LETTERS = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNSEEN = "\ufeff\u200b\u200e\u200f\u2060\u00a0"
"""What editors and pages leave around an address: byte order marks, marks of direction, spaces without width."""
_SECONDS = re.compile(r"([0-9]{1,14}(?:\.[0-9]{1,9})?)\s*(?:s|sec|seconds?)?", re.IGNORECASE)
_RESETS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after")
_RESET_PART = re.compile(r"(?:\breset=|;\s*t=)\s*([0-9]{1,9})\b")
_EPOCH = 1_000_000_000
"""A larger number of seconds is a date: nobody asks for thirty years."""
_TAG = re.compile(r"<[^<>]*>")
_HIDING = re.compile(
    r"<(style|script|template)\b|<[^<>]*(display\s*:\s*none|visibility\s*:\s*hidden|\shidden\b)", re.I
)
_UNSHOWN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)


class _Shown(HTMLParser):
    """Takes from markup what a browser would not show: hidden elements, styles and scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    @classmethod
    def of(cls, value: str) -> str:
        """The markup without its hidden elements, tags and all."""
        reader = cls()
        reader.feed(value)
        reader.close()
        return "".join(reader.parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and whether it is hidden, or stands in one that is."""
        self.parts.append(" ")
        if tag in _VOID:
            return
        hidden = tag in ("style", "script", "template") or any(
            name == "hidden" or (name == "style" and _UNSHOWN.search(value or "")) for name, value in attrs
        )
        self._open.append((tag, hidden or self._hidden))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element of that name, and whatever was left open in it."""
        self.parts.append(" ")
        if tag in (name for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Keep words that are seen."""
        if not self._hidden:
            self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        """Keep an entity as it stands."""
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Keep a character's number as it stands."""
        self.handle_data(f"&#{name};")

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def rows(reply: Any, *path: str, source: str) -> list[dict[str, Any]]:
    """The list of objects at `path` of a reply, without whatever in it is not an object; a missing list is empty.

    Raises:
        SourceError: the reply or something on the way is of another kind.
    """
    place = reply
    for step in path:
        if not isinstance(place, dict):
            raise _strange(source)
        place = place.get(step)
        if place is None:
            return []
    if not isinstance(place, list):
        raise _strange(source)
    return [each for each in place if isinstance(each, dict)]


def _strange(source: str) -> SourceError:
    return SourceError(f"{source} answered in a form that this version of byod does not know")


def within(row: Any, *path: str) -> Any:
    """The value at `path` of nested objects; None where something is missing or of another kind."""
    for step in path:
        if not isinstance(row, dict):
            return None
        row = row.get(step)
    return row


def address(value: object) -> str | None:
    """An address exactly as stated, but for white space and unseen marks around it; None for what can be no address.

    Nothing is unquoted, quoted or normalised: signed addresses would break. Marks that join letters stay within it:
    Persian and emoji are written with them.
    """
    if not isinstance(value, str):
        return None
    value = value.strip(f"{string.whitespace}{_UNSEEN}")
    if not value or len(value) > MAX_ADDRESS:
        return None
    if value.isascii() and value.isprintable():
        return value  # nearly all
    return None if any(unicodedata.category(sign) in _NO_LETTERS for sign in value) else value


def picture(value: object) -> str | None:
    """The address of a picture: as `address`, and of the web; None for "x-raw-image:///…", "data:…" and the like."""
    found = address(value)
    if not found or not found.lower().startswith(("http://", "https://", "//")):
        return None
    try:
        urlsplit(found)
    except ValueError:  # "http://[1/a.jpg"
        return None
    return found


def link(value: Any) -> str | None:
    """An address for people to follow: only http and https, since it ends as a link on byod's own pages."""
    found = address(value)
    if found and any(unicodedata.category(sign) == "Cf" for sign in found):
        return None
    return found if found and found.lower().startswith(("http://", "https://")) else None


def text(value: Any, limit: int = MAX_TEXT) -> str | None:
    """Words in one line without markup and what nobody sees, cut at `limit` characters; None for none."""
    if not isinstance(value, str):
        return None
    value = value[: 40 * limit]
    if _HIDING.search(value):
        value = _Shown.of(value)
    # entities first, so that "&lt;b&gt;" goes as well; cut before, so that a huge value costs nothing
    plain = _TAG.sub(" ", html.unescape(_TAG.sub(" ", value)))
    spaced = "".join(" " if sign.isspace() else sign for sign in plain if unicodedata.category(sign) != "Co")
    kept = names.visible(spaced, "")
    return " ".join(unicodedata.normalize("NFC", kept).split())[:limit].strip() or None


def number(value: Any) -> int | None:
    """A positive count of pixels or bytes, also from digits in a string; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 < value < 1_000_000_000 else None


def identity(value: Any) -> str | None:
    """A source's own id, of letters, digits and `@_-` only, so that it can stand in an address."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 <= value < 10**18 else ""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9@_-]{1,80}", value):
        return None
    return value


def new(values: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The pairs whose first part did not come before."""
    seen: set[str] = set()
    for key, value in values:
        if key not in seen:
            seen.add(key)
            yield key, value


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait by a Retry-After header; None when it says nothing.

    It is a number, also one with decimals or a unit, or a date, which is told by the clock of the server whose `date`
    the answer bears (https://www.rfc-editor.org/rfc/rfc9110#name-retry-after).
    """
    found = _SECONDS.fullmatch((value or "").strip())
    if found is not None:
        return float(found[1])
    when = _date(value)
    return None if when is None else max(0.0, (when - (_date(date) or datetime.now(UTC))).total_seconds())


def rest_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to be left alone, None where it says nothing; header names are in any case.

    Beside Retry-After it reads the rate limit headers, whose reset is in seconds, or in seconds or milliseconds since
    1970 by the server's clock (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
    """
    told = {name.lower(): value for name, value in headers.items()}
    date = told.get("date")
    asked = retry_after(told.get("retry-after"), date)
    if asked is not None:
        return asked
    for name in _RESETS:
        found = _SECONDS.fullmatch(told.get(name, "").strip())
        if found is not None:
            return _until(float(found[1]), date)
    within_list = _RESET_PART.search(told.get("ratelimit", ""))
    return None if within_list is None else float(within_list[1])


def _until(reset: float, date: str | None) -> float:
    if reset < _EPOCH:
        return reset
    when = reset / 1000 if reset > _EPOCH * 1000 else reset
    now = (_date(date) or datetime.now(UTC)).timestamp()
    return max(0.0, when - now)


def _date(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime((value or "").strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when
