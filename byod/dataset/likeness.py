"""Labelled pictures from elsewhere beside known ones: near-copies of them, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

from byod.dataset import grouping, loose_groups, sessions
from byod.dataset.captures import Capture
from byod.dataset.dedup import deduplicate
from byod.images import camera, hashing
from byod.images.decode import ANY_PICTURE, inspect
from byod.images.neighbors.fingerprints import Fingerprints
from byod.images.neighbors.index import COLOUR, STRICT
from byod.images.neighbors.pictures import Picture
from byod.schema.errors import PictureError
from byod.schema.names import in_utf8
from byod.schema.records import Example, Fingerprint, Sample, Sha256, Status


class Look(NamedTuple):
    """What is seen of a picture: its class, its fingerprint, and what is known of how it was taken."""

    label: str
    fingerprint: Fingerprint
    capture: Capture | None = None


Looks = Mapping[Sha256, Look]


def looks(examples: Sequence[Example], place: Path) -> dict[Sha256, Look]:
    """Look at pictures below a folder, several at a time; one that cannot be opened is left out."""

    def look(example: Example) -> Look | None:
        try:
            content = example.path.read_bytes()
            found = inspect(content, ANY_PICTURE)[0].fingerprint
        except (OSError, PictureError):
            return None
        taken = camera.taken(content)
        name = in_utf8(example.path.relative_to(place.absolute()).as_posix())[-500:]
        capture = Capture(sha256=example.sha256, name=name, camera=taken.camera, taken=taken.moment)
        return Look(example.label, found, capture)

    context = copy_context()
    with ThreadPoolExecutor(min(8, cpu_count() or 1)) as threads:
        found = threads.map(lambda example: context.copy().run(look, example), examples)
        return {e.sha256: each for e, each in zip(examples, found, strict=True) if each is not None}


def near_copies(known: Looks, others: Looks) -> frozenset[Sha256]:
    """The `others` that are near-copies of `known` pictures: found by their fingerprints, as in a dataset.

    Fingerprints of another recipe cannot be compared: those pictures are near to nothing.
    """
    known, others = _comparable(known), _comparable(others)
    together = _together({**known, **others})
    taken = {together[sha256] for sha256 in known if sha256 in together}
    near = {sha256 for sha256 in others if together.get(sha256) in taken} | _copies(known, others)
    return frozenset(near - set(known))


def groups(looks: Looks) -> dict[Sha256, str]:
    """The group of each picture, as a split would have it: near-copies and those of one session are together.

    A class in which too few groups would be left keeps its near-copies together all the same.
    """
    together = _together(_comparable(looks))
    captures = {sha256: look.capture for sha256, look in looks.items() if look.capture is not None}
    samples = [_sample(sha256, look) for sha256, look in looks.items()]
    found = grouping.groups(samples, together, {}, sessions.ties(captures, sessions.SESSION))
    few = {
        sha256: together.get(sha256, sha256)
        for sha256, look in looks.items()
        if look.label in found.ungrouped
    }
    return found.of | few


def _comparable(looks: Looks) -> dict[Sha256, Look]:
    return {sha256: look for sha256, look in looks.items() if look.fingerprint.spec == hashing.SPEC}


def _together(looks: Looks) -> dict[Sha256, str]:
    """The groups of pictures that are linked by their fingerprints; those too large for their class are cut."""
    samples = [_sample(sha256, look) for sha256, look in looks.items()]
    return loose_groups.cut(samples, _linked(looks))[0]


def _linked(prints: Looks) -> dict[Sha256, str]:
    """The groups of pictures that are linked by their fingerprints, however far round."""
    pictures = [
        Picture(sha256=sha256, label=look.label, fingerprint=look.fingerprint, width=1, height=1, size=1)
        for sha256, look in prints.items()
    ]
    return {member: group.key for group in deduplicate(pictures).groups for member in group.members}


def _copies(known: Looks, others: Looks) -> set[Sha256]:
    """Of the others, those that alone would pass for a copy of a known picture, whatever group they are in."""
    there = Fingerprints()
    for sha256, look in known.items():
        there.add(sha256, look.fingerprint)
    return {
        sha256
        for sha256, look in others.items()
        if (there.near(look.fingerprint, STRICT).colour <= COLOUR).any()
    }


def _sample(sha256: Sha256, look: Look) -> Sample:
    """The picture as a dataset would hold it."""
    return Sample(
        sha256=sha256, label=look.label, status=Status.KEPT, path="", size=1, fingerprint=look.fingerprint
    )
