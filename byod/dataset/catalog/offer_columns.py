"""Where samples were offered, side by side in columns."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from byod.images.neighbors.pictures import Flags, Indices, Texts, texts

_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class OfferColumns:
    """Offers of samples in columns of one length M, in the order of the candidates' numbers.

    `sample` is the place of the sample that an offer brought among those asked about, `label` the class folder that it
    was made for, `licence` the licence that it states, None for none. `own` marks those of somebody's own pictures,
    `local` files of this machine.
    """

    sample: Indices
    label: Texts
    number: Indices
    url: Texts
    licence: Texts
    own: Flags
    local: Flags

    def __len__(self) -> int:
        """The number of offers."""
        return len(self.sample)


def read(rows: sqlite3.Cursor, places: Mapping[str, int]) -> OfferColumns:
    """Offers out of rows of a catalog: (sample, label, number, url, licence, own, local), those of `places` alone."""
    once: dict[object, object] = {}
    columns: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
    samples, labels, numbers, urls, licences, own, local = columns
    coming = itertools.chain.from_iterable(iter(lambda: rows.fetchmany(_ROWS), []))
    for sample, label, number, url, licence, is_own, is_local in coming:
        if (place := places.get(sample)) is None:
            continue
        samples.append(place)
        labels.append(once.setdefault(label, label))
        numbers.append(number)
        urls.append(url)
        licences.append(once.setdefault(licence, licence) if isinstance(licence, str) else None)
        own.append(is_own)
        local.append(is_local)
    return OfferColumns(
        sample=np.array(samples, np.int64),
        label=texts(labels),
        number=np.array(numbers, np.int64),
        url=texts(urls),
        licence=texts(licences),
        own=np.array(own, bool),
        local=np.array(local, bool),
    )
