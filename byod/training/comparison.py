"""The parts of any comparison of runs: names that tell them apart, the pictures all may be judged by, and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from byod.schema.errors import ModelError, UsageError

Key = TypeVar("Key", str, tuple[str, int])


def distinct_names(folders: Sequence[Path], runs: Sequence[str]) -> list[str]:
    """Names that tell the runs apart: their own, with their dataset's where two are called the same.

    Raises:
        UsageError: the same run is named twice.
    """
    if len(set(runs)) == len(runs):
        return list(runs)
    full = [f"{folder.resolve().parent.parent.name}/{run}" for folder, run in zip(folders, runs, strict=True)]
    if len(set(full)) != len(full):
        raise UsageError("the same run is named twice")
    return full


def shared_unseen(
    groups: Sequence[Mapping[Key, str]],
    sides: Iterable[Mapping[str, tuple[str, str]]],
    seen: Collection[str],
    picture: Callable[[Key], str],
) -> tuple[Key, ...]:
    """Find what all runs were asked about and none of them learned from; a picture goes with its whole duplicate group.

    Args:
        groups: of each run, the duplicate group of all that it was asked about.
        sides: of each run, on which side of the split each picture stood: SHA-256 → (part, group).
        seen: the SHA-256s of the pictures that any of the runs has learned from.
        picture: which picture something asked about belongs to.
    """
    tainted = {group for each in sides for sha256, (_, group) in each.items() if sha256 in seen}
    everywhere = set.intersection(*(set(asked) for asked in groups))
    return tuple(
        sorted(
            key
            for key in everywhere
            if picture(key) not in seen and not any(asked[key] in tainted for asked in groups)
        )
    )


def milliseconds(
    predict: Callable[[Sequence[Path]], Iterable[object]], pictures: Iterable[Path], home: Path, most: int
) -> float:
    """Time the prediction of one picture, decoding included: the better of two rounds over `most` of them.

    Raises:
        ModelError: none of the pictures of the dataset at `home` is there any more.
    """
    there = [path for path in pictures if path.is_file()][:most]
    if not there:
        raise ModelError(f"the pictures of {home} are gone; nothing to measure the time on")
    list(predict(there[:2]))
    rounds = []
    for _ in range(2):
        started = time.perf_counter()
        list(predict(there))
        rounds.append(time.perf_counter() - started)
    return 1000 * min(rounds) / len(there)
