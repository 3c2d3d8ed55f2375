"""A process that opens the pictures of strangers for another one, in little memory: bytes in, pixels out, in frames.

    python -m byod.images.decoder_process BYTES

reads requests from its input and writes answers to its output until the input ends. Both begin with a header of fixed
length that says how many bytes follow; nothing else is read from it, and nothing is executed. `BYTES` is the memory
that it may take beyond what it has when it begins, where the system can bound that.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import BinaryIO, NamedTuple, NoReturn

from byod.images.decoding import as_jpeg, opened_within
from byod.images.openers import HeavyPicture, PixelLimits, TooManyPixels, grey_up_to
from byod.images.picture_file import open_file
from byod.schema import process_limits
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

READY = b"byod decodes\n"
"""The line that a process writes once it takes requests."""
REQUEST = struct.Struct(">?IIQQ?Q")
"""True if a JPEG is wanted (else pixels), `at_least` (0: full size), `openers.white` (0: none), the two
`PixelLimits`, whether heavy pictures are opened, and the length of the file."""
ANSWER = struct.Struct(">cIIIIQ")
"""The kind of answer, width and height of the pixels that follow, those of the picture, and the length of the rest."""
PICTURE, JPEG, REFUSED, HEAVY = b"p", b"j", b"r", b"h"
"""RGB pixels follow; a JPEG follows; JSON follows that says why not; nothing follows."""


class Refusal(NamedTuple):
    """The JSON of a refused picture: a reason and a line; of one too large its type, its size and the limits."""

    reason: str
    detail: str
    too_many: tuple[str, int, int, int, int] | None

    @classmethod
    def of(cls, error: PictureError) -> Refusal:
        """The refusal that an error is."""
        if isinstance(error.__cause__, MemoryError):
            return _NO_MEMORY
        if isinstance(error, TooManyPixels):
            numbers = (error.kind, error.width, error.height, error.most, error.jpeg)
            return cls(error.reason.value, error.detail, numbers)
        return cls(error.reason.value, error.detail, None)


_NO_MEMORY = Refusal(
    Reason.TOO_MANY_PIXELS.value,
    "the picture takes more memory to open than it may; send a smaller one",
    None,
)


def main(arguments: list[str]) -> None:
    """Answer until the other side has no more requests."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    process_limits.bound(int(arguments[0]), may_write=False)
    answers.write(READY)
    answers.flush()
    requests = sys.stdin.buffer
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        wants_jpeg, at_least, known_white, decoded, jpeg, heavy, length = REQUEST.unpack(head)
        content = requests.read(length)
        if len(content) < length:
            return
        turn = nullcontext() if heavy else _Refused()
        limits = PixelLimits(decoded, jpeg)
        find = (
            partial(_as_jpeg, content, limits)
            if wants_jpeg
            else partial(_as_pixels, content, limits, at_least or None, turn)
        )
        with grey_up_to(known_white or None):
            _answer(answers, find)


class _Found(NamedTuple):
    """The outcome of a question: the kind of answer, the sizes that go with it, and what follows."""

    kind: bytes
    sizes: tuple[int, int, int, int]
    payload: bytes


def _as_pixels(
    content: bytes, limits: PixelLimits, at_least: int | None, turn: AbstractContextManager[object]
) -> _Found:
    image, width, height = opened_within(content, limits, at_least=at_least, turn=turn)
    return _Found(PICTURE, (*image.size, width, height), image.tobytes())


def _as_jpeg(content: bytes, limits: PixelLimits) -> _Found:
    return _Found(JPEG, (0, 0, 0, 0), as_jpeg(open_file(content, limits)))


def _answer(answers: BinaryIO, find: Callable[[], _Found]) -> None:
    try:
        kind, sizes, payload = find()
        answers.write(ANSWER.pack(kind, *sizes, len(payload)))
        answers.write(payload)
    except HeavyPicture:
        answers.write(ANSWER.pack(HEAVY, 0, 0, 0, 0, 0))
    except PictureError as error:
        _refuse(answers, Refusal.of(error))
    except MemoryError:
        _refuse(answers, _NO_MEMORY)
    answers.flush()


def _refuse(answers: BinaryIO, refusal: Refusal) -> None:
    line = json.dumps(refusal).encode()
    answers.write(ANSWER.pack(REFUSED, 0, 0, 0, 0, len(line)))
    answers.write(line)


class _Refused(AbstractContextManager[NoReturn]):
    """A turn that does not come."""

    def __enter__(self) -> NoReturn:
        raise HeavyPicture

    def __exit__(self, *_: object) -> None:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
