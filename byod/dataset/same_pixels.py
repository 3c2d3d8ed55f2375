"""Hashes of pixels: which pictures are the same to the last pixel, however their files differ.

Only pictures that agree in all else that is known of them are opened, and each of them once.
"""

from __future__ import annotations

import hashlib

import numpy as np

from byod.dataset.catalog.sample_columns import SampleColumns
from byod.dataset.dataset_folder import Dataset
from byod.images import decode
from byod.images.neighbors.pictures import Flags, Texts, same_looks
from byod.schema.errors import PictureError


def hashes(dataset: Dataset, samples: SampleColumns, wanted: Flags) -> tuple[Texts, dict[str, str]]:
    """The hash of the pixels of each wanted sample that shares its size and fingerprint with another of them.

    Returns:
        The hashes by place, "" for the others, and those that were not known before by sample. A picture that cannot
        be opened now has none: it is like no other.
    """
    found: Texts = np.full(len(samples), "", object)
    (numbers,) = np.nonzero(wanted & ~samples.prints.flat)
    some = samples.take(numbers)
    together = same_looks(some.prints, some.width, some.height)
    alike = numbers[np.bincount(together, minlength=len(numbers))[together] > 1]
    if not len(alike):
        return found, {}
    known = dataset.catalog.samples.pixels()
    paths = dataset.catalog.samples.paths(sha256 for sha256 in samples.sha256[alike] if sha256 not in known)
    new = {sha256: made for sha256, path in paths.items() if (made := _hash(dataset, path))}
    pixels = known | new
    found[alike] = [pixels.get(sha256, "") for sha256 in samples.sha256[alike]]
    return found, new


def _hash(dataset: Dataset, path: str) -> str:
    """A hash of the upright picture in RGB; "" where its file is not there or cannot be opened."""
    try:
        image = decode.open_picture(dataset.picture(path)) if path else None
    except (OSError, PictureError):
        return ""
    if image is None:
        return ""
    return hashlib.sha256(f"{image.width}x{image.height}".encode() + image.tobytes()).hexdigest()
