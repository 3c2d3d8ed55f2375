"""Flickr: photos with their licences; needs a key (`BYOD_FLICKR_KEY`).

API: https://www.flickr.com/services/api/flickr.photos.search.html . Which number means which licence is read from
flickr.photos.licenses.getInfo: Flickr added the 4.0 licences in 2025, and a number that is not in the table is an
unknown licence. Beyond 4,000 photos a search only repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.collection.http.source_limits import LIMITS
from byod.schema import licences
from byod.schema.errors import Filtered, KeyMissing, KeyRefused, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import DAYS, Kind, Safe

NAME = "flickr"
LIMIT = LIMITS[NAME]
PER_PAGE = LIMIT.page_size
REACH = LIMIT.reach or 0
SIZES = ("l", "c", "z", "m", "h", "k", "o")
"""Suffixes of the sizes in the order they are preferred: 1024, 800, 640, 500 px, then 1600, 2048 and the original.

Since May 2025 the sizes above 1024 px of free accounts are closed, though the API goes on stating them.
"""
OPEN = SIZES[:4]
KINDS = {Kind.PHOTO: "0", Kind.DRAWING: "2", Kind.ANY: "0,1,2,3"}
"""Flickr's `content_types`: photos; art and illustrations; these, screenshots and pictures of virtual worlds."""
SAFE = {Safe.ON: 1, Safe.MODERATE: 2, Safe.OFF: 3}
EXTRAS = ",".join(("license", "owner_name", *(f"url_{size}" for size in SIZES)))


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Flickr offers for a query, most relevant first.

    Raises:
        KeyMissing: no key is set.
        KeyRefused: Flickr does not know the key.
        Filtered: there are photos, but none under a licence that the policy accepts.
    """
    key = client.settings.key(NAME)
    if key is None:
        raise KeyMissing(
            "flickr needs a key: set BYOD_FLICKR_KEY (https://www.flickr.com/services/apps/create/)"
        )
    table = _licences(key, client)
    accepted = _accepted(table, options.policy)
    rank = 0
    for page in range(1, REACH // PER_PAGE + 1):
        reply = _request(_parameters(query, options, page, accepted), key, client)
        found = parsing.rows(reply, "photos", "photo", source=NAME)
        for row in found:
            candidate = _candidate(row, table, query, options, rank)
            if candidate is not None:
                yield candidate
                rank += 1
        if page == 1 and not found and accepted is not None:
            unfiltered = _request(_parameters(query, options, 1, None), key, client)
            if parsing.rows(unfiltered, "photos", "photo", source=NAME):
                raise Filtered(f"flickr has photos for {query.terms!r}, none for --license {options.policy}")
        if not found or page >= (parsing.number(parsing.within(reply, "photos", "pages")) or 0):
            return


def _licences(key: str, client: ApiClient) -> dict[str, str]:
    """Flickr's numbers with byod's codes; numbers whose licence byod does not know are left out."""
    reply = _request({"method": "flickr.photos.licenses.getInfo"}, key, client)
    table: dict[str, str] = {}
    for row in parsing.rows(reply, "licenses", "license", source=NAME):
        number = parsing.identity(row.get("id"))
        known = licences.from_url(row.get("url")) or licences.from_name(row.get("name"))
        if number is not None and known is not None:
            table[number] = known
    if not table:
        raise SourceError("flickr did not say what its licence numbers mean; try again later")
    return table


def _accepted(table: Mapping[str, str], policy: Policy) -> str | None:
    """The numbers to ask for; None for all.

    Raises:
        Filtered: no licence of Flickr's is accepted.
    """
    if policy is Policy.ANY:
        return None
    numbers = [number for number, known in table.items() if licences.allows(policy, known) is None]
    if not numbers:
        raise Filtered(f"flickr knows no licence that --license {policy} accepts")
    return ",".join(numbers)


def _parameters(
    query: Query, options: SearchOptions, page: int, accepted: str | None
) -> dict[str, str | int]:
    question: dict[str, str | int] = {
        "method": "flickr.photos.search",
        "text": query.terms,
        "sort": "relevance",
        "media": "photos",
        "content_types": KINDS[options.kind],
        "safe_search": SAFE[options.safe],
        "extras": EXTRAS,
        "per_page": PER_PAGE,
        "page": page,
    }
    if options.age is not None:
        # by the day, so that an answer of today is remembered
        question["min_upload_date"] = (datetime.now(UTC) - timedelta(DAYS[options.age])).date().isoformat()
    return question | ({"license": accepted} if accepted is not None else {})


def _request(question: Mapping[str, str | int], key: str, client: ApiClient) -> Any:
    base = client.settings.base(NAME, "https://api.flickr.com")
    params = {**question, "api_key": key, "format": "json", "nojsoncallback": 1}
    return client.get_json(
        f"{base}/services/rest/", params, source=NAME, per_minute=LIMIT.per_minute, check=_check
    )


def _check(reply: ApiReply) -> None:
    """Flickr answers errors with HTTP 200 and a code of its own."""
    if reply.status != 200:
        return
    body = reply.parsed(NAME)
    if parsing.within(body, "stat") != "fail":
        return
    code, words = parsing.within(body, "code"), parsing.text(parsing.within(body, "message"), 100)
    if code == 100:
        raise KeyRefused("flickr refused the key; check BYOD_FLICKR_KEY")
    if code in (10, 105, 201):
        raise TryAgain(SourceError(f"flickr's search is out of order ({words}); try again later"))
    raise SourceError(f"flickr rejected the request ({words})")


def _candidate(
    row: Mapping[str, Any], table: Mapping[str, str], query: Query, options: SearchOptions, rank: int
) -> Candidate | None:
    sizes = _sizes(row, options)
    if not sizes:
        return None
    size = sizes[0]
    owner, number = parsing.identity(row.get("owner")), parsing.identity(row.get("id"))
    licence = table.get(parsing.identity(row.get("license")) or "")
    return query.candidate(
        NAME,
        str(parsing.picture(row.get(f"url_{size}"))),
        rank,
        instead=tuple(str(parsing.picture(row.get(f"url_{other}"))) for other in sizes[1:]),
        page=f"https://www.flickr.com/photos/{owner}/{number}" if owner and number else None,
        title=parsing.text(row.get("title")),
        creator=parsing.text(row.get("ownername")) or owner,
        creator_url=f"https://www.flickr.com/people/{owner}/" if owner else None,
        licence=licence,
        licence_url=licences.url(licence),
        width=parsing.number(row.get(f"width_{size}")),
        height=parsing.number(row.get(f"height_{size}")),
    )


def _sizes(row: Mapping[str, Any], options: SearchOptions) -> list[str]:
    """The sizes to ask for in turn: those large enough, the open ones first, then the largest open one there is."""
    offered = [size for size in SIZES if parsing.picture(row.get(f"url_{size}"))]

    def side(size: str) -> int:
        sides = (parsing.number(row.get(f"width_{size}")), parsing.number(row.get(f"height_{size}")))
        return min(each or 0 for each in sides)

    enough = [size for size in offered if side(size) >= options.min_side]
    if not enough:
        return [max(offered, key=side)] if offered else []
    way_back = [size for size in offered if size in OPEN][:1]
    return list(dict.fromkeys([*enough[:2], *way_back]))
