"""Bing's picture search, asked through ddgs; no key (Microsoft closed the search API in 2025). It states no licence.

byod uses its own subclass of ddgs's engine: ddgs (9.16) leaves out every filter for Bing (safe search, size, licence),
takes a rate limit for an empty answer, and unquotes addresses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ddgs.engines.bing_images import BingImages
from lxml import etree  # type: ignore[import-untyped]

from byod.collection.http import parsing
from byod.collection.http.api_client import DAY, ApiClient
from byod.collection.http.source_limits import LIMITS
from byod.collection.sources.web_search import Browser, unproven
from byod.schema.errors import Filtered, RateLimited, SourceError
from byod.schema.records import Candidate, Policy, Query, SearchOptions
from byod.schema.search_words import DAYS, Kind, Safe

NAME = "bing"
PAGE = LIMITS[NAME].page_size
PAGES = 25
LICENCES = {Policy.OPEN: "license-L2_L3_L5_L6", Policy.COMMERCIAL: "license-L2_L3"}
"""Bing's own filters: free to modify, share and use; the same, also commercially."""
KINDS = {Kind.PHOTO: "photo-photo", Kind.DRAWING: "photo-linedrawing"}
COLOURS = {"grey": "color2-FGcls_GRAY", "monochrome": "color2-bw"}
"""Its words for colours where they are not byod's."""
_PICTURES = "//a[contains(concat(' ', @class, ' '), ' iusc ')][@m]"
_SIZE = "./ancestor::div[1]/..//div[contains(@class, 'img_info')]//span[contains(@class, 'nowrap')]/text()"


def search(query: Query, options: SearchOptions, client: ApiClient) -> Iterator[Candidate]:
    """Yield what Bing finds for a query, about 35 at a time.

    Raises:
        RateLimited: it accepts no more searches for now.
        Filtered: a licence is asked for; after one page, since none is stated that could be checked.
    """
    images = _Images(client)
    rank, first = 0, 1
    seen: set[str] = set()
    for _ in range(PAGES):
        found = images.page(query, options, first)
        before = rank
        for row in found:
            url = parsing.picture(row.get("murl"))
            if url is not None and url not in seen:
                seen.add(url)
                yield _candidate(url, row, query, rank)
                rank += 1
        if options.policy is not Policy.ANY and (found or images.page(query, options, 1, licensed=False)):
            raise Filtered(unproven(NAME, options.policy))
        if rank == before:
            return
        # pages hold more or fewer pictures than asked for; the next begins where this one ended
        first += len(found)


class _Images(BingImages):  # type: ignore[misc]  # ddgs has no types
    """ddgs's engine with byod's own request and all its filters sent."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__()
        self.client = client
        base = client.settings.base(NAME, "https://www.bing.com")
        self.browser = Browser(NAME, base, client, self.headers_update)
        self.search_url = f"{base}/images/async"
        self.extra: dict[str, str] = {}

    def page(
        self, query: Query, options: SearchOptions, first: int, *, licensed: bool = True
    ) -> list[dict[str, Any]]:
        """The rows of the page that begins with the `first` picture, counted from 1."""
        filters = [f"imagesize-custom_{options.min_side}_{options.min_side}"] if options.min_side > 1 else []
        filters += _filters(options)
        if licensed and options.policy in LICENCES:
            filters.append(LICENCES[options.policy])
        adult = "strict" if options.safe is Safe.ON else options.safe
        self.extra = {"first": str(first), "adlt": adult}
        if filters:
            self.extra["qft"] = "".join(f"+filterui:{name}" for name in filters)
        if query.language:
            self.extra["setlang"] = query.language
        rows: list[dict[str, Any]] | None = self.search(query=query.terms)
        return rows or []

    def build_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """ddgs's parameters with the filters that ddgs leaves out."""
        payload: dict[str, Any] = super().build_payload(*args, max_results=str(PAGE), **kwargs)
        return payload | self.extra

    def request(self, method: str, url: str, params: Mapping[str, str]) -> str:
        """The answer as text: of the last day, or asked for."""
        remembered = self.client.recall(NAME, url, params, DAY)
        if remembered is not None:
            return remembered.decode("utf-8", errors="replace")
        reply = self.browser.get(url, params)
        words = reply.text()
        if "iusc" not in words and "captcha" in words.lower():
            raise RateLimited("bing returned a CAPTCHA; try again later")
        self.client.remember(NAME, url, params, reply.body)
        return words

    def extract_results(self, html_text: str) -> list[dict[str, Any]]:
        """The rows as they stand: ddgs's own records would unquote their addresses."""
        if not html_text.strip():
            return []
        try:
            tree = self.extract_tree(html_text)
        except (etree.LxmlError, ValueError) as error:
            raise SourceError("bing answered in a form that this version of byod does not know") from error
        return [row for link in tree.xpath(_PICTURES) if (row := _row(link)) is not None]


def _filters(options: SearchOptions) -> list[str]:
    """Its own filters for the kind, size, age and colour of pictures."""
    filters = [KINDS[options.kind]] if options.kind in KINDS else []
    if options.size is not None:
        filters.append(f"imagesize-{options.size}")
    if options.age is not None:
        filters.append(f"age-lt{DAYS[options.age] * 24 * 60}")
    if options.colour is not None:
        filters.append(COLOURS.get(options.colour, f"color2-FGcls_{options.colour.upper()}"))
    return filters


def _row(link: Any) -> dict[str, Any] | None:
    """Read a picture's link: its JSON, with the size that is printed beside it."""
    try:
        row = json.loads(link.get("m"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    sizes = " ".join(str(text) for text in link.xpath(_SIZE))
    size = re.search(r"\b(\d{1,6})\s*[x×]\s*(\d{1,6})\b", sizes)
    return row | {"width": size.group(1) if size else None, "height": size.group(2) if size else None}


def _candidate(url: str, row: Mapping[str, Any], query: Query, rank: int) -> Candidate:
    return query.candidate(
        NAME,
        url,
        rank,
        page=parsing.link(row.get("purl")),
        title=parsing.text(row.get("t")),
        width=parsing.number(row.get("width")),
        height=parsing.number(row.get("height")),
    )
