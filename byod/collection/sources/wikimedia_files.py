"""Addresses of Wikimedia's files: one for each picture, and the 1920 px copy of a huge one.

Both Commons and Openverse offer the same files, and Commons' own answers carry marks of where they were given out.
Layout: https://upload.wikimedia.org/wikipedia/commons/a/ab/Name.jpg and, for a copy of certain widths,
…/commons/thumb/a/ab/Name.jpg/1920px-Name.jpg (https://www.mediawiki.org/wiki/Common_thumbnail_sizes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

HUGE_BYTES = 8_000_000
HUGE_SIDE = 4000
THUMB = 1920
"""Width asked for instead of a huge original; Wikimedia makes only certain widths, this is one."""
_FILE = re.compile(
    r"(?P<start>.*/wikipedia/\w+)/(?P<place>[0-9a-f]/[0-9a-f]{2}/(?P<name>[^/?#]+\.(?:jpe?g|png)))", re.I
)
_LONGEST = 160
"""A copy whose file's name is longer goes by the name of "thumbnail"."""


@dataclass(frozen=True)
class Size:
    """The stated size of an original: pixels and bytes, None where it is not said."""

    width: int | None
    height: int | None
    size: int | None

    @property
    def huge(self) -> bool:
        """True of an original that is larger than a training will ever need."""
        return (self.size or 0) > HUGE_BYTES or max(self.width or 0, self.height or 0) > HUGE_SIDE


def one_address(url: str) -> str:
    """The address of a file without the marks of who gave it out (`utm_…`), on the host where all lie."""
    parts = urlsplit(url)
    kept = [each for each in parts.query.split("&") if not each.startswith("utm_")]
    host = "upload.wikimedia.org" if parts.netloc == "thumb.wikimedia.org" else parts.netloc
    if host == parts.netloc and "&".join(kept) == parts.query:
        return url
    return urlunsplit((parts.scheme, host, parts.path, "&".join(kept), parts.fragment))


def handy(url: str, size: Size, min_side: int) -> tuple[str, tuple[int | None, int | None], tuple[str, ...]]:
    """(address, (width, height), addresses instead) to take an original by: a huge one by its 1920 px copy.

    The copy is not taken where it would be too small, or where a file's name does not say how it is called.
    """
    found = _FILE.fullmatch(url)
    if found is None or not size.width or not size.height or size.width <= THUMB:
        return url, (size.width, size.height), ()
    height = max(1, round(size.height * THUMB / size.width))
    name = (
        found["name"] if len(found["name"]) <= _LONGEST else f"thumbnail.{found['name'].rpartition('.')[2]}"
    )
    copy = f"{found['start']}/thumb/{found['place']}/{THUMB}px-{name}"
    if min(THUMB, height) < min_side:
        return url, (size.width, size.height), ()
    if size.huge:
        return copy, (THUMB, height), (url,)
    return url, (size.width, size.height), (copy,)
