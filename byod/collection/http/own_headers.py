"""Headers that some hosts want before they hand a picture out: the page it is shown on, and a person's own cookies.

Both are off unless they are asked for, and neither comes from a recipe: a dataset from somebody else cannot make byod
show a cookie to anybody.
"""

from __future__ import annotations

import http.cookiejar
import urllib.request
import warnings
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urldefrag

from byod.schema.addresses import shown
from byod.schema.errors import UsageError


class OwnHeaders:
    """The headers of a request beside byod's own.

    Args:
        referer: whether the page that a picture is shown on is told, where it is known.
        cookies: a file of cookies in Netscape's format, as browsers' add-ons and curl write it.

    Raises:
        UsageError: the file cannot be read.
    """

    def __init__(self, *, referer: bool = False, cookies: Path | None = None) -> None:
        self.pages: dict[str, str] = {}
        self._referer = referer
        self._jar = None if cookies is None else _read(cookies)

    def know(self, pages: Mapping[str, str | None]) -> None:
        """Take in the pages on which pictures are shown, by the pictures' addresses."""
        if self._referer:
            self.pages |= {url: page for url, page in pages.items() if page}

    def of(self, url: str, target: str) -> dict[str, str]:
        """The headers for the address `url`, now that its redirects have led to `target`.

        A cookie goes to the hosts it belongs to alone; a page that was read over TLS is not told without it.
        """
        headers: dict[str, str] = {}
        page = self.pages.get(url, "")
        if page.startswith("http://") or (page.startswith("https://") and target.startswith("https://")):
            headers["Referer"] = urldefrag(shown(page)).url
        if self._jar is not None:
            request = urllib.request.Request(target)
            self._jar.add_cookie_header(request)
            if cookie := request.get_header("Cookie"):
                headers["Cookie"] = cookie
        return {name: value for name, value in headers.items() if value.isascii() and value.isprintable()}


def _read(file: Path) -> http.cookiejar.CookieJar:
    jar = http.cookiejar.MozillaCookieJar(str(file))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a line that is none it warns with a traceback
            jar.load(ignore_discard=True, ignore_expires=True)
    except http.cookiejar.LoadError as error:
        raise UsageError(
            f"--cookies {file} is not a file of cookies in Netscape's format, whose first line is "
            "'# Netscape HTTP Cookie File'; export it anew"
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--cookies {file} cannot be read ({error})") from error
    for cookie in jar:
        if not cookie.expires or int(cookie.expires) == 0:
            cookie.expires = None  # of a session that is still open: curl and browsers write 0
    return jar
