"""Words for people in every language there is: written in English, looked up when a page is made.

`say` and `many` take the English text itself; its translations stand in the catalogues (`byod.report.languages`), which
`make texts` keeps in step with the code. A page holds all languages side by side, and its reader chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape

from byod.report.languages import PLACE, Language, language, languages
from byod.schema.config import Settings
from byod.schema.records import Record


class Phrase(Record):
    """A phrase in any language; `write` writes it in the one it is given."""

    write: Callable[[Language], str]

    def text(self, code: str = "en") -> str:
        """The phrase in one language.

        Raises:
            UsageError: there is no such language.
        """
        return self.write(language(code))

    def versions(self) -> list[tuple[tuple[str, ...], str]]:
        """Each wording once, English first, with the codes of the languages that word it so."""
        found: dict[str, list[str]] = {}
        for each in languages():
            found.setdefault(self.write(each), []).append(each.code)
        return [(tuple(codes), text) for text, codes in found.items()]

    def together(self) -> str:
        """All wordings in one line, for places that cannot be switched."""
        return " · ".join(text for _, text in self.versions())

    def __html__(self) -> str:
        """All wordings as elements of which the page shows one; what reads alike everywhere stands once."""
        return "".join(self.elements("span"))

    def elements(self, tag: str, attributes: str = "", markup: Callable[[str], str] = escape) -> list[str]:
        """Each wording as an element that the page shows in its languages; one without a language where all agree.

        `markup` makes HTML of the text.
        """
        found = self.versions()
        if len(found) == 1:
            only = markup(found[0][1])
            return [only if tag == "span" else f"<{tag}{attributes}>{only}</{tag}>"]
        return [f"<{tag}{attributes}{_shown_in(codes)}>{markup(text)}</{tag}>" for codes, text in found]

    def __add__(self, other: Phrase) -> Phrase:
        """One after the other, with a space between."""
        return joined([self, other], " ")


Part = Phrase | str | int
"""What may stand in a place of a text."""


def say(text: str, *, context: str | None = None, **parts: Part) -> Phrase:
    """A text with its `{name}`s filled in; whole numbers are written as each language writes them.

    Args:
        text: in English.
        context: tells it apart from another text that reads alike in English, and not in other languages.
        parts: what stands in its places.
    """
    return Phrase(write=lambda spoken: _filled(spoken.said(text, context), parts, spoken))


def many(count: int, one: str, more: str, *, context: str | None = None, **parts: Part) -> Phrase:
    """A text with a number, its `{count}`: `many(3, "{count} picture", "{count} pictures")`."""
    filled = {**parts, "count": count}
    return Phrase(write=lambda spoken: _filled(spoken.counted(count, one, more, context), filled, spoken))


def verbatim(text: str) -> Phrase:
    """The same in every language: the name of a class, a file, a number that is written already."""
    return Phrase(write=lambda _: text)


def whole(value: int) -> Phrase:
    """1200 as "1,200" and "1.200"."""
    return Phrase(write=lambda spoken: spoken.whole(value))


def number(value: float, digits: int = 2) -> Phrase:
    """0.25 as "0.25" and "0,25"."""
    return Phrase(write=lambda spoken: spoken.decimal(f"{value:.{digits}f}"))


def percent(rate: float | None, digits: int = 1) -> Phrase:
    """0.975 as "97.5 %" and "97,5 %"; None as a dash."""
    if rate is None:
        return verbatim("–")
    share = f"{100 * rate:.{digits}f}"
    return Phrase(
        write=lambda spoken: spoken.convention("percentage").replace("{number}", spoken.decimal(share))
    )


def points(difference: float) -> Phrase:
    """0.032 as "+3.2" and "+3,2": percentage points with their sign."""
    value = round(100 * difference, 1) + 0.0  # never "-0.0"
    shown = (f"+{value:.1f}" if value > 0 else f"{value:.1f}").replace("-", "−")
    return Phrase(write=lambda spoken: spoken.decimal(shown))


def rate(value: float) -> Phrase:
    """A learning rate with two significant digits: "0.0012", "2e-05"."""
    return Phrase(write=lambda spoken: spoken.decimal(f"{value:.2g}"))


def moment(value: datetime) -> Phrase:
    """A date with the time of day: "2026-11-30 14:05 UTC" and "30.11.2026, 14:05 UTC"."""

    def written(spoken: Language) -> str:
        filled = {unit: f"{getattr(value, unit):02d}" for unit in ("year", "month", "day", "hour", "minute")}
        date = _filled(spoken.convention("date"), filled, spoken)
        return _filled(spoken.convention("date and time"), {**filled, "date": date}, spoken)

    return Phrase(write=written)


def listed(parts: Sequence[Part]) -> Phrase:
    """One after the other, with commas between."""
    return Phrase(
        write=lambda spoken: spoken.convention("mark between the parts of a list").join(
            _spoken(part, spoken) for part in parts
        )
    )


def joined(parts: Sequence[Part], between: str) -> Phrase:
    """One after the other, with the same between them in every language; empty parts are left out."""
    return Phrase(
        write=lambda spoken: between.join(text for part in parts if (text := _spoken(part, spoken)))
    )


def chosen() -> str:
    """The code of the language for what can hold only one, a file of text or a cell of a notebook: `BYOD_LANGUAGE`.

    Raises:
        UsageError: there is no such language.
    """
    return language(Settings.load().environment.get("BYOD_LANGUAGE") or "en").code


def _filled(text: str, parts: Mapping[str, Part], spoken: Language) -> str:
    return PLACE.sub(lambda place: _spoken(parts[place[1]], spoken), text)


def _spoken(part: Part, spoken: Language) -> str:
    if isinstance(part, Phrase):
        return part.write(spoken)
    return spoken.whole(part) if isinstance(part, int) else part


def _shown_in(codes: tuple[str, ...]) -> str:
    """The attributes of an element that is to be seen in these languages; the first is the one it is written in."""
    others = f' data-in="{" ".join(codes)}"' if len(codes) > 1 else ""
    return f' lang="{codes[0]}"{others}'
