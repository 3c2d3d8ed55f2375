"""The sources of pictures: one file a source, one function each, found by its name.

A source is `search(query, ask, client) -> Iterator[Candidate]`: it pages as its candidates are taken, ends when the
source has no more, and raises a SourceError that says why it stops. Pictures that are already here or listed in a file
come by `byod.collection.sources.folder` and `byod.collection.lists`, which take a path instead of a query.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import cast

from byod.collection.http.api_client import ApiClient
from byod.schema.config import Settings
from byod.schema.errors import UsageError
from byod.schema.records import Candidate, Miss, Query, Record, SearchOptions

Search = Callable[[Query, SearchOptions, ApiClient], Iterator[Candidate]]


class SourceEntry(Record):
    """A source as it is listed: the module it stands in, the variable of its key, and whether it states licences.

    `notice` is told to whoever asks it. `grants` says that its addresses are given to a key holder to be fetched.
    `form` is how it is named where its name alone does not say what to ask. `packed` says that its pictures lie within
    larger files, which it unpacks itself. `verified`: people looked at each picture and confirmed its label, so what it
    offers is taken before all else. `table`: it answers from a table that is fetched once. `authors`: it
    says who made a picture; where it does not, nobody can be credited.
    """

    module: str
    key: str | None
    summary: str
    licences: bool
    notice: str = ""
    grants: bool = False
    form: str = ""
    packed: bool = False
    verified: bool = False
    table: bool = False
    authors: bool = True


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
    "huggingface": SourceEntry(
        module="huggingface",
        key=None,
        summary="pictures of a labelled dataset at Hugging Face, in their original bytes; the licence is what the "
        "dataset claims (BYOD_HUGGINGFACE_TOKEN opens gated ones)",
        licences=True,
        form="huggingface:OWNER/NAME[@REVISION][#COLUMN]",
        packed=True,
    ),
    "openimages": SourceEntry(
        module="openimages",
        key=None,
        summary="photos of 20,000 kinds of things that people confirmed, under CC BY 2.0 as listed 2016–18; its table "
        "of labels is fetched once",
        licences=True,
        verified=True,
        table=True,
    ),
    "coco": SourceEntry(
        module="coco_pictures",
        key=None,
        summary="photos in which people drew every object of 80 kinds; two thirds are for non-commercial use, and no "
        "author is stated; its table of labels is fetched once",
        licences=True,
        notice="coco: it states no author of its pictures, so none can be credited; --license open and commercial "
        "refuse all but those in the public domain",
        verified=True,
        table=True,
        authors=False,
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


def entry(name: str) -> SourceEntry | None:
    """The entry of a source by its name, also where more stands behind it: `huggingface:OWNER/NAME`."""
    found = SOURCES.get(name.partition(":")[0])
    return None if found is None or (":" in name and not found.form) else found


def module(name: str) -> ModuleType:
    """The module of a source that there is; nothing of the others is imported."""
    found = entry(name)
    if found is None:
        raise KeyError(name)
    return importlib.import_module(f"byod.collection.sources.{found.module}")


def notices(names: Iterable[str]) -> list[str]:
    """The lines to tell whoever asks these sources."""
    return [found.notice for name in names if (found := entry(name)) is not None and found.notice]


def grants(candidate: Candidate, settings: Settings) -> bool:
    """True of an address that a source's API gave a key holder to be fetched, on the source's own site."""
    found = entry(candidate.source)
    if found is None or not found.grants:
        return False
    return bool(module(candidate.source).grants(candidate.url, settings))


def is_verified(name: str) -> bool:
    """True of a source whose labels people confirmed."""
    found = entry(name)
    return found is not None and found.verified


def is_credited(name: str) -> bool:
    """True of a source that says who made its pictures."""
    found = entry(name)
    return found is None or found.authors


def is_packed(candidate: Candidate) -> bool:
    """True of a picture that lies within a larger file, which its source unpacks."""
    found = entry(candidate.source)
    return found is not None and found.packed


def unpack(
    candidates: Iterable[Candidate], client: ApiClient
) -> Iterator[tuple[Candidate, bytes | Miss, str]]:
    """The bytes of packed pictures, or why there are none, and what their servers say of training."""
    by_module: dict[str, list[Candidate]] = {}
    for each in candidates:
        by_module.setdefault(module(each.source).__name__, []).append(each)
    for name, own in by_module.items():
        yield from importlib.import_module(name).unpack(own, client)


def get(name: str) -> Search:
    """The search function of a source; nothing of the others is imported.

    Raises:
        UsageError: there is no source of that name, byod does not offer it, or it does not say what to ask there.
    """
    for told in (REFUSED, ELSEWHERE):
        if name in told:
            raise UsageError(told[name])
    found = entry(name)
    if found is None:
        raise UsageError(f"there is no source {name!r}; there are: {', '.join(SOURCES)}")
    if not found.form:
        return cast(Search, module(name).search)
    _, colon, of = name.partition(":")
    if not colon:
        raise UsageError(f"{name} needs to be told what to ask there: --source '{found.form}'")
    return cast(Search, module(name).search_of(of))
