"""Openverse: about 800 million openly licensed pictures; no key needed, one raises the limits.

API: https://api.openverse.org/v1/ . Openverse does not verify licences. Its answers come from a cache that is shared
by everybody, so what they say of allowances may be about somebody else. What a person gets on registration is a client
id and a secret (`BYOD_OPENVERSE_CLIENT_ID`, `BYOD_OPENVERSE_CLIENT_SECRET`); the tokens byod fetches with them live
12 hours. A token of one's own (`BYOD_OPENVERSE_TOKEN`) is taken as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.collection.http.source_limits import LIMITS, of_wikimedia
from byod.collection.sources import wikimedia_files
from byod.schema import licences
from byod.schema.errors import Filtered, KeyRefused, RateLimited, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind, Safe

NAME = "openverse"
LIMIT = LIMITS[NAME]
WORKS = LIMIT.reach or 0
"""Works that Openverse shows for one question, whatever the size of its pages."""
LICENCES = {Policy.OPEN: "modification", Policy.COMMERCIAL: "commercial,modification"}
"""The `license_type` for a policy; several types are intersected."""
EXTENSIONS = "jpg,jpeg,png,gif,webp,tif,tiff"
PASSES = {
    Kind.PHOTO: ("photograph", None),
    Kind.DRAWING: ("illustration,digitized_artwork",),
    Kind.ANY: (None,),
}
"""The values of `category` for a kind, in turn: most works of Wikimedia have none, so a filter alone loses photos."""
_DRAWN = (".svg", ".svgz", ".pdf", ".djvu")
_TOO_MANY = re.compile(r"page_size may not exceed (\d{1,4})", re.IGNORECASE)
_TOO_DEEP = re.compile(r"pagination depth", re.IGNORECASE)


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Openverse offers for a query: photographs first, then what is of no stated kind.

    Raises:
        RateLimited: the allowance of the day or the hour is used up.
        KeyRefused: the key is no longer good.
        Filtered: there are pictures, but none under a licence that the policy accepts.
    """
    params: dict[str, str | int] = {"q": query.terms[:200], "extension": EXTENSIONS}
    if options.policy in LICENCES:
        params["license_type"] = LICENCES[options.policy]
    if options.safe is Safe.OFF:
        params["mature"] = "true"
    if not client.settings.contact:
        params["excluded_source"] = "wikimedia"  # which would refuse its pictures
    if options.size is not None:
        params["size"] = options.size
    seen: set[str] = set()
    rank, anything = 0, False
    for category in PASSES[options.kind]:
        for row in _rows(params | ({"category": category} if category else {}), client):
            anything = True
            candidate = _candidate(row, query, options, client, rank)
            if candidate is not None and candidate.url not in seen:
                seen.add(candidate.url)
                yield candidate
                rank += 1
    if not anything and "license_type" in params:
        _refuse_filtered(params, options, client)


def _rows(params: Mapping[str, str | int], client: ApiClient) -> Iterator[dict[str, Any]]:
    """The works that one question finds, page by page."""
    size = (LIMIT.with_key or LIMIT.page_size) if _has_key(client) else LIMIT.page_size
    page, told = 1, 0
    while page * size <= WORKS:
        try:
            reply = _request({**params, "page": page, "page_size": size}, client)
        except _SmallerPages as refusal:
            if not 0 < refusal.size < size or page > 1:
                raise SourceError(str(refusal)) from refusal
            size = refusal.size
            continue
        if reply is None:
            return
        body = reply.parsed(NAME)
        found = parsing.rows(body, "results", source=NAME)
        yield from found[: WORKS - told]
        told += len(found)
        count = parsing.number(parsing.within(body, "page_count"))
        if not found or page >= (count or page):
            return
        page += 1
        _stop_before_the_limit(reply.headers)


class _SmallerPages(Exception):  # noqa: N818 - reads as what the server wants
    """The server wants pages of at most `size` works."""

    def __init__(self, words: str, size: int) -> None:
        super().__init__(words)
        self.size = size


def _request(params: Mapping[str, str | int], client: ApiClient, *, again: bool = True) -> ApiReply | None:
    """A page of works; None beyond the last page that is shown.

    Raises:
        _SmallerPages: the server allows smaller pages only.
    """
    base = client.settings.base(NAME, "https://api.openverse.org")
    token = _token(client)

    def check(reply: ApiReply) -> None:
        if reply.status in (400, 401, 403):
            _explain_refusal(reply, token)
        if reply.status == 429:
            _explain_limit(reply)
        if reply.status == 200:
            reply.parsed(NAME)

    try:
        return client.get_reply(
            f"{base}/v1/images/",
            params,
            source=NAME,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            per_minute=LIMIT.per_minute_with_key if token else LIMIT.per_minute,
            check=check,
        )
    except _TooDeep:
        return None
    except KeyRefused:
        if client.tokens.pop(NAME, None) is None or not again:
            raise
        return _request(
            params, client, again=False
        )  # it was fetched before and has run out: once more with a new one


class _TooDeep(SourceError):  # noqa: N818 - reads as what the server says
    """The page lies beyond what is shown."""


