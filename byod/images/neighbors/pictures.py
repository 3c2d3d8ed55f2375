"""Pictures side by side in columns, as the search for duplicates sees them: a million of them fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from byod.schema.recipe_parts import Duplicates
from byod.schema.records import Fingerprint, Record, Sha256

Flags = NDArray[np.bool_]
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
Texts = NDArray[np.object_]

COPIES: tuple[Duplicates, ...] = ("near", "exact", "off")
"""The rules by which a picture is set aside as a copy of another one, by their numbers."""
_ONES = 32
"""A phash of a real picture has so many ones: it is cut at the median."""
_SPREAD = 5.0


class Picture(Record):
    """A picture as the search for duplicates sees it.

    `order` decides between equals (the lower one stays). `by_hand`: somebody labelled it, it is never dropped.
    `own`: somebody brought it, no search did. `licence`: its licence is known. `addresses`: where it was offered for
    this label. The same `sha256` may come once for each label. `width` and `height` in pixels, `size` in bytes.
    `apart`: somebody said that it is no copy of these, nor they of it. `copies` is the rule by which it is set aside
    as a copy of another one: "near" for whatever looks the same, "exact" for the same pixels, "off" for nothing.
    `pixels` is the same for pictures of the same pixels; "" where nobody had to know, and then it has none in common
    with any other.
    """

    sha256: Sha256
    label: str
    fingerprint: Fingerprint
    order: int = 0
    width: int
    height: int
    size: int
    by_hand: bool = False
    own: bool = False
    licence: bool = False
    addresses: tuple[str, ...] = ()
    apart: frozenset[Sha256] = frozenset()
    copies: Duplicates = "near"
    pixels: str = ""


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints in columns of one length N, as in `Fingerprint`.

    The hashes are uint64 [N], `rgb` is uint8 [N, 192]. `framed` marks those with a uniform border; the others' hashes
    of what is inside are 0. `flat` marks those whose hashes mean nothing.
    """

    phash: Hashes
    mirror: Hashes
    dhash: Hashes
    trim_phash: Hashes
    trim_dhash: Hashes
    framed: Flags
    flat: Flags
    rgb: NDArray[np.uint8]

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Any]]) -> Self:
        """Fingerprints whose fields stand in lists, as a catalog has them.

        Raises:
            ValueError: a value is not of the length that it must have.
        """
        trims = columns["trim_phash"]
        phash, spread = _numbers(columns["phash"]), np.array(columns["spread"], np.float64)
        return cls(
            phash=phash,
            mirror=_numbers(columns["mirror"]),
            dhash=_numbers(columns["dhash"]),
            trim_phash=_numbers([digits or _NONE for digits in trims]),
            trim_dhash=_numbers([digits or _NONE for digits in columns["trim_dhash"]]),
            framed=np.array([digits is not None for digits in trims], bool),
            flat=(np.bitwise_count(phash) != _ONES) | (spread < _SPREAD),
            rgb=np.frombuffer(b"".join(columns["rgb"]), np.uint8).reshape(len(phash), 192),
        )

    @property
    def inside(self) -> Flags:
        """Those whose hashes of what is within their border mean something."""
        return np.asarray(~self.flat & self.framed & (np.bitwise_count(self.trim_phash) == _ONES), bool)

    def take(self, numbers: Indices | Flags) -> Self:
        """Those with these numbers, in that order."""
        return type(self)(*(getattr(self, column.name)[numbers] for column in fields(self)))


_NONE = f"{0:016x}"


