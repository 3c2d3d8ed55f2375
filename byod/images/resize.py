"""Resize a picture to a net's input: one rule for training, measuring, predicting and serving alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from byod.images.decode import open_picture
from byod.images.openers import grey_up_to
from byod.schema.model_card import InputRule, PixelRule, Resize

if TYPE_CHECKING:
    from PIL.Image import Image


WHOLE_SIDE = 3584
"""The pixels that are always left of the shorter side: a picture of less than 50 megapixels stays whole."""
WHOLE_TIMES = 16
"""And so many times the side of the input."""
_ROWS = 256
GREY = 127
"""The value of what `pad` fills, in all channels."""

Box = tuple[int, int, int, int]
Block = NDArray[np.uint8] | NDArray[np.float32]


def now(rule: InputRule) -> InputRule:
    """A trainer's rule with the pixels that are made today."""
    return rule.model_copy(update={"pixels": PixelRule.WHOLE})


def pixels(source: Path | bytes, rule: InputRule) -> NDArray[np.uint8]:
    """Open a picture and bring it to the size of the rule: uint8, [height, width, 3], RGB, 0..255.

    Raises:
        PictureError: it cannot be opened.
    """
    with grey_up_to(rule.grey_white):
        image = open_picture(source, at_least=at_least(rule))
    return np.asarray(resized(image, rule))


def at_least(rule: InputRule) -> int:
    """The pixels that the shorter side of a picture must keep when it is opened for this rule.

    A JPEG decoded at half its size is another picture than the one that is halved afterwards: it moved probabilities by
    up to 0.8, and by 0.004 where sixteen times the input was left. So `WHOLE` decodes a picture whole; only one that is
    too large for that is reduced, as far as 3,584 pixels.
    """
    side = max(rule.width, rule.height)
    return side if rule.pixels is PixelRule.REDUCED else max(WHOLE_TIMES * side, WHOLE_SIDE)


def exact(source: Path | bytes, rule: InputRule) -> Block:
    """The pixels of a picture as a model is asked about it; see `pixels` and `block`.

    Raises:
        PictureError: it cannot be opened.
    """
    with grey_up_to(rule.grey_white):
        return block(open_picture(source, at_least=at_least(rule)), rule)


def resized(image: Image, rule: InputRule) -> Image:
    """An upright RGB picture brought to `rule.width` x `rule.height`, in bytes.

    `squish` ignores the aspect; `crop` fills the input and cuts what stands over on both sides alike; `pad` fits
    the whole picture in and fills the rest with grey (127). The filter is Pillow's BILINEAR, which averages
    over all source pixels when it shrinks (https://pillow.readthedocs.io/en/stable/handbook/concepts.html).

    `WHOLE` is what the operators of ONNX do: parts are of whole pixels (`part_of`, `size_in`), cut before and filled up
    after one resize, which goes across first and then down, in fractions.
    """
    from PIL import Image as Images
    from PIL import ImageOps

    size = (rule.width, rule.height)
    bilinear = Images.Resampling.BILINEAR
    if rule.pixels is PixelRule.WHOLE:
        return Images.fromarray(np.rint(block(image, rule)).astype(np.uint8))
    if rule.resize is Resize.SQUISH:
        return image if image.size == size else image.resize(size, bilinear)
    if rule.resize is Resize.CROP:
        return ImageOps.fit(image, size, bilinear)
    return ImageOps.pad(image, size, bilinear, color=(GREY, GREY, GREY))


def block(image: Image, rule: InputRule) -> Block:
    """As `resized`, [height, width, 3], by `WHOLE` in the fractions it has, 0..255, float32.

    Rounded, one byte in a picture may be another in a graph or a browser, since last bits differ; that moved a
    probability by 0.0015. Trainers see bytes all the same.
    """
    size = (rule.width, rule.height)
    if rule.pixels is not PixelRule.WHOLE:
        return np.asarray(resized(image, rule))
    if rule.resize is Resize.CROP:
        return _bilinear(image.crop(part_of(image.size, size)), size)
    if rule.resize is Resize.SQUISH:
        return _bilinear(image, size)
    across, down = size_in(image.size, size)
    left, top = (rule.width - across) // 2, (rule.height - down) // 2
    whole = np.full((rule.height, rule.width, 3), GREY, np.float32)
    whole[top : top + down, left : left + across] = _bilinear(image, (across, down))
    return whole


def _bilinear(image: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """Across and then down."""
    if image.size == size:
        return np.asarray(image, np.float32)
    return np.stack([_resized_band(band, size) for band in image.split()], axis=2)


def _resized_band(band: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """One channel; a few rows at a time, so that a large picture is not there in fractions as a whole."""
    from PIL import Image as Images

    bilinear = Images.Resampling.BILINEAR
    across = [
        np.asarray(rows.convert("F").resize((size[0], rows.height), bilinear))
        for at in range(0, band.height, _ROWS)
        for rows in (band.crop((0, at, band.width, min(at + _ROWS, band.height))),)
    ]
    return np.asarray(Images.fromarray(np.concatenate(across)).resize(size, bilinear))


def part_of(picture: tuple[int, int], size: tuple[int, int]) -> Box:
    """The largest part of a picture with the aspect of `size`, in its middle: left, top, right, low in whole pixels."""
    (width, height), (across, down) = picture, size
    wide = min(width, _nearest(height * across, down))
    high = min(height, _nearest(width * down, across))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def size_in(picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The size in whole pixels at which a picture fits into `size`."""
    (width, height), (across, down) = picture, size
    return min(across, _nearest(width * down, height)), min(down, _nearest(height * across, width))


def _nearest(number: int, by: int) -> int:
    """The quotient as the nearest whole number, halves up, and at least 1."""
    return max(1, (2 * number + by) // (2 * by))


def as_input(batch: Block) -> NDArray[np.float32]:
    """0..255 [N, height, width, 3] to what the graph takes: float32 [N, 3, height, width], 0..1."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
