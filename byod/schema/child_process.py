"""A process of byod's own that works on what strangers made: asked through pipes, and ended when it takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_START = """import sys
sys.path.append(sys.argv[1])
from importlib import import_module
import_module(sys.argv[2]).main(sys.argv[3:])"""


_PIPE_BYTES = 1 << 20
"""So much can be in a pipe at once, where the system can be asked for it: a picture in one piece, not in many."""


class ChildProcess:
    """One process that runs a module's `main`, used by one thread at a time.

    Args:
        module: a module of byod, found where this one lies and nowhere else.
        arguments: what its `main` gets.
        environment: variables that it has besides.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        # not `-m`, which would look into the folder one works in first, and that may be a stranger's
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries have to say of a stranger's bytes
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # a Ctrl-C is for the one who asks
        )
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _widen(pipe)

    @property
    def alive(self) -> bool:
        """True if it runs."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def write(self, *parts: bytes | memoryview) -> bool:
        """Send it something; False if it is gone."""
        assert self._process.stdin is not None
        try:
            for part in parts:
                self._process.stdin.write(part)
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def read(self, length: int) -> bytes:
        """So many bytes of what it says; fewer when it is gone."""
        assert self._process.stdout is not None
        return self._process.stdout.read(length)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[threading.Event]:
        """Kill it when a block takes longer; the block gets what is set then."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        clock = threading.Timer(seconds, kill)
        clock.daemon = True
        clock.start()
        try:
            yield late
        finally:
            clock.cancel()

    def end(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it went before it had read all
        self._process.wait()


def _widen(pipe: IO[bytes]) -> None:
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            return  # a user may have only so many large pipes; narrow ones carry as much, only slower
