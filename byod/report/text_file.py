"""Generated text files: written whole under a temporary name, and not touched when nothing changed."""

from __future__ import annotations

from pathlib import Path

from byod.schema import files


def replace(path: Path, text: str) -> bool:
    """Put `text` (UTF-8, line ends as they are) in the place of `path`; say whether anything changed.

    A reader sees the old file or the new one, never half of either; an unchanged file keeps its time.
    """
    content = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == content:
        return False
    files.replace(path, content)
    return True
