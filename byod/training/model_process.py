"""A model that this machine did not make, run in a process of its own: with deadlines and a bound on memory.

What is legal in ONNX may take hours, more memory than there is, or end the process that runs it, and for one picture in
a thousand only. So such a model never runs in byod's own process. The process is sent the file and then pictures, and
sends back numbers; it is ended where it takes too long, and another one takes its place.
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from byod.schema import process_limits
from byod.schema.child_process import ChildProcess
from byod.schema.errors import ModelError
from byod.schema.names import shown
from byod.training import model_runtime
from byod.training.model_runtime import Floats, Port

SECONDS_TO_OPEN = 60.0
"""How long it may take to be read, besides the time for its first picture."""
MEMORY = 4_000_000_000
"""How many bytes it may take, besides three times its file."""
BATCH = 8
"""How many pictures it is asked about at once."""
PROCESSES = min(4, os.cpu_count() or 1)
"""How many of them there are at the most, where several threads ask."""
_MOST_WORDS = 200_000
_MOST_NUMBERS = 500_000_000
_LENGTH = struct.Struct(">Q")
_PICTURES = struct.Struct(">4Id")
_FRAME = struct.Struct(">cQ")
_OPENED, _ANSWER, _REFUSED = b"o", b"a", b"r"
_PORTS = TypeAdapter(tuple[tuple[Port, ...], tuple[Port, ...]])
_SHAPES = TypeAdapter(tuple[tuple[NonNegativeInt, ...], ...])


class ForeignModel:
    """A model in processes of its own, one for each thread that asks; see `model_runtime.OpenedModel`."""

    batch = BATCH

    def __init__(self, content: bytes, threads: int) -> None:
        self._content, self._threads = content, threads
        self._places = threading.BoundedSemaphore(PROCESSES)
        self._idle: list[_Process] = []
        weakref.finalize(self, _end, self._idle)
        with self._borrowed() as process:
            self.inputs, self.outputs = process.ports

    def answer(self, images: Floats) -> list[Floats]:
        """Ask one of the processes; one that fails or is late is ended."""
        with self._borrowed() as process:
            return process.answer(images)

    @contextmanager
    def _borrowed(self) -> Iterator[_Process]:
        with self._places:
            try:
                process = self._idle.pop()
            except IndexError:
                process = _Process(self._content, self._threads)
            try:
                yield process
            finally:
                if process.alive:
                    self._idle.append(process)
                else:
                    process.end()


def _end(processes: list[_Process]) -> None:
    for process in processes:
        process.end()


class _Process:
    """One process with the model; used by one thread at a time.

    Raises:
        ModelError: the model cannot be opened, or not within its bounds.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        arguments = [str(MEMORY + 3 * len(content)), str(threads)]
        self._child = ChildProcess("byod.training.model_process", arguments, {"MALLOC_ARENA_MAX": "2"})
        self._broken = False
        seconds = SECONDS_TO_OPEN + model_runtime.SECONDS
        try:
            with self._answering(seconds, _LENGTH.pack(len(content)), content):
                self.ports = _PORTS.validate_json(self._words(_OPENED))
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """True if it can be asked."""
        return not self._broken and self._child.alive

    def end(self) -> None:
        """End it, whatever it is at."""
        self._child.end()

    def answer(self, images: Floats) -> list[Floats]:
        """All outputs for some pictures."""
        images = np.ascontiguousarray(images, np.float32)
        seconds = model_runtime.SECONDS * len(images)
        question = _PICTURES.pack(*images.shape, seconds)
        with self._answering(seconds, question, images.data.cast("B")):
            shapes = _SHAPES.validate_json(self._words(_ANSWER))
            if len(shapes) != len(self.ports[1]) or sum(map(math.prod, shapes)) > _MOST_NUMBERS:
                raise ModelError(f"this model gives more numbers than byod takes; {model_runtime.UNUSABLE}")
            return [self._numbers(shape) for shape in shapes]

    @contextmanager
    def _answering(self, seconds: float, *question: bytes | memoryview) -> Iterator[None]:
        """Ask, and read the answer in a block that ends in time; one that fails to answer is not asked again."""
        self._broken = True
        try:
            with self._child.deadline(seconds) as late:
                if not self._child.write(*question):
                    raise _Gone
                yield
        except (_Gone, ValidationError):
            if late.is_set():
                raise ModelError(model_runtime.too_slow(model_runtime.SECONDS)) from None
            self._child.end()
            raise ModelError(
                f"this model ends the process that runs it (code {self._child.code}); {model_runtime.UNUSABLE}"
            ) from None
        self._broken = False

    def _words(self, expected: bytes) -> bytes:
        kind, length = _FRAME.unpack(self._read(_FRAME.size))
        if kind not in (expected, _REFUSED) or length > _MOST_WORDS:
            raise _Gone
        words = self._read(length)
        if kind == _REFUSED:
            raise model_runtime.fault(shown(words.decode("utf-8", "replace")))
        return words

    def _numbers(self, shape: Sequence[int]) -> Floats:
        content = self._read(4 * math.prod(shape))
        return np.frombuffer(content, np.float32).reshape(shape) if content else np.empty(shape, np.float32)

    def _read(self, length: int) -> bytes:
        content = self._child.read(length)
        if len(content) < length:
            raise _Gone
        return content


