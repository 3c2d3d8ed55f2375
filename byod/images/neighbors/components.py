"""Things that belong together because they are linked, however far round; all links at once, in arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def parts(count: int, one: Numbers, other: Numbers) -> Numbers:
    """Give each of the numbers 0..count-1 the least number it is linked with, directly or through others.

    Args:
        count: how many numbers there are.
        one: int64 [L], the one end of each link.
        other: int64 [L], the other end.
    """
    part: Numbers = np.arange(count)
    while True:
        first, second = part[one], part[other]
        apart = first != second
        if not apart.any():
            return part
        one, other = one[apart], other[apart]
        np.minimum.at(part, np.maximum(first, second)[apart], np.minimum(first, second)[apart])
        while not np.array_equal(part, further := part[part]):
            part = further


def tree(count: int, one: Numbers, other: Numbers) -> Numbers:
    """Choose the fewest links, the first ones of the list, that link all that is linked (Borůvka's forest).

    Args:
        count: how many numbers there are.
        one: int64 [L], the one end of each link, the most welcome link first.
        other: int64 [L], the other end.

    Returns:
        int64 [<= L], the positions of the chosen links, in ascending order.
    """
    part: Numbers = np.arange(count)
    chosen: Numbers = np.empty(0, np.int64)
    open_links = np.arange(len(one))
    while True:
        first, second = part[one[open_links]], part[other[open_links]]
        apart = first != second
        if not apart.any():
            return chosen
        open_links = open_links[apart]
        best: Numbers = np.full(count, len(one))
        np.minimum.at(best, first[apart], open_links)
        np.minimum.at(best, second[apart], open_links)
        chosen = np.union1d(chosen, best[best < len(one)])
        part = parts(count, one[chosen], other[chosen])


def listed(part: Numbers, wanted: NDArray[np.bool_]) -> list[list[int]]:
    """The wanted parts as lists of their numbers, each ascending; `wanted` is asked at a part's least number."""
    (members,) = np.nonzero(wanted[part])
    order = members[np.argsort(part[members], kind="stable")]
    cuts = np.flatnonzero(np.diff(part[order])) + 1
    return [found.tolist() for found in np.split(order, cuts)] if len(order) else []
