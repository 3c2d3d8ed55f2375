"""Bounds on what this process may take from now on, for one that works on what strangers made."""

from __future__ import annotations

import os
from pathlib import Path


def bound(memory: int, *, may_write: bool) -> None:
    """Take no more memory than this from now on, and leave no core file; where the system can see to it.

    Args:
        memory: bytes of address space beyond what the process has now.
        may_write: whether it may write files.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = [(resource.RLIMIT_AS, _taken() + memory), (resource.RLIMIT_CORE, 0)]
    if not may_write:
        limits.append((resource.RLIMIT_FSIZE, 0))
    for limit, value in limits:
        _, most = resource.getrlimit(limit)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError):  # macOS knows RLIMIT_AS and takes no value
            continue


def _taken() -> int:
    """The address space that this process has, in bytes; generously guessed where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 2_000_000_000
    return int(statm.read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
