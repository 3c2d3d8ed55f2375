"""Google's picture search, asked through SerpApi with a key (`BYOD_SERPAPI_KEY`).

API: https://serpapi.com/google-images-api . Google's own Custom Search JSON API takes no new customers and ends on
1 January 2027, so byod does not build on it. No licence is stated for a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply
from byod.collection.http.source_limits import LIMITS
from byod.schema.errors import Filtered, KeyMissing, KeyRefused, RateLimited, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind, Safe

NAME = "google"
LIMIT = LIMITS[NAME]
PAGES = (LIMIT.reach or 0) // LIMIT.page_size
EMPTY = "hasn't returned any results"
"""What SerpApi says when Google found nothing, or when it gave nothing this time: in 2026 that was one in ten."""
LICENCES = {Policy.OPEN: "fm", Policy.COMMERCIAL: "fmc"}
"""SerpApi's `licenses`: free to use, share or modify; the same, also commercially."""

KINDS = {Kind.PHOTO: "itp:photo", Kind.DRAWING: "itp:lineart"}
SIZES = {"small": "isz:i", "medium": "isz:m", "large": "isz:l"}
COLOURS = {"grey": "ic:specific,isc:gray", "monochrome": "ic:gray"}
"""Google's words for colours where they are not byod's."""


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Google finds for a query, a hundred at a time.

    Raises:
        KeyMissing: no key is set.
        KeyRefused: SerpApi does not know the key.
        RateLimited: the searches of the account are used up.
        Filtered: a licence is asked for, and Google states none that could be checked (after one page).
    """
    key = client.settings.key("serpapi")
    if key is None:
        raise KeyMissing(
            "google is asked through SerpApi: set BYOD_SERPAPI_KEY (https://serpapi.com; Google's own JSON API "
            "ends on 1 January 2027 and takes no new keys)"
        )
    rank = 0
    for page in range(PAGES):
        reply = _request(query, options, page, key, client)
        found = parsing.rows(reply, "images_results", source=NAME)
        for row in found:
            candidate = _candidate(row, query, rank)
            if candidate is not None:
                yield candidate
                rank += 1
        if found and options.policy is not Policy.ANY:
            raise Filtered(
                f"google states no licences; --license {options.policy} accepts none of its pictures"
            )
        if not found or not parsing.within(reply, "serpapi_pagination", "next"):
            return


def _request(query: Query, options: SearchOptions, page: int, key: str, client: ApiClient) -> Any:
    params: dict[str, str | int] = {
        "engine": "google_images",
        "q": query.terms,
        "ijn": page,
        "safe": "off" if options.safe is Safe.OFF else "active",
        "api_key": key,
    }
    if options.policy in LICENCES:
        params["licenses"] = LICENCES[options.policy]
    if filters := _filters(options):
        params["tbs"] = ",".join(filters)
    if query.language:
        params["hl"] = query.language
    base = client.settings.base(NAME, client.settings.base("serpapi", "https://serpapi.com"))
    return client.get_json(
        f"{base}/search.json", params, source=NAME, per_minute=LIMIT.per_minute, check=_check
    )


def _filters(options: SearchOptions) -> list[str]:
    """Google's own `tbs`: the kind, size, age and colour of pictures."""
    filters = [KINDS[options.kind]] if options.kind in KINDS else []
    if options.size is not None:
        filters.append(SIZES[options.size])
    if options.age is not None:
        filters.append(f"qdr:{options.age[0]}")
    if options.colour is not None:
        filters.append(COLOURS.get(options.colour, f"ic:specific,isc:{options.colour}"))
    return filters


def _check(reply: ApiReply) -> None:
    """SerpApi states errors in words: no results (200), a wrong key (401), an empty account (429)."""
    if reply.status == 401:
        raise KeyRefused("google: SerpApi refused the key; check BYOD_SERPAPI_KEY")
    if reply.status == 429 and b"run out of searches" in reply.body:
        raise RateLimited(
            "google: the searches of the SerpApi account are used up; see https://serpapi.com/dashboard"
        )
    if reply.status != 200:
        return
    words = parsing.text(parsing.within(reply.parsed(NAME), "error"), 200)
    empty = words is not None and EMPTY in words
    if empty and reply.remembered:
        raise SourceError("google: nothing was found last time")  # which is no reason not to ask again
    if words is not None and not empty:
        raise SourceError(f"google: SerpApi rejected the request ({words})")


def _candidate(row: Mapping[str, Any], query: Query, rank: int) -> Candidate | None:
    # the thumbnail is no picture to learn from, and no stand-in for an original that is not offered
    url = parsing.picture(row.get("original"))
    if url is None:
        return None
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(row.get("link")),
        title=parsing.text(row.get("title")),
        width=parsing.number(row.get("original_width")),
        height=parsing.number(row.get("original_height")),
    )
