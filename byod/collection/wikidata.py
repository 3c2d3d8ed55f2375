"""Asking Wikidata: which items are called so in a language, and what they are.

API: https://www.wikidata.org/w/api.php?action=help&modules=wbsearchentities and modules=wbgetentities .
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from byod.collection.http import mediawiki, parsing
from byod.collection.http.api_client import ApiClient
from byod.schema.errors import SourceError, UsageError
from byod.schema.recipe_parts import LANGUAGE
from byod.schema.record import Record
from byod.schema.search_words import ENGLISH, KEYS

NAME = "wikidata"
PLACE = "https://www.wikidata.org"
ANY_LANGUAGE = "mul"
"""The language of names that are the same in all languages."""
SEARCHED = 20
"""Items read of one search: it looks for beginnings of names, so the item meant need not be the first."""
AT_ONCE = 20
"""Items asked for at once: 50 are allowed, but some are as large as 200 kB."""
_ITEM = re.compile(r"Q[1-9][0-9]{0,11}")


class Found(Record):
    """An item that is called so, with its description in English as far as the search tells it."""

    item: str
    description: str = ""


class Item(Record):
    """An item of Wikidata: names by language (label first), and the values of its statements by property."""

    item: str
    names: dict[str, tuple[str, ...]] = {}
    labels: dict[str, str] = {}
    description: str = ""
    statements: dict[str, tuple[str, ...]] = {}

    def called(self, words: str, language: str) -> bool:
        """True if it goes by these words in a language."""
        names = (*self.names.get(language, ()), *self.names.get(ANY_LANGUAGE, ()))
        return plain(words) in {plain(name) for name in names}


def plain(words: str) -> str:
    """Words as they are compared: without case, composition and extra spaces."""
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())


def check_language(code: str) -> str:
    """The code of a language in small letters.

    Raises:
        UsageError: it is none.
    """
    tidied = code.strip().lower()
    if not re.fullmatch(LANGUAGE, tidied):
        raise UsageError(f"{code!r} is not a language code; it should look like de or en")
    return tidied


def called(words: str, language: str, client: ApiClient) -> list[Found]:
    """The items whose name or other name in this very language is exactly `words`, in the server's order.

    The server's order is by how well-known a thing is among those who speak the language. Without `strictlanguage`
    it would count names in other languages as well: then *Boot* is footwear, and *raisin* grapes.

    Raises:
        SourceError: Wikidata does not answer.
    """
    params: dict[str, str | int] = {
        "action": "wbsearchentities",
        "search": words[:250],
        "language": language,
        "uselang": ENGLISH,
        "strictlanguage": 1,
        "type": "item",
        "limit": SEARCHED,
    }
    found: dict[str, Found] = {}
    for row in parsing.rows(_request(params, client), "search", source=NAME):
        number = row.get("id")
        if isinstance(number, str) and _ITEM.fullmatch(number) and _is_so_called(row, words, language):
            found.setdefault(
                number, Found(item=number, description=parsing.text(row.get("description")) or "")
            )
    return list(found.values())


def _is_so_called(row: dict[str, Any], words: str, language: str) -> bool:
    """True if a row was found by exactly these words, in the language asked for."""
    match = row.get("match")
    if isinstance(match, dict):
        if match.get("language", language) not in (language, ANY_LANGUAGE):
            return False
        names = [match.get("text")]
    else:
        names = [row.get("label"), *_strings(row.get("aliases"))]
    return any(isinstance(name, str) and plain(name) == plain(words) for name in names)


def items(ids: Iterable[str], languages: Sequence[str], client: ApiClient) -> dict[str, Item]:
    """Ask what the items are, with their names in these languages and English; without those that are gone.

    Raises:
        SourceError: Wikidata does not answer.
    """
    wanted = list(dict.fromkeys(ids))
    known: dict[str, Item] = {}
    for start in range(0, len(wanted), AT_ONCE):
        batch = wanted[start : start + AT_ONCE]
        params: dict[str, str | int] = {
            "action": "wbgetentities",
            "ids": "|".join(batch),
            "props": "labels|descriptions|aliases|claims",
            "languages": "|".join(dict.fromkeys((ENGLISH, *languages, ANY_LANGUAGE))),
        }
        entities = parsing.within(_request(params, client), "entities")
        for number in batch:
            entity = parsing.within(entities, number)
            if isinstance(entity, dict) and "missing" not in entity:
                known[number] = _item(number, entity)
    return known


def _item(number: str, entity: dict[str, Any]) -> Item:
    labels = {
        language: text
        for language, each in _dict(entity.get("labels")).items()
        if (text := parsing.text(parsing.within(each, "value"))) is not None
    }
    names = {language: (label,) for language, label in labels.items()}
    for language, rows in _dict(entity.get("aliases")).items():
        more = (
            parsing.text(parsing.within(row, "value")) for row in (rows if isinstance(rows, list) else ())
        )
        names[language] = (*names.get(language, ()), *(text for text in more if text is not None))
    claims = _dict(entity.get("claims"))
    return Item(
        item=number,
        names=names,
        labels=labels,
        description=parsing.text(parsing.within(entity, "descriptions", ENGLISH, "value")) or "",
        statements={name: _values(claims.get(name)) for name in ("P31", *KEYS) if name in claims},
    )


def _values(statements: Any) -> tuple[str, ...]:
    """The values of a property's statements, those in force: ids of items, or texts."""
    found: list[str] = []
    for statement in statements if isinstance(statements, list) else ():
        value = parsing.within(statement, "mainsnak", "datavalue", "value")
        text = parsing.text(parsing.within(value, "id") if isinstance(value, dict) else value, 200)
        if parsing.within(statement, "rank") != "deprecated" and text is not None:
            found.append(text)
    return tuple(found)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _request(params: dict[str, str | int], client: ApiClient) -> Any:
    base = client.settings.base(NAME, "https://www.wikidata.org")
    if base == PLACE and not client.settings.contact:
        raise SourceError(
            "wikidata is asked only with a contact: set BYOD_CONTACT (a mail address or a page)"
        )
    return mediawiki.request(f"{base}/w/api.php", params, client, source=NAME)
