"""GBIF: photos of observed plants, animals and fungi from many collections, by their scientific name; no key.

API: https://techdocs.gbif.org/en/openapi/v1/occurrence and …/v1/species . A record and each of its pictures have
licences of their own, and the picture's is often the stricter one, so that alone counts. What it says of limits: no
more than 300 records come at once, whatever is asked for, and none beyond the first 100,000.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from byod.collection import source_filters
from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient
from byod.collection.http.source_limits import LIMITS
from byod.collection.wikidata import plain
from byod.images.picture_types import MEDIA_TYPES
from byod.schema import licences
from byod.schema.errors import Capped, Filtered
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import DAYS, Meaning

NAME = "gbif"
LIMIT = LIMITS[NAME]
PER_PAGE = LIMIT.page_size
REACH = LIMIT.reach or 0
PHOTOS = 3
"""Photos taken of one record: they show one plant or animal, so more teach little."""
INATURALIST = "inaturalist"
"""The source whose photos are most of what GBIF has."""
_INATURALIST_HOSTS = ("inaturalist.org", "inaturalist-open-data.s3.amazonaws.com")
_TAKEN = frozenset((*MEDIA_TYPES.values(), "image/jpg", ""))
_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


@dataclass(frozen=True)
class Taxon:
    """One kind of living thing: its number at GBIF, and its name as people are told it."""

    number: int
    told: str


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield photos of people's observations of the one taxon that bears the name.

    What iNaturalist hosts is passed over when that source is asked too.

    Raises:
        Filtered: drawings are wanted, or no taxon bears exactly that scientific name.
        Capped: GBIF shows no further records.
    """
    source_filters.photos_only(NAME, options)
    taxon = _of_item(query.meaning) or _taxon(query, client)
    client.say(f"gbif: {query.terms} is taken for {taxon.told}")
    rank = offset = 0
    while offset < REACH:
        reply = _records(taxon, options, offset, client)
        found = parsing.rows(reply, "results", source=NAME)
        for url, (record, media) in parsing.new(_photos(found, options)):
            yield _candidate((url, record, media), query, taxon, rank)
            rank += 1
        if not found or parsing.within(reply, "endOfRecords") is True:
            return
        # it shows fewer than it is asked for, and says how many only here
        offset += min(parsing.number(parsing.within(reply, "limit")) or len(found), PER_PAGE)
    raise Capped(f"gbif shows no more than {REACH:,} records of one taxon")


def offers(query: Query, options: SearchOptions, client: ApiClient) -> int:
    """The number of records that GBIF has of the taxon; each may hold several photos, or none that is taken."""
    taxon = _of_item(query.meaning) or _taxon(query, client)
    reply = _records(taxon, options, 0, client)
    return parsing.number(parsing.within(reply, "count")) or 0


def _records(taxon: Taxon, options: SearchOptions, offset: int, client: ApiClient) -> Any:
    """The records of a taxon from one on, as the API gives them."""
    return client.get_json(
        f"{_base(client)}/v1/occurrence/search{_accepted(options.policy)}",
        _parameters(taxon, options, offset),
        source=NAME,
        per_minute=LIMIT.per_minute,
    )


def _base(client: ApiClient) -> str:
    return client.settings.base(NAME, "https://api.gbif.org")


def _accepted(policy: Policy) -> str:
    """The licences of records to ask for; it is left to the pictures' own what is kept."""
    if policy is not Policy.COMMERCIAL:
        return ""
    return "?license=CC0_1_0&license=CC_BY_4_0"


def _parameters(taxon: Taxon, options: SearchOptions, offset: int) -> dict[str, str | int]:
    """A question for records of people's observations: specimens are dried plants and pinned insects."""
    params: dict[str, str | int] = {
        "taxonKey": taxon.number,
        "mediaType": "StillImage",
        "basisOfRecord": "HUMAN_OBSERVATION",
        "limit": min(PER_PAGE, REACH - offset),
        "offset": offset,
    }
    if options.age is not None:
        today = datetime.now(UTC).date()
        params["eventDate"] = f"{today - timedelta(DAYS[options.age])},{today}"
    return params


def _of_item(meaning: Meaning | None) -> Taxon | None:
    """The taxon whose number an item of Wikidata knows."""
    number = "" if meaning is None else meaning.keys.get("P846", "")
    if meaning is None or not _NUMBER.fullmatch(number):
        return None
    return Taxon(int(number), f"{meaning.keys.get('P225') or meaning.name} (GBIF {number})")


def _taxon(query: Query, client: ApiClient) -> Taxon:
    """The taxon of exactly that scientific name.

    Its matching also gives what is spelled alike, or only the genus of an unknown species: those are none.

    Raises:
        Filtered: there is none, or several.
    """
    keys = {} if query.meaning is None else query.meaning.keys
    name = (keys.get("P225") or query.terms)[:200]
    found = client.get_json(
        f"{_base(client)}/v1/species/match", {"name": name}, source=NAME, per_minute=LIMIT.per_minute
    )
    names = [parsing.text(parsing.within(found, each)) for each in ("canonicalName", "scientificName")]
    number = parsing.number(parsing.within(found, "usageKey"))
    rank = parsing.text(parsing.within(found, "rank"), 40) or ""
    exact = parsing.within(found, "matchType") == "EXACT" and plain(name) in {plain(n) for n in names if n}
    if number is not None and exact:
        kingdom = parsing.text(parsing.within(found, "kingdom"), 40)
        told = ", ".join(filter(None, (names[0] or names[1], rank.lower(), kingdom, f"GBIF {number}")))
        return Taxon(number, told)
    near = f" (similar: {names[1] or names[0]})" if names[1] or names[0] else ""
    raise Filtered(
        f"gbif knows living things by their scientific names, and none called exactly {name!r}{near}; "
        'name it with --query CLASS="SCIENTIFIC NAME"'
    )


def _photos(records: list[dict[str, Any]], options: SearchOptions) -> Iterator[tuple[str, Any]]:
    for record in records:
        if record.get("basisOfRecord", "HUMAN_OBSERVATION") != "HUMAN_OBSERVATION":
            continue
        stated = record.get("media")
        media = [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []
        for each in [each for each in media if each.get("type") == "StillImage"][:PHOTOS]:
            url = parsing.picture(each.get("identifier"))
            if url is None or str(each.get("format") or "").lower() not in _TAKEN:
                continue
            if INATURALIST in options.beside and _of_inaturalist(url):
                continue
            yield url, (record, each)


def _of_inaturalist(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return any(host == each or host.endswith(f".{each}") for each in _INATURALIST_HOSTS)


def _candidate(
    found: tuple[str, Mapping[str, Any], Mapping[str, Any]], query: Query, taxon: Taxon, rank: int
) -> Candidate:
    url, record, media = found
    number = parsing.identity(record.get("key"))
    own_page = f"https://www.gbif.org/occurrence/{number}" if number else None
    licence = licences.read(media.get("license"))
    creator = parsing.text(media.get("creator")) or parsing.text(media.get("rightsHolder"))
    known = licences.licence(licence)
    publisher = parsing.text(media.get("publisher"), 200)
    credit = [creator, known.name if known else None, f"via {publisher or 'GBIF'}"]
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(media.get("references")) or parsing.link(record.get("references")) or own_page,
        title=parsing.text(media.get("title")) or parsing.text(record.get("scientificName")),
        creator=creator,
        licence=licence,
        licence_url=licences.url(licence),
        attribution=", ".join(filter(None, credit)) if creator and known else None,
        taxon=taxon.told,
    )
