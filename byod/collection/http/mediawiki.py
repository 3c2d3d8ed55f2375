"""Asking a wiki of the Wikimedia Foundation: Commons for pictures, Wikidata for words.

Whoever names a contact (`BYOD_CONTACT`) may ask 200 times a minute, everybody else 10 times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byod.collection.http import parsing
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.schema.errors import RateLimited, SourceError


def request(url: str, params: Mapping[str, str | int], client: ApiClient, *, source: str) -> Any:
    """The JSON answer of a wiki's `api.php`, in its second, plainer form.

    Raises:
        RateLimited: the wiki asks for a longer pause.
        SourceError: it answers with an error.
    """

    def check(reply: ApiReply) -> None:
        if reply.status == 200:
            _check(reply, source)

    return client.get_json(
        url,
        {**params, "format": "json", "formatversion": 2},
        source=source,
        per_minute=100 if client.settings.contact else 10,
        check=check,
    )


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
