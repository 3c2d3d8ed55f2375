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
GREY = 127
"""The value of what `pad` fills, in all channels."""

Box = tuple[int, int, int, int]


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


def resized(image: Image, rule: InputRule) -> Image:
    """An upright RGB picture brought to `rule.width` x `rule.height`.

    `squish` ignores the aspect; `crop` fills the input and cuts what stands over on both sides alike; `pad` fits
    the whole picture in and fills the rest with grey (127). The filter is Pillow's BILINEAR, which averages
    over all source pixels when it shrinks (https://pillow.readthedocs.io/en/stable/handbook/concepts.html).

    `WHOLE` is what the operators of ONNX do: parts are of whole pixels (`part_of`, `size_in`), cut before and filled up
    after one resize, which goes across first and then down.
    """
    from PIL import Image as Images
    from PIL import ImageOps

    size = (rule.width, rule.height)
    bilinear = Images.Resampling.BILINEAR
    if rule.pixels is PixelRule.WHOLE:
        return _resized_whole(image, rule)
    if rule.resize is Resize.SQUISH:
        return image if image.size == size else image.resize(size, bilinear)
    if rule.resize is Resize.CROP:
        return ImageOps.fit(image, size, bilinear)
    return ImageOps.pad(image, size, bilinear, color=(GREY, GREY, GREY))


def _resized_whole(image: Image, rule: InputRule) -> Image:
    from PIL import Image as Images

    size = (rule.width, rule.height)
    if rule.resize is Resize.CROP:
        return _bilinear(image.crop(part_of(image.size, size)), size)
    if rule.resize is Resize.SQUISH:
        return _bilinear(image, size)
    across, down = size_in(image.size, size)
    whole = Images.new("RGB", size, (GREY, GREY, GREY))
    whole.paste(_bilinear(image, (across, down)), ((rule.width - across) // 2, (rule.height - down) // 2))
    return whole


def _bilinear(image: Image, size: tuple[int, int]) -> Image:
    """Across and then down; by itself Pillow begins with a side that shrinks much more, and rounds differently."""
    from PIL import Image as Images

    across = image.resize((size[0], image.height), Images.Resampling.BILINEAR)
    return across.resize(size, Images.Resampling.BILINEAR)


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


def as_input(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [N, height, width, 3] to what the graph takes: float32 [N, 3, height, width], 0..1."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
