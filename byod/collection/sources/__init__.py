"""The sources of pictures: one file a source, one function each, found by its name.

A source is `search(query, ask, client) -> Iterator[Candidate]`: it pages as its candidates are taken, ends when the
source has no more, and raises a SourceError that says why it stops. Pictures that are already here or listed in a file
come by `byod.collection.sources.folder` and `byod.collection.sources.url_list`, which take a path instead of a query.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from byod.collection.http.api_client import ApiClient
from byod.schema.config import Settings
from byod.schema.errors import UsageError
from byod.schema.records import Candidate, Query, Record, SearchOptions

Search = Callable[[Query, SearchOptions, ApiClient], Iterator[Candidate]]


class SourceEntry(Record):
    """A source as it is listed: the module it stands in, the variable of its key, and whether it states licences.

    `notice` is told to whoever asks it. `grants` says that its addresses are given to a key holder to be fetched.
    """

    module: str
    key: str | None
    summary: str
    licences: bool
    notice: str = ""
    grants: bool = False


SOURCES: dict[str, SourceEntry] = {
    "openverse": SourceEntry(
        module="openverse",
        key=None,
        summary="openly licensed pictures of many museums and sites (BYOD_OPENVERSE_CLIENT_ID "
        "and BYOD_OPENVERSE_CLIENT_SECRET raise its limits)",
        licences=True,
    ),
    "commons": SourceEntry(
        module="commons",
        key=None,
        summary="Wikimedia Commons, freely licensed; answers those who set BYOD_CONTACT",
        licences=True,
    ),
    "duckduckgo": SourceEntry(
        module="duckduckgo", key=None, summary="web search; licences are not stated", licences=False
    ),
    "bing": SourceEntry(
        module="bing", key=None, summary="web search; licences are not stated", licences=False
    ),
    "inaturalist": SourceEntry(
        module="inaturalist", key=None, summary="photos of plants, animals and fungi", licences=True
    ),
    "gbif": SourceEntry(
        module="gbif",
        key=None,
        summary="observed plants, animals and fungi by their scientific names, from many collections",
        licences=True,
    ),
    "flickr": SourceEntry(
        module="flickr", key="BYOD_FLICKR_KEY", summary="photos with their licences", licences=True
    ),
    "pixabay": SourceEntry(
        module="pixabay",
        key="BYOD_PIXABAY_KEY",
        summary="stock photos under Pixabay's own licence, at most 200 for a class",
        licences=True,
        notice="pixabay: nobody who works on byod has read whether its terms allow training on its pictures; read "
        "https://pixabay.com/service/terms/ before you do",
        grants=True,
    ),
    "google": SourceEntry(
        module="google",
        key="BYOD_SERPAPI_KEY",
        summary="web search through SerpApi (Google's own JSON API ends on 1 January 2027); no licences",
        licences=False,
    ),
}
REFUSED = {
    "pexels": "pexels is not offered: its terms forbid building datasets and training models through its API",
    "unsplash": "unsplash is not offered: its terms forbid training models on its pictures",
}
ELSEWHERE = {
    "folder": "folder is not asked by words; pictures of your own come in by: byod add PATH --label CLASS",
    "urls": "urls is not asked by words; a list of addresses comes in by: byod collect --from-urls FILE",
}


def notices(names: Iterable[str]) -> list[str]:
    """The lines to tell whoever asks these sources."""
    return [SOURCES[name].notice for name in names if name in SOURCES and SOURCES[name].notice]


def grants(candidate: Candidate, settings: Settings) -> bool:
    """True of an address that a source's API gave a key holder to be fetched, on the source's own site."""
    entry = SOURCES.get(candidate.source)
    if entry is None or not entry.grants:
        return False
    module = importlib.import_module(f"byod.collection.sources.{entry.module}")
    return bool(module.grants(candidate.url, settings))


def get(name: str) -> Search:
    """The search function of a source; nothing of the others is imported.

    Raises:
        UsageError: there is no source of that name, or byod does not offer it.
    """
    for told in (REFUSED, ELSEWHERE):
        if name in told:
            raise UsageError(told[name])
    if name not in SOURCES:
        raise UsageError(f"there is no source {name!r}; there are: {', '.join(SOURCES)}")
    module = importlib.import_module(f"byod.collection.sources.{SOURCES[name].module}")
    return cast(Search, module.search)
