"""The same thing in other languages, by the labels of its item at Wikidata: broccoli, Brokkoli, brocoli."""

from __future__ import annotations

from collections.abc import Sequence

from byod.collection import wikidata
from byod.collection.http.api_client import ApiClient
from byod.collection.wikidata import plain
from byod.schema.search_words import ENGLISH


def translations(
    item: str, languages: Sequence[str], client: ApiClient, *, typed: str = ""
) -> list[tuple[str, str]]:
    """(language, name) for each of `languages` in which the item has a name of its own; may be empty.

    Names that differ from `typed` and from each other by case alone are left out.

    Raises:
        UsageError: a language code is none.
        SourceError: Wikidata does not answer.
    """
    wanted = list(dict.fromkeys(wikidata.check_language(language) for language in languages))
    found = wikidata.items([item], wanted, client).get(item) if wanted else None
    if found is None:
        return []
    told, result = {plain(typed)}, []
    for language in wanted:
        name = found.labels.get(language) or found.labels.get(wikidata.ANY_LANGUAGE)
        if name is not None and plain(name) not in told:
            told.add(plain(name))
            result.append((language, name))
    return result


def means_something_else(words: str, item: str, client: ApiClient) -> bool:
    """True if something else goes by these words in English, as whoever knows no language would take them.

    *pain* is bread in French: searched where no language is known, it brings grimaces.

    Raises:
        SourceError: Wikidata does not answer.
    """
    found = [each.item for each in wikidata.called(words, ENGLISH, client)]
    return bool(found) and found[0] != item
