"""Resize a picture to a net's input: one rule for training, measuring, predicting and serving alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from byod.images.decode import open_picture
from byod.images.openers import grey_up_to
from byod.schema.model_card import InputRule, Resize

if TYPE_CHECKING:
    from PIL.Image import Image


def pixels(source: Path | bytes, rule: InputRule) -> NDArray[np.uint8]:
    """Open a picture and bring it to the size of the rule: uint8, [height, width, 3], RGB, 0..255.

    Raises:
        PictureError: it cannot be opened.
    """
    with grey_up_to(rule.grey_white):
        image = open_picture(source, at_least=max(rule.width, rule.height))
    return np.asarray(resized(image, rule))


def resized(image: Image, rule: InputRule) -> Image:
    """An upright RGB picture brought to `rule.width` x `rule.height`.

    `squish` ignores the aspect; `crop` fills the input and cuts what stands over on both sides alike; `pad` fits
    the whole picture in and fills the rest with grey (127). The filter is Pillow's BILINEAR, which averages
    over all source pixels when it shrinks (https://pillow.readthedocs.io/en/stable/handbook/concepts.html).
    """
    from PIL import Image as Images
    from PIL import ImageOps

    size = (rule.width, rule.height)
    bilinear = Images.Resampling.BILINEAR
    if rule.resize is Resize.SQUISH:
        return image if image.size == size else image.resize(size, bilinear)
    if rule.resize is Resize.CROP:
        return ImageOps.fit(image, size, bilinear)
    return ImageOps.pad(image, size, bilinear, color=(127, 127, 127))


def as_input(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [N, height, width, 3] to what the graph takes: float32 [N, 3, height, width], 0..1."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
