"""Names and other words of strangers: what of them nobody sees, and how they are shown so that everybody does.

A file name is bytes on Linux; Python keeps those that are not UTF-8 as lone surrogates (PEP 383), and such a text fits
into no JSON, no database and no page. A text can hold signs that draw nothing and steer a terminal or turn the line
around (Unicode categories Cc and Cf). Joiners are among these and still letters: of Persian, of the scripts of India,
and of emoji (Unicode Standard, 23.2; UAX #31, 2.3).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

_JOINERS = "\u200c\u200d"
_VIRAMA = 9
"""The combining class of the signs after which an Indian script has its joiners, also at the end of a word."""
_JOINING = ("Lo", "So", "Sk", "Sm", "Po")
"""What a joiner follows: letters of scripts without capitals, emoji and their skin tones. Latin, Greek and Cyrillic
letters are not among them: there it is a way to make two names that look the same."""
_MARKS = "\u061c\u200e\u200f"
"""They say only which way a neutral sign runs; text in Hebrew and Arabic holds them, a class name needs none."""
_DRAWN = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u180e\U000110bd\U000110cd\U00013430-\U0001343f"
"""Of category Cf, but seen: signs around numbers, Mongolian vowels that stand apart, hieroglyphs above each other."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Of a category of letters or signs, but not seen."""
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f"
"""The flags of England, Scotland and the like: tags draw something only here (re compiles it when first needed)."""
_SEEN_FORMATS = f"[{_DRAWN}{_JOINERS}{_MARKS}]"


def is_utf8(name: str) -> bool:
    """True if the name of a file or folder is a text: its bytes are UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str, *, lines: bool = False) -> str:
    r"""A text as it may reach a terminal: what nobody sees is written out (`\x1b`, `\u202e`), joiners stay.

    A byte of a file name that is not UTF-8 is `\xff`. It is one line, unless its line breaks are to stay.
    """
    return _without(text, _unseen(text), _escape, "\n" if lines else "")


def shown_json(document: str) -> str:
    """A JSON document as it may reach a terminal: the same document, with escapes for what nobody sees."""
    return _without(document, _unseen(document), _json_escape, "\n")


def in_utf8(text: str) -> str:
    r"""The text with each byte that is not UTF-8 written out (`\xff`), and nothing else changed."""
    return text if is_utf8(text) else "".join(_escape(c) if _surrogate(c) else c for c in text)


def hidden(text: str) -> list[int]:
    """The places of all that draws nothing or steers the line in a name: also direction marks and stray joiners."""
    if text.isascii() and text.isprintable():
        return []
    places = list(_unseen(text))
    for at, sign in enumerate(text):
        if sign in _BLANK or sign in _MARKS or (sign in _JOINERS and not _joins(text, at)):
            places.append(at)
    return sorted(places)


def spelled(text: str) -> str:
    r"""The text with all that is hidden written out, as in `shown`."""
    return _without(text, hidden(text), _escape)


def visible(text: str, instead: str = " ") -> str:
    """The text with `instead` in the place of all that is hidden."""
    return _without(text, hidden(text), lambda sign: instead)


def _without(text: str, places: Iterable[int], write: Callable[[str], str], keep: str = "") -> str:
    at = {place for place in places if text[place] not in keep}
    return "".join(write(sign) if place in at else sign for place, sign in enumerate(text)) if at else text


def _unseen(text: str) -> Iterator[int]:
    """The places of controls, lone surrogates, line separators, noncharacters, and formats that draw nothing."""
    if text.isprintable():
        return
    flags = {at for flag in re.finditer(_FLAG, text) for at in range(*flag.span())}
    for at, sign in enumerate(text):
        category = unicodedata.category(sign)
        steers = category == "Cf" and at not in flags and not re.match(_SEEN_FORMATS, sign)
        if steers or category in ("Cc", "Cs", "Zl", "Zp") or _noncharacter(sign):
            yield at


def _joins(text: str, at: int) -> bool:
    """True if the joiner at a place stands behind a sign that joins; marks and variants between them do not count."""
    before = text[at - 1 : at]
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    base = at - 1
    while base >= 0 and unicodedata.category(text[base]) in ("Mn", "Mc", "Me"):
        base -= 1
    return base >= 0 and unicodedata.category(text[base]) in _JOINING


def _noncharacter(sign: str) -> bool:
    return ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF


def _surrogate(sign: str) -> bool:
    return 0xD800 <= ord(sign) <= 0xDFFF


def _escape(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(sign, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else json.dumps(sign)[1:-1]


def unreadable() -> PassedOver:
    """What is passed over because this user may not read it; `takes` notes each."""
    return PassedOver("they may not be read", lambda name: False, "allow reading them to use them")


class PassedOver:
    """The files and folders that are passed over, mostly because of their names, to be counted and named.

    Args:
        why: what is the matter with them.
        fits: whether a name can be used.
        advice: what to do about it.
    """

    def __init__(
        self,
        why: str = "their names are not UTF-8",
        fits: Callable[[str], bool] = is_utf8,
        advice: str = "rename them to use them",
    ) -> None:
        self._why, self._fits, self._advice = why, fits, advice
        self._names: dict[str, None] = {}

    def takes(self, name: str) -> bool:
        """True if a name can be used; one that cannot is noted."""
        fits = self._fits(name)
        if not fits:
            self._names[name] = None
        return fits

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were noted, in the order they came."""
        return tuple(self._names)

    def lines(self, most: int = 3) -> tuple[str, ...]:
        """One line that counts and names them; none where nothing was passed over."""
        if not self._names:
            return ()
        named = ", ".join(shown(name) for name in list(self._names)[:most])
        more = f" and {len(self._names) - most} more" if len(self._names) > most else ""
        return (f"{len(self._names)} passed over, since {self._why}: {named}{more}; {self._advice}",)
