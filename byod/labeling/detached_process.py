"""A process that outlives byod: started without a gap in which nobody knows it, told apart from a later one, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_GATE = "import os, sys\nif sys.stdin.readline() == 'go\\n': os.execv(sys.argv[1], sys.argv[1:])"
_PATIENCE = 10.0
"""Seconds a process has to end by itself before it is killed."""


class Waiting:
    """A process that has its number and does nothing yet; should byod die before `go`, it ends by itself.

    On Windows, where a program cannot take the place of another one, it runs at once.

    Args:
        command: the program, by its full path, and its arguments.
        environment: all it sees of the environment.
        log: the file that takes what it prints; emptied first.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            if sys.platform == "win32":
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=stream,
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
                )
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _GATE, *command],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
        self.pid = self._process.pid

    def go(self) -> None:
        """Let it run, and ask it nothing more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.close()
        except BrokenPipeError:
            return  # it is gone already; whoever waits for it sees that by its number


def born(pid: int) -> str | None:
    """The start of a process, as a word that no other process of the same number has; None when it has ended.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, fields 3, 20 and 22, and the boot they count from.
    """
    if sys.platform == "win32":
        return _born_on_windows(pid)
    if sys.platform == "linux":
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        ended = (
            state in "ZX" and int(rest[16]) <= 1
        )  # its first thread may end before the others let go of a port
        return None if ended else f"{boot} {rest[18]}"
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, began = told.stdout.strip().partition(" ")
    return None if not began or state.startswith("Z") else began.strip()


def _born_on_windows(pid: int) -> str | None:
    """https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getprocesstimes"""
    if sys.platform != "win32":  # asked on Windows alone; tells the type checker so
        return None
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return None
    try:
        code = wintypes.DWORD()
        times = [wintypes.FILETIME() for _ in range(4)]
        kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
        kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        alive = code.value == 259  # STILL_ACTIVE
        return f"{times[0].dwHighDateTime} {times[0].dwLowDateTime}" if alive else None
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))


def end(pid: int, began: str) -> bool:
    """End the process with this number that began then, asked politely first; False when it has ended already."""
    if born(pid) != began:
        return False
    for sign in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return True
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if born(pid) != began:
                return True
            time.sleep(0.05)
    return born(pid) != began
