"""The samples of a dataset as the search for duplicates sees them: each once for every class it was offered for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from byod.dataset import same_pixels
from byod.dataset.catalog.offer_columns import OfferColumns
from byod.dataset.catalog.sample_columns import SampleColumns
from byod.dataset.dataset_folder import Dataset
from byod.images.neighbors.pictures import COPIES, Flags, Indices, Pictures, Texts, numbered, texts
from byod.schema.records import Sha256, Verdict


class CopyRules:
    """The rules by which pictures are set aside as copies: those of the search's, those of somebody's own.

    `own` marks the samples that somebody brought, or put into a class folder; `copies` are the rules by number,
    `pixels` the hashes of the pixels of those that need them, `new_pixels` what was not known of these.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: SampleColumns,
        offers: OfferColumns,
        places: Mapping[Sha256, int],
        verdicts: Mapping[Sha256, Verdict],
    ) -> None:
        by_hand, offered = np.zeros(len(samples), bool), np.zeros(len(samples), bool)
        by_hand[
            [
                places[sha256]
                for sha256, said in verdicts.items()
                if said.label is not None and sha256 in places
            ]
        ] = True
        offered[offers.sample] = True
        self.own = by_hand & ~offered
        self.own[offers.sample[offers.own]] = True
        found, own = dataset.recipe.duplicates, dataset.recipe.own.duplicates
        self.copies = np.where(self.own, COPIES.index(own), COPIES.index(found))
        self.pixels, self.new_pixels = same_pixels.hashes(
            dataset, samples, self.copies != COPIES.index("near")
        )


def first_positions(samples: SampleColumns, offers: OfferColumns) -> Indices:
    """The place of each sample in the order: that of its first candidate, whichever of them arrived first."""
    first = np.full(len(samples), np.iinfo(np.int64).max)
    np.minimum.at(first, offers.sample, offers.number)
    return np.where(first == np.iinfo(np.int64).max, samples.position, first)


def pictures(
    samples: SampleColumns,
    offers: OfferColumns,
    verdicts: Mapping[int, Verdict],
    licensed: Flags,
    apart: Mapping[Sha256, frozenset[Sha256]],
    rules: CopyRules,
) -> Pictures:
    """The samples as the duplicate search sees them: once for each class offered for, once if labelled by hand.

    `verdicts` are those that hold, by the place of the sample; `licensed` marks the samples of a known licence.
    """
    said = np.zeros(len(samples), bool)
    said[list(verdicts)] = True
    owner, label, order, addresses = _rows(samples, offers, said)
    for row in np.flatnonzero(said[owner]).tolist():
        label[row] = verdicts[int(owner[row])].label or samples.label[owner[row]]
    names = sorted(set(label))
    codes = {name: code for code, name in enumerate(names)}
    return Pictures(
        sha256=samples.sha256[owner],
        bytes_of=numbered(samples.sha256)[owner],
        label=np.array([codes[name] for name in label], np.int64),
        prints=samples.prints.take(owner),
        order=order,
        width=samples.width[owner],
        height=samples.height[owner],
        size=samples.size[owner],
        by_hand=said[owner],
        own=rules.own[owner],
        licence=licensed[owner],
        copies=rules.copies[owner],
        pixels=rules.pixels[owner],
        addresses=addresses,
        labels=tuple(names),
        apart=apart,
    )


def _rows(samples: SampleColumns, offers: OfferColumns, said: Flags) -> tuple[Indices, Texts, Indices, Texts]:
    """For each picture its sample, its label, its place in the order, and the addresses where it was offered."""
    _, labels = np.unique(offers.label.astype(str), return_inverse=True)
    # what somebody labelled by hand is one picture, wherever it was offered
    label = np.where(said[offers.sample], 0, labels)
    by_picture = np.lexsort((label, offers.sample))
    sample, label = offers.sample[by_picture], label[by_picture]
    new = np.ones(len(sample), bool)
    new[1:] = (np.diff(sample) != 0) | (np.diff(label) != 0)
    starts, urls = np.flatnonzero(new), offers.url[by_picture]
    addresses = [
        tuple(dict.fromkeys(url for url in urls[start:end] if url.startswith("http")))
        for start, end in itertools.pairwise([*starts.tolist(), len(sample)])
    ]
    numbers = offers.number[by_picture]
    order = np.minimum.reduceat(numbers, starts) if len(starts) else numbers
    offered = np.zeros(len(samples), bool)
    offered[offers.sample] = True
    (others,) = np.nonzero(~offered)
    return (
        np.concatenate((sample[starts], others)),
        np.concatenate((offers.label[by_picture][starts], samples.label[others])),
        np.concatenate((order, samples.position[others])),
        texts([*addresses, *[()] * len(others)]),
    )
