"""The files of a dataset's pictures, for whoever reads them by their path: through links only if that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from byod.schema import files, places
from byod.schema.config import Settings
from byod.schema.errors import DatasetError
from byod.schema.paths import of_picture

FOLLOW_LINKS = "BYOD_FOLLOW_LINKS"
"""Set to 1, pictures below `images/` are read through links; `--follow-links` does that for one command."""


_following: ContextVar[bool] = ContextVar("_following", default=False)


@contextmanager
def following(wanted: bool) -> Iterator[None]:
    """Have pictures read through links in the block, where that is `wanted`; else what was told before holds."""
    before = _following.set(wanted or _following.get())
    try:
        yield
    finally:
        _following.reset(before)


def told_to_follow() -> bool:
    """True if the person at work wants pictures read through links."""
    return _following.get() or Settings.load().environment.get(FOLLOW_LINKS) == "1"


def readable(folder: Path, path: str, *, follow: bool) -> Path | None:
    """The file of a picture in a dataset; None where there is none that may be read.

    Args:
        folder: the dataset.
        path: where it lies in there, out of a file that a stranger may have written.
        follow: whether pictures below `images/` may be read through links.
    """
    try:
        of_picture(path)
        if follow and path.startswith("images/"):
            return place if (place := folder / path).is_file() else None
        return place if path and files.is_ordinary(place := places.inside(folder, path)) else None
    except (DatasetError, ValueError):
        return None
