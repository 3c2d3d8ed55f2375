"""The options that each source can be told beside its terms, so that byod can say what it will not heed."""

from __future__ import annotations

from byod.schema.errors import Filtered
from byod.schema.records import SearchOptions
from byod.schema.search_words import Kind

LANGUAGES: dict[str, frozenset[str] | None] = {
    "duckduckgo": frozenset(("en", "de", "fr", "es", "it", "nl")),
    "google": None,
    "pixabay": frozenset(
        (
            *("bg", "cs", "da", "de", "el", "en", "es", "fi", "fr", "hu", "id", "it", "ja"),
            *("ko", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sv", "th", "tr", "vi", "zh"),
        )
    ),
}
"""The languages in which a source reads terms when it is told; None: all. The others take words as they are.

Bing's `setlang` is the language of its page, not that of the terms.
"""
KNOWN: dict[str, frozenset[str]] = {
    "openverse": frozenset(("kind", "safe", "size")),
    "commons": frozenset(),
    "duckduckgo": frozenset(("kind", "safe", "size", "age", "colour")),
    "bing": frozenset(("kind", "safe", "size", "age", "colour")),
    "inaturalist": frozenset(("age",)),
    "gbif": frozenset(("age",)),
    "huggingface": frozenset(),
    "openimages": frozenset(),
    "coco": frozenset(),
    "flickr": frozenset(("kind", "safe", "age")),
    "pixabay": frozenset(("kind", "safe", "colour")),
    "google": frozenset(("kind", "safe", "size", "age", "colour")),
}
"""The options of a search that a source can filter by."""


def photos_only(source: str, options: SearchOptions) -> None:
    """Refuse a search for drawings at a source that has none.

    Raises:
        Filtered: drawings are wanted.
    """
    if options.kind is Kind.DRAWING:
        raise Filtered(f"{source} has photos only; --kind drawing accepts none of them")


def knows_language(source: str, code: str | None) -> bool:
    """True if a source that is told the language of its terms reads them in it."""
    if code is None or source not in LANGUAGES:
        return False
    known = LANGUAGES[source]
    return known is None or code in known
