"""Hashes of pixels: which pictures are the same to the last pixel, however their files differ.

Only pictures that agree in all else that is known of them are opened, and each of them once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from byod.dataset.dataset_folder import Dataset
from byod.images import decode
from byod.schema.errors import PictureError
from byod.schema.records import Sample


def hashes(dataset: Dataset, samples: Iterable[Sample]) -> tuple[dict[str, str], dict[str, str]]:
    """The hash of the pixels of each sample that shares its size and fingerprint with another of them.

    Returns:
        The hashes, and those of them that were not known before. A picture that cannot be opened now has none: it is
        like no other.
    """
    alike: defaultdict[tuple[object, ...], list[Sample]] = defaultdict(list)
    for sample in samples:
        found = sample.fingerprint
        if found is not None and not found.flat:
            alike[sample.width, sample.height, found.phash, found.dhash, found.rgb].append(sample)
    wanted = [sample for together in alike.values() if len(together) > 1 for sample in together]
    if not wanted:
        return {}, {}
    known = dataset.catalog.samples.pixels()
    new = {
        sample.sha256: made
        for sample in wanted
        if sample.sha256 not in known
        if (made := _hash(dataset, sample))
    }
    pixels = known | new
    return {sample.sha256: pixels[sample.sha256] for sample in wanted if sample.sha256 in pixels}, new


def _hash(dataset: Dataset, sample: Sample) -> str:
    """A hash of the upright picture in RGB; "" where its file is not there or cannot be opened."""
    try:
        image = decode.open_picture(dataset.picture(sample.path)) if sample.path else None
    except (OSError, PictureError):
        return ""
    if image is None:
        return ""
    return hashlib.sha256(f"{image.width}x{image.height}".encode() + image.tobytes()).hexdigest()
