"""The sources there are, which of them know a word, and the tables that some of them answer from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from byod.api import class_words, collecting
from byod.api.plan import several
from byod.api.progress_display import progress_display
from byod.collection import sources as known_sources
from byod.collection.http import guard
from byod.collection.http.api_client import ApiClient
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources import table_fetch
from byod.collection.sources.table_fetch import TableSource
from byod.schema.config import Settings
from byod.schema.errors import SourceError, UsageError
from byod.schema.progress import Say, silent
from byod.schema.recipe import Recipe
from byod.schema.records import Record

NO_DATASET = "no dataset named"
NO_TABLE = "no table yet"


class SourceLine(Record):
    """One source: how it is named, its key and if that is set, and what it is good for.

    `table` names the parts of its table of labels that are there; None for one that answers without.
    """

    source: str
    key: str | None
    key_set: bool
    licences: bool
    verified: bool
    good_for: str
    table: tuple[str, ...] | None = None


class WordKnown(Record):
    """The answer of one source to a word: `word` is "knows", "unknown" or why not, `offers` how many pictures.

    With `more` there are that many at least: its first page was full.
    """

    source: str
    word: str
    offers: int = 0
    more: bool = False
    told: str = ""


def sources() -> tuple[SourceLine, ...]:
    """All sources that byod can search, each with its key, what it states and what it is good for.

    Examples:
        >>> [each.source for each in byod.sources()][:3]
        ['openverse', 'commons', 'duckduckgo']
    """
    settings = Settings.load()
    client = _client(settings, silent)
    return tuple(
        SourceLine(
            source=entry.form or name,
            key=entry.key,
            key_set=entry.key is not None and bool(settings.environment.get(entry.key)),
            licences=entry.licences,
            verified=entry.verified,
            good_for=entry.summary,
            table=tuple(_parts(name, client)) if entry.table else None,
        )
        for name, entry in known_sources.SOURCES.items()
    )


def who_knows(
    word: str, *, sources: str | Iterable[str] | None = None, progress: bool = True
) -> tuple[WordKnown, ...]:
    """Ask the sources for a word, as a collection would, and say of each how many pictures it would offer.

    Those that count say exactly; of the others the first page is looked at. No picture is fetched.

    Args:
        word: what is looked for, as a class would be named.
        sources: whom to ask, one name or several; by default all there are.
        progress: show lines; False sends them to the logger `byod`.

    Raises:
        UsageError: there is no such source, or the word can name no class.

    Examples:
        >>> byod.who_knows("blumenkohl", sources="openverse", progress=False)[0].offers
        5
    """
    names = [] if sources is None else several(sources)
    for name in names:
        known_sources.get(name)
    chosen = list(names) or list(known_sources.SOURCES)
    recipe = Recipe(sources=tuple(chosen), languages=()).with_class(word)
    settings = Settings.load()
    with progress_display(progress) as display:
        recipe = class_words.read_words(recipe, settings, say=display.say)
        return tuple(
            _asked(name, recipe.model_copy(update={"sources": (name,)}), settings, display.say)
            for name in chosen
        )


def _asked(name: str, recipe: Recipe, settings: Settings, say: Say) -> WordKnown:
    entry = known_sources.entry(name)
    client = _client(settings, say)
    if entry is not None and entry.form and ":" not in name:
        return WordKnown(source=name, word=NO_DATASET, told=f"name one: --source '{entry.form}'")
    if entry is not None and entry.table and not set(_tables(name).parts) <= set(_parts(name, client)):
        return WordKnown(source=name, word=NO_TABLE, told=f"fetch it once: byod sources --get {name}")
    ended: list[tuple[str, str]] = []
    search = collecting.candidate_search(
        recipe, client, {}, lambda label, source, terms, word, detail: ended.append((word, detail)), say
    )
    try:
        count = getattr(known_sources.module(name), "offers", None)
        if count is not None:
            (asked,) = (search.as_asked(name, each[0]) for each in collecting.queries(recipe).values())
            number = count(asked, recipe.search_options(name), client)
            remark = getattr(known_sources.module(name), "remark", None)
            told = "" if remark is None else remark(asked, client)
            return WordKnown(source=name, word="knows" if number else "unknown", offers=number, told=told)
    except SourceError as error:
        return WordKnown(source=name, word=_word(error.word), told=str(error))
    page = LIMITS[name.partition(":")[0]].page_size
    number = sum(len(batch) for batch in search.draw(dict.fromkeys(recipe.classes, page)))
    search.close({})
    word, told = next(((word, detail) for word, detail in ended if detail), ("", ""))
    if number:
        return WordKnown(source=name, word="knows", offers=number, more=number >= page)
    return WordKnown(source=name, word=_word(word) if told else "unknown", told=told)


def _word(ended: str) -> str:
    """How a question ended, as it is told here: what was filtered out is not known."""
    return "unknown" if ended == "filtered" else ended


def fetch_labels(source: str, *, deep: bool = False, progress: bool = True) -> tuple[str, ...]:
    """Fetch the table of labels that a source answers from, once, beforehand; what is here is not fetched again.

    Args:
        source: its name.
        deep: fetch all there is of it, which may be much more.
        progress: show lines; False sends them to the logger `byod`.

    Returns:
        The names of its parts that are here now.

    Raises:
        UsageError: there is no such source, or it has no such table.
        SourceError: it cannot be fetched.

    Examples:
        >>> try:
        ...     byod.fetch_labels("flickr")
        ... except byod.errors.UsageError as error:
        ...     print(error)
        flickr answers without a table of labels; --get is for openimages, coco
    """
    entry = known_sources.SOURCES.get(source)
    if entry is None or not entry.table:
        having = ", ".join(each for each, one in known_sources.SOURCES.items() if one.table)
        raise UsageError(f"{source} answers without a table of labels; --get is for {having}")
    with progress_display(progress) as display:
        client, tables = _client(Settings.load(), display.say), _tables(source)
        megabytes = tables.megabytes + (tables.more_megabytes if deep else 0)
        display.say(f"{source}: about {megabytes:,} MB; what is here already is not fetched again")
        table_fetch.get(tables, (*tables.parts, *(tables.more if deep else ())), client, display.say)
        return tuple(_parts(source, client))


def _tables(name: str) -> TableSource:
    return cast(TableSource, known_sources.module(name).TABLES)


def _parts(name: str, client: ApiClient) -> list[str]:
    return list(table_fetch.there(_tables(name), client))


def _client(settings: Settings, say: Say) -> ApiClient:
    return ApiClient(settings, guard.session(settings), say=say)
