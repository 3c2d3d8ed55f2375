"""Cookies within one chain of redirects: some hosts hand a picture out only to whoever brings back what they just gave.

Nothing is kept beyond the chain: each address begins without cookies, so that nobody is followed from one picture to
the next.
"""

from __future__ import annotations

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header

MOST = 4096
"""Bytes of the cookies of one answer; longer ones are not kept."""


def gathered(jar: RequestsCookieJar | None, response: requests.Response) -> RequestsCookieJar | None:
    """The cookies of a chain with those that this redirect sets; None for none."""
    given = response.raw.headers.getlist("Set-Cookie")
    if not given or sum(map(len, given)) > MOST:
        return jar
    jar = RequestsCookieJar() if jar is None else jar
    extract_cookies_to_jar(jar, response.request, response.raw)  # type: ignore[no-untyped-call]
    return jar


def header(jar: RequestsCookieJar | None, request: requests.PreparedRequest) -> str | None:
    """The value of the Cookie header for a request of the chain; None for no such header."""
    if jar is None:
        return None
    found: str | None = get_cookie_header(jar, request)  # type: ignore[no-untyped-call]
    return found
