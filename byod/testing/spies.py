"""A trainer under supervision: which files are opened while it trains, and which pictures it asks for.

`Broken` is what every rule of the contract fails with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from byod.schema.model_card import InputRule
from byod.schema.records import Example
from byod.training.protocol import Pixels, Run, Trained, Trainer, TrainingData

Train = Callable[[TrainingData, Any, Run], Trained]
Around = Callable[[Train, TrainingData, Any, Run], Trained]


class Broken(AssertionError):  # noqa: N818 - reads as what happened
    """A trainer does not keep the contract; one sentence."""


class Rule:
    """Whatever goes wrong inside the block ends as one sentence: who broke which rule, and how it came out."""

    def __init__(self, trainer: str, broken: str) -> None:
        self._words = f"{trainer} {broken}"

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, Broken):
            first = (str(error).strip().splitlines() or [""])[0]
            raise Broken(f"{self._words} ({type(error).__name__}: {first})") from error


class _Hook:
    """The one audit hook of this process: they cannot be taken out again, so it is switched on and off.

    https://docs.python.org/3/library/sys.html#sys.addaudithook
    """

    def __init__(self) -> None:
        self.installed = False
        self.watched: dict[str, Path] = {}
        self.seen: set[Path] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self.watched or not isinstance(arguments[0], str | bytes):
            return
        found = self.watched.get(os.path.realpath(os.fsdecode(arguments[0])))
        if found is not None:
            self.seen.add(found)


_hook = _Hook()


@contextmanager
def opened(files: Iterable[Path]) -> Iterator[set[Path]]:
    """Collect which of `files` are opened in this block, by any thread of this process; known when the block has ended.

    What a library opens in C, or another process, raises no audit event here: the file's time of access tells of
    it, where the disk keeps one.
    """
    if not _hook.installed:
        sys.addaudithook(_hook)
        _hook.installed = True
    watched = list(files)
    for file in watched:
        os.utime(
            file, ns=(0, file.stat().st_mtime_ns)
        )  # so old that even Linux's `relatime` notes the next access
    found: set[Path] = set()
    _hook.seen, _hook.watched = found, {os.path.realpath(file): file for file in watched}
    try:
        yield found
    finally:
        _hook.watched = {}
        found.update(file for file in watched if file.stat().st_atime_ns > 0)


@dataclass(frozen=True)
class Guarded(Run):
    """A run that gives out the pixels of its own training and validation pictures alone."""

    trainer: str = ""
    allowed: frozenset[str] = frozenset()

    def pixels(self, examples: Sequence[Example], rule: InputRule) -> Pixels:
        """As for any run; another picture is none of the trainer's business."""
        other = [example.path.name for example in examples if example.sha256 not in self.allowed]
        if other:
            raise Broken(
                f"{self.trainer} asks for the pixels of {other[0]}, which is not a training or validation picture"
            )
        return super().pixels(examples, rule)


def guarded(run: Run, trainer: str, learning: TrainingData) -> Guarded:
    """The same run, for nothing but the pictures that are there to learn from."""
    allowed = frozenset(example.sha256 for example in (*learning.train, *learning.valid))
    return Guarded(**vars(run), trainer=trainer, allowed=allowed)


def surrounded(cls: type[Trainer], around: Around) -> Trainer:
    """A trainer of that class; `around` is called instead of its `train`, with that as its first argument."""

    class Surrounded(cls):  # type: ignore[valid-type, misc]
        def train(self, data: TrainingData, options: Any, run: Run) -> Trained:
            return around(super().train, data, options, run)

    trainer: Trainer = Surrounded()
    return trainer
