"""One cheap question to each source, to see whether it answers, by which key, and how much is left of its allowance.

Nothing is tried again and nothing is remembered: what a source says now is the answer.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from urllib.request import getproxies

from byod.collection import sources
from byod.collection.http import guard, mediawiki, parsing, ranges
from byod.collection.http.api_client import ApiClient, ApiReply, TryAgain
from byod.collection.http.reply_memory import Params
from byod.collection.sources import SOURCES, coco_pictures, openimages
from byod.schema.addresses import shown
from byod.schema.config import Settings
from byod.schema.errors import ByodError, ContactMissing, KeyMissing, KeyRefused, RateLimited, SourceError
from byod.schema.records import Query, Record, SearchOptions

WORD = "cat"
"""What is asked for: nearly every source has some."""
WORDS = {"gbif": "Felis catus"}
"""What is asked for where that word means nothing."""


class SourceAnswer(Record):
    """The answer of one source: `word` is "answers" or why not, `told` a line for people.

    `asked` is False for one that was not asked, since something is missing that the user has to set.
    """

    source: str
    word: str
    told: str
    seconds: float = 0.0
    asked: bool = True

    @property
    def good(self) -> bool:
        """True if it answered, or was not to be asked."""
        return self.word == "answers" or not self.asked


class _Once(ApiClient):
    """A client that asks once, from no cache, and keeps the headers of the last answer."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, guard.session(settings))
        self.headers: Mapping[str, str] = {}

    def patiently(self, attempt: Callable[[], object]) -> object:  # type: ignore[override]
        """Call it once."""
        try:
            return attempt()
        except TryAgain as busy:
            raise busy.error from busy

    def recall(self, *_: object) -> None:
        """Nothing is remembered."""

    def remember(self, *_: object) -> None:
        """Nothing is remembered."""

    def _request(self, *given: object, **more: object) -> ApiReply:
        reply = super()._request(*given, **more)  # type: ignore[arg-type]
        self.headers = reply.headers
        return reply


def answers(settings: Settings) -> Iterator[SourceAnswer]:
    """Ask every source at once, and yield the answers as they come.

    The threads are daemons, so that a source that keeps somebody waiting does not hold up Ctrl-C. That something went
    wrong in one is raised here, in place of an answer that would never come.
    """
    names = [*SOURCES, "wikidata"]
    for name in SOURCES:
        sources.module(name)  # imported here: threads that import packages in a circle end in a deadlock
    waiting = {Future[SourceAnswer](): name for name in names}

    def ask(name: str, promise: Future[SourceAnswer]) -> None:
        try:
            promise.set_result(answer(name, settings))
        finally:
            if not promise.done():
                promise.set_exception(RuntimeError(f"asking {name} failed; the traceback above says where"))

    for promise, name in waiting.items():
        threading.Thread(target=ask, args=(name, promise), daemon=True).start()
    for promise in as_completed(waiting):
        yield promise.result()


def answer(name: str, settings: Settings) -> SourceAnswer:
    """Ask one source one question."""
    client = _Once(settings)
    started = time.monotonic()
    try:
        said = _QUESTIONS.get(name, _first_picture)(name, client)
    except (KeyMissing, ContactMissing) as error:
        asked = bool(client.headers)
        return SourceAnswer(source=name, word=error.word, told=str(error), asked=asked)
    except ByodError as error:
        return SourceAnswer(
            source=name, word=_word(error), told=_why(error), seconds=time.monotonic() - started
        )
    seconds = time.monotonic() - started
    left = _left(client.headers)
    told = "; ".join(filter(None, (said, left and f"left: {left}", f"{seconds:.1f} s")))
    return SourceAnswer(source=name, word="answers", told=f"{name} answers: {told}", seconds=seconds)


