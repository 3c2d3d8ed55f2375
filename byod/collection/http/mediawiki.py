"""Asking a wiki of the Wikimedia Foundation: Commons for pictures, Wikidata for words.

Wikimedia refuses programs that name nobody to turn to (https://w.wiki/4wJS), so byod asks it only with a contact
(`BYOD_CONTACT`). All its wikis are asked at one pace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.collection.http.source_limits import LIMITS, WIKIMEDIA
from byod.schema.errors import ContactMissing, RateLimited, SourceError

_POLICY = re.compile(r"robot policy|set a user-?agent|w\.wiki/4wJS", re.IGNORECASE)
"""What Wikimedia's refusal of an asker who is not known well enough says."""


def request(url: str, params: Mapping[str, str | int], client: ApiClient, *, source: str) -> Any:
    """The JSON answer of a wiki's `api.php`, in its second, plainer form.

    Raises:
        ContactMissing: no contact is set, or Wikimedia wants a better one.
        RateLimited: the wiki asks for a longer pause.
        SourceError: it answers with an error.
    """
    if not client.settings.contact:
        raise ContactMissing(
            f"{source} is asked only by those who name a contact: set BYOD_CONTACT to a mail address or a page of yours"
        )

    def check(reply: ApiReply) -> None:
        if reply.status == 200:
            _check(reply, source)
        if reply.status in (401, 403):
            _explain_refusal(reply, source)

    return client.get_json(
        url,
        {**params, "format": "json", "formatversion": 2},
        source=source,
        per_minute=LIMITS[source].per_minute,
        pace=WIKIMEDIA,
        check=check,
    )


def _explain_refusal(reply: ApiReply, source: str) -> None:
    """Say of a refusal what Wikimedia itself says of it, and what helps."""
    words = parsing.text(reply.text(), 200) or ""
    if "too many requests" in words.lower():
        raise RateLimited(f"{source} accepts no more requests for now ({words}); run the command again later")
    if _POLICY.search(words):
        raise ContactMissing(
            f"{source} refuses this asker; set BYOD_CONTACT to a mail address or a page of yours ({words})"
        )
    raise SourceError(f"{source} rejected the request (HTTP {reply.status}{f': {words}' if words else ''})")


def _check(reply: ApiReply, source: str) -> None:
    """Tell the errors that MediaWiki wraps in an answer of its own (HTTP 200) from answers.

    Source: https://www.mediawiki.org/wiki/API:Errors_and_warnings
    """
    error = parsing.within(reply.parsed(source), "error")
    if error is None:
        return
    code = parsing.text(parsing.within(error, "code"), 60) or "unknown error"
    if code in ("maxlag", "ratelimited", "readonly"):
        line = f"{source} asks to be left alone for a while ({code}); run the command again later"
        raise TryAgain(RateLimited(line), parsing.retry_after(reply.headers.get("retry-after")))
    words = parsing.text(parsing.within(error, "info"), 100)
    raise SourceError(f"{source} rejected the request ({code}: {words})")
