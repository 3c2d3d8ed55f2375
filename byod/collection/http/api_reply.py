"""The reply of an API, as it came."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from byod.schema.errors import SourceError
from byod.schema.records import Record


class ApiReply(Record):
    """The reply of an API: `headers` by their lower-case names; `remembered` when it came from the cache."""

    status: int
    headers: dict[str, str] = {}
    body: bytes
    remembered: bool = False

    def parsed(self, source: str) -> Any:
        """The body read as JSON.

        Raises:
            SourceError: it is something else.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            kind = "a web page" if self.body.lstrip()[:1] == b"<" else "something that is not JSON"
            raise SourceError(f"{source} answered with {kind}; try again later") from error

    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", errors="replace")


class Question(Record):
    """A question to an API without its host and its secrets: what a recording knows an answer by."""

    source: str
    method: str = "GET"
    path: str
    params: dict[str, str] = {}


class Tape(Protocol):
    """A tape between byod and the APIs: it writes down what they answer, or answers in their place.

    `live` says that questions are sent, so that paces and pauses are kept.
    """

    live: bool

    def exchange(self, question: Question, ask: Callable[[], ApiReply]) -> ApiReply:
        """The reply to a question; `ask` sends it."""
