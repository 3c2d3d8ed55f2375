"""The same thing in other languages, by the labels of Wikidata: brokkoli, broccoli, brocoli.

API: https://www.wikidata.org/w/api.php?action=help&modules=wbsearchentities and modules=wbgetentities .
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from byod.collection.http import mediawiki, parsing
from byod.collection.http.api_client import ApiClient
from byod.schema.errors import UsageError

NAME = "wikidata"
TYPED = ("en", "de", "fr", "es")
"""Languages in which the typed terms are looked for, when it is not said which one they are in."""
_NOT_THINGS = ("disambiguation", "family name", "given name", "wikimedia")


def translations(
    terms: str, languages: Sequence[str], client: ApiClient, *, typed: str | None = None
) -> list[tuple[str, str]]:
    """(language, terms) for each of `languages` that has a word of its own for the thing; may be empty.

    `languages` and `typed`, the language of `terms` where it is known, are codes like "de". Only an entity that is
    called exactly like the terms counts; among several it is the one with the most Wikipedia articles.

    Raises:
        UsageError: a language code is none.
        SourceError: Wikidata does not answer.
    """
    wanted = list(dict.fromkeys(language.strip().lower() for language in languages))
    for language in [*wanted, *([typed] if typed else [])]:
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z]{2,8})?", language):
            raise UsageError(f"{language!r} is not a language code; it should look like de or en")
    ids: list[str] = []
    for language in [typed] if typed else TYPED:
        found = _entity(terms, language, client)
        if found is not None and found not in ids:
            ids.append(found)
    if not ids or not wanted:
        return []
    result: list[tuple[str, str]] = []
    told = {_plain(terms)}
    labels = _labels(ids, wanted, client)
    for language in wanted:
        label = labels.get(language)
        if label is not None and _plain(label) not in told:
            told.add(_plain(label))
            result.append((language, label))
    return result


def _plain(words: str) -> str:
    """Words as they are compared: without case, composition and extra spaces."""
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())


def _request(params: dict[str, str | int], client: ApiClient) -> Any:
    url = f"{client.settings.base(NAME, 'https://www.wikidata.org')}/w/api.php"
    return mediawiki.request(url, params, client, source=NAME)


def _entity(terms: str, language: str, client: ApiClient) -> str | None:
    """The id of the best known entity whose label or alias in `language` is exactly `terms`."""
    params: dict[str, str | int] = {
        "action": "wbsearchentities",
        "search": terms[:250],
        "language": language,
        "type": "item",
        "limit": 7,
    }
    for row in parsing.rows(_request(params, client), "search", source=NAME):
        names = [parsing.within(row, "match", "text"), row.get("label"), *_strings(row.get("aliases"))]
        about = (parsing.text(row.get("description")) or "").lower()
        number = row.get("id")
        if (
            isinstance(number, str)
            and re.fullmatch(r"Q[0-9]{1,12}", number)
            and any(isinstance(name, str) and _plain(name) == _plain(terms) for name in names)
            and not any(word in about for word in _NOT_THINGS)
        ):
            return number
    return None


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _labels(ids: Sequence[str], languages: Sequence[str], client: ApiClient) -> dict[str, str]:
    """The labels of the entity with the most Wikipedia articles, by language."""
    params: dict[str, str | int] = {
        "action": "wbgetentities",
        "ids": "|".join(ids),
        "props": "labels|sitelinks" if len(ids) > 1 else "labels",
        "languages": "|".join(languages),
    }
    entities = parsing.within(_request(params, client), "entities")
    found = [parsing.within(entities, number) for number in ids]

    def articles(entity: Any) -> int:
        links = parsing.within(entity, "sitelinks")
        return len(links) if isinstance(links, dict) else 0

    best = max(found, key=articles)
    texts = {
        language: parsing.text(parsing.within(best, "labels", language, "value")) for language in languages
    }
    return {language: text for language, text in texts.items() if text}
