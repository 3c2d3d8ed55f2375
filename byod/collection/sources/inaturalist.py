"""iNaturalist: photos of plants, animals and fungi, named by people who know them; no key.

API: https://api.inaturalist.org/v1/docs/ . A search of observations by a word finds every kind of living thing in whose
name the word stands (a cat flea is none of the cats), so the word is taken for one taxon first, by its exact name, and
that taxon is asked for. Photo and observation have licences of their own; the photo's counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from byod.collection import source_filters
from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.source_limits import LIMITS
from byod.schema import licences
from byod.schema.errors import Filtered
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import DAYS, Meaning

NAME = "inaturalist"
LIMIT = LIMITS[NAME]
PER_PAGE = LIMIT.page_size
REACH = LIMIT.reach or 0
"""Observations that can be paged through for one question."""
PHOTOS = 3
"""Photos taken of one observation: they show one plant or animal, so more teach little."""
LARGE = 1024
"""Longer side of the size "large", in pixels."""
TAXA = 30
_COMMERCIAL = ("cc0", "cc-by", "cc-by-sa")
LICENCES = {
    Policy.OPEN: ",".join((*_COMMERCIAL, "cc-by-nc", "cc-by-nc-sa")),
    Policy.COMMERCIAL: ",".join(_COMMERCIAL),
}
_SIZE = re.compile(r"/(?:square|thumb|small|medium|large)(\.[A-Za-z]{0,5})?(?=$|\?)")
_FLICKR = re.compile(r"(?P<start>/[0-9]+_[0-9a-f]+)(?:_[a-z])?(?P<end>\.[A-Za-z]{3,4})(?=$|\?)")


@dataclass(frozen=True)
class Taxon:
    """One kind of living thing: its number, and its name as people are told it."""

    number: int
    told: str

    def holds(self, stated: Any) -> bool:
        """True of this taxon and of those below it, as a record states them."""
        lineage = parsing.within(stated, "ancestor_ids")
        if not isinstance(lineage, list):
            lineage = re.split(r"[/,]", str(parsing.within(stated, "ancestry") or ""))
        return str(self.number) in {str(parsing.within(stated, "id")), *map(str, lineage)}


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield photos of the one taxon that is called exactly as the query says, newest first.

    Raises:
        Filtered: drawings are wanted; no taxon is called so; or there are photos, but none under a licence that the
            policy accepts.
    """
    source_filters.photos_only(NAME, options)
    taxon = _of_item(query.meaning) or _taxon(query, client)
    if taxon is None:
        return
    client.say(f"inaturalist: {query.terms} is taken for {taxon.told}")
    rank = 0
    for page in range(1, REACH // PER_PAGE + 1):
        params = _parameters(taxon, options, page)
        reply = _request("observations", params, client)
        found = parsing.rows(reply, "results", source=NAME)
        fitting = [row for row in found if _fits(row, taxon, options)]
        for url, (observation, photo) in parsing.new(_photos(fitting, options)):
            yield _candidate((url, observation, photo), query, options, taxon, rank)
            rank += 1
        if page == 1 and not found and "photo_license" in params:
            del params["photo_license"]
            if parsing.rows(_request("observations", params, client), "results", source=NAME):
                raise Filtered(
                    f"inaturalist has photos of {query.terms!r}, none for --license {options.policy}"
                )
        total = parsing.number(parsing.within(reply, "total_results")) or 0
        if not found or page * PER_PAGE >= total:
            return


def _parameters(taxon: Taxon, options: SearchOptions, page: int) -> dict[str, str | int]:
    """A question for observations; what is captive or planted is never of "research" quality."""
    quality: dict[str, str | int] = {"quality_grade": "research"}
    if options.captive:
        quality = {"quality_grade": "research,casual", "identifications": "most_agree"}
    params: dict[str, str | int] = {
        "taxon_id": taxon.number,
        **quality,
        "photos": "true",
        "per_page": PER_PAGE,
        "page": page,
    }
    if options.age is not None:
        params["d1"] = (datetime.now(UTC) - timedelta(DAYS[options.age])).date().isoformat()
    return params | ({"photo_license": LICENCES[options.policy]} if options.policy in LICENCES else {})


def _request(what: str, params: Mapping[str, str | int], client: ApiClient) -> Any:
    base = client.settings.base(NAME, "https://api.inaturalist.org")
    return client.get_json(f"{base}/v1/{what}", params, source=NAME, per_minute=LIMIT.per_minute)


def _of_item(meaning: Meaning | None) -> Taxon | None:
    """The taxon whose number an item of Wikidata knows."""
    number = "" if meaning is None else meaning.keys.get("P3151", "")
    if meaning is None or not re.fullmatch(r"[1-9][0-9]{0,11}", number):
        return None
    return Taxon(int(number), f"{meaning.keys.get('P225') or meaning.name} (taxon {number})")


def _taxon(query: Query, client: ApiClient) -> Taxon | None:
    """The taxon that is called exactly like the terms; None when nothing is called anything like them.

    A scientific or the usual common name comes before another name of a taxon; among equals the server's order counts.

    Raises:
        Filtered: some are called similarly, and none exactly so.
    """
    params: dict[str, str | int] = {
        "q": query.terms[:200],
        "is_active": "true",
        "all_names": "true",
        "per_page": TAXA,
    }
    if query.language:
        params["locale"] = query.language
    rows = parsing.rows(_request("taxa", params, client), "results", source=NAME)
    wanted = _plain(query.terms)
    for names in (_own_names, _other_names):
        for row in rows:
            number = parsing.number(row.get("id"))
            if number is not None and wanted in map(_plain, names(row, query.language)):
                return Taxon(number, _told(row, number))
    if rows:
        near = ", ".join(_told(row) for row in rows[:3])
        raise Filtered(
            f"inaturalist knows nothing called exactly {query.terms!r} (similar: {near}); "
            "name it with --query CLASS=NAME"
        )
    return None


def _own_names(row: Mapping[str, Any], language: str | None) -> list[str]:
    return [str(row.get(name)) for name in ("name", "preferred_common_name") if row.get(name)]


def _other_names(row: Mapping[str, Any], language: str | None) -> list[str]:
    """The other names, in the query's language where that is known."""
    stated = row.get("names")
    rows = [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []
    fitting = [
        str(each.get("name"))
        for each in rows
        if None in (language, each.get("locale")) or _language(each) in (language, "sci", "und")
    ]
    matched = row.get("matched_term")
    return [*fitting, str(matched)] if matched and (language is None or not rows) else fitting


def _language(name: Mapping[str, Any]) -> str:
    return str(name.get("locale")).partition("-")[0]


def _plain(words: str) -> str:
    """Words as they are compared: without case, composition and extra spaces."""
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())


def _told(row: Mapping[str, Any], number: int | None = None) -> str:
    """A taxon for people: "Felis catus (Domestic Cat), species, taxon 118552"."""
    name = parsing.text(row.get("name"), 100) or "a taxon without a name"
    common = parsing.text(row.get("preferred_common_name"), 100)
    rank = parsing.text(row.get("rank"), 40)
    words = [f"{name} ({common})" if common else name, rank, f"taxon {number}" if number else None]
    return ", ".join(filter(None, words))


def _fits(observation: Mapping[str, Any], taxon: Taxon, options: SearchOptions) -> bool:
    """True of a record of that taxon that people agree on, and that is wild unless captive ones are asked for."""
    if not taxon.holds(observation.get("taxon")):
        return False
    captive = observation.get("captive") is True
    if options.captive:
        return captive or observation.get("quality_grade", "research") == "research"
    return not captive


def _photos(observations: list[dict[str, Any]], options: SearchOptions) -> Iterator[tuple[str, Any]]:
    for observation in observations:
        photos = observation.get("photos")
        for photo in photos[:PHOTOS] if isinstance(photos, list) else ():
            url = parsing.picture(parsing.within(photo, "url"))
            if url is not None:
                yield _sized(url, photo, options)[0], (observation, photo)


def _sized(
    url: str, photo: Mapping[str, Any], options: SearchOptions
) -> tuple[str, tuple[int | None, int | None], tuple[str, ...]]:
    """(address, (width, height), addresses instead) of a photo at a size that is large enough.

    The API states the address of the 75 px square, on its own servers or on those of Flickr.
    """
    width, height = _original(photo)
    large = _scaled(width, height)
    if _of_flickr(url):
        # photos imported from Flickr stay there; its 1024 px ("_b") is not made of smaller ones
        sizes = [_FLICKR.sub(rf"\g<start>{end}\g<end>", url) for end in ("_b", "_z", "")]
        return sizes[0], large, tuple(sizes[1:])
    shorter = min(_sides(large)) if width and height else LARGE // 2
    enough = shorter >= options.min_side
    sizes = [_SIZE.sub(rf"/{size}\1", url) for size in ("large", "original")]
    if sizes[0] == sizes[1]:
        return url, (width, height), ()
    return (sizes[0], large, (sizes[1],)) if enough else (sizes[1], (width, height), ())


def _sides(size: tuple[int | None, int | None]) -> tuple[int, int]:
    return size[0] or 0, size[1] or 0


def _scaled(width: int | None, height: int | None) -> tuple[int | None, int | None]:
    """The size "large" of an original."""
    if width is None or height is None:
        return None, None
    scale = min(1, LARGE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _original(photo: Mapping[str, Any]) -> tuple[int | None, int | None]:
    size = photo.get("original_dimensions")
    return parsing.number(parsing.within(size, "width")), parsing.number(parsing.within(size, "height"))


def _of_flickr(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return (host == "staticflickr.com" or host.endswith((".staticflickr.com", ".flickr.com"))) and bool(
        _FLICKR.search(parts.path)
    )


def _licence(photo: Mapping[str, Any]) -> str | None:
    stated = parsing.text(photo.get("license_code"), 40)
    if stated is not None:
        # iNaturalist moved its own photos to version 4.0 as a whole; those at Flickr keep Flickr's 2.0
        version = "2.0" if _of_flickr(parsing.picture(photo.get("url")) or "") else "4.0"
        return licences.code(stated, version) or licences.from_name(stated)
    words = parsing.text(photo.get("attribution")) or ""
    return "ARR" if "all rights reserved" in words.lower() else None


def _candidate(
    found: tuple[str, Mapping[str, Any], Mapping[str, Any]],
    query: Query,
    options: SearchOptions,
    taxon: Taxon,
    rank: int,
) -> Candidate:
    _, observation, photo = found
    url, (width, height), instead = _sized(str(parsing.picture(photo.get("url"))), photo, options)
    login = parsing.identity(parsing.within(observation, "user", "login"))
    number = parsing.identity(photo.get("id"))
    licence = _licence(photo)
    return query.candidate(
        NAME,
        url,
        rank,
        page=f"https://www.inaturalist.org/photos/{number}" if number else None,
        title=parsing.text(parsing.within(observation, "taxon", "name")),
        creator=parsing.text(parsing.within(observation, "user", "name")) or login,
        creator_url=f"https://www.inaturalist.org/people/{login}" if login else None,
        licence=licence,
        licence_url=licences.url(licence),
        attribution=parsing.text(photo.get("attribution")),
        width=width,
        height=height,
        instead=instead,
        taxon=taxon.told,
    )
