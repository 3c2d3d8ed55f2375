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
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, NamedTuple, NoReturn

from byod.images.decode import opened_within
from byod.images.openers import HeavyPicture, PixelLimits, TooManyPixels
from byod.schema import process_limits
from byod.schema.errors import PictureError
from byod.schema.reasons import Reason

READY = b"byod decodes\n"
"""The line that a process writes once it takes requests."""
REQUEST = struct.Struct(">IQQ?Q")
"""`at_least` (0: full size), the two `PixelLimits`, whether heavy pictures are opened, and the length of the file."""
ANSWER = struct.Struct(">cIIIIQ")
"""The kind of answer, width and height of the pixels that follow, those of the picture, and the length of the rest."""
PICTURE, REFUSED, HEAVY = b"p", b"r", b"h"
"""RGB pixels follow; JSON follows that says why not; nothing follows."""


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
        at_least, decoded, jpeg, heavy, length = REQUEST.unpack(head)
        content = requests.read(length)
        if len(content) < length:
            return
        turn = nullcontext() if heavy else _Refused()
        _answer(answers, content, PixelLimits(decoded, jpeg), at_least or None, turn)


def _answer(
    answers: BinaryIO,
    content: bytes,
    limits: PixelLimits,
    at_least: int | None,
    turn: AbstractContextManager[object],
) -> None:
    try:
        image, width, height = opened_within(content, limits, at_least=at_least, turn=turn)
        pixels = image.tobytes()
        answers.write(ANSWER.pack(PICTURE, *image.size, width, height, len(pixels)))
        answers.write(pixels)
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
