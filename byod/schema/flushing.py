"""See that what was written is on the disk, and not only on its way there: fsync(2), and what other systems have."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import BinaryIO


def flush(handle: int) -> None:
    """See that an open file or folder is on the disk; macOS leaves it in the disk's own memory unless asked for more.

    Source: https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/fsync.2.html
    """
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):  # not every file system there knows it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def flush_at(name: str, flags: int, handle: int | None) -> None:
    """Open a file or folder that lies in the one of a handle, and see that it is on the disk."""
    descriptor = os.open(name, flags, dir_fd=handle)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush_stream(stream: BinaryIO, wanted: bool) -> None:
    """See that what was written to a stream is on the disk, where that is wanted."""
    if wanted:
        stream.flush()
        flush(stream.fileno())


def flush_folder(handle: int | None, wanted: bool) -> None:
    """See that a new name is on the disk as well; Windows does that by itself."""
    if wanted and handle is not None:
        flush(handle)
