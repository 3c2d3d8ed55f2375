"""The languages that pages speak: English, which stands in the code, and each that has a catalogue of translations.

A catalogue is one file, `locale/<code>/LC_MESSAGES/byod.po`: it has the texts, and how the language writes numbers and
dates (`CONVENTIONS`). It is read as it stands; what it does not translate stays English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from gettext import c2py
from pathlib import Path

from byod.report import po_file
from byod.report.po_file import Entry
from byod.schema.errors import ByodError, UsageError

LOCALE = Path(__file__).parent / "locale"
FILE = "LC_MESSAGES/byod.po"
CONVENTIONS: Mapping[str, str] = {
    "the language's own name": "English",
    "decimal mark": ".",
    "mark between thousands": ",",
    "mark between the parts of a list": ", ",
    "percentage": "{number} %",
    "date": "{year}-{month}-{day}",
    "date and time": "{date} {hour}:{minute} UTC",
}
"""How English writes what is no text; each is a message of its own, told apart by its context."""

PLACE = re.compile(r"\{(\w+)\}")
"""A place in a text for which a value stands in: `{name}`."""

_CODE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_PLURALS = re.compile(r"nplurals\s*=\s*(\d)\s*;\s*plural\s*=\s*([^;]+);?")


@dataclass(frozen=True)
class Language:
    """One language: its code as browsers write it ("pt-BR"), its texts, and which plural form a number takes."""

    code: str
    texts: Mapping[tuple[str | None, str], tuple[str, ...]]
    plural: Callable[[int], int]
    forms: int = 2

    @property
    def name(self) -> str:
        """Its own name: "English", "Deutsch"; its code where its catalogue does not say."""
        context = "the language's own name"
        english = CONVENTIONS[context] if self.code == "en" else self.code
        return self.texts.get((context, CONVENTIONS[context]), (english,))[0]

    def said(self, text: str, context: str | None = None) -> str:
        """The text in this language; as it is where it has no translation."""
        return self.texts.get((context, text), (text,))[0]

    def all_forms(self, one: str, more: str, context: str | None = None) -> tuple[str, ...]:
        """The plural forms of a text, in the order of `plural`; those of English where there are none."""
        found = self.texts.get((context, one))
        return (
            found
            if found is not None
            else tuple(one if self.plural(1) == n else more for n in range(self.forms))
        )

    def counted(self, count: int, one: str, more: str, context: str | None = None) -> str:
        """The form of a text that a number takes."""
        found = self.texts.get((context, one))
        if found is None:
            return one if count == 1 else more
        return found[self.plural(count)]

    def convention(self, name: str) -> str:
        """Its way of writing one of the `CONVENTIONS`."""
        return self.said(CONVENTIONS[name], name)

    def decimal(self, digits: str) -> str:
        """A number that is written as "1234.5": with its own decimal mark."""
        return digits.replace(".", self.convention("decimal mark"))

    def whole(self, number: int) -> str:
        """A whole number with its own marks between thousands."""
        return f"{number:,}".replace(",", self.convention("mark between thousands"))


ENGLISH = Language("en", {}, lambda count: int(count != 1))


def languages() -> tuple[Language, ...]:
    """English, and every language that has a catalogue, by code.

    Raises:
        ByodError: a catalogue is damaged; the line says where.
    """
    return _read(LOCALE)


def language(code: str) -> Language:
    """The language of a code.

    Raises:
        UsageError: there is no catalogue for it.
    """
    found = {each.code.lower(): each for each in languages()}
    if code.replace("_", "-").lower() not in found:
        raise UsageError(f"there is no language {code!r}; there are {', '.join(e.code for e in languages())}")
    return found[code.replace("_", "-").lower()]


@cache
def _read(locale: Path) -> tuple[Language, ...]:
    files = sorted(locale.glob(f"*/{FILE}"))
    return (ENGLISH, *(read(file, file.parents[1].name) for file in files))


def is_code(code: str) -> bool:
    """True for the code of a language that can have a catalogue: "fr", "pt_BR"; English has none."""
    return _CODE.fullmatch(code) is not None and code != "en"


def read(file: Path, code: str) -> Language:
    """The language in a catalogue.

    Raises:
        ByodError: it is damaged, or a translation has other places for values than its text.
    """
    if not is_code(code):
        raise ByodError(
            f"{file}: {code!r} is not the code of a language to translate into, as de or pt_BR are"
        )
    try:
        entries = po_file.read(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise ByodError(f"{file}: it is not UTF-8 (byte {error.start})") from None
    forms, plural = plural_rule(entries, str(file))
    texts = {}
    for entry in entries:
        if not entry.msgid or entry.obsolete or "fuzzy" in entry.flags or "" in entry.strings:
            continue
        check(entry, forms, str(file))
        texts[entry.key] = entry.strings
    return Language(code.replace("_", "-"), texts, plural, forms)


def header(entries: Sequence[Entry]) -> dict[str, str]:
    """The values at the head of a catalogue, by name."""
    first = next((entry.strings[0] for entry in entries if entry.key == (None, "")), "")
    lines = (line.partition(":") for line in first.split("\n") if line)
    return {name.strip(): value.strip() for name, _, value in lines}


def check(entry: Entry, forms: int, name: str) -> None:
    """See that a translation fits its text.

    Raises:
        ByodError: a place for a value is unknown or missing, or there are not as many plural forms as the head says.
    """
    if entry.plural is not None and len(entry.strings) != forms:
        raise ByodError(
            f"{name}:{entry.line}: {len(entry.strings)} plural forms, and Plural-Forms at the head says {forms}"
        )
    wanted = set(PLACE.findall(entry.plural or entry.msgid))
    spared = set() if entry.plural is None else {"count", "n"}  # "one picture" need not say the number
    for string in entry.strings:
        found = set(PLACE.findall(string))
        if found - wanted or wanted - found - spared:
            odd = ", ".join(f"{{{place}}}" for place in sorted(found ^ wanted))
            raise ByodError(
                f"{name}:{entry.line}: the translation of {entry.msgid!r} differs from it in {odd}"
            )


def plural_rule(entries: Sequence[Entry], name: str) -> tuple[int, Callable[[int], int]]:
    """The number of plural forms that the head of a catalogue states, and which one a number takes.

    Raises:
        ByodError: it states no such rule.
    """
    stated = header(entries).get("Plural-Forms", "nplurals=2; plural=n != 1;")
    found = _PLURALS.fullmatch(stated)
    fault = f"{name}:1: Plural-Forms is {stated!r}; it must be as in: nplurals=2; plural=n != 1;"
    if found is None:
        raise ByodError(fault)
    try:
        plural = c2py(found[2])
        fits = all(0 <= plural(count) < int(found[1]) for count in range(1000))
    except (ValueError, ZeroDivisionError) as error:
        raise ByodError(f"{fault} ({error})") from None
    if not fits:
        raise ByodError(f"{fault} (a number would take a form that is not there)")
    return int(found[1]), plural
