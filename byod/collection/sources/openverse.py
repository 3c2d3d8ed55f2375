"""Openverse: about 800 million openly licensed pictures; no key needed, a token raises the limits.

API: https://api.openverse.org/v1/ . At most 240 works for a query, key or not. Openverse does not verify licences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply
from byod.schema import licences
from byod.schema.errors import Filtered, RateLimited, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind, Safe

NAME = "openverse"
WORKS = 240
"""Works that Openverse shows for one query, whatever the size of its pages."""
SIZES = (20, 40, 60, 80, 120, 240)
"""Sizes of a page that divide the works without a rest; only the first is allowed without a token."""
LICENCES = {Policy.OPEN: "modification", Policy.COMMERCIAL: "commercial,modification"}
"""The `license_type` for a policy; several types are intersected."""
KINDS = {Kind.PHOTO: "photograph", Kind.DRAWING: "illustration,digitized_artwork"}
"""The `category` of a kind of pictures; it is missing for most pictures of some collections, Wikimedia's among them."""


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Openverse offers for a query, page by page.

    Raises:
        RateLimited: the allowance of the day or the hour is used up.
        KeyRefused: the token is no longer good.
        Filtered: there are pictures, but none under a licence that the policy accepts.
    """
    token = client.settings.key(NAME)
    size = next((size for size in SIZES if size >= options.wanted), WORKS) if token else SIZES[0]
    rank = 0
    for page in range(1, WORKS // size + 1):
        params: dict[str, str | int] = {"q": query.terms[:200], "page": page, "page_size": size}
        if options.policy in LICENCES:
            params["license_type"] = LICENCES[options.policy]
        if options.kind is Kind.DRAWING:
            params["category"] = KINDS[options.kind]
        if options.safe is Safe.OFF:
            params["mature"] = "true"
        if options.size is not None:
            params["size"] = options.size
        reply = _request(params, client)
        body = reply.parsed(NAME)
        found = parsing.rows(body, "results", source=NAME)
        for row in found:
            candidate = _candidate(row, query, rank)
            if candidate is not None and rank < WORKS:
                yield candidate
                rank += 1
        if page == 1 and not found and "license_type" in params:
            _refuse_filtered(params, options, client)
        count = parsing.number(parsing.within(body, "page_count"))
        if not found or page >= (count or page):
            return
        _stop_before_the_limit(reply.headers)


def _request(params: Mapping[str, str | int], client: ApiClient) -> ApiReply:
    token = client.settings.key(NAME)
    base = client.settings.base(NAME, "https://api.openverse.org")

    def check(reply: ApiReply) -> None:
        if reply.status == 401 and not token:
            raise SourceError("openverse answers byod only with a token now; set BYOD_OPENVERSE_TOKEN")
        if reply.status == 429:
            _explain_limit(reply)
        if reply.status == 200:
            reply.parsed(NAME)

    headers = {"Authorization": f"Bearer {token}"} if token else None
    return client.get_reply(f"{base}/v1/images/", params, source=NAME, headers=headers, check=check)


def _candidate(row: Mapping[str, Any], query: Query, rank: int) -> Candidate | None:
    url = parsing.address(row.get("url"))
    if url is None:
        return None
    kind, version = parsing.text(row.get("license"), 40), parsing.text(row.get("license_version"), 10)
    licence = licences.from_url(row.get("license_url")) or licences.code(kind or "", version)
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(row.get("foreign_landing_url")),
        title=parsing.text(row.get("title")),
        creator=parsing.text(row.get("creator")),
        creator_url=parsing.link(row.get("creator_url")),
        licence=licence,
        licence_url=parsing.link(row.get("license_url")) if licence else None,
        attribution=parsing.text(row.get("attribution"), 1000),
        width=parsing.number(row.get("width")),
        height=parsing.number(row.get("height")),
    )


def _refuse_filtered(params: Mapping[str, str | int], options: SearchOptions, client: ApiClient) -> None:
    unfiltered = {name: value for name, value in params.items() if name != "license_type"}
    if parsing.rows(_request(unfiltered, client).parsed(NAME), "results", source=NAME):
        raise Filtered(f"openverse has pictures for {params['q']!r}, none for --license {options.policy}")


def _limits(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """(allowance, what is left of it) for each limit that a reply tells of: ("20/min", "3")."""
    start = "x-ratelimit-limit-"
    scopes = [name.removeprefix(start) for name in headers if name.startswith(start)]
    return [(headers[start + scope], headers.get(f"x-ratelimit-available-{scope}", "")) for scope in scopes]


def _stop_before_the_limit(headers: Mapping[str, str]) -> None:
    """Stop rather than ask a question that must be refused; a limit by the minute is waited for instead."""
    for allowance, left in _limits(headers):
        span = allowance.rpartition("/")[2]
        if left.strip() == "0" and span[:1] in ("h", "d"):
            raise RateLimited(f"openverse allows {allowance} and that is used up; {_more(headers)}")


def _explain_limit(reply: ApiReply) -> None:
    """Say which allowance is used up, when a wait would be too long to sit out."""
    spent = [allowance for allowance, left in _limits(reply.headers) if left.strip().lstrip("-") == "0"]
    if any(allowance.rpartition("/")[2][:1] in ("h", "d") for allowance in spent):
        raise RateLimited(
            f"openverse allows {' and '.join(spent)} and that is used up; {_more(reply.headers)}"
        )


def _more(headers: Mapping[str, str]) -> str:
    anonymous = any("anon" in name for name in headers)
    return "BYOD_OPENVERSE_TOKEN raises it" if anonymous else "run the command again later"
