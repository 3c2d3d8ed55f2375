"""Pictures that look the same laid over one another, pixel by pixel: whether they are one shot; and what came of it.

Only pictures that may be set aside as copies are opened. A pair is compared once, and the catalog keeps the outcome.
"""

from __future__ import annotations

from collections.abc import Collection

from byod.dataset.dataset_folder import Dataset
from byod.images import decode
from byod.images.registration import SIDE, Alignment, Grey, align, grey
from byod.schema.errors import PictureError
from byod.schema.records import Sha256

_MOST = 1024
"""Small grey pictures that are kept at a time, 16 KB each."""


class Shots:
    """Compares samples of a dataset (or `among`) by their hashes; `new` are the pairs not in the catalog yet."""

    def __init__(self, dataset: Dataset, among: Collection[Sha256] | None) -> None:
        self._dataset = dataset
        self._known = dataset.catalog.samples.compared(among)
        self._greys: dict[Sha256, Grey | None] = {}
        self.new: dict[tuple[Sha256, Sha256], Alignment] = {}

    def compare(self, one: Sha256, other: Sha256) -> Alignment | None:
        """The alignment of two samples, in whatever order; None where one's file is not there or cannot be opened."""
        pair = (one, other) if one < other else (other, one)
        found = self._known.get(pair)
        if found is None:
            left, right = self._grey(pair[0]), self._grey(pair[1])
            if left is None or right is None:
                return None
            found = self._known[pair] = self.new[pair] = align(left, right)
        return found

    def _grey(self, sha256: Sha256) -> Grey | None:
        if sha256 not in self._greys:
            if len(self._greys) >= _MOST:
                del self._greys[next(iter(self._greys))]
            self._greys[sha256] = self._opened(sha256)
        return self._greys[sha256]

    def _opened(self, sha256: Sha256) -> Grey | None:
        path = self._dataset.catalog.samples.paths([sha256]).get(sha256)
        if not path:
            return None
        try:
            return grey(decode.open_picture(self._dataset.picture(path), at_least=SIDE))
        except (OSError, PictureError):
            return None
