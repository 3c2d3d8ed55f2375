"""Pictures of strangers opened in processes of their own, which may take so much memory and time and are then ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from PIL import Image

from byod.images.decoder_process import ANSWER, HEAVY, JPEG, PICTURE, READY, REFUSED, REQUEST
from byod.images.openers import HeavyPicture, OpenedPicture, Opener, PixelLimits, TooManyPixels, white
from byod.schema.child_process import ChildProcess
from byod.schema.errors import ByodError, PictureError
from byod.schema.reasons import Reason

MEMORY = 1_000_000_000
"""Bytes that a process may take beyond what it has when it starts: more than the heaviest picture allowed needs."""
SECONDS = 20.0
"""The longest that a picture may take."""
_START_SECONDS = 60.0
_MOST_REFUSAL = 10_000
_MOST_JPEG = 2_000_000_000
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class DecoderPool:
    """Up to `processes` processes that open pictures, for as many threads; each is started when it is first needed.

    Args:
        processes: how many at the most.
        limits: the pixels of a picture.
        memory: bytes that each may take.
        seconds: how long a picture may take.
    """

    def __init__(
        self, processes: int, limits: PixelLimits, *, memory: int = MEMORY, seconds: float = SECONDS
    ) -> None:
        self._limits, self._memory, self._seconds = limits, memory, seconds
        self._places = threading.BoundedSemaphore(processes)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False

    def opener(self, *, heavy: bool) -> Opener:
        """Opens pictures in these processes; without `heavy`, it raises `HeavyPicture` for a large one."""

        def opened(content: bytes, *, at_least: int | None) -> OpenedPicture:
            request = REQUEST.pack(False, at_least or 0, white() or 0, *self._limits, heavy, len(content))
            with self._borrowed() as process:
                _, sides, payload = process.ask(request, content, self._limits.decoded, self._seconds)
            return OpenedPicture(Image.frombytes("RGB", sides[:2], payload), *sides[2:])

        return opened

    def as_jpeg(self, content: bytes) -> bytes:
        """The JPEG that stands for a picture; see `decoding.as_jpeg`.

        Raises:
            PictureError: it cannot be opened.
        """
        request = REQUEST.pack(True, 0, white() or 0, *self._limits, True, len(content))
        with self._borrowed() as process:
            return process.ask(request, content, self._limits.decoded, self._seconds).payload

    def warm(self) -> None:
        """Start one of the processes, so that the first picture need not wait for it.

        Raises:
            ByodError: it does not start.
        """
        with self._borrowed():
            pass

    def close(self) -> None:
        """End the processes; one that is at work ends when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    @contextmanager
    def _borrowed(self) -> Iterator[_Process]:
        with self._places:
            process = self._taken() or _Process(self._memory)
            try:
                yield process
            finally:
                with self._lock:
                    kept = process.alive and not self._closed
                    if kept:
                        self._idle.append(process)
                if not kept:
                    process.end()

    def _taken(self) -> _Process | None:
        """One that waits; those that somebody ended meanwhile are forgotten."""
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
            if process is None or process.alive:
                return process
            process.end()


class _Answer(NamedTuple):
    """The kind of an answer, width and height of its pixels and of the picture, and what follows."""

    kind: bytes
    sides: tuple[int, int, int, int]
    payload: bytes


class _Process:
    """One process, used by one thread at a time.

    Raises:
        ByodError: it does not start.
    """

    def __init__(self, memory: int) -> None:
        self._process = ChildProcess("byod.images.decoder_process", [str(memory)], _ONE_THREAD)
        self._broken = False
        with self._process.deadline(_START_SECONDS):
            ready = self._process.read(len(READY))
        if ready != READY:
            self.end()
            raise ByodError(
                "the process that opens pictures does not start; see python -m byod.images.decoder_process 0"
            )

    @property
    def alive(self) -> bool:
        """True if it takes requests."""
        return not self._broken and self._process.alive

    def ask(self, request: bytes, content: bytes, most: int, seconds: float) -> _Answer:
        """Its answer to a file; see `Opener`. A process that fails is not used again.

        Raises:
            PictureError: the file cannot be opened.
            HeavyPicture: it may not be opened now.
        """
        self._broken = True  # until it has answered in full
        with self._process.deadline(seconds) as late:
            answer = self._answer(request, content, most)
        if answer is None:
            what = f"longer than {seconds:g} seconds" if late.is_set() else "more memory than it may"
            raise PictureError(
                Reason.TOO_MANY_PIXELS, f"the picture takes {what} to open; send a smaller one"
            )
        self._broken = False
        if answer.kind == HEAVY:
            raise HeavyPicture
        if answer.kind == REFUSED:
            raise _refusal(answer.payload)
        return answer

    def end(self) -> None:
        """End it, whatever it is at."""
        self._process.end()

    def _answer(self, request: bytes, content: bytes, most: int) -> _Answer | None:
        """Its answer; None when it goes, or says what it must not."""
        if not self._process.write(request, content):
            return None
        head = self._process.read(ANSWER.size)
        if len(head) < ANSWER.size:
            return None
        kind, width, height, whole_width, whole_height, length = ANSWER.unpack(head)
        expected = {
            PICTURE: 3 * width * height,
            JPEG: min(length, _MOST_JPEG),
            HEAVY: 0,
            REFUSED: min(length, _MOST_REFUSAL),
        }.get(kind)
        if length != expected or width * height > most:
            return None
        payload = self._process.read(length)
        sides = (width, height, whole_width, whole_height)
        return _Answer(kind, sides, payload) if len(payload) == length else None


def _refusal(payload: bytes) -> PictureError:
    """The error that a refused picture's JSON describes."""
    reason, detail, too_many = json.loads(payload)
    if too_many is not None:
        kind, width, height, most, jpeg = too_many
        return TooManyPixels(kind, width, height, most=most, jpeg=jpeg)
    return PictureError(Reason(reason), detail)
