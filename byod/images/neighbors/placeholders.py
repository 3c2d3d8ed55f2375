"""Pictures that stand for missing ones: the same "no longer available" under many addresses.

Several sources may well offer one photo, at its own address or on several hosts; what gives a placeholder away
is one host showing it at three of its addresses, or different classes finding it at different places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from byod.images.neighbors.components import listed, parts
from byod.images.neighbors.hamming import Buckets, products
from byod.images.neighbors.index import Links, Table
from byod.images.neighbors.pictures import Flags, Indices, Pictures, firsts
from byod.images.picture_types import SUFFIXES

MANY = 3
"""From so many addresses on, a picture may be a placeholder."""

_NEAR = (4, 4)
_COLOUR = 3.0
_FILE_ENDINGS = tuple(SUFFIXES)


def placeholders(pictures: Pictures, table: Table, near: Links) -> Flags:
    """True of the pictures that are placeholders.

    Copies count together when they are as good as identical and of one size in pixels (the sizes a host makes of
    one photo are not). They are placeholders when they were offered

    - under 3 addresses of one host, or
    - under 3 addresses on 2 hosts for 2 classes, each of these addresses for one class only: a photo found at
      one place for two classes is a conflict, not a placeholder.

    Nothing that somebody labelled by hand is a placeholder, nor are its copies.
    """
    found = np.zeros(len(pictures), bool)
    for members in _identical(pictures, table, near):
        if not pictures.by_hand[members].any() and _everywhere(pictures, members):
            found[members] = True
    return found


def _identical(pictures: Pictures, table: Table, near: Links) -> Iterable[list[int]]:
    """Sets of pictures that are as good as identical, those with enough addresses."""
    everyone = np.arange(len(pictures))
    links: list[tuple[Indices, Indices]] = [
        (pictures.first_of_bytes(), everyone),
        (pictures.alike(), everyone),
    ]
    size = firsts(pictures.width << 32 | pictures.height)
    (shown,) = np.nonzero(table.plain >= 0)
    kinds, first, kind = np.unique(
        table.plain[shown] * len(pictures) + size[shown], return_index=True, return_inverse=True
    )
    first = shown[first]  # the best picture of each pair of hashes and size
    links.append(_of_one_colour(table, first[kind], shown))
    close = near.within(_NEAR)
    one, other = products(
        np.stack((close.one, close.other), axis=1),
        *[Buckets.of(kinds // len(pictures), len(table.phash))] * 2,
    )
    alike = size[first[one]] == size[first[other]]
    links.append(_of_one_colour(table, first[one[alike]], first[other[alike]]))
    ends = [np.concatenate(column) for column in zip(*links, strict=True)]
    part = parts(len(pictures), *ends)
    addresses = np.bincount(part, [len(each) for each in pictures.addresses], len(pictures))
    return listed(part, addresses >= MANY)


def _of_one_colour(
    table: Table, one: NDArray[np.int64], other: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    same = table.of_one_colour(one, other, _COLOUR)
    return one[same], other[same]


def _everywhere(pictures: Pictures, members: Sequence[int]) -> bool:
    """True if the pictures' addresses are those of a placeholder."""
    labels: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for number in members:
        for url in pictures.addresses[number]:
            if place := _place(url):
                labels[place].add(int(pictures.label[number]))
    hosts: defaultdict[str, int] = defaultdict(int)
    for host, _ in labels:
        hosts[host] += 1
    if max(hosts.values(), default=0) >= MANY:
        return True
    single = {place: names for place, names in labels.items() if len(names) == 1}
    classes = {label for names in single.values() for label in names}
    return len(single) >= MANY and len(classes) >= 2 and len({host for host, _ in single}) >= 2


def _place(url: str) -> tuple[str, str] | None:
    """Host and path of a web address; spellings of one address come out the same. None for local files.

    The query belongs to it unless the path names a picture file: then it only asks for a size or a fresh copy.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return None
    host = parts.hostname.lower().removeprefix("www.")
    if port not in (None, 80, 443):
        host = f"{host}:{port}"
    static = parts.path.lower().endswith(_FILE_ENDINGS)
    return host, parts.path if static or not parts.query else f"{parts.path}?{parts.query}"
