"""Batches for Keras: pictures decoded once, drawn in a new order and seen anew in each epoch.

What a step is given depends on seed, epoch and step alone, so that a resumed training sees what the killed one
would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from byod.plugin import Floats, Pixels
from byod_keras.backends import load

keras = load()

Batch = tuple[Floats, NDArray[np.int64], Floats]

TURN = 10.0  # degrees to either side
LIGHT = 0.2  # share by which brightness and contrast change
GREY = (127, 127, 127)
UNEVEN = 1.5  # from this ratio of the largest class to the smallest on, classes are weighted


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch of training batches at a time: float32 [n, size, size, 3] 0..1, class numbers, pictures' weights.

    All batches have the same size (what is compiled for one fits all): the last is filled up with the first pictures.
    """

    def __init__(
        self, pixels: Pixels, labels: Sequence[int], size: int, batch: int, seed: int, smallest: float | None
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.pixels, self.labels = pixels, np.asarray(labels, np.int64)
        self.size, self.batch, self.seed, self.smallest = size, min(batch, len(labels)), seed, smallest
        self.class_weights = _class_weights(self.labels)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch."""
        self.epoch = epoch
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.labels))
        self.order = np.resize(order, len(self) * self.batch)

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch)

    def __getitem__(self, step: int) -> Batch:
        rows = self.order[step * self.batch : (step + 1) * self.batch]
        images = self.pixels.rows(rows)
        labels = self.labels[rows]
        rng = np.random.default_rng([self.seed, self.epoch, step])
        if self.smallest is not None:
            images = np.stack([seen_anew(image, self.size, self.smallest, rng) for image in images])
            return _lit(images, rng), labels, self.class_weights[labels]
        return as_floats(images), labels, self.class_weights[labels]


def as_floats(images: NDArray[np.uint8]) -> Floats:
    """uint8 0..255 to float32 0..1."""
    return images.astype(np.float32) / np.float32(255)


def seen_anew(
    image: NDArray[np.uint8], size: int, smallest: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A picture mirrored, turned and zoomed by chance: uint8 [size, size, 3].

    It shows `smallest` to 1 of the picture's area; what lies outside the picture is grey.
    """
    height, width = image.shape[:2]
    side = math.sqrt(rng.uniform(smallest, 1.0))
    aspect = math.exp(rng.uniform(-0.1, 0.1))
    turn = math.radians(rng.uniform(-TURN, TURN))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    # output pixel (x, y) shows the input at centre + matrix * (x - size / 2, y - size / 2)
    across, down = min(1.0, side * aspect) * width / size, min(1.0, side / aspect) * height / size
    cos, sin = math.cos(turn), math.sin(turn)
    xx, xy, yx, yy = mirror * across * cos, -across * sin, mirror * down * sin, down * cos
    middle_x = width / 2 + rng.uniform(-0.5, 0.5) * (width - across * size)
    middle_y = height / 2 + rng.uniform(-0.5, 0.5) * (height - down * size)
    half = size / 2
    affine = (xx, xy, middle_x - (xx + xy) * half, yx, yy, middle_y - (yx + yy) * half)
    turned = Image.fromarray(image).transform(
        (size, size), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR, fillcolor=GREY
    )
    return np.asarray(turned)


def _lit(images: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """Brightness and contrast of each picture changed by chance."""
    floats = as_floats(images)
    shape = (len(images), 1, 1, 1)
    contrast = rng.uniform(1 - LIGHT, 1 + LIGHT, shape).astype(np.float32)
    shift = rng.uniform(-LIGHT / 2, LIGHT / 2, shape).astype(np.float32)
    means = floats.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip((floats - means) * contrast + means + shift, 0, 1, dtype=np.float32)


def _class_weights(labels: NDArray[np.int64]) -> Floats:
    """A weight a class, so that rare ones count as much as frequent ones; all 1 where they are about even."""
    counts = np.bincount(labels)
    if not imbalanced(labels):
        return np.ones(len(counts), np.float32)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)


def imbalanced(labels: Sequence[int] | NDArray[np.int64]) -> bool:
    """True if the largest class has at least one and a half times the pictures of the smallest."""
    counts = np.bincount(labels)
    return bool(counts.max() >= UNEVEN * counts[counts > 0].min())