def _numbers(hashes: Sequence[str]) -> Hashes:
    """64-bit hashes out of their hexadecimal digits."""
    content = bytes.fromhex("".join(hashes))
    if len(content) != 8 * len(hashes):
        raise ValueError("hashes have 16 hexadecimal digits")
    return np.frombuffer(content, ">u8").astype(np.uint64)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures in columns of one length N, as in `Picture`.

    `bytes_of` is the same number for the same `sha256`, and in their order; `label` is a place in `labels`, which are
    in order. `copies` is a place in `COPIES`. `apart` holds those alone of which somebody said something.
    """

    sha256: Texts
    bytes_of: Indices
    label: Indices
    prints: Prints
    order: Indices
    width: Indices
    height: Indices
    size: Indices
    by_hand: Flags
    own: Flags
    licence: Flags
    copies: Indices
    pixels: Texts
    addresses: Texts
    labels: tuple[str, ...] = field(kw_only=True)
    apart: Mapping[Sha256, frozenset[Sha256]] = field(kw_only=True)

    @classmethod
    def of(cls, pictures: Iterable[Picture]) -> Self:
        """These pictures, in the order of their addresses."""
        rows = sorted(pictures, key=lambda picture: picture.addresses)
        prints = {name: [getattr(row.fingerprint, name) for row in rows] for name in Fingerprint.model_fields}
        sha256, labels = texts(row.sha256 for row in rows), sorted({row.label for row in rows})
        places = {label: place for place, label in enumerate(labels)}

        def numbers(name: str) -> Indices:
            return np.array([getattr(row, name) for row in rows], np.int64)

        def flags(name: str) -> Flags:
            return np.array([getattr(row, name) for row in rows], bool)

        return cls(
            sha256=sha256,
            bytes_of=numbered(sha256),
            label=np.array([places[row.label] for row in rows], np.int64),
            prints=Prints.of(prints),
            order=numbers("order"),
            width=numbers("width"),
            height=numbers("height"),
            size=numbers("size"),
            by_hand=flags("by_hand"),
            own=flags("own"),
            licence=flags("licence"),
            copies=np.array([COPIES.index(row.copies) for row in rows], np.int64),
            pixels=texts(row.pixels for row in rows),
            addresses=texts(row.addresses for row in rows),
            labels=tuple(labels),
            apart={row.sha256: row.apart for row in rows if row.apart},
        )

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.sha256)

    def take(self, numbers: Indices) -> Self:
        """Those with these numbers, in that order."""
        columns = {
            column.name: getattr(self, column.name)[numbers]
            for column in fields(self)
            if column.name not in ("prints", "labels", "apart")
        }
        return replace(self, prints=self.prints.take(numbers), **columns)

    def first_of_bytes(self) -> Indices:
        """For each picture the number of the first one of the same bytes (under another label)."""
        return firsts(self.bytes_of)

    def alike(self) -> Indices:
        """For each picture the number of the first one of the same size, hashes and colours."""
        return same_looks(self.prints, self.width, self.height)


def texts(values: Iterable[object]) -> Texts:
    """Values as an array that is not taken apart, whatever they are."""
    return np.fromiter(values, object)


def numbered(values: Texts) -> Indices:
    """A number for each of many ASCII texts: the same for the same, and in their order."""
    _, numbers = np.unique(values.astype("S"), return_inverse=True)
    return np.asarray(numbers, np.int64)


def firsts(numbers: Indices) -> Indices:
    """For each of many numbers the place at which it stands first."""
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    return np.asarray(first[places], np.int64)


def same_looks(prints: Prints, width: Indices, height: Indices) -> Indices:
    """For each picture the number of the first one of the same size, hashes and colours."""
    found = np.arange(len(width))
    order = np.lexsort((height, width, prints.dhash, prints.phash))
    columns = (prints.phash, prints.dhash, width, height)
    changes = np.any([np.diff(column[order].astype(np.uint64)) != 0 for column in columns], axis=0)
    edges = (
        np.concatenate(([0], np.flatnonzero(changes) + 1, [len(order)])) if len(order) else np.zeros(1, int)
    )
    for start in np.flatnonzero(np.diff(edges) > 1).tolist():
        colours: dict[bytes, int] = {}
        for number in order[edges[start] : edges[start + 1]].tolist():
            found[number] = colours.setdefault(prints.rgb[number].tobytes(), number)
    return found
