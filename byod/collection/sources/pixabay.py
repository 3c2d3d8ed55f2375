"""Pixabay: stock photos; needs a key (`BYOD_PIXABAY_KEY`).

API and terms: https://pixabay.com/api/docs/ . Within them: at most 100 requests a minute, answers remembered for
24 hours, no mass downloads (a cap for each class), and pictures are always downloaded, never linked to. Their licence
lets a person use and change them, but not pass the plain picture on: neither `open` nor `commercial` accepts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply
from byod.collection.source_filters import knows_language
from byod.schema import licences
from byod.schema.errors import Capped, Filtered, KeyMissing, KeyRefused
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind, Safe

NAME = "pixabay"
LICENCE = "Pixabay"
CAP = 200
"""Pictures offered for one class; the terms forbid systematic mass downloads."""
KINDS = {Kind.PHOTO: "photo", Kind.DRAWING: "illustration", Kind.ANY: "all"}
COLOURS = {"grey": "gray", "purple": "lilac", "monochrome": "grayscale"}
"""Its words for colours where they are not byod's."""


def search(query: Query, ask: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Pixabay offers for a query.

    Raises:
        KeyMissing: no key is set.
        KeyRefused: Pixabay does not know the key.
        Capped: the class has got as many pictures as the terms allow.
        Filtered: the policy accepts no picture of Pixabay.
    """
    key = client.settings.key(NAME)
    if key is None:
        raise KeyMissing("pixabay needs a key: set BYOD_PIXABAY_KEY (free, https://pixabay.com/api/docs/)")
    if ask.policy is not Policy.ANY:
        raise Filtered(f"pixabay's licence forbids passing pictures on; --license {ask.policy} accepts none")
    page, rank, per_page = 1, 0, max(3, min(200, ask.wanted))
    while True:
        reply = _request(query, ask, key, page, per_page, client)
        found = parsing.rows(reply, "hits", source=NAME)
        for row in found:
            candidate = _candidate(row, query, rank)
            if candidate is None:
                continue
            if client.given[NAME, query.label] >= CAP:
                raise Capped(f"pixabay's terms forbid mass downloads; byod takes {CAP} pictures for a class")
            client.given[NAME, query.label] += 1
            yield candidate
            rank += 1
        total = parsing.number(parsing.within(reply, "totalHits")) or 0
        if not found or page * per_page >= total:
            return
        page += 1


def _request(query: Query, ask: SearchOptions, key: str, page: int, per_page: int, client: ApiClient) -> Any:
    params: dict[str, str | int] = {
        "key": key,
        "q": query.terms[:100],
        "image_type": KINDS[ask.kind],
        "safesearch": "false" if ask.safe is Safe.OFF else "true",
        "min_width": ask.min_side,
        "min_height": ask.min_side,
        "per_page": per_page,
        "page": page,
    }
    if ask.colour is not None:
        params["colors"] = COLOURS.get(ask.colour, ask.colour)
    if query.language and knows_language(NAME, query.language):
        params["lang"] = query.language
    base = client.settings.base(NAME, "https://pixabay.com")
    return client.get_json(
        f"{base}/api/", params, source=NAME, secret=("key",), per_minute=100, check=_check_key
    )


def _check_key(reply: ApiReply) -> None:
    """Pixabay answers a wrong key with 400 and a line of text."""
    if reply.status == 400 and "api key" in reply.text().lower():
        raise KeyRefused("pixabay refused the key; check BYOD_PIXABAY_KEY")


def _candidate(row: Mapping[str, Any], query: Query, rank: int) -> Candidate | None:
    url = parsing.address(row.get("largeImageURL")) or parsing.address(row.get("webformatURL"))
    if url is None:
        return None
    user, number = parsing.text(row.get("user"), 100), parsing.identity(row.get("user_id"))
    page = parsing.link(row.get("pageURL"))
    return query.candidate(
        NAME,
        url,
        rank,
        page=page,
        title=parsing.text(row.get("tags")),
        creator=user,
        creator_url=f"https://pixabay.com/users/{number}/" if number else None,
        licence=LICENCE,
        licence_url=licences.url(LICENCE),
        attribution=f"{user} on Pixabay" if user else "Pixabay",
        width=parsing.number(row.get("imageWidth")),
        height=parsing.number(row.get("imageHeight")),
    )