class _Gone(Exception):  # noqa: N818 - reads as what happened
    """The process is gone, or says what it must not."""


def main(arguments: list[str]) -> None:
    """Be that process: read a model, answer until the other side has no more pictures."""
    import onnxruntime  # noqa: F401 - before memory is bound, what everybody needs

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    given = sys.stdin.buffer
    content = given.read(_LENGTH.unpack(given.read(_LENGTH.size))[0])
    process_limits.bound(int(arguments[0]), may_write=False)
    _alarm(SECONDS_TO_OPEN + model_runtime.SECONDS)
    try:
        session = model_runtime.opened(content, int(arguments[1]))
        inputs, outputs = model_runtime.ports(session)
        if len(json.dumps([inputs, outputs])) > _MOST_WORDS:
            raise ValueError("the names of its inputs and outputs are too long")
        _try(session, inputs)
    except model_runtime.runtime_errors() as error:
        _refuse(answers, error)
        return
    _send(answers, _OPENED, [inputs, outputs])
    while len(head := given.read(_PICTURES.size)) == _PICTURES.size:
        *shape, seconds = _PICTURES.unpack(head)
        images = np.frombuffer(given.read(4 * math.prod(shape)), np.float32).reshape(shape)
        _alarm(seconds)
        try:
            said = session.run(None, {inputs[0].name: images})
            blocks = [_floats(block, port) for block, port in zip(said, outputs, strict=True)]
        except model_runtime.runtime_errors() as error:
            _refuse(answers, error)
            return
        _send(answers, _ANSWER, [block.shape for block in blocks], *blocks)


def _alarm(seconds: float) -> None:
    """Let the system end this process if it is at work by then, even where nobody is left who would; 0: never."""
    if sys.platform != "win32":
        signal.alarm(math.ceil(seconds + model_runtime.GRACE) if seconds else 0)


def _try(session: Any, inputs: tuple[Port, ...]) -> None:
    """Ask about a made picture, so that what never answers is found out when it is opened."""
    if len(inputs) == 1 and inputs[0].type == "tensor(float)":
        shape = [side if isinstance(side, int) else 1 for side in inputs[0].shape]
        session.run(None, {inputs[0].name: np.random.default_rng(0).random(shape, np.float32)})


def _floats(block: object, port: Port) -> Floats:
    if not isinstance(block, np.ndarray) or block.dtype != np.float32:
        raise ValueError(f"`{port.name}` is not float32")
    return np.ascontiguousarray(block)


def _refuse(answers: BinaryIO, error: Exception) -> None:
    line = f"{type(error).__name__}: {model_runtime.first_line(error)}"[:1000].encode("utf-8", "replace")
    answers.write(_FRAME.pack(_REFUSED, len(line)) + line)
    answers.flush()


def _send(answers: BinaryIO, kind: bytes, words: object, *blocks: Floats) -> None:
    _alarm(0)
    line = json.dumps(words).encode()
    answers.write(_FRAME.pack(kind, len(line)) + line)
    for block in blocks:
        if block.size:
            answers.write(block.data.cast("B"))
    answers.flush()
