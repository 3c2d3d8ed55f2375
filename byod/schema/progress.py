"""The progress of a verb, told while it runs: lines for the user, and how much of it is done."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes one line for the user, without a line end."""

Progress = Callable[[int, int], None]
"""Takes how many things are done, and of how many."""


def never() -> bool:
    """A question whether to stop that is always answered no."""
    return False


def silent(line: str) -> None:
    """A `Say` that keeps it to itself."""
