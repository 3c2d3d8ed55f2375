"""Capture sessions: pictures that were taken together, which belong on one side of a split.

What ties pictures together are the group that somebody said, one camera within a minute (EXIF DateTimeOriginal, CIPA
DC-008), one folder below that of the class, and running numbers in the names of one folder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from byod.dataset.captures import COLUMNS, Capture
from byod.schema.errors import UsageError
from byod.schema.records import Sha256

SESSION, FOLDER, NONE = "session", "folder", "none"
PATTERN, COLUMN = "pattern", "column"
FEATURES = "features"
"""A column of `captures.csv`: groups that were proposed by the features of the pictures."""
_PAUSE = 60.0
"""Seconds between two pictures of one camera that end a session."""
_GAP = 3
"""Running numbers further apart than this are of two sequences."""
_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)


class Tie(NamedTuple):
    """Pictures that were taken together, in order; `kind` says by what that is known."""

    kind: str
    members: tuple[Sha256, ...]


def check(by: str) -> str:
    """What pictures are to be grouped by, if it is one of the words for it: see `ties`.

    Raises:
        UsageError: it is not.
    """
    word, _, rest = by.partition("=")
    if word in (SESSION, FOLDER, NONE) and not rest:
        return by
    if word == COLUMN and rest:
        return by
    if word == PATTERN and rest:
        try:
            re.compile(rest)
        except re.error as error:
            raise UsageError(f"--by pattern {rest}: not a regular expression ({error})") from error
        return by
    raise UsageError(f"--by {by}: write session, folder, features, pattern REGEX, column NAME or none")


def ties(captures: Mapping[Sha256, Capture], by: str) -> list[Tie]:
    """What ties pictures together.

    Args:
        captures: what is known of each.
        by: "session" for all that speaks for one; "folder" for folders below those of classes; "pattern=REGEX" for
            names in which the expression finds the same (its first group, if it has one); "column=NAME" for the same
            value in a column of `captures.csv`; "none".
    """
    word, _, rest = by.partition("=")
    known = sorted(captures.values(), key=lambda one: (one.name, one.sha256))
    if word == NONE:
        return []
    if word == PATTERN:
        return _same(known, PATTERN, _found(re.compile(rest)))
    if word == COLUMN:
        return _same(known, COLUMN, lambda one: _cell(one, rest))
    folders = _same(known, FOLDER, _folder)
    if word == FOLDER:
        return folders
    said = _same(known, "group", lambda one: one.group)
    return [*said, *_of_cameras(known), *folders, *_sequences(one for one in known if one.taken is None)]


def _same(captures: Iterable[Capture], kind: str, key: Callable[[Capture], str]) -> list[Tie]:
    """The pictures of one key each, in the order of their names; "" ties nothing."""
    together: defaultdict[str, list[Sha256]] = defaultdict(list)
    for one in captures:
        if found := key(one):
            together[found].append(one.sha256)
    return [Tie(kind, tuple(members)) for members in together.values() if len(members) > 1]


def _cell(one: Capture, column: str) -> str:
    return one.more.get(column) or (str(getattr(one, column) or "") if column in COLUMNS else "")


def _found(pattern: re.Pattern[str]) -> Callable[[Capture], str]:
    def key(one: Capture) -> str:
        match = pattern.search(one.name)
        if match is None:
            return ""
        return str((match[1] if pattern.groups else match[0]) or "")

    return key


def _folder(one: Capture) -> str:
    """The folder below that of the class; "" for a picture that lies in the class folder itself."""
    parts = PurePosixPath(one.name).parts
    return "/".join(parts[:-1]) if len(parts) > 2 else ""


def _of_cameras(captures: Iterable[Capture]) -> list[Tie]:
    """Pictures of one camera with no more than a minute between two of them."""
    by_camera: defaultdict[str, list[tuple[float, Sha256]]] = defaultdict(list)
    for one in captures:
        if one.taken is not None:
            by_camera[one.camera].append((one.taken.timestamp(), one.sha256))
    return [Tie("camera", run) for taken in by_camera.values() for run in _runs(sorted(taken), _PAUSE)]


def _sequences(captures: Iterable[Capture]) -> list[Tie]:
    """Pictures of one folder whose names are alike but for numbers that follow each other."""
    by_name: defaultdict[tuple[str, str, str], list[tuple[float, Sha256]]] = defaultdict(list)
    for one in captures:
        path = PurePosixPath(one.name)
        if match := _NUMBERED.match(path.stem):
            by_name[str(path.parent), match[1], path.suffix].append((float(match[2][:15]), one.sha256))
    return [Tie("sequence", run) for numbered in by_name.values() for run in _runs(sorted(numbered), _GAP)]


def _runs(placed: list[tuple[float, Sha256]], gap: float) -> Iterator[tuple[Sha256, ...]]:
    """The stretches of two or more without a larger gap."""
    run: list[Sha256] = []
    last = 0.0
    for place, sha256 in placed:
        if run and place - last > gap:
            if len(run) > 1:
                yield tuple(run)
            run = []
        run.append(sha256)
        last = place
    if len(run) > 1:
        yield tuple(run)
