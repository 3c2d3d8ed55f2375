"""One bounded request, as ddgs makes it, for the two web searches.

ddgs (https://github.com/deedy5/ddgs) asks as a browser does, by its library primp: the one exception to byod's honest
User-Agent, since search pages answer nobody else. Unlike ddgs, byod tells a rate limit from an empty answer, follows
redirects only within the search's own site, and bounds the size of an answer.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import primp

from byod.collection.http import api_client, guard, parsing, proxies
from byod.collection.http.source_limits import LIMITS
from byod.schema.addresses import without_user
from byod.schema.errors import NoAnswer, RateLimited, SourceError
from byod.schema.records import Policy

REDIRECTS = 3
LIMIT_STATUSES = (202, 403, 418, 429)
"""What the searches answer when they accept no more searches."""


class Browser:
    """Asks one search site the way a browser does; `source` is what messages call it, `base` its scheme and host."""

    def __init__(
        self, source: str, base: str, client: api_client.ApiClient, headers: Mapping[str, str]
    ) -> None:
        self.source = source
        self.base = base
        self.client = client
        bundle = proxies.certificates()
        self.primp = primp.Client(
            proxy=proxies.proxy_for(base),
            ca_cert_file=bundle if bundle and os.path.isfile(bundle) else None,
            impersonate="random",
            impersonate_os="random",
            timeout=20,
            follow_redirects=False,
            headers=dict(headers),
        )
        if client.live:
            self._refuse_private_host(base)

    def get(self, url: str, params: Mapping[str, str]) -> api_client.ApiReply:
        """One whole answer with status 200.

        Raises:
            RateLimited: the site accepts no more searches.
            SourceError: it does not answer, or in no usable way.
        """

        def attempt() -> api_client.ApiReply:
            self.client.take_turn(
                self.source, None if api_client.on_loopback(url) else LIMITS[self.source].per_minute
            )
            reply = self._follow(url, params)
            wait = parsing.retry_after(reply.headers.get("retry-after"))
            if reply.status in LIMIT_STATUSES:
                limited = RateLimited(
                    f"{self.source} accepts no more searches for now (HTTP {reply.status}); run the command again later"
                )
                # asking again at once only lengthens a block, unless the site itself says when
                raise api_client.TryAgain(limited, wait) if wait is not None else limited
            if reply.status != 200:
                api_client.refuse(reply, self.source, with_key=False)
            return reply

        return self.client.patiently(attempt)

    def _follow(self, url: str, params: Mapping[str, str]) -> api_client.ApiReply:
        reply = self._once(url, params)
        for _ in range(REDIRECTS):
            if reply.status not in (301, 302, 303, 307, 308):
                return reply
            try:
                url = urljoin(url, reply.headers.get("location", ""))
                own = self._own(url)
            except ValueError:
                raise SourceError(f"{self.source} sends byod on to no address; not followed") from None
            if not own:
                raise SourceError(f"{self.source} sends byod on to {_host(url)!r}; not followed")
            reply = self._once(url, {})
        raise SourceError(f"{self.source} redirects in a circle")

    def _own(self, url: str) -> bool:
        """True if an address is of the search's own site: the same host, or a sister of it over TLS."""
        own, other = urlsplit(self.base), urlsplit(url)
        if (other.scheme, other.netloc) == (own.scheme, own.netloc):
            return True
        if own.hostname is None or other.hostname is None or _is_number(own.hostname):
            return False
        site = ".".join(own.hostname.split(".")[-2:])
        return other.scheme == "https" and (other.hostname == site or other.hostname.endswith(f".{site}"))

    def _once(self, url: str, params: Mapping[str, str]) -> api_client.ApiReply:
        public = {name: value for name, value in params.items() if name != "vqd"}
        return self.client.exchange(self.source, url, public, lambda: self._send(url, params))

    def _send(self, url: str, params: Mapping[str, str]) -> api_client.ApiReply:
        try:
            response: Any = self.primp.get(url, params=dict(params), stream=True)
            body = bytearray()
            for chunk in response.iter_bytes(65_536):
                body += chunk
                if len(body) > api_client.MAX_REPLY:
                    response.close()
                    raise SourceError(
                        f"{self.source} answered with more than {api_client.MAX_REPLY // 1_000_000} MB"
                    )
            headers = {name.lower(): value for name, value in response.headers.items()}
            return api_client.ApiReply(status=response.status_code, headers=headers, body=bytes(body))
        except primp.PrimpError as error:
            line = f"{self.source}: no answer from {_host(url)}"
            if isinstance(error, primp.TimeoutError):
                raise NoAnswer(f"{line} in time") from error
            raise api_client.TryAgain(
                NoAnswer(f"{line} ({type(error).__name__}); is the network there?")
            ) from error

    def _refuse_private_host(self, base: str) -> None:
        """primp connects by itself, so a replaced address is checked before it is asked."""
        if self.client.settings.allow_private_hosts:
            return
        parts = urlsplit(base)
        host = parts.hostname or ""
        try:
            guard.check(host, parts.port or (443 if parts.scheme == "https" else 80))
        except guard.PrivateAddress as error:
            raise SourceError(
                f"{self.source}: {host} is an address of this machine or its network; "
                "set BYOD_ALLOW_PRIVATE_HOSTS=1 if that is meant"
            ) from error
        except (OSError, UnicodeError):
            return  # behind a proxy names need not resolve here; primp says what is wrong otherwise


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def unproven(source: str, policy: Policy) -> str:
    """Explain that a web search can give nothing under a licence policy."""
    return f"{source} states no licences; --license {policy} accepts none of its pictures"


def _host(url: str) -> str:
    """Host and port, for messages."""
    return urlsplit(without_user(url)).netloc
