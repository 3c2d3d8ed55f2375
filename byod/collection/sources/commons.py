"""Wikimedia Commons: freely licensed pictures, each with its licence and creator; no key.

API: https://www.mediawiki.org/wiki/API:Search and https://www.mediawiki.org/wiki/API:Imageinfo .
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from byod.collection.http import mediawiki, parsing
from byod.collection.http.api_client import ApiClient
from byod.images.picture_types import MEDIA_TYPES
from byod.schema import licences
from byod.schema.records import Candidate, Query, SearchOptions
from byod.schema.search_words import Meaning

NAME = "commons"
HUGE_BYTES = 8_000_000
HUGE_SIDE = 4000
THUMB = 1920
"""Width asked for instead of a huge original; Commons makes only certain widths, this is one."""
ABOUT = "LicenseShortName|LicenseUrl|License|Artist|Credit|ObjectName"
SMALL_SEARCH = 1000
"""Answers a search is followed for: the API refuses offsets above 10,000, and far ones are off the mark."""
_TAKEN = frozenset(MEDIA_TYPES.values())


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Commons finds for a query in the order of its search, a batch at a time.

    Where the query stands for an item of Wikidata, files that depict it come first, then those of its category.

    Raises:
        RateLimited: Commons asks for a longer pause.
        SourceError: it answers with an error of its own.
    """
    rank = 0
    seen: set[str] = set()
    for words in (*by_item(query.meaning), query.terms[:250]):
        for page in (page for batch in _batches(words, client) for page in batch):
            candidate = _candidate(page, query, options, rank)
            if candidate is not None and candidate.url not in seen:
                seen.add(candidate.url)
                yield candidate
                rank += 1


def by_item(meaning: Meaning | None) -> list[str]:
    """The searches for an item of Wikidata itself: files that depict it, and those of its category.

    Words: https://www.mediawiki.org/wiki/Help:WikibaseCirrusSearch . The category is not followed down: what lies
    below it drifts away soon.
    """
    if meaning is None or not meaning.known:
        return []
    category = meaning.keys.get("P373", "").replace('"', "").strip()
    searches = [f"haswbstatement:P180={meaning.item}"]
    return [*searches, f'incategory:"{category[:200]}"'] if category else searches


def _batches(words: str, client: ApiClient) -> Iterator[list[dict[str, Any]]]:
    """The pages of each batch of the search, whole: the API may spread one batch over several replies."""
    params: dict[str, str | int] = {
        "action": "query",
        "generator": "search",
        "gsrsearch": f"filetype:bitmap {words}",
        "gsrnamespace": 6,
        "gsrlimit": 50,
        "prop": "imageinfo",
        "iiprop": "url|size|mime|user|extmetadata|mediatype",
        "iiextmetadatafilter": ABOUT,
        "iiurlwidth": THUMB,
    }
    url = f"{client.settings.base(NAME, 'https://commons.wikimedia.org')}/w/api.php"
    goes_on: dict[str, str | int] = {}
    pages: dict[str, dict[str, Any]] = {}
    asked: set[str] = set()
    while True:
        reply = mediawiki.request(url, params | goes_on, client, source=NAME)
        for page in parsing.rows(reply, "query", "pages", source=NAME):
            key = str(page.get("pageid") or page.get("title"))
            pages[key] = pages.get(key, {}) | page
        if parsing.within(reply, "batchcomplete") or not parsing.within(reply, "continue"):
            yield sorted(pages.values(), key=lambda page: parsing.number(page.get("index")) or 0)
            pages = {}
        steps = parsing.within(reply, "continue")
        goes_on = {
            name: value
            for name, value in (steps.items() if isinstance(steps, dict) else ())
            if isinstance(value, str | int)
        }
        # a server that sends byod round in a circle ends the search
        if not goes_on or repr(goes_on) in asked or int(goes_on.get("gsroffset", 0)) >= SMALL_SEARCH:
            return
        asked.add(repr(goes_on))


def _candidate(page: Mapping[str, Any], query: Query, options: SearchOptions, rank: int) -> Candidate | None:
    found = page.get("imageinfo")
    image = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    if str(image.get("mime")) not in _TAKEN or image.get("mediatype", "BITMAP") != "BITMAP":
        return None
    url, width, height = _best(image, options)
    if url is None:
        return None
    about = {name: parsing.within(image, "extmetadata", name, "value") for name in ABOUT.split("|")}
    licence = licences.from_url(about["LicenseUrl"]) or licences.from_name(about["LicenseShortName"])
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(image.get("descriptionurl")),
        title=parsing.text(about["ObjectName"]) or parsing.text(page.get("title")),
        creator=parsing.text(about["Artist"]) or parsing.text(image.get("user")),
        licence=licence,
        licence_url=(parsing.link(about["LicenseUrl"]) or licences.url(licence)) if licence else None,
        attribution=parsing.text(about["Credit"]),
        width=width,
        height=height,
    )


def _best(image: Mapping[str, Any], options: SearchOptions) -> tuple[str | None, int | None, int | None]:
    """(address, width, height) of the original, or of its 1920 px thumb where the original is huge."""
    url = parsing.address(image.get("url"))
    width, height = parsing.number(image.get("width")), parsing.number(image.get("height"))
    size = parsing.number(image.get("size")) or 0
    thumb = parsing.address(image.get("thumburl"))
    small = (parsing.number(image.get("thumbwidth")), parsing.number(image.get("thumbheight")))
    huge = size > HUGE_BYTES or max(width or 0, height or 0) > HUGE_SIDE
    large_enough = min(small[0] or THUMB, small[1] or THUMB) >= options.min_side
    if thumb is not None and (url is None or (huge and large_enough)):
        return thumb, *small
    return url, width, height
