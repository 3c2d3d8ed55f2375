"""iNaturalist: photos of plants, animals and fungi, named by people who know them; no key.

API: https://api.inaturalist.org/v1/docs/ . Photo and observation have licences of their own; the photo's counts.
At most 60 requests a minute are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient
from byod.schema import licences
from byod.schema.errors import Filtered
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import DAYS, Kind

NAME = "inaturalist"
PER_PAGE = 200
REACH = 10_000
"""Observations that can be paged through for one query."""
LARGE = 1024
"""Longer side of the size "large", in pixels."""
_COMMERCIAL = ("cc0", "cc-by", "cc-by-sa")
LICENCES = {
    Policy.OPEN: ",".join((*_COMMERCIAL, "cc-by-nc", "cc-by-nc-sa")),
    Policy.COMMERCIAL: ",".join(_COMMERCIAL),
}
_SIZE = re.compile(r"/(square|thumb|small|medium)\.([A-Za-z]{3,4})(?=$|\?)")


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield the photos of the observations whose species bears the name of the query, newest first.

    Raises:
        Filtered: drawings are wanted; or there are photos, but none under a licence that the policy accepts.
    """
    if options.kind is Kind.DRAWING:
        raise Filtered("inaturalist has photos only; --kind drawing accepts none of them")
    rank = 0
    for page in range(1, REACH // PER_PAGE + 1):
        params: dict[str, str | int] = {
            "taxon_name": query.terms,
            "quality_grade": "research",
            "photos": "true",
            "per_page": PER_PAGE,
            "page": page,
        }
        if options.age is not None:
            params["d1"] = (datetime.now(UTC) - timedelta(DAYS[options.age])).date().isoformat()
        if options.policy in LICENCES:
            params["photo_license"] = LICENCES[options.policy]
        reply = _request(params, client)
        found = parsing.rows(reply, "results", source=NAME)
        for url, (observation, photo) in parsing.new(_photos(found, options)):
            yield _candidate(url, observation, photo, query, rank)
            rank += 1
        if page == 1 and not found and "photo_license" in params:
            del params["photo_license"]
            if parsing.rows(_request(params, client), "results", source=NAME):
                raise Filtered(
                    f"inaturalist has photos of {query.terms!r}, none for --license {options.policy}"
                )
        total = parsing.number(parsing.within(reply, "total_results")) or 0
        if not found or page * PER_PAGE >= total:
            return


def _request(params: Mapping[str, str | int], client: ApiClient) -> Any:
    base = client.settings.base(NAME, "https://api.inaturalist.org")
    return client.get_json(f"{base}/v1/observations", params, source=NAME, per_minute=60)


def _photos(observations: list[dict[str, Any]], options: SearchOptions) -> Iterator[tuple[str, Any]]:
    for observation in observations:
        photos = observation.get("photos")
        for photo in photos if isinstance(photos, list) else ():
            url = parsing.address(parsing.within(photo, "url"))
            if url is not None:
                yield _SIZE.sub(rf"/{_size(photo, options)}.\2", url), (observation, photo)


def _size(photo: Mapping[str, Any], options: SearchOptions) -> str:
    """The smallest size whose shorter side is surely long enough: "large" unless that is too small."""
    width, height = _original(photo)
    if width is None or height is None:
        return "large" if options.min_side <= LARGE // 2 else "original"
    return (
        "large" if min(width, height) * min(1, LARGE / max(width, height)) >= options.min_side else "original"
    )


def _original(photo: Mapping[str, Any]) -> tuple[int | None, int | None]:
    size = photo.get("original_dimensions")
    return parsing.number(parsing.within(size, "width")), parsing.number(parsing.within(size, "height"))


def _licence(photo: Mapping[str, Any]) -> str | None:
    stated = parsing.text(photo.get("license_code"), 40)
    if stated is not None:
        # iNaturalist moved its photos to version 4.0 as a whole; cc0 has one version only
        return licences.code(stated, "4.0")
    words = parsing.text(photo.get("attribution")) or ""
    return "ARR" if "all rights reserved" in words.lower() else None


def _candidate(
    url: str, observation: Mapping[str, Any], photo: Mapping[str, Any], query: Query, rank: int
) -> Candidate:
    width, height = _original(photo)
    if "/large." in url and width and height:
        scale = min(1, LARGE / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
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
    )
