"""Measure the leakage of a careless split: the probe's accuracy by group, and with pictures split at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from byod.schema.model_card import Measured, Metrics, Paired, Unreadable
from byod.schema.progress import Say
from byod.schema.records import Record
from byod.tasks.classify import asking, evaluated_examples, learning
from byod.tasks.classify.class_set import ClassSet
from byod.training import cross_validation, fit
from byod.training.cross_validation import Part
from byod.training.fit import Work
from byod.training.protocol import Answering, Trainer
from byod.training.run_training import cross_validate, probe_work

Tested = tuple[list[evaluated_examples.EvaluatedExample], list[Unreadable]]


class Leakage(Record):
    """The same probe on the same pictures, cross-validated twice.

    `grouped` keeps near-copies on one side, `random` does not; `difference` is random minus grouped on the same
    pictures. `together` counts pictures that belong with another one: a
    near-copy, or one of the same page or creator.
    """

    probe: str
    grouped: Metrics
    random: Metrics
    difference: Paired
    pictures: int
    together: int


def measure(
    grouped: ClassSet,
    probe: Trainer,
    folder: Path,
    *,
    options: dict[str, str],
    seed: int,
    cache: Path | None,
    say: Say,
) -> Leakage:
    """Cross-validate the probe by duplicate group, and again as if every picture stood alone."""
    alone = grouped.of(e.model_copy(update={"group": e.sha256}) for e in grouped.examples)
    said, arch = {}, ""
    for name, some in (("grouped", grouped), ("random", alone)):
        say(f"training the probe on a {'split by near-copies' if some is grouped else 'random split'} …")
        work = probe_work(probe, options, folder / name, seed, cache)
        work.folder.mkdir(parents=True)
        said[name], arch = _cross_validated(work, some, seed)
    groups = {e.sha256: e.group for e in grouped.examples}
    sizes = Counter(groups.values())
    by_group, by_chance = (
        learning.metrics(grouped, *said[name], seed=seed, measured_on=Measured.CROSS_VALIDATION)
        for name in ("grouped", "random")
    )
    return Leakage(
        probe=arch,
        grouped=by_group,
        random=by_chance,
        difference=learning.paired(grouped, _in(groups, said["random"][0]), said["grouped"][0], seed=seed),
        pictures=len(groups),
        together=sum(sizes[group] > 1 for group in groups.values()),
    )


def _cross_validated(work: Work, labelled: ClassSet, seed: int) -> tuple[Tested, str]:
    """What the probe says of each picture from outside its fold; and the name of what learned."""
    parts, names = learning.folds(labelled, seed), set()
    if not isinstance(work.trainer, Answering):
        return cross_validate(learning, work, labelled, parts), fit.arch(work.folder)

    def fold(train: Part, valid: Part, test: Part, name: str) -> Tested:
        evaluated, arch = asking.ask(work, labelled, train, valid, test, name)
        names.add(arch)
        return evaluated, []

    return cross_validation.cross_validate(parts, fold), names.pop()


def _in(
    groups: dict[str, str], evaluated: Sequence[evaluated_examples.EvaluatedExample]
) -> list[evaluated_examples.EvaluatedExample]:
    """The answers with the groups that their pictures really belong to."""
    return [
        evaluated_examples.EvaluatedExample(
            j.example.model_copy(update={"group": groups[j.example.sha256]}), j.said, j.temperature, j.part
        )
        for j in evaluated
    ]
