"""The annotated pictures that a reader found, each with its objects, and lines to be said aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from byod.collection.importers.archives import Store
from byod.schema.keypoints import Instance, KeypointSet


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One annotated picture, not opened yet.

    `name` is what people know it by, `folder` the part of the collection it came from, `entry` its file in `store`.
    `url` names it for good: the same picture of the same collection, wherever that lies. Points are in pixels as
    annotated; `size` is the (width, height) the annotation states, None where it states none.
    """

    name: str
    folder: str
    url: str
    store: Store
    entry: str
    heads: tuple[Instance, ...]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """All that a reader found.

    `source` is the reader's name, `label` the class the objects belong to, `lines` what was passed over and why.
    `page` is where the collection came from, when that is known. `ordered` are names that were given to points by
    their order from left to right, which must hold in the upright picture.
    """

    source: str
    label: str
    points: KeypointSet
    pictures: tuple[AnnotatedImage, ...]
    lines: tuple[str, ...]
    page: str | None = None
    ordered: tuple[tuple[str, ...], ...] = ()


def address(store: Store, entry: str) -> str:
    """A file: address for a file in a folder or an archive."""
    return f"{Path(store.where).absolute().as_uri()}/{quote(entry)}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
