"""Wikimedia Commons: freely licensed pictures, each with its licence and creator; no key.

API: https://www.mediawiki.org/wiki/API:Search and https://www.mediawiki.org/wiki/API:Imageinfo .
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from byod.collection.http import mediawiki, parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources import wikimedia_files
from byod.images.picture_types import MEDIA_TYPES
from byod.schema import licences
from byod.schema.records import Candidate, Query, SearchOptions
from byod.schema.search_words import Meaning

NAME = "commons"
LIMIT = LIMITS[NAME]
REACH = LIMIT.reach or 0
"""Answers a search is followed for: the API refuses offsets above 10,000, and far ones are off the mark."""
ABOUT = "LicenseShortName|LicenseUrl|License|Artist|Attribution|ObjectName"
_TAKEN = frozenset(MEDIA_TYPES.values())
_LINK = re.compile(r"<a\s[^<>]*?href\s*=\s*[\"']([^\"'<>]{1,2000})[\"']", re.IGNORECASE)


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Commons finds for a query in the order of its search, a batch at a time.

    Where the query stands for an item of Wikidata, files that depict it come first, then those of its category.

    Raises:
        ContactMissing: no contact is set.
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
        "gsrlimit": LIMIT.page_size,
        "prop": "imageinfo",
        "iiprop": "url|size|mime|user|extmetadata|mediatype",
        "iiextmetadatafilter": ABOUT,
        "iiurlwidth": wikimedia_files.THUMB,
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
        if not goes_on or repr(goes_on) in asked or int(goes_on.get("gsroffset", 0)) >= REACH:
            return
        asked.add(repr(goes_on))


def _candidate(page: Mapping[str, Any], query: Query, options: SearchOptions, rank: int) -> Candidate | None:
    found = page.get("imageinfo")
    image = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
    if str(image.get("mime")) not in _TAKEN or image.get("mediatype", "BITMAP") != "BITMAP":
        return None
    url, (width, height), instead = _best(image, options)
    if url is None:
        return None
    about = {name: parsing.within(image, "extmetadata", name, "value") for name in ABOUT.split("|")}
    licence = licences.from_url(about["LicenseUrl"]) or licences.from_name(about["LicenseShortName"])
    creator = parsing.text(about["Artist"]) or parsing.text(image.get("user"))
    title = parsing.text(about["ObjectName"]) or parsing.text(page.get("title"))
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(image.get("descriptionurl")),
        title=title,
        creator=creator,
        creator_url=_creator_link(about["Artist"]),
        licence=licence,
        licence_url=(parsing.link(about["LicenseUrl"]) or licences.url(licence)) if licence else None,
        attribution=parsing.text(about["Attribution"], 1000) or _credit(title, creator, licence),
        width=width,
        height=height,
        instead=instead,
    )


def _creator_link(artist: object) -> str | None:
    """The page that the creator's name leads to; Commons leaves the scheme, or its own host, out of many."""
    found = _LINK.search(artist[:20_000]) if isinstance(artist, str) else None
    if found is None:
        return None
    return parsing.link(urljoin("https://commons.wikimedia.org/", html.unescape(found[1])))


def _credit(title: str | None, creator: str | None, licence: str | None) -> str | None:
    """The credit line of a file whose page asks for no wording of its own."""
    known = licences.licence(licence)
    if creator is None or known is None:
        return None
    named = f"\u201c{title[:200]}\u201d by " if title else ""
    return f"{named}{creator}, {known.name}, via Wikimedia Commons"


def _best(
    image: Mapping[str, Any], options: SearchOptions
) -> tuple[str | None, tuple[int | None, int | None], tuple[str, ...]]:
    """(address, (width, height), addresses instead) of the original, or of its 1920 px thumb where it is huge."""
    url, thumb = _address(image.get("url")), _address(image.get("thumburl"))
    size = wikimedia_files.Size(
        parsing.number(image.get("width")),
        parsing.number(image.get("height")),
        parsing.number(image.get("size")),
    )
    small = (parsing.number(image.get("thumbwidth")), parsing.number(image.get("thumbheight")))
    large_enough = (
        min(small[0] or wikimedia_files.THUMB, small[1] or wikimedia_files.THUMB) >= options.min_side
    )
    if thumb is not None and (url is None or (size.huge and large_enough)):
        return thumb, small, () if url in (None, thumb) else (url,)
    return url, (size.width, size.height), (thumb,) if thumb and thumb != url and large_enough else ()


def _address(stated: object) -> str | None:
    found = parsing.picture(stated)
    return wikimedia_files.one_address(found) if found else None
