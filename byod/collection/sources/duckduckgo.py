"""DuckDuckGo's picture search, asked through ddgs; no key. It states no licence for a picture.

byod uses its own subclass of ddgs's engine: ddgs (9.16) takes a rate limit for an empty answer, unquotes addresses
(signed ones break) and asks for a new token with every page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from ddgs.engines.duckduckgo_images import DuckduckgoImages
from ddgs.exceptions import DDGSException
from ddgs.utils import _extract_vqd

from byod.collection.http import parsing
from byod.collection.http.api_client import DAY, ApiClient, ApiReply
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources.web_search import Browser, unproven
from byod.schema.errors import Filtered, RateLimited, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import Kind

NAME = "duckduckgo"
PAGE = LIMITS[NAME].page_size
PAGES = 10
LICENCES = {Policy.OPEN: "Modify", Policy.COMMERCIAL: "ModifyCommercially"}
KINDS = {Kind.PHOTO: "photo", Kind.DRAWING: "line", Kind.ANY: ""}
COLOURS = {"grey": "Gray", "monochrome": "Monochrome"}
"""Its words for colours where they are not byod's."""
REGIONS = {"en": "us-en", "de": "de-de", "fr": "fr-fr", "es": "es-es", "it": "it-it", "nl": "nl-nl"}
EVERYWHERE = "wt-wt"


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what DuckDuckGo finds for a query, a hundred at a time.

    Raises:
        RateLimited: it accepts no more searches for now.
        Filtered: a licence is asked for; after one page, since none is stated that could be checked.
    """
    images = _Images(client)
    rank, offset = 0, 0
    seen: set[str] = set()
    for _ in range(PAGES):
        found = images.page(query, options, offset)
        before = rank
        for row in found:
            url = parsing.picture(row.get("image"))
            if url is not None and url not in seen:
                seen.add(url)
                yield _candidate(url, row, query, rank)
                rank += 1
        if options.policy is not Policy.ANY and (found or images.page(query, options, 0, licensed=False)):
            raise Filtered(unproven(NAME, options.policy))
        if rank == before or images.after is None or images.after <= offset:
            return
        offset = images.after


class _Images(DuckduckgoImages):  # type: ignore[misc]  # ddgs has no types
    """ddgs's engine with byod's own request: `after` is the offset of the page after the last one, None at the end."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__()
        self.client = client
        base = client.settings.base(NAME, "https://duckduckgo.com")
        self.browser = Browser(NAME, base, client, self.headers_update)
        self.search_url = f"{base}/i.js"
        self.after: int | None = None
        self.offset = 0
        self._tokens: dict[str, str] = {}

    def page(
        self, query: Query, options: SearchOptions, offset: int, *, licensed: bool = True
    ) -> list[dict[str, Any]]:
        """The rows of one page, `offset` pictures into the answer."""
        self.offset = offset
        rows: list[dict[str, Any]] | None = self.search(
            query=query.terms,
            region=REGIONS.get(query.language or "", EVERYWHERE),
            safesearch=options.safe,
            timelimit=None if options.age is None else options.age[0],
            type_image=KINDS[options.kind],
            size="" if options.size is None else options.size.title(),
            color="" if options.colour is None else COLOURS.get(options.colour, options.colour.title()),
            license_image=LICENCES.get(options.policy, "") if licensed else "",
        )
        return rows or []

    def build_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """ddgs's parameters, with the offset that DuckDuckGo itself named instead of a page number."""
        payload: dict[str, Any] = super().build_payload(*args, **kwargs)
        return payload | ({"s": str(self.offset)} if self.offset else {})

    def request(self, method: str, url: str, params: Mapping[str, str]) -> str:
        """The answer as text: of the last day, or asked for with the token that DuckDuckGo wants."""
        public = {name: value for name, value in params.items() if name != "vqd"}
        remembered = self.client.recall(NAME, url, public, DAY)
        if remembered is not None:
            return remembered.decode("utf-8", errors="replace")
        reply = self.browser.get(url, {**params, "vqd": self._token(params["q"])})
        parsing.rows(_read(reply), "results", source=NAME)
        self.client.remember(NAME, url, public, reply.body)
        return reply.text()

    def extract_results(self, html_text: str) -> list[dict[str, Any]]:
        """The rows as they stand: ddgs's own records would unquote their addresses."""
        body = _read(ApiReply(status=200, body=html_text.encode()))
        rows = parsing.rows(body, "results", source=NAME)
        self.after = _offset(parsing.within(body, "next"), self.offset, len(rows))
        return rows

    def _get_vqd(self, query: str) -> str:
        # asked for only once it is needed, in `request`
        return ""

    def _token(self, terms: str) -> str:
        """The token that belongs to search terms, from the search page; asked for once."""
        if terms not in self._tokens:
            reply = self.browser.get(f"{self.browser.base}/", {"q": terms})
            try:
                self._tokens[terms] = _extract_vqd(reply.body, terms)
            except (DDGSException, UnicodeDecodeError) as error:
                raise _no_token(reply) from error
        return self._tokens[terms]


def _read(reply: ApiReply) -> Any:
    if reply.body.lstrip()[:1] == b"<":
        raise _no_token(reply)
    return reply.parsed(NAME)


def _no_token(reply: ApiReply) -> SourceError:
    """Interpret a page that should have been a reply: a test for robots, or a new form."""
    words = reply.text().lower()
    if "anomaly" in words or "captcha" in words or "bots use duckduckgo" in words:
        return RateLimited("duckduckgo returned a CAPTCHA; try again later")
    return SourceError("duckduckgo answered in a form that this version of byod does not know")


def _offset(after: Any, offset: int, count: int) -> int | None:
    """The start of the next page: as the reply says, else a page further when this one was full."""
    if isinstance(after, str):
        stated = parse_qs(after[:2000].partition("?")[2]).get("s", [""])[0]
        if stated.isascii() and stated.isdigit() and len(stated) < 6:
            return int(stated)
    return offset + PAGE if count >= PAGE else None


def _candidate(url: str, row: Mapping[str, Any], query: Query, rank: int) -> Candidate:
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(row.get("url")),
        title=parsing.text(row.get("title")),
        width=parsing.number(row.get("width")),
        height=parsing.number(row.get("height")),
    )