def surroundings(settings: Settings) -> list[str]:
    """The lines on what goes along with every question: the name, the proxy, and whose certificates are believed."""
    proxies = {kind: where for kind, where in getproxies().items() if kind in ("http", "https", "all")}
    through = ", ".join(f"{shown(where)} for {kind}" for kind, where in sorted(proxies.items()))
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return [
        f"asked as: {settings.user_agent}",
        f"proxy: {through}" if through else "proxy: none",
        f"certificates believed: {f'those in {bundle}' if bundle else 'those of certifi'}",
    ]


def _first_picture(name: str, client: ApiClient) -> str:
    """Search as a collection does, for one picture."""
    word = WORDS.get(name, WORD)
    found = next(sources.get(name)(Query(label=word, terms=word), SearchOptions(), client), None)
    return "it offers pictures" if found is not None else f"it has nothing for {word!r}, which is odd"


def _wiki(name: str, client: ApiClient) -> str:
    base = client.settings.base("wikidata", "https://www.wikidata.org")
    params: Params = {"action": "query", "meta": "siteinfo"}
    mediawiki.request(f"{base}/w/api.php", params, client, source=name)
    return "it names itself"


def _serpapi(name: str, client: ApiClient) -> str:
    """SerpApi's account, which costs no search."""
    key = client.settings.key("serpapi")
    if key is None:
        raise KeyMissing("google is asked through SerpApi: set BYOD_SERPAPI_KEY")
    base = client.settings.base("google", client.settings.base("serpapi", "https://serpapi.com"))
    account = client.get_json(f"{base}/account.json", {"api_key": key}, source=name)
    left = parsing.number(parsing.within(account, "total_searches_left")) or 0
    return f"the account has {left} searches left"


def _hub(name: str, client: ApiClient) -> str:
    """One dataset of all: whether the token is good is said with it."""
    base = client.settings.base("huggingface", "https://huggingface.co")
    token = client.settings.key(name)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client.get_json(f"{base}/api/datasets", {"limit": 1}, source=name, headers=headers)
    return "it lists datasets"


def _bucket(name: str, client: ApiClient) -> str:
    """The first bytes of the list of classes."""
    base = client.settings.base("openimages", "https://storage.googleapis.com")
    part = ranges.read_part(client, f"{base}/openimages/{openimages.CLASSES}", 0, 100, source=name)
    return f"its list of classes has {part.total // 1000} kB"


def _archive(name: str, client: ApiClient) -> str:
    """The first bytes of the archive of annotations."""
    base = client.settings.base("coco", "https://s3.amazonaws.com")
    part = ranges.read_part(client, f"{base}/{coco_pictures.ARCHIVE}", 0, 100, source=name)
    return f"its annotations have {part.total // 1_000_000} MB"


_QUESTIONS: dict[str, Callable[[str, ApiClient], str]] = {
    "wikidata": _wiki,
    "google": _serpapi,
    "huggingface": _hub,
    "openimages": _bucket,
    "coco": _archive,
}


def _word(error: ByodError) -> str:
    return error.word if isinstance(error, SourceError) else "failed"


def _why(error: ByodError) -> str:
    """The line of an error, with what it means where a certificate is behind it."""
    if isinstance(error, KeyRefused | RateLimited):
        return str(error)
    found = next(
        (each for each in guard.chain(error) if isinstance(each, ssl.SSLCertVerificationError)), None
    )
    if found is None:
        return str(error)
    return (
        f"{error} (its certificate is not believed: {found.verify_message}; behind a proxy that opens connections set "
        "REQUESTS_CA_BUNDLE to its certificate)"
    )


def _left(headers: Mapping[str, str]) -> str:
    """How much is left of the allowances that an answer tells of, if it is no cached one."""
    if headers.get("age", "0") not in ("", "0"):
        return ""
    start = "x-ratelimit-limit-"
    scopes = [name.removeprefix(start) for name in headers if name.startswith(start)]
    told = [
        f"{headers.get(f'x-ratelimit-available-{each}', '?')} of {headers[start + each]}" for each in scopes
    ]
    if "x-ratelimit-remaining" in headers:
        told.append(f"{headers['x-ratelimit-remaining']} of {headers.get('x-ratelimit-limit', '?')}")
    return parsing.text(", ".join(told), 200) or ""
