"""Files of translations (`.po`), read strictly and written as gettext's own tools write them.

A file that is not as it must be is refused with the line at which that shows; nothing is guessed.
Source: https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from byod.schema.errors import ByodError
from byod.schema.records import Record

WIDTH = 100
"""Longer texts are written on several lines, broken after a space."""

_KEYWORD = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[(\d+)\])[ \t]+"(.*)"')
_MORE = re.compile(r'"(.*)"')
_ESCAPE = re.compile(r"\\(.?)")
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MEANT = {text[1]: character for character, text in _WRITTEN.items()}


class Entry(Record):
    """One message: its English text, and what another language says instead.

    `line` is where it begins in its file. `plural` is the English text for more than one, `context` tells messages
    apart that read alike. `strings` are the translation, or its plural forms; an empty one is missing. `places` say
    where the message is used, `remarks` are comments of translators, `flags` such as "fuzzy". An `obsolete` entry is of
    a message that is used no more.
    """

    msgid: str
    plural: str | None = None
    context: str | None = None
    strings: tuple[str, ...] = ("",)
    places: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    obsolete: bool = False
    line: int = 0

    @property
    def key(self) -> tuple[str | None, str]:
        """Context and text, which no two messages of a file share."""
        return self.context, self.msgid


def read(text: str, name: str) -> tuple[Entry, ...]:
    """The messages of a file, in its order; `name` is what errors call it.

    Raises:
        ByodError: it is no such file, or a message stands in it twice.
    """
    entries: dict[tuple[str | None, str], Entry] = {}
    for entry in _Reader(name).entries(text):
        before = entries.get(entry.key)
        if before is not None:
            raise ByodError(
                f"{name}:{entry.line}: the message {entry.msgid!r} stands in line {before.line} as well; take one out"
            )
        entries[entry.key] = entry
    return tuple(entries.values())


def write(entries: Iterable[Entry]) -> str:
    """The text of a file with these messages, one after the other."""
    return "\n".join("\n".join(_lines(entry)) + "\n" for entry in entries)


@dataclass
class _Draft:
    """A message as far as it was read."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=lambda: {"#:": [], "#": [], "#,": []})
    obsolete: bool = False


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._draft: _Draft | None = None
        self._key = ""
        self._line = 0

    def entries(self, text: str) -> Iterator[Entry]:
        for self._line, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            line = line.strip(" \t\r")
            begins = not line or self._begins(line)
            if begins and self._draft is not None and self._draft.texts:
                yield self._finished(self._draft)
                self._draft = None
            if line:
                self._take(line)
        if self._draft is not None and self._draft.texts:
            yield self._finished(self._draft)

    def _begins(self, line: str) -> bool:
        """True where a line cannot belong to the message before it, since that has its translation."""
        had = self._draft is not None and any(key.startswith("msgstr") for key in self._draft.texts)
        line = line.removeprefix("#~").lstrip()
        return had and line.startswith(("#", "msgctxt", "msgid"))

    def _take(self, line: str) -> None:
        if self._draft is None:
            self._draft = _Draft(self._line)
        if line.startswith("#~"):
            self._draft.obsolete = True
            line = line[2:].lstrip()
        if line.startswith("#"):
            kind = line[:2].strip()
            self._draft.comments.setdefault(kind, []).append(line[2:].strip())
        elif keyword := _KEYWORD.fullmatch(line):
            self._begin(self._draft, keyword[1], self._plain(keyword[3]))
        elif (more := _MORE.fullmatch(line)) and self._key in self._draft.texts:
            self._draft.texts[self._key] += self._plain(more[1])
        elif line:
            raise self._fault(
                f"{line[:60]!r} is neither a keyword with a text in double quotes nor a comment"
            )

    def _begin(self, draft: _Draft, key: str, text: str) -> None:
        if key in draft.texts:
            raise self._fault(f"{key} stands twice in one message")
        if key != "msgctxt" and key != "msgid" and "msgid" not in draft.texts:
            raise self._fault(f"{key} comes before its msgid")
        if key == "msgctxt" and "msgid" in draft.texts:
            raise self._fault("msgctxt must stand before msgid")
        self._key = key
        draft.texts[key] = text

    def _plain(self, quoted: str) -> str:
        """The text that is meant by what stands between the quotes."""

        def meant(escape: re.Match[str]) -> str:
            if escape[1] not in _MEANT:
                raise self._fault(rf"the text has \{escape[1]}; only \n, \t, \r, \\ and \" are known")
            return _MEANT[escape[1]]

        if re.search(r'(?<!\\)(?:\\\\)*"', quoted):
            raise self._fault('the text has a " in its middle; write \\"')
        return _ESCAPE.sub(meant, quoted)

    def _finished(self, draft: _Draft) -> Entry:
        texts = draft.texts
        plural = texts.get("msgid_plural")
        wanted = ["msgstr"] if plural is None else [f"msgstr[{n}]" for n in range(max(1, _forms(texts)))]
        strings = [key for key in texts if key.startswith("msgstr")]
        if "msgid" not in texts or sorted(strings) != sorted(wanted):
            what = "msgid and msgstr" if plural is None else "msgid, msgid_plural, msgstr[0], msgstr[1], …"
            raise ByodError(f"{self._name}:{draft.line}: the message needs {what}, and nothing else")
        return Entry(
            msgid=texts["msgid"],
            plural=plural,
            context=texts.get("msgctxt"),
            strings=tuple(texts[key] for key in wanted),
            places=tuple(place for line in draft.comments["#:"] for place in line.split()),
            remarks=tuple(draft.comments["#"]),
            flags=tuple(flag.strip() for line in draft.comments["#,"] for flag in line.split(",")),
            obsolete=draft.obsolete,
            line=draft.line,
        )

    def _fault(self, what: str) -> ByodError:
        return ByodError(f"{self._name}:{self._line}: {what}")


def _forms(texts: dict[str, str]) -> int:
    return sum(key.startswith("msgstr[") for key in texts)


def _lines(entry: Entry) -> Iterator[str]:
    yield from (f"# {remark}".rstrip() for remark in entry.remarks)
    yield from (f"#: {place}" for place in entry.places)
    if entry.flags:
        yield f"#, {', '.join(entry.flags)}"
    texts = {"msgctxt": entry.context, "msgid": entry.msgid, "msgid_plural": entry.plural}
    if entry.plural is None:
        texts["msgstr"] = entry.strings[0]
    else:
        texts |= {f"msgstr[{number}]": string for number, string in enumerate(entry.strings)}
    before = "#~ " if entry.obsolete else ""
    for key, text in texts.items():
        if text is not None:
            yield from (before + line for line in _quoted(key, text))


def _quoted(key: str, text: str) -> Iterator[str]:
    """The lines of a keyword and its text; a long text begins on the line below."""
    pieces = _pieces(text)
    if len(pieces) == 1:
        yield f'{key} "{pieces[0]}"'
        return
    yield f'{key} ""'
    yield from (f'"{piece}"' for piece in pieces)


def _pieces(text: str) -> list[str]:
    pieces = [""]
    for word in re.findall(r"[^ \n]*(?:\n| +|$)", text):
        written = "".join(_WRITTEN.get(character, character) for character in word)
        if pieces[-1].endswith("\\n") or len(pieces[-1]) + len(written) > WIDTH:
            pieces.append("")
        pieces[-1] += written
    return [piece for piece in pieces if piece] or [""]
