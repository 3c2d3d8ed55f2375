"""The `.cat` file: nine points of one cat's head in one line of ASCII, `9 x1 y1 … x9 y9 `, in whole pixels.

Files that other programs wrote anew are read as well: with a byte order mark, with decimals, and with numbers parted by
commas, semicolons or new lines.

The names are given from the viewer's side of an upright cat: `eye_image_left` is the eye further left in the
picture, the cat's own right eye. The ears run across the picture: left outer base, left tip, left inner base, right
inner base, right tip, right outer base; a mirror image exchanges them accordingly.
Source: https://archive.org/details/CAT_DATASET
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from byod.schema.errors import KeypointsError
from byod.schema.keypoints import KeypointSet

SUFFIX = ".cat"
MAX_BYTES = 4096
MOST = 100_000
"""A coordinate further from the picture's corner than this many pixels is a slip of the pen."""

POINTS = KeypointSet(
    names=(
        "eye_image_left",
        "eye_image_right",
        "mouth",
        "ear_image_left_outer",
        "ear_image_left_tip",
        "ear_image_left_inner",
        "ear_image_right_inner",
        "ear_image_right_tip",
        "ear_image_right_outer",
    ),
    flips=(
        ("eye_image_left", "eye_image_right"),
        ("ear_image_left_outer", "ear_image_right_outer"),
        ("ear_image_left_tip", "ear_image_right_tip"),
        ("ear_image_left_inner", "ear_image_right_inner"),
    ),
    scale=("eye_image_left", "eye_image_right"),
    skeleton=(
        ("eye_image_left", "eye_image_right"),
        ("eye_image_left", "mouth"),
        ("eye_image_right", "mouth"),
        ("ear_image_left_outer", "ear_image_left_tip"),
        ("ear_image_left_tip", "ear_image_left_inner"),
        ("ear_image_right_inner", "ear_image_right_tip"),
        ("ear_image_right_tip", "ear_image_right_outer"),
    ),
)

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{0,9})?")


def parse(content: bytes, where: str) -> tuple[tuple[float, float], ...]:
    """The nine points of a `.cat` file as (x, y) in pixels, in the order of `POINTS`; nothing is ever guessed.

    Args:
        content: the file's bytes.
        where: the file's name, for the message.

    Raises:
        KeypointsError: it is no such list of numbers; the message names the file and the reason.
    """
    if len(content) > MAX_BYTES:
        raise KeypointsError(f"{where}: {len(content)} bytes are too many for nine points")
    words = re.split(r"[\s,;]+", _text(content).lstrip("\ufeff").strip(" \t\r\n,;\0"))
    if words == [""]:
        raise KeypointsError(f"{where}: the file is empty")
    for word in words:
        if not _NUMBER.fullmatch(word):
            raise KeypointsError(f"{where}: {word[:20]!a} is not a number")
    numbers = [float(word) for word in words]
    wanted = len(POINTS.names)
    if numbers[0] != wanted:
        raise KeypointsError(f"{where}: it says {numbers[0]:g} points where {wanted} belong")
    if len(numbers) != 1 + 2 * wanted:
        raise KeypointsError(f"{where}: {len(numbers) - 1} coordinates where {2 * wanted} belong")
    for number in numbers[1:]:
        if abs(number) > MOST:
            raise KeypointsError(f"{where}: the coordinate {number:g} lies far outside any picture")
    return tuple(zip(numbers[1::2], numbers[2::2], strict=True))


def _text(content: bytes) -> str:
    """The text of a file, with or without a byte order mark."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, "backslashreplace")
    return content.decode("ascii", "backslashreplace")


def text(points: Sequence[tuple[float, float]]) -> str:
    """The line for nine points (x, y) in pixels, rounded to whole ones, with the blank at its end as in the originals.

    Raises:
        ValueError: there are not nine.
    """
    if len(points) != len(POINTS.names):
        raise ValueError(f"a .cat file holds {len(POINTS.names)} points, not {len(points)}")
    return (
        " ".join(str(round(number)) for number in (len(points), *(v for point in points for v in point)))
        + " "
    )
