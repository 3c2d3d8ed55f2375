"""Runs side by side on the same pictures, none of which any of them learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from byod.schema.errors import ModelError, UsageError
from byod.schema.model_card import Comparison, Contender, Measured, ModelCard, Prediction
from byod.schema.records import Example, Split
from byod.tasks.classify import evaluate
from byod.tasks.classify.evaluate import EvaluatedExample, PredictionRow
from byod.tasks.classify.predict import Predictor
from byod.training import comparison, run_folder
from byod.training.run_folder import classifier_card

ENOUGH = 20
"""With fewer pictures in common than this, a comparison says nothing."""
TIMED = 64  # pictures that the time of a prediction is measured on


@dataclass(frozen=True)
class _Run:
    folder: Path
    card: ModelCard
    lines: dict[str, PredictionRow]
    sides: dict[str, tuple[str, str]]

    @property
    def crossed(self) -> bool:
        """True if each line is by a model of its own, one that had not seen the picture."""
        return self.card.metrics.measured_on is Measured.CROSS_VALIDATION

    @property
    def learned(self) -> frozenset[str]:
        """Pictures that the model judged by these lines has seen."""
        return frozenset() if self.crossed else run_folder.trained_on(self.sides)


def compare(runs: Sequence[Path]) -> Comparison:
    """Measure runs on the pictures that all of them were asked about and none of them learned from.

    The answers are those that each run wrote down; labels are those of the latest run. How long a prediction takes is
    measured now, on this machine.

    Raises:
        UsageError: fewer than two runs.
        ModelError: one is not a run, their classes differ, or they have too few pictures in common.
    """
    if len(runs) < 2:
        raise UsageError("comparing takes two runs at least; byod train makes them")
    opened = [_open(folder) for folder in runs]
    _same_classes(opened)
    shared = _shared(opened)
    latest = max(opened, key=lambda run: run.card.created)
    evaluated = [_shared_predictions(run, latest, shared) for run in opened]
    names = comparison.distinct_names(runs, [run.card.run for run in opened])
    return Comparison(
        runs=tuple(
            _contender(name, run, said) for name, run, said in zip(names, opened, evaluated, strict=True)
        ),
        classes=opened[0].card.classes,
        pictures=len(shared),
        note=_note(opened, latest, shared),
        pairs=tuple(
            (names[a], names[b], evaluate.paired(evaluated[a], evaluated[b]))
            for a, b in combinations(range(len(opened)), 2)
        ),
        rounds=_rounds(opened, names, latest),
    )


def _open(folder: Path) -> _Run:
    card = classifier_card(folder)
    lines = {line.sha256: line for line in evaluate.read_predictions(folder, card.classes)}
    run = _Run(folder, card, lines, run_folder.read_examples(folder))
    if not run.sides and not run.crossed:
        raise ModelError(f"{folder} does not say what it learned from (no examples.csv); train it again")
    return run


def _same_classes(runs: Sequence[_Run]) -> None:
    first = runs[0]
    for other in runs[1:]:
        if set(other.card.classes) != set(first.card.classes):
            raise ModelError(
                f"{other.folder} tells {', '.join(other.card.classes)} apart and {first.folder} "
                f"{', '.join(first.card.classes)}; only runs with the same classes can be compared"
            )


def _shared(runs: Sequence[_Run]) -> tuple[str, ...]:
    """The pictures to compare on; a picture goes with its whole duplicate group."""
    shared = comparison.shared_unseen(
        [{sha: line.group for sha, line in run.lines.items()} for run in runs],
        [run.sides for run in runs],
        frozenset[str]().union(*(run.learned for run in runs)),
        lambda sha: sha,
    )
    if len(shared) < ENOUGH:
        raise ModelError(
            f"these runs have {len(shared)} test pictures in common that none of them learned from, and {ENOUGH} are "
            "needed; train them on the same split (byod train keeps it)"
        )
    return shared


def _shared_predictions(run: _Run, latest: _Run, shared: Sequence[str]) -> list[EvaluatedExample]:
    """Predictions of a run for the shared pictures, with labels and groups of the latest."""
    found = []
    for sha in shared:
        line, truth = run.lines[sha], latest.lines[sha]
        example = Example(
            sha256=sha,
            path=run.folder.parent.parent / line.file,
            label=truth.label,
            split=Split.TEST,
            group=truth.group,
        )
        said = Prediction(
            path=line.file,
            label=line.predicted,
            probability=line.probability,
            probabilities=line.probabilities,
        )
        found.append(EvaluatedExample(example, said, run.card.temperature, line.part))
    return found


def _contender(name: str, run: _Run, evaluated: Sequence[EvaluatedExample]) -> Contender:
    card = run.card
    metrics = evaluate.metrics(evaluated, (), card.classes, seed=0)
    return Contender(
        run=name,
        plugin=card.plugin,
        arch=card.arch,
        pretrained=card.pretrained,
        parameters=card.parameters,
        device=card.device,
        model_bytes=(run.folder / "model.onnx").stat().st_size,
        seconds=card.seconds,
        milliseconds=comparison.milliseconds(
            Predictor(run.folder).predict,
            [j.example.path for j in evaluated],
            run.folder.parent.parent,
            TIMED,
        ),
        accuracy=metrics.accuracy,
        interval=metrics.interval,
        macro_f1=metrics.macro_f1,
        ece=metrics.ece,
        reviewed=card.reviewed,
    )


def _rounds(runs: Sequence[_Run], names: Sequence[str], latest: _Run) -> tuple[str, ...]:
    """The runs on the latest one's dataset in the order they learned; none where it was the same for all of them."""
    home = latest.folder.resolve().parent.parent
    mine = [
        (run.card.reviewed, run.card.created, name, run.card.fingerprint)
        for run, name in zip(runs, names, strict=True)
        if run.folder.resolve().parent.parent == home
    ]
    if len({(reviewed, fingerprint) for reviewed, _, _, fingerprint in mine}) < 2:
        return ()
    return tuple(name for _, _, name, _ in sorted(mine))


def _note(runs: Sequence[_Run], latest: _Run, shared: Sequence[str]) -> str:
    if len({run.card.fingerprint for run in runs}) == 1:
        crossed = all(run.crossed for run in runs)
        return "all pictures, cross-validated" if crossed else "the test pictures of one dataset"
    relabelled = sum(1 for sha in shared for run in runs if run.lines[sha].label != latest.lines[sha].label)
    note = "the runs come from different versions of the dataset: measured on the test pictures common to all"
    return note + (
        f", with the latest labels ({relabelled} answers were given for other ones)" if relabelled else ""
    )
