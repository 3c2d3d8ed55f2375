"""The annotated pictures that a reader found, each with its objects, and lines to be said aloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from byod.collection.importers.stores import Store, some
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
    `damaged` counts files that could not be read and are left out. `page` is where the collection came from, when that
    is known. `ordered` are names that were given to points by their order from left to right, which must hold in the
    upright picture.
    """

    source: str
    label: str
    points: KeypointSet
    pictures: tuple[AnnotatedImage, ...]
    lines: tuple[str, ...]
    page: str | None = None
    damaged: int = 0
    ordered: tuple[tuple[str, ...], ...] = ()


def address(store: Store, entry: str) -> str:
    """A file: address for a file in a folder or an archive."""
    return f"{Path(store.where).absolute().as_uri()}/{quote(entry)}"


class Notes:
    """Remarks about files, by kind: few are said one by one, many are counted, with the first names."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[tuple[str, str]]] = {}

    def add(self, kind: str, name: str, line: str) -> None:
        """Note something about a file.

        Args:
            kind: what can be said of many such files behind their number: "files have no picture".
            name: what people know the file by.
            line: what is said of this one alone.
        """
        self._kinds.setdefault(kind, []).append((name, line))

    def count(self, kind: str) -> int:
        """The number of remarks of a kind."""
        return len(self._kinds.get(kind, ()))

    def lines(self) -> tuple[str, ...]:
        """The lines to say."""
        said: list[str] = []
        for kind, found in self._kinds.items():
            if len(found) <= _ONE_BY_ONE:
                said += [line for _, line in found]
            else:
                said.append(f"{len(found):,} {kind}: {some(list(dict.fromkeys(name for name, _ in found)))}")
        return tuple(said)


_ONE_BY_ONE = 3
DAMAGED = "files are damaged or cannot be read"
"""The kind of remark about a file that another copy of the archive may hold whole."""
