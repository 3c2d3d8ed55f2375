"""Grey of 16 bits: the one value that is white in all pictures of a set, as cameras of 10, 12 or 14 bits write them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from byod.images.color import white_of
from byod.images.decode import ANY_PICTURE
from byod.images.picture_file import DAMAGE, open_file
from byod.images.picture_types import TYPES
from byod.schema.errors import PictureError

_MAY_BE_DEEP = frozenset(
    suffix for name in ("PNG", "TIFF", "PPM", "JPEG2000") for suffix in TYPES[name].suffixes
)
_PNG_DEPTH = slice(24, 26)
_MOST_PIXELS = 50_000_000


def white_of_set(paths: Iterable[Path]) -> int | None:
    """The full scale of the least depth that holds every value of all deep grey pictures; None where there are none."""
    return max((found for path in paths if (found := _white(path)) is not None), default=None)


def _white(path: Path) -> int | None:
    if path.suffix.lower() not in _MAY_BE_DEEP:
        return None
    try:
        if path.suffix.lower() == ".png":
            with path.open("rb") as file:
                if file.read(26)[_PNG_DEPTH] != b"\x10\x00":
                    return None
        opened = open_file(path.read_bytes(), ANY_PICTURE.limits)
        if opened.file.mode == "RGB" or opened.width * opened.height > _MOST_PIXELS:
            return None
        opened.file.load()
        return white_of(opened.file)
    except (PictureError, *DAMAGE):  # it is said when it is trained on
        return None
