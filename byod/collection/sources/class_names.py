"""Finding a class by its words in a list of classes that somebody labelled pictures with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from byod.collection import wikidata
from byod.collection.http.api_client import ApiClient
from byod.collection.wikidata import plain
from byod.schema.errors import Filtered, SourceError
from byod.schema.records import Query
from byod.schema.search_words import ENGLISH

_SHOWN = 5


def spelled(name: str) -> str:
    """A name as it is compared: lists write `hot_dog` and `hot-dog` for what people call a hot dog."""
    return plain(name.replace("_", " ").replace("-", " "))


def spellings(names: Iterable[str]) -> dict[str, str]:
    """The names of a list by how they are compared; some hold several, parted by commas."""
    found: dict[str, str] = {}
    for name in names:
        for each in (name, *name.split(",")):
            found.setdefault(spelled(each), name)
    found.pop("", None)
    return found


def find(query: Query, names: Mapping[str, str], client: ApiClient) -> str | None:
    """The name among `names` (as `spellings` gives them) that a query means, or None.

    The words that were typed come first, then the English names of the item of Wikidata that they stand for.
    """
    meaning = query.meaning
    own = [query.terms, meaning.name] if meaning is not None else [query.terms]
    for word in own:
        if (found := names.get(spelled(word))) is not None:
            return found
    if meaning is None or not meaning.known:
        return None
    try:
        item = wikidata.items([meaning.item], [ENGLISH], client).get(meaning.item)
    except SourceError as error:
        client.say(f"{error}; other names of {query.terms!r} are not looked for")
        return None
    others = () if item is None else item.names.get(ENGLISH, ())
    return next((found for word in others if (found := names.get(spelled(word))) is not None), None)


def unknown(source: str, query: Query, names: Mapping[str, str]) -> Filtered:
    """The line for a word that is none of the names: it names those that are spelled alike."""
    near = difflib.get_close_matches(spelled(query.terms), names, n=_SHOWN, cutoff=0.6)
    near += [each for each in names if spelled(query.terms) in each.split() and each not in near]
    similar = f" (similar: {', '.join(names[each] for each in near[:_SHOWN])})" if near else ""
    return Filtered(
        f"{source} has no class called exactly {query.terms!r}{similar}; name it with --query CLASS=NAME"
    )
