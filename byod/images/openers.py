"""The one who opens pictures: this process itself or, in a block, another one, such as processes kept small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

if TYPE_CHECKING:
    from PIL.Image import Image


class PixelLimits(NamedTuple):
    """The most pixels that are ever decoded of a picture, and those a JPEG may have, which can be decoded reduced."""

    decoded: int
    jpeg: int


class OpenedPicture(NamedTuple):
    """A picture upright, in RGB and sRGB; `image` may be a reduced one of the `width` x `height` pixels it has."""

    image: Image
    width: int
    height: int


class TooManyPixels(PictureError):  # noqa: N818 - reads as what happened
    """A picture has more pixels than one of its type may have here."""

    def __init__(self, kind: str, width: int, height: int, *, most: int, jpeg: int) -> None:
        super().__init__(
            Reason.TOO_MANY_PIXELS, f"{width} x {height} pixels; the limit of a {kind} is {most:,} in all"
        )
        self.kind, self.width, self.height, self.most, self.jpeg = kind, width, height, most, jpeg


class HeavyPicture(Exception):  # noqa: N818 - reads as what happened
    """A picture takes so much memory and time that its turn is in another queue; nothing is wrong with it."""


class Opener(Protocol):
    """Opens pictures in the place of this process."""

    def __call__(self, content: bytes, *, at_least: int | None) -> OpenedPicture:
        """Open a picture; `at_least` as in `decode.opened`.

        Raises:
            PictureError: it cannot be opened.
            HeavyPicture: it may not be opened now.
        """
        ...


_OPENER: ContextVar[Opener | None] = ContextVar("byod opens pictures with", default=None)


_WHITE: ContextVar[int | None] = ContextVar("byod takes for white", default=None)


def white() -> int | None:
    """The value of deep grey pictures that is white here; None: each picture says it by its lightest value."""
    return _WHITE.get()


@contextmanager
def grey_up_to(value: int | None) -> Iterator[None]:
    """Have one value be the white of all deep grey pictures of a block, as those of one set are alike."""
    token = _WHITE.set(value)
    try:
        yield
    finally:
        _WHITE.reset(token)


def opener() -> Opener | None:
    """The one who opens pictures here; None for this process itself."""
    return _OPENER.get()


@contextmanager
def opened_by(other: Opener) -> Iterator[None]:
    """Have all pictures of a block opened by another; threads that it starts take its context with them."""
    token = _OPENER.set(other)
    try:
        yield
    finally:
        _OPENER.reset(token)
