"""Pixabay: stock photos; needs a key (`BYOD_PIXABAY_KEY`).

API and terms: https://pixabay.com/api/docs/ . Within them: at most 100 requests a minute, answers remembered for
24 hours, no mass downloads (a cap for each class), and pictures are always downloaded, never linked to. Their licence
lets a person use and change them, but not pass the plain picture on: neither `open` nor `commercial` accepts it.
Nobody here has read whether the terms allow training, which `byod collect` says when this source is named.

The addresses that the API gives a key holder lie under a path that the site's robots.txt closes to crawlers. They are
given to be fetched, so robots.txt does not count for them (`grants`); what a site says of training does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.collection.http.source_limits import LIMITS
from byod.collection.source_filters import knows_language
from byod.schema import licences
from byod.schema.config import Settings
from byod.schema.errors import Capped, Filtered, KeyMissing, KeyRefused, RateLimited
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind, Safe

NAME = "pixabay"
LIMIT = LIMITS[NAME]
LICENCE = "Pixabay"
CAP = 200
"""Pictures offered for one class; the terms forbid systematic mass downloads."""
KINDS = {Kind.PHOTO: "photo", Kind.DRAWING: "illustration", Kind.ANY: "all"}
COLOURS = {"grey": "gray", "purple": "lilac", "monochrome": "grayscale"}
"""Its words for colours where they are not byod's."""


_STATED = re.compile(r"_(\d{2,4})\.[A-Za-z]{3,4}$")


def grants(url: str, settings: Settings) -> bool:
    """True of an address on Pixabay's own site, which its API gives a key holder to be fetched."""
    host, site = (
        urlsplit(url).hostname or "",
        urlsplit(settings.base(NAME, "https://pixabay.com")).hostname or "",
    )
    return host == site or host.endswith(f".{site}")


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
    page, rank, per_page = 1, 0, max(3, min(LIMIT.page_size, ask.wanted))
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
        f"{base}/api/", params, source=NAME, secret=("key",), per_minute=LIMIT.per_minute, check=_check
    )


def _check(reply: ApiReply) -> None:
    """Pixabay answers a wrong key with 400 and a line of text, and says how many seconds a limit has left to run."""
    rest = reply.headers.get("x-ratelimit-reset", "").strip()
    if reply.status == 429 and rest.isascii() and rest.isdigit() and len(rest) < 7:
        raise TryAgain(
            RateLimited(f"pixabay asks to wait {rest} s; run the command again later"), float(rest) + 1
        )
    if reply.status == 400 and "api key" in reply.text().lower():
        raise KeyRefused("pixabay refused the key; check BYOD_PIXABAY_KEY")


def _candidate(row: Mapping[str, Any], query: Query, rank: int) -> Candidate | None:
    url, (width, height) = _best(row)
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
        creator_url=f"https://pixabay.com/users/{quote(user, safe='')}-{number}/"
        if user and number
        else None,
        licence=LICENCE,
        licence_url=licences.url(LICENCE),
        attribution=f"{user} on Pixabay" if user else "Pixabay",
        width=width,
        height=height,
    )


def _best(row: Mapping[str, Any]) -> tuple[str | None, tuple[int | None, int | None]]:
    """(address, (width, height)) of the largest copy given; the stated size is that of an original that is not."""
    original = parsing.number(row.get("imageWidth")), parsing.number(row.get("imageHeight"))
    large = parsing.picture(row.get("largeImageURL"))
    if large is not None:
        return large, _within(original, large, 1280)
    middle = parsing.picture(row.get("webformatURL"))
    stated = parsing.number(row.get("webformatWidth")), parsing.number(row.get("webformatHeight"))
    if middle is None or None not in stated:
        return middle, stated
    return middle, _within(original, middle, 640)


def _within(size: tuple[int | None, int | None], url: str, longest: int) -> tuple[int | None, int | None]:
    """The size of a copy, whose longer side its address names ("…_1280.jpg")."""
    width, height = size
    if width is None or height is None:
        return None, None
    named = _STATED.search(urlsplit(url).path)
    scale = min(1, (int(named[1]) if named else longest) / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
