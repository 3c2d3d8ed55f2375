"""Asking an API: patient, capped, remembered for a day, and with the honest User-Agent.

Used by the sources and by the translations. What goes wrong becomes one line of `byod.schema.errors.SourceError`, in
which keys never appear.
"""

from __future__ import annotations

import ipaddress
import ssl
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3

from byod.collection.http import parsing, refusal_words
from byod.collection.http.api_reply import ApiReply as ApiReply
from byod.collection.http.api_reply import Question, Tape
from byod.collection.http.guard import PrivateAddress, chain
from byod.collection.http.reply_memory import DAY as DAY
from byod.collection.http.reply_memory import Params, ReplyMemory
from byod.collection.http.sockets import Allowance, limited
from byod.schema.addresses import without_user
from byod.schema.config import Settings
from byod.schema.errors import KeyRefused, NoAnswer, RateLimited, SourceError
from byod.schema.progress import Say, silent

T = TypeVar("T")

MAX_REPLY = 10_000_000
"""Bytes of a reply, unpacked; a larger one is refused."""
DEADLINE = 30.0
"""Seconds for one whole reply."""
MAX_WAIT = 60.0
"""Seconds byod waits when it is asked to; a longer wait is a rate limit and the source stops."""
TRIES = 4


class TryAgain(Exception):  # noqa: N818 - reads as what happened
    """Raised inside `patiently`: try again after `retry_after` seconds, or give up with `error`."""

    def __init__(self, error: SourceError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


Check = Callable[[ApiReply], None]
"""Looks at a reply before it is remembered; raises a SourceError or Busy to refuse it."""


class RequestLimits(TypedDict, total=False):
    """Limits of a request.

    `secret` names the parameters that no cache key and no message may hold ("api_key" if nothing is said), `cache`
    how long an answer is remembered (a day; None: not at all), `per_minute` how many requests the source takes, and
    `pace` under which name they are counted (the source's own).
    """

    headers: Mapping[str, str] | None
    secret: tuple[str, ...]
    cache: timedelta | None
    per_minute: int | None
    pace: str


class ApiClient:
    """Asks APIs for all sources of one collection; safe to use from several threads.

    `settings` gives keys, addresses and the User-Agent; `sleep` and `clock` are replaced in tests. `given` counts
    what a source has offered for a class, for the sources whose terms cap it. `tokens` holds what sources gave for
    a key, and until when by `clock` it is good. `say` tells people what a source took their words for, once. With a
    `tape` nothing is taken from the cache, and what it answers in a source's place is not remembered either. With
    `ask_again` no answer of an earlier run is taken.
    """

    def __init__(
        self,
        settings: Settings,
        session: requests.Session,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Say = silent,
        tape: Tape | None = None,
        ask_again: bool = False,
    ) -> None:
        self.settings = settings
        self.session = session
        self.sleep = sleep
        self.clock = clock
        self.given: Counter[tuple[str, str]] = Counter()
        self._tape = tape
        self.tokens: dict[str, tuple[str, float]] = {}
        self._say = say
        self._said: set[str] = set()
        self.memory = ReplyMemory(settings.cache / "search", ask_again=ask_again)
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def get_json(
        self,
        url: str,
        params: Params,
        *,
        source: str,
        check: Check | None = None,
        **how: Unpack[RequestLimits],
    ) -> Any:
        """The JSON that an address answers with; parameters as in `get_reply`.

        Raises:
            SourceError: as `get_reply`, and when the reply is not JSON.
        """

        def whole(reply: ApiReply) -> None:
            if check is not None:
                check(reply)
            if reply.status == 200:
                reply.parsed(source)

        return self.get_reply(url, params, source=source, check=whole, **how).parsed(source)

    def get_text(
        self,
        url: str,
        params: Params,
        *,
        source: str,
        check: Check | None = None,
        **how: Unpack[RequestLimits],
    ) -> str:
        """The text that an address answers with; parameters and errors as in `get_reply`."""
        return self.get_reply(url, params, source=source, check=check, **how).text()

    def get_reply(
        self,
        url: str,
        params: Params,
        *,
        source: str,
        check: Check | None = None,
        **how: Unpack[RequestLimits],
    ) -> ApiReply:
        """Ask once, or take the answer of the last day; patient with trouble that passes.

        `check` sees every whole reply, refusals too, before byod takes it by its status.

        Raises:
            KeyRefused: 401, or 403 where a key was sent.
            RateLimited: 429 to the end, or with a `Retry-After` of more than a minute.
            SourceError: any other refusal, no connection, an answer too large or too slow.
        """
        headers, cache = how.get("headers") or {}, how.get("cache", DAY)
        secret = how.get("secret", ("api_key",))
        public = {name: value for name, value in params.items() if name not in secret}
        with_key = len(public) < len(params) or any(name.lower() == "authorization" for name in headers)
        secrets = (*(str(params[name]) for name in secret if name in params), *headers.values())
        remembered = self._remembered(source, url, public, cache, check)
        if remembered is not None:
            return remembered

        def attempt() -> ApiReply:
            self.take_turn(how.get("pace", source), None if on_loopback(url) else how.get("per_minute"))
            reply = self.exchange(source, url, public, lambda: self._request(url, params, source, headers))
            if check is not None:
                check(reply)
            refuse(reply, source, with_key=with_key, secrets=secrets)
            return reply

        reply = self.patiently(attempt)
        if cache is not None:
            self.remember(source, url, public, reply.body)
        return reply

    def _remembered(
        self, source: str, url: str, public: Params, cache: timedelta | None, check: Check | None
    ) -> ApiReply | None:
        body = self.recall(source, url, public, cache)
        if body is None:
            return None
        reply = ApiReply(status=200, body=body, remembered=True)
        try:
            if check is not None:
                check(reply)
        except (SourceError, TryAgain):
            # what lies in the cache is no answer (a full disk, another version): ask again
            self.memory.forget(source, url, public)
            return None
        return reply

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it does not raise Busy: four times at most, with growing pauses between.

        Raises:
            SourceError: the error of the last Busy; of the first one that asks for more than a minute.
        """

        def worth_it(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            return isinstance(error, TryAgain) and (error.retry_after or 0) <= MAX_WAIT

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, TryAgain) and error.retry_after is not None:
                return error.retry_after
            return float(tenacity.wait_exponential_jitter(initial=1, max=20, jitter=1)(state))

        retrying = tenacity.Retrying(
            sleep=self.sleep if self.live else _at_once,
            stop=tenacity.stop_after_attempt(TRIES),
            wait=pause,
            retry=worth_it,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except TryAgain as busy:
            raise busy.error from busy

    @property
    def live(self) -> bool:
        """True unless a recording answers in the place of the sources."""
        return self._tape is None or self._tape.live

    def say(self, line: str) -> None:
        """Tell people something, the first time it is to be told."""
        with self._lock:
            if line in self._said:
                return
            self._said.add(line)
        self._say(line)

    def send(self, url: str, source: str, headers: Mapping[str, str]) -> ApiReply:
        """The reply to one question, whatever its status, remembered nowhere; no recording holds such a one."""
        if not self.live:
            raise SourceError(f"{source}: a recording holds no files of its own; run it without --replay")
        return self._request(url, {}, source, headers)

    def post(self, url: str, form: Params, *, source: str) -> ApiReply:
        """Send a form and give back whatever is answered; nothing of it is remembered.

        Raises:
            TryAgain: no answer.
            SourceError: one that is too large or too slow.
        """
        public = {name: value for name, value in form.items() if name not in ("client_id", "client_secret")}
        return self.exchange(
            source, url, public, lambda: self._request(url, {}, source, {}, form=form), method="POST"
        )

    def exchange(
        self, source: str, url: str, public: Params, ask: Callable[[], ApiReply], *, method: str = "GET"
    ) -> ApiReply:
        """The reply to a question, which `ask` sends, by way of the tape if there is one."""
        if self._tape is None:
            return ask()
        params = {name: str(value) for name, value in public.items()}
        question = Question(source=source, method=method, path=urlsplit(url).path, params=params)
        return self._tape.exchange(question, ask)

    def take_turn(self, source: str, per_minute: int | None) -> None:
        """Wait until fewer than `per_minute` requests lie within the last minute."""
        if per_minute is None or not self.live:
            return
        while True:
            with self._lock:
                now, asked = self.clock(), self._asked[source]
                while asked and now - asked[0] >= 60:
                    asked.popleft()
                if len(asked) < per_minute:
                    asked.append(now)
                    return
                wait = 60 - (now - asked[0])
            self.sleep(wait)

    def _request(
        self,
        url: str,
        params: Params,
        source: str,
        headers: Mapping[str, str],
        *,
        form: Params | None = None,
    ) -> ApiReply:
        started = time.monotonic()
        try:
            with (
                limited(Allowance(DEADLINE)),
                self.session.request(
                    "GET" if form is None else "POST",
                    url,
                    params=dict(params),
                    data=None if form is None else dict(form),
                    allow_redirects=form is None,  # what a form holds is for this address alone
                    headers=dict(headers),
                    timeout=(10, 20),
                    stream=True,
                ) as response,
            ):
                body = _read(response, source, started)
                names = {name.lower(): value for name, value in response.headers.items()}
                return ApiReply(status=response.status_code, headers=names, body=body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # requests' own exceptions are OSErrors
            raise _no_answer(source, url, error) from error

    def recall(self, source: str, url: str, public: Params, age: timedelta | None) -> bytes | None:
        """The body remembered for a request, if it is no older than `age`."""
        if self._tape is not None:
            return None
        return self.memory.recall(source, url, public, age)

    def remember(self, source: str, url: str, public: Params, body: bytes) -> None:
        """Keep the body of an answer, written whole or not at all."""
        if self.live:
            self.memory.remember(source, url, public, body)


def _at_once(seconds: float) -> None:
    """Wait for nothing: what answers is a recording."""


def on_loopback(url: str) -> bool:
    """True if an address is of this machine: what a public API allows does not count there."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse(reply: ApiReply, source: str, *, with_key: bool, secrets: tuple[str, ...] = ()) -> None:
    """Raise what a status means, with the server's own words but none of the `secrets`; 200 passes.

    Raises:
        Busy: 429 and 5xx.
        KeyRefused: 401, or 403 where a key was sent.
        SourceError: any other status.
    """
    status, wait = reply.status, parsing.rest_asked(reply.headers)
    if status == 200:
        return
    said = refusal_words.without(refusal_words.sentence(reply.body), secrets)
    words = f": {said}" if said else ""
    if status == 429:
        options = f"asks to wait {wait:.0f} s" if wait is not None else "asks to be left alone for a while"
        raise TryAgain(RateLimited(f"{source} {options}; run the command again later{words}"), wait)
    if status >= 500:
        wait = wait if status == 503 else None
        raise TryAgain(SourceError(f"{source} is out of order (HTTP {status}); try again later{words}"), wait)
    if with_key and status in (401, 403):
        raise KeyRefused(f"{source} refused the key (HTTP {status}); check it with byod doctor{words}")
    raise SourceError(f"{source} rejected the request (HTTP {status}){words}")


def _read(response: requests.Response, source: str, started: float) -> bytes:
    """The whole body; small reads, so that a slow drip and a packed bomb are noticed on the way."""
    body = bytearray()
    while chunk := response.raw.read1(16_384, decode_content=True):
        body += chunk
        if len(body) > MAX_REPLY:
            raise SourceError(f"{source} answered with more than {MAX_REPLY // 1_000_000} MB; refused")
        if time.monotonic() - started > DEADLINE:
            raise SourceError(f"{source} took more than {DEADLINE:.0f} s to answer; try again later")
    return bytes(body)


def _no_answer(source: str, url: str, error: Exception) -> Exception:
    """Interpret a broken connection; addresses that may not be contacted are not tried again."""
    host = urlsplit(without_user(url)).netloc
    if any(isinstance(cause, PrivateAddress) for cause in chain(error)):
        return SourceError(
            f"{source}: {host} is an address of this machine or its network; "
            "set BYOD_ALLOW_PRIVATE_HOSTS=1 if that is meant"
        )
    if isinstance(error, requests.TooManyRedirects):
        return SourceError(f"{source}: {host} redirects in a circle")
    if any(isinstance(cause, TimeoutError) for cause in chain(error)):
        return NoAnswer(f"{source}: no answer from {host} in time")  # whoever waits again, waits as long
    return TryAgain(NoAnswer(f"{source}: no answer from {host} ({_what(error)}); is the network there?"))


def _what(error: Exception) -> str:
    """The kind of a failure in a word that people can look up; certificates are named."""
    for cause in chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}; see REQUESTS_CA_BUNDLE"
    return type(error).__name__
