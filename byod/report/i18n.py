"""The same words in English and German, side by side: a page holds both, and its reader chooses."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from byod.schema.records import Record


class Phrase(Record):
    """A phrase in both languages."""

    en: str
    de: str

    def __html__(self) -> str:
        """Both as elements of which the page shows one; what reads alike stands once."""
        if self.en == self.de:
            return escape(self.en)
        return f'<span lang="en">{escape(self.en)}</span><span lang="de">{escape(self.de)}</span>'

    def __add__(self, other: Phrase) -> Phrase:
        """One after the other, with a space between."""
        return Phrase(en=f"{self.en} {other.en}".strip(), de=f"{self.de} {other.de}".strip())


Part = Phrase | str | int
"""What may stand in the place of a name in braces."""


def say(en: str, de: str, **parts: Part) -> Phrase:
    """A sentence with its `{name}`s filled in; whole numbers are written as each language writes them."""
    english = {name: _spoken(part, german=False) for name, part in parts.items()}
    german = {name: _spoken(part, german=True) for name, part in parts.items()}
    return Phrase(en=en.format(**english), de=de.format(**german))


def many(count: int, one: str, more: str, eines: str, viele: str) -> Phrase:
    """A number with its noun: `many(3, "picture", "pictures", "Bild", "Bilder")`."""
    return say(
        "{count} {noun}",
        "{count} {noun}",
        count=count,
        noun=Phrase(en=one if count == 1 else more, de=eines if count == 1 else viele),
    )


def number(value: float, digits: int = 2) -> Phrase:
    """0.25 as "0.25" and "0,25"."""
    return _both(f"{value:.{digits}f}")


def percent(rate: float | None, digits: int = 1) -> Phrase:
    """0.975 as "97.5 %" and "97,5 %"; None as a dash."""
    return _both("–" if rate is None else f"{100 * rate:.{digits}f} %")


def points(difference: float) -> Phrase:
    """0.032 as "+3.2" and "+3,2": percentage points with their sign."""
    value = round(100 * difference, 1) + 0.0  # never "-0.0"
    return _both((f"+{value:.1f}" if value > 0 else f"{value:.1f}").replace("-", "−"))


def rate(value: float) -> Phrase:
    """A learning rate with two significant digits: "0.0012", "2e-05"."""
    return _both(f"{value:.2g}")


def listed(parts: Sequence[Part]) -> Phrase:
    """One after the other, with commas between."""
    return Phrase(
        en=", ".join(_spoken(part, german=False) for part in parts),
        de=", ".join(_spoken(part, german=True) for part in parts),
    )


def _both(text: str) -> Phrase:
    return Phrase(en=text, de=text.replace(".", ","))


def _spoken(part: Part, *, german: bool) -> str:
    if isinstance(part, Phrase):
        return part.de if german else part.en
    if isinstance(part, int):
        return f"{part:,}".replace(",", ".") if german else f"{part:,}"
    return part
