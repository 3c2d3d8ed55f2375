"""The texts of the page in the browser, and the language that a browser asks for."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from byod.report.i18n import Phrase, say
from byod.report.languages import Language, languages

TEXTS = Path(__file__).with_name("page_texts.json")
"""The English texts by key: a text, the two of a plural (of `n`), or texts by case (see byod/web/static/strings.js)."""

Text = str | list[str] | dict[str, "Text"]

COUNTED = 200
"""For so many numbers the plural form is told; what follows repeats the last hundred of them."""

_NEEDS_SCRIPT = say("This page needs JavaScript: it draws the answers itself.")
NEEDS_SERVER = say("This page needs a web server, see README.md: browsers run no programs from a folder.")


def script() -> str:
    """The module `languages.js`: the texts of each language, its own name, and the plural form of each number."""
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))
    told = {
        spoken.code: {
            "name": spoken.name,
            "plural": [spoken.plural(number) for number in range(COUNTED)],
            "texts": {key: translated(text, spoken) for key, text in texts.items()},
        }
        for spoken in languages()
    }
    return f"export const LANGUAGES = {json.dumps(told, ensure_ascii=False, separators=(',', ':'))};\n"


def translated(text: Text, spoken: Language) -> Text:
    """A text of the page in one language; a plural as all forms that the language has."""
    if isinstance(text, str):
        return spoken.said(text) if text else ""
    if isinstance(text, list):
        return list(spoken.all_forms(*text))
    return {case: translated(inner, spoken) for case, inner in text.items()}


def index(page: str) -> str:
    """The page's HTML, with what it says where it cannot run."""
    return page.replace("{{ needs_script }}", side_by_side(_NEEDS_SCRIPT))


def side_by_side(phrase: Phrase) -> str:
    """A phrase in all languages as HTML, for where nothing can be chosen."""
    return " · ".join(f'<span lang="{codes[0]}">{escape(text)}</span>' for codes, text in phrase.versions())


def preferred(asked: str | None, accepted: str) -> str:
    """The code of the language to answer in: the one asked for, else the first that a browser accepts.

    `accepted` is its header Accept-Language (https://www.rfc-editor.org/rfc/rfc9110#name-accept-language).
    """
    codes = [spoken.code for spoken in languages()]
    for tag in (asked or "", *_by_weight(accepted)):
        for code in codes:
            if tag.lower() == code.lower() or tag.lower().startswith(f"{code.lower()}-"):
                return code
    return "en"


def _by_weight(accepted: str) -> list[str]:
    weighed = []
    for part in accepted.split(",")[:20]:
        tag, _, weight = part.partition(";q=")
        digits = weight.strip().replace(".", "", 1)
        weighed.append((float(weight) if digits.isdecimal() and digits.isascii() else 1.0, tag.strip()))
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
