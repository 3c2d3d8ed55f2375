"""Runs for points side by side on the same heads, none of which any of them learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import KeypointsCard, KeypointsComparison, KeypointsContender, Measured, Paired
from byod.tasks.keypoints import evaluate
from byod.tasks.keypoints.evaluate import PredictionRow
from byod.tasks.keypoints.geometry import metrics
from byod.tasks.keypoints.predict import KeypointsPredictor
from byod.tasks.keypoints.run_files import MODELS
from byod.training import comparison, run_folder, statistics
from byod.training.run_folder import keypoints_card

ENOUGH = 20
"""With fewer heads in common than this, a comparison says nothing."""
TIMED = 32  # pictures that the time of a prediction is measured on

Key = tuple[str, int]
"""The picture's SHA-256, and the head's number in it."""


@dataclass(frozen=True)
class _Run:
    folder: Path
    card: KeypointsCard
    lines: dict[Key, PredictionRow]
    sides: dict[str, tuple[str, str]]

    @property
    def learned(self) -> frozenset[str]:
        """Pictures that the model judged by these lines has seen; none where each was judged from outside its fold."""
        if self.card.metrics.measured_on is Measured.CROSS_VALIDATION:
            return frozenset()
        return run_folder.trained_on(self.sides)


def compare(folders: Sequence[Path]) -> KeypointsComparison:
    """Measure runs on the heads that all of them were asked about and none of them learned from.

    The errors are those that each run wrote down. How long a prediction takes is measured now, on this machine.

    Raises:
        UsageError: fewer than two runs, or one twice.
        ModelError: one is not a run for points, their points differ, or they have too few heads in common.
    """
    if len(folders) < 2:
        raise UsageError("comparing takes two runs at least; byod train makes them")
    runs = [_open(folder) for folder in folders]
    names = comparison.distinct_names(folders, [run.card.run for run in runs])
    _same_points(runs)
    shared = _shared(runs)
    lines = [[run.lines[key] for key in shared] for run in runs]
    one = len({run.card.fingerprint for run in runs}) == 1
    return KeypointsComparison(
        runs=tuple(_contender(name, run, some) for name, run, some in zip(names, runs, lines, strict=True)),
        points=runs[0].card.points.names,
        heads=len(shared),
        note="heads of one dataset, none of them seen in training"
        if one
        else "the runs come from different versions of the dataset: measured on the heads common to all",
        pairs=tuple(
            (names[a], names[b], _paired(runs[a].card, lines[a], lines[b]))
            for a, b in combinations(range(len(runs)), 2)
        ),
    )


def _open(folder: Path) -> _Run:
    card = keypoints_card(folder)
    lines = {(line.sha256, line.head): line for line in evaluate.read_predictions(folder, card.points)}
    sides = run_folder.read_examples(folder)
    if not sides and card.metrics.measured_on is not Measured.CROSS_VALIDATION:
        raise ModelError(f"{folder} does not say what it learned from (no examples.csv); train it again")
    return _Run(folder, card, lines, sides)


def _same_points(runs: Sequence[_Run]) -> None:
    first = runs[0]
    for other in runs[1:]:
        if other.card.points.names != first.card.points.names:
            raise ModelError(
                f"{other.folder} finds {', '.join(other.card.points.names)} and {first.folder} "
                f"{', '.join(first.card.points.names)}; only runs with the same points can be compared"
            )


def _shared(runs: Sequence[_Run]) -> tuple[Key, ...]:
    """The heads to compare on; a picture goes with its whole duplicate group."""
    shared = comparison.shared_unseen(
        [{key: line.group for key, line in run.lines.items()} for run in runs],
        [run.sides for run in runs],
        frozenset[str]().union(*(run.learned for run in runs)),
        lambda key: key[0],
    )
    if len(shared) < ENOUGH:
        raise ModelError(
            f"these runs have {len(shared)} heads in common that none of them learned from, and {ENOUGH} are needed; "
            "train them on the same split (byod train keeps it)"
        )
    return shared


def _contender(name: str, run: _Run, lines: Sequence[PredictionRow]) -> KeypointsContender:
    card, home = run.card, run.folder.parent.parent
    groups = [line.group for line in lines]
    crops, pipeline = (
        metrics.score(evaluate.errors_of(lines, card.points, crops=way), groups, card.points)
        for way in (True, False)
    )
    return KeypointsContender(
        run=name,
        plugin=card.plugin,
        arch=card.arch,
        pretrained=card.pretrained,
        parameters=card.parameters + card.heads.parameters,
        device=card.device,
        model_bytes=sum((run.folder / file).stat().st_size for file in MODELS.values()),
        seconds=card.seconds,
        milliseconds=comparison.milliseconds(
            KeypointsPredictor(run.folder).predict,
            dict.fromkeys(home / line.file for line in lines),
            home,
            TIMED,
        ),
        crops=crops,
        pipeline=pipeline,
    )


def _paired(card: KeypointsCard, first: Sequence[PredictionRow], second: Sequence[PredictionRow]) -> Paired:
    """Test whether glasses sit on more heads of whole pictures with one model than with the other."""
    one, other = (evaluate.errors_of(lines, card.points, crops=False).glasses for lines in (first, second))
    return statistics.paired(one, other, [line.group for line in first])