def _explain_refusal(reply: ApiReply, token: str | None) -> None:
    """Say what the server itself says of a refusal, before a key is blamed for it."""
    detail = _detail(reply)
    if found := _TOO_MANY.search(detail):
        raise _SmallerPages(f"openverse rejected the request: {detail}", int(found[1]))
    if _TOO_DEEP.search(detail):
        raise _TooDeep(f"openverse shows no more: {detail}")
    told = f" ({detail})" if detail else ""
    if reply.status == 400:
        raise SourceError(f"openverse rejected the request{told}")
    if token:
        words = f": {detail}" if detail else ""
        raise KeyRefused(
            f"openverse refused the key (HTTP {reply.status}{words}); check it with byod doctor --online"
        )
    if reply.status == 401:
        raise SourceError(
            f"openverse answers byod only with a key now{told}; set BYOD_OPENVERSE_CLIENT_ID and "
            "BYOD_OPENVERSE_CLIENT_SECRET"
        )


def _detail(reply: ApiReply) -> str:
    try:
        body = reply.parsed(NAME)
    except SourceError:
        return ""
    stated = parsing.within(body, "detail")
    if isinstance(stated, dict | list):  # one entry a parameter
        stated = "; ".join(str(each) for each in (stated.values() if isinstance(stated, dict) else stated))
    return parsing.text(stated, 200) or ""


def _has_key(client: ApiClient) -> bool:
    environment = client.settings.environment
    return bool(client.settings.key(NAME) or environment.get("BYOD_OPENVERSE_CLIENT_SECRET"))


def _token(client: ApiClient) -> str | None:
    """The token to ask with: the user's own, else one that client id and secret buy; None without either."""
    environment = client.settings.environment
    own, secret = client.settings.key(NAME), environment.get("BYOD_OPENVERSE_CLIENT_SECRET")
    name = environment.get("BYOD_OPENVERSE_CLIENT_ID")
    if not secret and not name:
        return own
    if not name or not secret:
        raise KeyRefused(
            "openverse: one of BYOD_OPENVERSE_CLIENT_ID and BYOD_OPENVERSE_CLIENT_SECRET is set alone; set both"
        )
    token, until = client.tokens.get(NAME, ("", 0.0))
    if client.clock() >= until:
        token, seconds = _new_token(name, secret, client)
        client.tokens[NAME] = (token, client.clock() + seconds - 60)
    return token


def _new_token(name: str, secret: str, client: ApiClient) -> tuple[str, float]:
    """(token, seconds it lives) for a client id and secret."""
    base = client.settings.base(NAME, "https://api.openverse.org")
    form = {"client_id": name, "client_secret": secret, "grant_type": "client_credentials"}

    def attempt() -> ApiReply:
        reply = client.post(f"{base}/v1/auth_tokens/token/", form, source=NAME)
        if reply.status == 429 or reply.status >= 500:
            raise TryAgain(
                SourceError(f"openverse gives out no token (HTTP {reply.status}); try again later")
            )
        return reply

    reply = client.patiently(attempt)
    if reply.status != 200:
        raise KeyRefused(
            f"openverse refused the client id or secret (HTTP {reply.status}); check BYOD_OPENVERSE_CLIENT_ID and "
            "BYOD_OPENVERSE_CLIENT_SECRET"
        )
    body = reply.parsed(NAME)
    token = parsing.within(body, "access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,2000}", token):
        raise SourceError("openverse answered a question for a token with none; try again later")
    return token, float(parsing.number(parsing.within(body, "expires_in")) or 3600)


def _candidate(
    row: Mapping[str, Any], query: Query, options: SearchOptions, client: ApiClient, rank: int
) -> Candidate | None:
    url = parsing.picture(row.get("url"))
    if url is None or urlsplit(url).path.lower().endswith(_DRAWN):
        return None
    width, height = parsing.number(row.get("width")), parsing.number(row.get("height"))
    instead: tuple[str, ...] = ()
    if of_wikimedia(urlsplit(url).hostname or "") or row.get("provider") == "wikimedia":
        if not client.settings.contact:
            return None
        url = wikimedia_files.one_address(url)
        size = wikimedia_files.Size(width, height, parsing.number(row.get("filesize")))
        url, (width, height), instead = wikimedia_files.handy(url, size, options.min_side)
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
        width=width,
        height=height,
        instead=instead,
    )


def _refuse_filtered(params: Mapping[str, str | int], options: SearchOptions, client: ApiClient) -> None:
    unfiltered = {name: value for name, value in params.items() if name != "license_type"}
    if next(_rows(unfiltered, client), None) is not None:
        raise Filtered(f"openverse has pictures for {params['q']!r}, none for --license {options.policy}")


def _limits(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """(allowance, what is left of it) for each limit that a reply tells of: ("20/min", "3").

    A reply out of a cache tells of whoever asked first, and so of nothing.
    """
    if (
        headers.get("age", "0").strip() not in ("", "0")
        or "HIT" in headers.get("cf-cache-status", "").upper()
    ):
        return []
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
    return (
        "a key raises it (BYOD_OPENVERSE_CLIENT_ID and BYOD_OPENVERSE_CLIENT_SECRET)"
        if anonymous
        else "run the command again later"
    )
