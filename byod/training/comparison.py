"""Runs side by side on the same pictures, none of which any of them learned from."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import Card, Measured
from byod.schema.picture_files import readable, told_to_follow
from byod.schema.records import Record
from byod.schema.task_learning import Comparing, Predicting
from byod.training import run_folder

Key = TypeVar("Key", str, tuple[str, int])

ENOUGH = 20
"""With less in common than this, a comparison says nothing."""
TIMED = 64
"""So many pictures the time of a prediction is measured on."""


@dataclass(frozen=True)
class ComparedRun:
    """A run with the lines of its predictions.csv, and on which side of the split each picture stood."""

    folder: Path
    card: Any
    lines: Mapping[Any, Any]
    sides: Mapping[str, tuple[str, str]]

    @property
    def crossed(self) -> bool:
        """True if each line is by a model of its own, one that had not seen the picture."""
        return bool(self.card.metrics.measured_on is Measured.CROSS_VALIDATION)

    @property
    def learned(self) -> frozenset[str]:
        """Pictures that the model measured by these lines was trained on."""
        return frozenset() if self.crossed else run_folder.trained_on(self.sides)

    @property
    def home(self) -> Path:
        """The folder of its dataset."""
        return self.folder.resolve().parent.parent


def compare(
    comparing: Comparing, predicting: Predicting, runs: Sequence[Path], cards: Sequence[Card]
) -> Record:
    """Measure runs on all that they were asked about and none of them learned from.

    The answers are those that each run wrote down; labels are those of the latest run. How long a prediction takes is
    measured now, on this machine.

    Raises:
        UsageError: fewer than two runs, or one twice.
        ModelError: one is not a run, they are about different things, or they have too little in common.
    """
    if len(runs) < 2:
        raise UsageError("comparing takes two runs at least; byod train makes them")
    opened = [_open(comparing, *each) for each in zip(runs, cards, strict=True)]
    names = distinct_names(runs, [run.card.run for run in opened])
    for other in opened[1:]:
        if why := comparing.unlike(opened[0].card, other.card):
            raise ModelError(f"{other.folder} and {opened[0].folder} cannot be compared: {why}")
    shared = _shared(opened, comparing.counted)
    latest = max(opened, key=lambda run: run.card.created)
    lines = [[run.lines[key] for key in shared] for run in opened]
    truth = [latest.lines[key] for key in shared]
    said = [comparing.evaluated(run.card, some, truth) for run, some in zip(opened, lines, strict=True)]
    fields = {
        "runs": tuple(
            comparing.contender(_entrant(comparing, predicting, name, run, shared), run.card, some)
            for name, run, some in zip(names, opened, said, strict=True)
        ),
        "note": _note(opened, lines, truth, comparing.counted),
        "pairs": tuple(
            (names[a], names[b], comparing.paired(opened[a].card, said[a], said[b]))
            for a, b in combinations(range(len(opened)), 2)
        ),
        "rounds": _rounds(opened, names, latest),
    }
    return comparing.comparison(opened[0].card, len(shared), fields)


def _open(comparing: Comparing, folder: Path, card: Card) -> ComparedRun:
    run = ComparedRun(folder, card, comparing.lines(folder, card), run_folder.read_examples(folder))
    if not run.sides and not run.crossed:
        raise ModelError(f"{folder} does not say what it learned from (no examples.csv); train it again")
    return run


def _shared(runs: Sequence[ComparedRun], counted: str) -> tuple[Any, ...]:
    """The keys of the lines to compare on; a picture goes with its whole duplicate group."""
    first = runs[0].lines
    shared = shared_unseen(
        [{key: line.group for key, line in run.lines.items()} for run in runs],
        [run.sides for run in runs],
        frozenset[str]().union(*(run.learned for run in runs)),
        lambda key: first[key].sha256,
    )
    if len(shared) < ENOUGH:
        raise ModelError(
            f"these runs have {len(shared)} test {counted} in common that none of them learned from, and {ENOUGH} are "
            "needed; train them on the same split (byod train keeps it)"
        )
    return shared


def _entrant(
    comparing: Comparing, predicting: Predicting, name: str, run: ComparedRun, shared: Sequence[Any]
) -> dict[str, Any]:
    """The facts of a run, and its costs; the same for all tasks."""
    follow = told_to_follow()
    found = (
        readable(run.home, file, follow=follow) for file in dict.fromkeys(run.lines[k].file for k in shared)
    )
    pictures = [path for path in found if path is not None]
    return {
        "run": name,
        **{key: getattr(run.card, key) for key in ("plugin", "arch", "pretrained", "device", "seconds")},
        "parameters": comparing.parameters(run.card),
        "model_bytes": sum((run.folder / file).stat().st_size for file, _ in predicting.files(run.card)),
        "milliseconds": milliseconds(predicting.predictor(run.folder).predict, pictures, run.home, TIMED),
    }


def _rounds(runs: Sequence[ComparedRun], names: Sequence[str], latest: ComparedRun) -> tuple[str, ...]:
    """The runs on the latest one's dataset in the order they learned; none where it was the same for all of them."""
    mine = [
        (run.card.reviewed, run.card.created, name, run.card.fingerprint)
        for run, name in zip(runs, names, strict=True)
        if run.home == latest.home
    ]
    if len({(reviewed, fingerprint) for reviewed, _, _, fingerprint in mine}) < 2:
        return ()
    return tuple(name for _, _, name, _ in sorted(mine))


def _note(
    runs: Sequence[ComparedRun], lines: Sequence[Sequence[Any]], truth: Sequence[Any], counted: str
) -> str:
    """The pictures that all were measured by, in a line."""
    if len({run.card.fingerprint for run in runs}) == 1:
        crossed = all(run.crossed for run in runs)
        return f"all {counted}, cross-validated" if crossed else f"the test {counted} of one dataset"
    relabelled = sum(a.label != b.label for some in lines for a, b in zip(some, truth, strict=True))
    note = (
        f"the runs come from different versions of the dataset: measured on the test {counted} common to all"
    )
    return note + (
        f", with the latest labels ({relabelled} answers were given for other ones)" if relabelled else ""
    )


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
    there = list(pictures)[:most]
    if not there:
        raise ModelError(f"the pictures of {home} are gone; nothing to measure the time on")
    list(predict(there[:2]))
    rounds = []
    for _ in range(2):
        started = time.perf_counter()
        list(predict(there))
        rounds.append(time.perf_counter() - started)
    return 1000 * min(rounds) / len(there)
