"""Pictures that take much memory, opened for this process by another one that may take so much and no more."""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from byod.images.decoder_pool import DecoderPool
from byod.images.openers import OpenedPicture, PixelLimits
from byod.images.picture_file import PictureFile
from byod.schema.config import Settings
from byod.schema.errors import ByodError, PictureError
from byod.schema.reasons import Reason

LIGHT = 300_000_000
"""Bytes: what a picture may take in this process itself."""
MEMORY = "BYOD_PICTURE_MEMORY"
"""How much memory a picture may take to open, such as `2GB`."""
DEFAULT = 1_500_000_000
_SECONDS = 120.0
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMG]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def allowed() -> int:
    """The bytes of memory that a picture may take.

    Raises:
        ByodError: what the environment says is no size.
    """
    told = Settings.load().environment.get(MEMORY)
    if told is None:
        return DEFAULT
    found = _SIZE.fullmatch(told.strip())
    if found is None or not float(found[1]):
        raise ByodError(f"{MEMORY} is {told!r}; it must be a size, such as 2GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def check(file: PictureFile, needed: int, most: int) -> None:
    """See that a picture takes no more memory than it may.

    Raises:
        PictureError: it takes more; the line says how much.
    """
    if needed > most:
        raise PictureError(
            Reason.TOO_MANY_PIXELS,
            f"{file.width} x {file.height} pixels of a {file.name} take {_in_words(needed)} of memory to open, and "
            f"{_in_words(most)} are allowed; set {MEMORY}={_in_words(needed).replace(' ', '')}, or make it smaller",
        )


def opened(file: PictureFile, needed: int, *, at_least: int | None) -> OpenedPicture:
    """Open a picture in another process; `at_least` as in `decode.opened`.

    Raises:
        PictureError: it takes more memory or time than it may, or cannot be opened.
    """
    most = allowed()
    check(file, needed, most)
    with _said(file, most):
        return _pool(os.getpid(), most).opener(heavy=True)(file.content, at_least=at_least)


def as_jpeg(file: PictureFile, needed: int) -> bytes:
    """The JPEG that stands for a picture, made in another process; see `decoding.as_jpeg`.

    Raises:
        PictureError: it takes more memory or time than it may, or cannot be opened.
    """
    most = allowed()
    check(file, needed, most)
    with _said(file, most):
        return _pool(os.getpid(), most).as_jpeg(file.content)


@contextmanager
def _said(file: PictureFile, most: int) -> Iterator[None]:
    """Say by its size, and by what is allowed, that a picture took more memory than was reckoned."""
    try:
        yield
    except PictureError as error:
        if error.reason is Reason.TOO_MANY_PIXELS and "more memory" in error.detail:
            raise PictureError(
                error.reason,
                f"{file.width} x {file.height} pixels of a {file.name} take more than {_in_words(most)} of memory to "
                f"open; allow more with {MEMORY}, or make it smaller",
            ) from error
        raise


def _in_words(size: int) -> str:
    return f"{-(-size // 100_000_000) / 10:g} GB"


@lru_cache(maxsize=1)
def _pool(process: int, memory: int) -> DecoderPool:
    """One process at a time for all threads of this `process`; one that was forked has another."""
    limits = PixelLimits(2**40, 2**40)  # its memory is what bounds it
    pool = DecoderPool(1, limits, memory=memory + _OWN, seconds=_SECONDS)
    atexit.register(pool.close)
    return pool


_OWN = 200_000_000
"""Bytes of address space beside the picture: threads of decoders, and what they reserve."""
